"""ONNX nodes that take some of the channels or cells of a value, as slices that cost nothing, or as convolutions.

A slice of the channels that begins a line of KPU RAM is left: its image is where it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from k210kit.board.kpu.layout import RowLayout
from k210kit.compiler.onnx_editing import GraphEditor, attribute_of
from k210kit.compiler.stages import is_image

SLICE_TAKES_INPUTS = 10
"""The first version of ONNX's operators in which a Slice's numbers are inputs."""


def slice_of(node: onnx.NodeProto, constants: dict[str, npt.NDArray[Any]]) -> dict[int, tuple[int, int]] | None:
    """Start and step by axis, of a Slice node, or None when they are no constants."""
    if len(node.input) == 1:
        starts = attribute_of(node, "starts", [])
        axes = attribute_of(node, "axes", list(range(len(starts))))
        steps = [1] * len(starts)
    else:
        found = [constants.get(name) for name in node.input[1:] if name]
        if any(array is None for array in found):
            return None
        numbers = dict(zip([i for i, name in enumerate(node.input[1:]) if name], found, strict=True))
        starts = [int(n) for n in np.asarray(numbers[0]).reshape(-1)]
        axes = [int(n) for n in np.asarray(numbers.get(2, np.arange(len(starts)))).reshape(-1)]
        steps = [int(n) for n in np.asarray(numbers.get(3, np.ones(len(starts)))).reshape(-1)]
    return {axis: (start, step) for axis, start, step in zip(axes, starts, steps, strict=True)}


def _selection(editor: GraphEditor, node: onnx.NodeProto, value: str, channels: Any, output: str) -> None:
    """Channels in any order: by the convolution that makes them, or by one of one cell with weights of 1."""
    if editor.remade(value, output, lambda array: array[np.asarray(channels)]):
        return
    weights = np.eye(editor.shapes[value][1], dtype=np.float32)[np.asarray(channels)][:, :, None, None]
    editor.node("Conv", node, [value, editor.constant(f"{output}, selection", weights)], output, kernel_shape=[1, 1])


def _is_in_place(shape: tuple[int, ...], first: int) -> bool:
    """Whether a slice of the channels of an image begins a line of KPU RAM. Vectors lie anywhere."""
    return not is_image(shape[1:]) or first % RowLayout.of(shape[3]).group == 0


def _part(editor: GraphEditor, node: onnx.NodeProto, value: str, channels: range, output: str) -> None:
    if not _is_in_place(editor.shapes[value], channels.start):
        _selection(editor, node, value, channels, output)
        return
    numbers = {"starts": [channels.start], "ends": [channels.stop], "axes": [1]}
    if editor.opset < SLICE_TAKES_INPUTS:
        editor.node("Slice", node, [value], output, **numbers)
        return
    inputs = [editor.constant(f"{output}, {what}", np.array(number, np.int64)) for what, number in numbers.items()]
    editor.node("Slice", node, [value, *inputs], output)


def _split(editor: GraphEditor, node: onnx.NodeProto) -> bool:
    value = node.input[0]
    shape = editor.shapes.get(value, ())
    sizes = [editor.shapes[output][1] if len(editor.shapes.get(output, ())) > 1 else 0 for output in node.output]
    axis = attribute_of(node, "axis", 0)
    if len(shape) < 2 or axis % len(shape) != 1 or sum(sizes) != shape[1]:
        return False
    editor.users[value] += len(sizes) - 1
    first = 0
    for output, size in zip(node.output, sizes, strict=True):
        _part(editor, node, value, range(first, first + size), output)
        first += size
    return True


def _slice(editor: GraphEditor, node: onnx.NodeProto) -> bool:
    value, output = node.input[0], node.output[0]
    shape, found = editor.shapes.get(value, ()), slice_of(node, editor.constants)
    if found is None or len(shape) < 2:
        return False
    taken = {axis % len(shape): numbers for axis, numbers in found.items()}
    taken = {axis: numbers for axis, numbers in taken.items() if editor.shapes[output][axis] != shape[axis]}
    if list(taken) == [1]:
        start, step = taken[1]
        channels = range(*slice(start, None, step).indices(shape[1]))[: editor.shapes[output][1]]
        if step == 1:
            _part(editor, node, value, channels, output)
        else:
            _selection(editor, node, value, channels, output)
        return True
    if not taken:
        editor.node("Identity", node, [value], output)
        return True
    return _every_other(editor, node, value, taken)


def _every_other(editor: GraphEditor, node: onnx.NodeProto, value: str, taken: dict[int, tuple[int, int]]) -> bool:
    """Every other row and column, which a depthwise convolution of stride 2 picks. Exporters write two slices."""
    before = next((each for each in editor.model.graph.node if value in each.output), None)
    if before is not None and before.op_type == "Slice" and len(taken) == 1:
        earlier, shape = slice_of(before, editor.constants), editor.shapes.get(before.input[0], ())
        if earlier is None or not shape:
            return False
        taken = taken | {axis % len(shape): numbers for axis, numbers in earlier.items()}
        value = before.input[0]
    shape, out = editor.shapes[value], editor.shapes[node.output[0]]
    if sorted(taken) != [2, 3] or any(step != 2 or start not in (0, 1) for start, step in taken.values()):
        return False
    if any(2 * out[axis] != shape[axis] for axis in (2, 3)):
        return False
    kernel = np.zeros((shape[1], 1, 2, 2), np.float32)
    kernel[:, :, taken[2][0], taken[3][0]] = 1
    weights = editor.constant(f"{node.output[0]}, selection", kernel)
    editor.node("Conv", node, [value, weights], node.output[0], group=shape[1], kernel_shape=[2, 2], strides=[2, 2])
    return True


def _gather(editor: GraphEditor, node: onnx.NodeProto) -> bool:
    value, channels = node.input[0], editor.constants.get(node.input[1])
    shape = editor.shapes.get(value, ())
    if channels is None or channels.ndim != 1 or len(shape) != 4 or attribute_of(node, "axis", 0) not in (1, -3):
        return False
    _selection(editor, node, value, channels, node.output[0])
    return True


def _space_to_depth(editor: GraphEditor, node: onnx.NodeProto) -> bool:
    """Cells of a block as channels, which onnxruntime makes of slices: a convolution of the block's side."""
    side, shape = attribute_of(node, "blocksize", 0), editor.shapes.get(node.input[0], ())
    if side not in (2, 4) or len(shape) != 4:
        return False
    channels = shape[1]
    kernel = np.zeros((side, side, channels, channels, side, side), np.float32)
    for row, column in np.ndindex(side, side):
        kernel[row, column, range(channels), range(channels), row, column] = 1
    weights = editor.constant(f"{node.output[0]}, cells", kernel.reshape(-1, channels, side, side))
    editor.node("Conv", node, [node.input[0], weights], node.output[0], kernel_shape=[side, side], strides=[side, side])
    return True


def _shuffle(editor: GraphEditor, node: onnx.NodeProto) -> bool:
    """The channels of groups in turn: reshapings and transpositions that amount to another order of channels."""
    output = node.output[0]
    makers = {name: each for each in editor.model.graph.node for name in each.output}
    chain, value = [node], node.input[0]
    while value in makers and makers[value].op_type in ("Reshape", "Transpose") and editor.shapes.get(value):
        if len(editor.shapes[value]) == 4 and editor.shapes[value] == editor.shapes.get(output):
            break
        chain.append(makers[value])
        value = makers[value].input[0]
    shape = editor.shapes.get(value, ())
    if len(chain) < 3 or len(shape) != 4 or shape != editor.shapes.get(output):
        return False
    cells = numbers = np.arange(np.prod(shape)).reshape(shape)
    for each in reversed(chain):
        perm = attribute_of(each, "perm", None)
        numbers = numbers.transpose(perm) if perm else numbers.reshape(editor.shapes[each.output[0]])
    channels = numbers[0, :, 0, 0] // (shape[2] * shape[3])
    if not np.array_equal(cells[:, channels], numbers):
        return False
    _selection(editor, node, value, channels, output)
    return True


SELECTIONS: dict[str, Callable[[GraphEditor, onnx.NodeProto], bool]] = {
    "Split": _split, "Slice": _slice, "Gather": _gather, "SpaceToDepth": _space_to_depth, "Reshape": _shuffle,
}  # fmt: skip
"""By the type of node: appends what it is made of; False when it has to stay as it is."""
