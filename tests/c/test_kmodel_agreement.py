"""The C runtime and the host tools' judge a model alike, and give the same outputs, damaged or not."""

from __future__ import annotations

import kmodel_host
import kmodel_writer as w
import numpy as np
import pytest
from kmodel_layers import SHARED
from kmodel_runtime import KmodelError, Loaded, Runtime

from k210kit.errors import K210Error

MODELS = w.small_models()
EXPONENTIALS = ("softmax", "logistic", "outputs")
"""Models in which the two machines' exp() may differ in the last bit."""
LARGEST_MEMORY = 6 << 20
"""The host refuses a main memory beyond the chip's; the firmware sees what it can allocate."""


def judged(runtime: Runtime, data: bytes) -> tuple[Loaded | None, kmodel_host.HostModel | None]:
    """What both make of a file, None when refused."""
    try:
        host = kmodel_host.HostRuntime.load(data)
    except K210Error:
        host = None
    try:
        board = runtime.load(data)
    except KmodelError:
        return None, host
    if board.model.facts.main_memory > LARGEST_MEMORY:
        return None, host
    return board, host


def compare(name: str, board: Loaded, host: kmodel_host.HostModel, seed: int) -> None:
    size = int(np.prod(host.kmodel.input.shape)) * (4 if host.model.float_input else 1)
    random = np.random.default_rng(seed)
    data = random.integers(0, 256, size, np.uint8)
    if host.model.float_input:
        data = random.normal(0, 2, size // 4).astype("<f4").view(np.uint8)
    # What no layer has written is not set on a board; on the host it is 0.
    board.main_memory[:] = 0
    for found, wanted in zip(board.run(data), host.run(data), strict=True):
        if name in EXPONENTIALS:
            a, b = (np.frombuffer(output[: len(output) // 4 * 4], "<f4") for output in (found, wanted))
            assert np.allclose(a, b, rtol=1e-5, atol=1e-6, equal_nan=True)
        else:
            assert same(found, wanted)


def same(found: bytes, wanted: bytes) -> bool:
    """Equal bytes; of floats that are NaN, the kind of NaN does not matter."""
    if found == wanted:
        return True
    if len(found) != len(wanted) or len(found) % 4:
        return False
    return np.array_equal(np.frombuffer(found, "<f4"), np.frombuffer(wanted, "<f4"), equal_nan=True)


@pytest.mark.parametrize("name", MODELS)
def test_small_models(runtime: Runtime, name: str) -> None:
    for seed in range(3):
        board, host = judged(runtime, MODELS[name])
        assert board is not None and host is not None
        compare(name, board, host, seed)


@pytest.mark.parametrize("name", MODELS)
def test_damaged_small_models(runtime: Runtime, name: str) -> None:
    random = np.random.default_rng(sum(name.encode()))
    ran = 0
    for _ in range(120):
        data = bytearray(MODELS[name])
        # Where arguments are, rather than weights: the first and the last bytes.
        at = int(random.integers(0, min(len(data), 160))) * int(random.choice([1, -1]))
        data[at] = int(random.integers(0, 256)) if random.random() < 0.5 else data[at] ^ 1 << int(random.integers(0, 8))
        board, host = judged(runtime, bytes(data))
        assert (board is None) == (host is None), f"byte {at} is {data[at]}"
        if board is not None and host is not None:
            compare(name, board, host, abs(at))
            ran += 1
    assert ran > 5


@pytest.mark.parametrize("name", ["voc20_detect", "yolo_face_detect", "detect_5"])
def test_damaged_published_models(runtime: Runtime, name: str) -> None:
    """Verdicts only: every byte before the first layer, and some further on."""
    file = SHARED / f"kmodels/{name}.kmodel"
    if not file.exists():
        pytest.skip("../shared/data/kmodels is not there")
    whole = file.read_bytes()
    random = np.random.default_rng(4)
    places = [*range(0, 500, 3), *random.integers(500, len(whole), 40).tolist()]
    verdicts = set()
    for at in places:
        data = bytearray(whole)
        data[at] ^= int(random.integers(1, 256))
        board, host = judged(runtime, bytes(data))
        assert (board is None) == (host is None), f"byte {at} is {data[at]}"
        verdicts.add(board is None)
    assert verdicts == {True, False}
