"""What reading a kmodel refuses, in which words, and that nothing else comes of a damaged file."""

from __future__ import annotations

import random
import struct
import tracemalloc

import kmodel_host  # makes kmodel_writer known
import kmodel_writer as w
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kmodel_layers import SHARED

from k210kit.errors import K210Error
from k210kit.kmodel import Runtime, describe, load, read
from k210kit.kmodel.version3_layers import NAMES, PARSERS

MODELS = w.small_models()
SOFTMAX = MODELS["softmax"]
PUBLISHED = ("voc20_detect", "yolo_face_detect", "detect_5")
MOST_MEMORY = 48 << 20
"""Beyond the file itself; the chip has 8 MiB, all told."""


def changed(data: bytes, offset: int, value: int) -> bytes:
    """With another 32-bit word at `offset`."""
    return data[:offset] + struct.pack("<I", value & 0xFFFF_FFFF) + data[offset + 4 :]


def refused(data: bytes) -> str:
    with pytest.raises(K210Error) as caught:
        read(data)
    return str(caught.value)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "the file has 0 bytes, too few for a kmodel; copy it again"),
        (b"\xff" * 64, "the file starts with erased flash (bytes 0xff): there is no model in it"),
        (b"BM012345", "not a kmodel: it starts with 42 4d 30 31, not with 03 00 00 00 or 4c 44 4d 4b"),
        (b"LDMK\4\0\0\0" + bytes(40), "version 4 is not supported yet, only 3 is"),
        (b"LDMK\5\0\0\0" + bytes(40), "version 5 is not supported yet, only 3 is"),
        (w.words(1) + bytes(40), "version 1 is not supported, only 3 is"),
        (SOFTMAX[:27], "truncated: it has 27 bytes and needs 28; copy it again"),
        (SOFTMAX[:40], "truncated: it has 40 bytes and needs 52; copy it again"),
        (changed(SOFTMAX, 8, 2), "version 3 for architecture 2 is not supported, only 3 for 0 (K210) is"),
        (changed(SOFTMAX, 4, 2), "the header says 2 flags, at most 1 can be; the file is damaged, copy it again"),
        (changed(SOFTMAX, 12, 0), "the header says 0 layers, at most 4,096 can be; the file is damaged, copy it again"),
        (changed(SOFTMAX, 24, 257), "the header says 257 outputs, at most 256 can be; the file is damaged, "
            "copy it again"),
        (
            changed(SOFTMAX, 20, 7 << 20),
            "the model needs 7,340,032 bytes of main memory, more than the 6,291,456 of the chip",
        ),
        (
            changed(SOFTMAX, 28, 1000),
            "output 0 takes bytes 1,000 to 1,400 of a main memory of 1,368; the file is damaged, copy it again",
        ),
        (changed(SOFTMAX, 44, 99), "layer 1 of type 99 is not supported; compile the model without it"),
        (changed(SOFTMAX, 44, 3), "layer 1 of type 3 (global max pool) is not supported; compile the model without it"),
        (bytes(17 << 20), "the file has more than 16,777,216 bytes, the size of the whole flash: this is no kmodel"),
    ],
)  # fmt: skip
def test_files_that_are_refused(data: bytes, text: str) -> None:
    assert refused(data) == text


def layer_refused(kind: int, *numbers: int, size: int = 400) -> str:
    text = refused(w.on_bytes(size, kind, w.words(1, *numbers)))
    start, end = f"layer 1 ({NAMES[kind]}) ", "; the file is damaged, copy or compile it again"
    assert text.startswith(start) and text.endswith(end)
    return text[len(start) : -len(end)]


FREE = w.FREE


@pytest.mark.parametrize(
    ("kind", "numbers", "text"),
    [
        (w.FLATTEN, (0, FREE), "has a body of 16 bytes and needs at least 24"),
        (w.SOFTMAX, (0, FREE, 101), "uses bytes 968 to 1,372 of a main memory of 1,368"),
        (w.SOFTMAX, (0, FREE, 2**30), "uses bytes 0 to 4,294,967,296 of a main memory of 1,368"),
        (w.SOFTMAX, (0, FREE, 0), "has an empty tensor"),
        (w.SOFTMAX, (2, FREE, 9), "has floats at address 2, which is no multiple of 4"),
        (w.SOFTMAX, (0, 8, 9), "writes to address 8 of the main memory while it reads 0"),
        (w.QUANTIZED_ADD, (0, 100, FREE, 99, 0, 1, 64, 0, 1, 1, 0, 1, 1), "shifts by 64, not by 0 to 63"),
        (w.QUANTIZED_ADD, (0, 100, FREE, 99, 0, 1, 6, 0, 1, 1, 0, 1, -1), "shifts by -1, not by 0 to 63"),
        (w.FLATTEN, (0, FREE, 3, 0, 5), "has a tensor of 5 x 0 x 3 (channels, height, width)"),
        (w.FULLY_CONNECTED, (0, FREE, 3, 2, 7, 0), "has activation 7, which is not between 0 and 2"),
        (w.FULLY_CONNECTED, (0, FREE, 30, 2, 1, 0), "has a body of 32 bytes and needs at least 264"),
        (w.QUANTIZED_MAX_POOL, (0, FREE, 4, 4, 2, 2, 2, 3, 2, 2, 2, 2, 0, 0), "makes 3 channels of 2"),
        (
            w.QUANTIZED_MAX_POOL,
            (0, FREE, 4, 4, 1, 3, 2, 1, 2, 2, 2, 2, 0, 0),
            "has 3 windows of 2 cells, 2 apart: one lies outside of 4 cells and 0 padded",
        ),
        (w.UPLOAD, (0, 0x7FFF, 20, 3, 3), "has an image of 3 x 3 x 20 (channels, height, width) in bytes 2,097,088 to "
            "2,097,472 of the KPU's RAM, which has 2,097,152"),
    ],
)  # fmt: skip
def test_layers_that_are_refused(kind: int, numbers: tuple[int, ...], text: str) -> None:
    assert layer_refused(kind, *numbers) == text


def convolution_refused(**changes: object) -> str:
    writer = w.KmodelWriter(288, [(0, 288)]).add(
        w.CONVOLUTION, w.identity_convolution(3, 4, 24, main_memory=0, **changes)
    )
    return (
        refused(writer.build())
        .removeprefix("layer 0 (K210 convolution) ")
        .removesuffix("; the file is damaged, copy or compile it again")
    )


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"kernel": 2, "weights": np.ones(3, np.uint8)}, "has kernel type 2, which is neither 0 (1x1) nor 1 (3x3)"),
        ({"pool": 10}, "has pooling mode 10, which is not between 0 and 9"),
        ({"pool": 1}, "makes 4 x 24 cells, pooling leaves 2 x 12"),
        ({"out_shape": (2, 4, 24)}, "is depthwise with 3 channels in and 2 out"),
        ({"line": 0x7FFF}, "has an image of 3 x 4 x 24 (channels, height, width) in bytes 2,097,088 to 2,097,600 of "
            "the KPU's RAM, which has 2,097,152"),
        ({"batchnorm": b""}, None),
        ({"changes": {4: 1 << 8}}, "sets bits of the KPU's arguments (such as full_add, first_stride, bypass_conv) "
            "that no model sets"),
        ({"changes": {11: 999 << 32}}, "sends 1,000 bytes to the main memory and has 288"),
        ({"changes": {7: 4 | 1 << 16 | 3 << 28}}, "has an image that cannot lie in the KPU's RAM: rows of 24 bytes, 3 "
            "channels a line and 1 lines a row do not fit"),
    ],
)  # fmt: skip
def test_convolutions_that_are_refused(changes: dict, text: str | None) -> None:
    if text is None:
        # Where parts of the file are is told by offsets: here one near the end, whose part is too long.
        data = bytearray(w.KmodelWriter(288, [(0, 288)]).add(
            w.CONVOLUTION, w.identity_convolution(3, 4, 24, main_memory=0)
        ).build())  # fmt: skip
        struct.pack_into("<I", data, 44 + 20, len(data) - 136)
        wanted = f"has its activation in bytes {len(data) - 136:,} to {len(data) + 8:,} of a file of {len(data):,}"
        assert wanted in refused(bytes(data))
        return
    assert convolution_refused(**changes) == text


def test_the_first_layer_must_take_the_input() -> None:
    data = w.KmodelWriter(400, [(0, 40)]).add(w.SOFTMAX, w.words(1, 0, 40, 9)).build()
    assert refused(data) == (
        "layer 0 (softmax) cannot take the input; a model starts with a convolution or fully connected"
    )


def test_too_much_work_is_refused() -> None:
    pools = [(w.QUANTIZED_MAX_POOL, w.pool(0, 100_000, (1, 300, 300), (1, 300, 300), (300, 300, 1, 1, 0, 0)))] * 2
    assert "values, more than 67,108,864 take too long" in refused(
        w.KmodelWriter(200_000, [(0, 4)]).add(w.CONVOLUTION, w.identity_convolution(1, 4, 4, main_memory=0))
        .add(*pools[0]).add(*pools[1]).build()
    )  # fmt: skip
    large = w.identity_convolution(
        1024, 32, 64, weights=np.zeros((1024, 1024), np.uint8), depthwise=False, out_line=0, outputs_a_load=16
    )
    writer = w.KmodelWriter(8, [(0, 8)])
    body = large(28 + 8 + 40 * 8)
    for i in range(40):
        # All with the weights of the first.
        writer.add(w.CONVOLUTION, body if i == 0 else body[:24])
    assert "lines of the KPU's RAM, more than 1,073,741,824 take too long" in refused(writer.build())


def test_files_that_cannot_be_read(tmp_path) -> None:
    with pytest.raises(K210Error, match=r"cannot read .*none\.kmodel: No such file or directory"):
        load(tmp_path / "none.kmodel")
    (tmp_path / "cut.kmodel").write_bytes(SOFTMAX[:40])
    with pytest.raises(K210Error, match=r"cut\.kmodel: truncated: it has 40 bytes"):
        load(tmp_path / "cut.kmodel")


def test_padding_may_be_missing_and_more_may_follow() -> None:
    body = w.words(1, 80, FREE, 100)
    data = w.on_floats(400, (w.SOFTMAX, body + bytes(4)))
    whole = read(data)
    assert len(whole.layers) == len(read(data[:-4]).layers) == 2
    assert read(data + bytes(100)).size == whole.size == len(data)
    for cut in (9, 40):
        assert "truncated" in refused(data[:-cut])
    for cut in (5, 6, 7):
        assert f"truncated: it has {len(SOFTMAX) - cut:,} bytes and needs {len(SOFTMAX):,}" in refused(SOFTMAX[:-cut])


def test_inputs_that_do_not_fit() -> None:
    runtime = Runtime(read(MODELS["convolution"]))
    with pytest.raises(K210Error, match="the model takes 3 x 4 x 24 uint8 values, not 3 x 4 x 25 of uint8"):
        runtime.run(np.zeros((3, 4, 25), np.uint8))
    with pytest.raises(K210Error, match="not 3 x 4 x 24 of float64"):
        runtime.run(np.zeros((3, 4, 24)))


def test_every_type_with_a_body_is_there() -> None:
    assert set(NAMES) - set(PARSERS) == {3, 4, 6, 10, 19}
    assert {kind for model in MODELS.values() for kind, _ in table(model)} == set(PARSERS)


def table(data: bytes) -> list[tuple[int, int]]:
    layers, outputs = struct.unpack_from("<I", data, 12)[0], struct.unpack_from("<I", data, 24)[0]
    start = 28 + 8 * outputs
    return [struct.unpack_from("<2I", data, start + 8 * i) for i in range(layers)]


# ---- Damage


def try_out(data: bytes) -> bool:
    """Read and run: True when it ran, False when it was refused; nothing else may happen."""
    try:
        model = read(data)
        describe.rows(model), describe.facts(model)
        if model.takes_floats:
            x = np.linspace(-9, 9, model.input.shape[0], dtype=np.float32)
        else:
            x = np.arange(np.prod(model.input.shape)).astype(np.uint8).reshape(model.input.shape)
        Runtime(model).run(x)
    except K210Error as error:
        assert str(error)
        return False
    return True


@settings(max_examples=300, deadline=10_000)
@given(st.sampled_from(sorted(MODELS)), st.data())
def test_a_changed_byte(name: str, data: st.DataObject) -> None:
    model = bytearray(MODELS[name])
    places = st.one_of(
        st.integers(0, len(model) - 1), st.integers(0, 120), st.integers(len(model) - 120, len(model) - 1)
    )
    model[data.draw(places)] = data.draw(st.integers(0, 255))
    try_out(bytes(model))


@settings(max_examples=200, deadline=10_000)
@given(st.sampled_from(sorted(MODELS)), st.data())
def test_a_changed_word(name: str, data: st.DataObject) -> None:
    model = MODELS[name]
    offset = 4 * data.draw(st.integers(0, len(model) // 4 - 1))
    value = data.draw(st.one_of(st.integers(0, 2**32 - 1), st.sampled_from([2**31, 2**32 - 1, 2**24, 2**20, 65536])))
    try_out(changed(model, offset, value))


@settings(max_examples=200, deadline=10_000)
@given(st.sampled_from(sorted(MODELS)), st.data())
def test_a_cut(name: str, data: st.DataObject) -> None:
    model = MODELS[name]
    size = data.draw(st.integers(0, len(model) - 1))
    assert not try_out(model[:size]) or size >= len(model) - 7


@settings(max_examples=300, deadline=10_000)
@given(st.binary(max_size=300), st.booleans())
@example(w.words(3, 1, 0, 4096, 0, 6 << 20, 256), False)
def test_random_bytes(data: bytes, as_version_3: bool) -> None:
    try_out(w.words(3, 1, 0, 1, 0, 4096, 1) + data if as_version_3 else data)


@pytest.mark.skipif(not SHARED.exists(), reason="../shared/data is not there")
@pytest.mark.parametrize("name", PUBLISHED)
def test_damaged_published_models(name: str) -> None:
    whole = (SHARED / f"kmodels/{name}.kmodel").read_bytes()
    dice = random.Random(name)
    places = [dice.randrange(600) for _ in range(60)] + [dice.randrange(len(whole)) for _ in range(15)]
    ran = []
    for at in places:
        data = bytearray(whole)
        data[at] ^= dice.randrange(1, 256)
        tracemalloc.start()
        ran.append(try_out(bytes(data)))
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
        tracemalloc.stop()
    assert any(ran) and not all(ran)


def test_the_host_module_is_the_one_tested() -> None:
    assert kmodel_host.HostRuntime.load(SOFTMAX).kmodel.version == 3
