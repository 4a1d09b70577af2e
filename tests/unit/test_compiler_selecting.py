"""Some of the channels of a value, or of its cells, in any order: as good as computed, and free where it can be."""

from __future__ import annotations

import pytest
from nearness import UNIT, compiled_noise
from random_networks import Builder

from k210kit.compiler import compile_model
from k210kit.kmodel.read import read


@pytest.mark.parametrize("first", [8, 5])
@pytest.mark.parametrize("width", [12, 24, 70])
def test_a_split(width: int, first: int) -> None:
    """As YOLOv8 does it: both halves go on, side by side with what is made of one. Where a half begins a line of KPU
    RAM it costs no layer."""
    b = Builder(6, (3, 12, width))
    before = b.conv(13)
    b.function("Sigmoid")
    b.add("Mul", b.shape, before)
    aside = b.split(first)
    second = b.value
    b.conv(13 - first)
    b.plus(second)
    b.beside(aside, first)
    b.conv(4, 1)
    assert min(compiled_noise(b)) > 31


def test_a_split_costs_no_layer() -> None:
    b = Builder(6, (3, 12, 24))
    b.conv(16)
    b.function("Relu")
    aside = b.split(8)
    b.conv(4)
    second = b.value
    b.value, b.shape = aside, (8, 12, 24)
    b.conv(4)
    model = read(compile_model(b.build(second, b.value), b.pictures(2), UNIT).data)
    assert sum(layer.macs > 0 for layer in model.layers) == 3


@pytest.mark.parametrize("groups", [2, 3])
@pytest.mark.parametrize("alone", [True, False])
def test_channels_shuffled(groups: int, alone: bool) -> None:
    """As ShuffleNet does it; a convolution before makes them in that order."""
    b = Builder(7, (3, 16, 20))
    b.conv(12)
    if not alone:
        b.function("Relu")
    b.shuffle(groups)
    b.conv(12, groups=12)
    assert min(compiled_noise(b)) > 33
    layers = read(compile_model(b.build(), b.pictures(2), UNIT).data).layers
    assert sum(layer.macs > 0 for layer in layers) == (2 if alone else 3)


@pytest.mark.parametrize(("start", "end", "step"), [(-11, 100, 2), (100, -100, -1), (9, 2, -3), (3, 100, 1)])
@pytest.mark.parametrize("opset", [9, 13])
def test_slices_of_channels(start: int, end: int, step: int, opset: int) -> None:
    b = Builder(8, (3, 16, 20), opset)
    b.conv(12)
    b.function("Relu")
    if opset > 9:
        b.slice([start], [end], [1], [step])
    elif step == 1:
        b.add("Slice", (12 - start, 16, 20), starts=[start], ends=[end], axes=[1])
    b.conv(4)
    assert min(compiled_noise(b)) > 33


@pytest.mark.parametrize("in_two", [True, False])
@pytest.mark.parametrize("cells", [((0, 0), (0, 1), (1, 0), (1, 1)), ((1, 0), (0, 1)), ((1, 1),)])
def test_every_other_cell(cells: tuple[tuple[int, int], ...], in_two: bool) -> None:
    """The first layer of early YOLOv5: four pictures of half the size, side by side."""
    b = Builder(9, (3, 24, 32))
    parts = []
    for column, row in cells:
        b.value, b.shape = "input", b.first
        if in_two:
            b.slice([row], [1 << 40], [2], [2])
            b.slice([column], [1 << 40], [3], [2])
        else:
            b.slice([column, row], [1 << 40, 1 << 40], [-1, 2], [2, 2])
        parts.append(b.value)
    b.add("Concat", (3 * len(parts), 12, 16), inputs=parts, axis=1)
    b.conv(8)
    assert min(compiled_noise(b)) > 33


@pytest.mark.parametrize("side", [2, 4])
def test_space_to_depth(side: int) -> None:
    b = Builder(12, (3, 24, 32))
    b.conv(4)
    b.function("Relu")
    b.add("SpaceToDepth", (4 * side**2, 24 // side, 32 // side), blocksize=side)
    b.conv(8)
    assert min(compiled_noise(b)) > 33


def test_a_slice_of_a_vector() -> None:
    b = Builder(10, (3, 16, 20))
    b.conv(12)
    b.mean()
    b.slice([3], [10], [1], [1])
    b.flat()
    whole = b.dense(9)
    b.slice([1], [5], [1], [1])
    assert min(compiled_noise(b, whole, b.value)) > 33
