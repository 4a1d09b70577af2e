"""Models whose layers the C runtime fetches when it runs them."""

from __future__ import annotations

import struct

import kmodel_writer as w
import numpy as np
import pytest
from kmodel_runtime import INVALID, STOPPED, TRUNCATED, KmodelError, Loaded, Runtime

SMALL = w.small_models()
TWO_LAYERS = (
    w.KmodelWriter(288, [(0, 288)])
    .add(w.CONVOLUTION, w.identity_convolution(3, 4, 24, out_line=0x2000))
    .add(w.CONVOLUTION, w.identity_convolution(3, 4, 24, line=0x2000, main_memory=0))
    .build()
)
SECOND = len(TWO_LAYERS) // 2
"""A byte of the second layer, or of what is before it."""


def random_input(model: Loaded) -> np.ndarray:
    shape = model.model.input
    random = np.random.default_rng(3)
    if model.model.float_input:
        return random.normal(0, 1, shape.channels).astype("<f4")
    return random.integers(0, 256, (shape.channels, shape.height, shape.width), np.uint8)


@pytest.mark.parametrize("name", SMALL)
def test_every_layer_type_as_in_memory(runtime: Runtime, name: str) -> None:
    whole, stored = runtime.load(SMALL[name]), runtime.load_stored(bytearray(SMALL[name]))
    image = random_input(whole)
    assert stored.run(image) == whole.run(image)
    assert stored.ranges == whole.ranges


@pytest.mark.parametrize("name", ["outputs", "padding", "softmax"])
def test_what_may_stay_in_memory(runtime: Runtime, name: str) -> None:
    """For every room: the most layers, from the first, that leave room for the largest of the others."""
    data = SMALL[name]
    facts = runtime.load(data).model.facts
    table = np.frombuffer(data[facts.table_size - 8 * facts.layers : facts.table_size], "<u4").reshape(-1, 2)
    sizes = [int(size) for size in table[:, 1]]
    ends = [facts.table_size + sum(sizes[:count]) for count in range(len(sizes) + 1)]
    others = [max(sizes[count:], default=0) for count in range(len(sizes) + 1)]
    assert len(sizes) > 1 and ends[-1] == len(data)
    for room in range(0, len(data) + 10, 4):
        fits = [count for count in range(len(ends)) if ends[count] + others[count] <= room] or [0]
        assert runtime.resident(data, facts, room) == (ends[fits[-1]], others[fits[-1]])


def test_a_layer_that_uses_another_is_refused(runtime: Runtime) -> None:
    """No layer fetched alone can run so; in memory as a whole the model does."""
    at = TWO_LAYERS.index((1 << 8).to_bytes(8, "little") * 16)
    second = w.identity_convolution(3, 4, 24, line=0x2000, main_memory=0)
    writer = w.KmodelWriter(288, [(0, 288)])
    writer.add(w.CONVOLUTION, w.identity_convolution(3, 4, 24, out_line=0x2000))

    def shares_the_first_activation(offset: int) -> bytes:
        body = second(offset)
        return body[:20] + w.words(at) + body[24:]

    data = writer.add(w.CONVOLUTION, shares_the_first_activation).build()
    # The same with a last layer that is told to be longer by padding, which the file may lack.
    table_end = runtime.load(data).model.facts.table_size
    (size,) = struct.unpack_from("<I", data, table_end - 4)
    for file in (data, data[: table_end - 4] + struct.pack("<I", size + 4) + data[table_end:]):
        image = np.arange(288, dtype=np.uint8).reshape(3, 4, 24)
        assert runtime.load(file).run(image) == [image.tobytes()]
        with pytest.raises(KmodelError) as found:
            runtime.load_stored(bytearray(file))
        assert (found.value.status, found.value.layer) == (INVALID, 1)
        assert str(found.value).endswith("that takes a model that is in memory as a whole")
        assert f"it uses byte {at} of the model, before its own first" in str(found.value)


def test_what_changes_after_it_was_judged(runtime: Runtime) -> None:
    data = bytearray(TWO_LAYERS)
    model = runtime.load_stored(data)
    image = np.arange(288, dtype=np.uint8).reshape(3, 4, 24)
    assert model.run(image) == [image.tobytes()]
    data[SECOND:] = bytes(len(data) - SECOND)
    with pytest.raises(KmodelError) as found:
        model.run(image)
    assert (found.value.status, found.value.layer) == (INVALID, 1)
    data[:] = TWO_LAYERS
    assert model.run(image) == [image.tobytes()]


def test_a_store_that_gives_up(runtime: Runtime) -> None:
    data = bytearray(TWO_LAYERS)
    model = runtime.load_stored(data)
    del data[SECOND:]
    with pytest.raises(KmodelError) as found:
        model.run(np.zeros((3, 4, 24), np.uint8))
    assert (found.value.status, found.value.layer) == (STOPPED, 1)
    with pytest.raises(KmodelError) as found:
        runtime.load_stored(data)
    assert found.value.status == TRUNCATED
