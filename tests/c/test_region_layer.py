"""The region layer in C against the one in Python, on outputs of every kind."""

from __future__ import annotations

import ctypes as c
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k210kit.kmodel.yolo2 import Yolo2


class Layer(c.Structure):
    _fields_ = (
        ("anchors", c.c_void_p),
        *((name, c.c_uint32) for name in ("anchor_count", "classes", "layer_width", "layer_height")),
        *((name, c.c_uint32) for name in ("net_width", "net_height", "image_width", "image_height")),
        ("threshold", c.c_float),
        ("nms", c.c_float),
    )


class Box(c.Structure):
    _fields_ = (*((name, c.c_uint32) for name in ("x", "y", "w", "h", "cls")), ("probability", c.c_float))


@pytest.fixture(scope="module")
def library(c_build: Path) -> c.CDLL:
    library = c.CDLL(str(c_build / "libpictures.so"))
    library.region_layer_workspace.restype = library.region_layer_output_count.restype = c.c_uint64
    return library


def run(
    library: c.CDLL, yolo: Yolo2, output: np.ndarray, net: tuple[int, int], image: tuple[int, int]
) -> list[tuple[tuple[int, int, int, int], int, float]]:
    anchors = np.array(yolo.anchors, np.float32)
    _, height, width = output.shape
    pairs = len(anchors) // 2
    layer = Layer(anchors.ctypes.data, pairs, yolo.classes, width, height, *net, *image, yolo.threshold, yolo.nms)
    assert library.region_layer_output_count(c.byref(layer)) == output.size
    data = np.ascontiguousarray(output, np.float32)
    values = c.c_void_p(data.ctypes.data)
    count = library.region_layer_candidates(c.byref(layer), values)
    assert count <= pairs * width * height
    workspace = np.full(library.region_layer_workspace(c.byref(layer), count) + 1, 77, np.float32)
    boxes = (Box * (count + 1))()
    found = library.region_layer_run(c.byref(layer), values, count, c.c_void_p(workspace.ctypes.data), boxes)
    assert workspace[-1] == 77 and boxes[count].w == 0
    return [((b.x, b.y, b.w, b.h), b.cls, b.probability) for b in boxes[:found]]


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    pairs=st.integers(1, 5),
    classes=st.integers(0, 6),
    grid=st.tuples(st.integers(1, 7), st.integers(1, 6)),
    spread=st.floats(0.1, 12),
    threshold=st.floats(0, 1, width=16),
    nms=st.floats(0, 1, width=16),
    image=st.sampled_from([(320, 240), (224, 224), (320, 256), (100, 300)]),
)
def test_as_on_the_host(
    library: c.CDLL,
    seed: int,
    pairs: int,
    classes: int,
    grid: tuple[int, int],
    spread: float,
    threshold: float,
    nms: float,
    image: tuple[int, int],
) -> None:
    """The same boxes: pixels may differ by one, probabilities in the last places, where the two exp() do."""
    random = np.random.default_rng(seed)
    net = 320, 256
    output = random.normal(0, spread, (pairs * (5 + classes), grid[1], grid[0])).astype(np.float32)
    output = np.clip(output, -30, 8)
    yolo = Yolo2(tuple(random.uniform(0.1, 8, 2 * pairs)), classes, threshold, nms)
    # What stands near a limit may fall on either side of it.
    for near in (0.9999, 1.0001):
        other = Yolo2(yolo.anchors, classes, min(1, threshold * near), nms)
        if len(other.detect(output)) != len(yolo.detect(output)):
            return
        for part in (nms * near, nms + near - 1):
            other = Yolo2(yolo.anchors, classes, threshold, min(1, max(0, part)))
            if len(other.detect(output)) != len(yolo.detect(output)):
                return
    found = sorted(run(library, yolo, output, net, image))
    wanted = sorted((d.rect(net, image), d.cls, d.probability) for d in yolo.detect(output))
    assert len(found) == len(wanted)
    for (box, cls, probability), (rect, want_cls, want_probability) in zip(found, wanted, strict=True):
        assert cls == want_cls and probability == pytest.approx(want_probability, rel=1e-5)
        assert all(abs(a - b) <= 1 + 2e-6 * b for a, b in zip(box, rect, strict=True))


def test_nothing_and_nonsense(library: c.CDLL) -> None:
    """Not a number, infinities and the largest floats end in no box or in some, never in a crash."""
    for value in (np.nan, np.inf, -np.inf, 3e38, -3e38, 0):
        output = np.full((2 * 8, 3, 4), value, np.float32)
        run(library, Yolo2((1, 2, 3, 4), 3, 0.5, 0.3), output, (320, 240), (320, 240))
    silent = np.full((2 * 8, 3, 4), -20, np.float32)
    assert run(library, Yolo2((1, 2, 3, 4), 3, 0.5, 0.3), silent, (320, 240), (320, 240)) == []


def test_corners_are_clamped(library: c.CDLL) -> None:
    """Left and top below zero are 0, as this processor converts them; the width then counts from there."""
    output = np.zeros((5, 1, 1), np.float32)
    output[2:4], output[4] = 1, 9
    (box, cls, probability), *more = run(library, Yolo2((2, 2), 0, 0.5, 0.3), output, (100, 100), (100, 100))
    side = np.exp(np.float32(1)) * 2 * 100
    assert (box, cls, more) == ((0, 0, int(50 + side / 2), int(50 + side / 2)), 0, [])
    assert probability == pytest.approx(1 / (1 + np.exp(-9)))
