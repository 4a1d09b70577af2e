"""ONNX to a Network: constants folded and batch normalisations merged by onnxruntime, then node by node."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

from k210kit.compiler import network as net
from k210kit.compiler.functions import Function
from k210kit.compiler.onnx_rewriting import TO_CHANNELS_LAST
from k210kit.compiler.onnx_selecting import slice_of
from k210kit.compiler.rewriting import rewritten
from k210kit.errors import K210Error

Reader = Callable[["_Graph", Any, dict[str, Any]], net.Node]


def simplified(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network with constants folded and what can be merged merged. Raises K210Error when it is no network that
    onnxruntime takes."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 4
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = str(Path(folder) / "simplified.onnx")
        try:
            onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's classes of errors have no common base but this.
            raise K210Error(f"onnxruntime cannot load the model: {str(error).splitlines()[0]}") from None
        return onnx.load(options.optimized_model_filepath)


def read(model: onnx.ModelProto) -> net.Network:
    """The network in a simplified model. Raises K210Error that names the node that cannot be carried, and why."""
    graph = _Graph(onnx.shape_inference.infer_shapes(model))
    nodes = [graph.read(node) for node in graph.graph.node if node.op_type != "Constant"]
    outputs = tuple(value.name for value in graph.graph.output)
    return rewritten(net.Network(graph.input, outputs, tuple(nodes), graph.shapes))


class _Graph:
    def __init__(self, model: onnx.ModelProto) -> None:
        self.graph = model.graph
        self.constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in self.graph.initializer}
        for node in self.graph.node:
            if node.op_type == "Constant":
                self.constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        inputs = [value for value in self.graph.input if value.name not in self.constants]
        if len(inputs) != 1:
            raise K210Error(f"the model has {len(inputs)} inputs, one picture is what the chip takes")
        self.input = inputs[0].name
        self.shapes: dict[str, net.Shape] = {}
        for value in [*inputs, *self.graph.value_info, *self.graph.output]:
            self.shapes[value.name] = self._shape(value)
        if len(self.shapes[self.input]) != 3:
            raise K210Error(f"the input's shape is {self.shapes[self.input]}: channels, height and width are wanted")

    @staticmethod
    def _shape(value: onnx.ValueInfoProto) -> net.Shape:
        sizes = [size.dim_value for size in value.type.tensor_type.shape.dim]
        if any(size <= 0 for size in sizes[1:]):
            raise K210Error(f"{value.name} has no fixed shape: export the model with fixed sizes")
        return tuple(sizes[1:])

    def read(self, node: onnx.NodeProto) -> net.Node:
        reader = READERS.get(node.op_type)
        if reader is None:
            raise K210Error(f"{_name(node)} ({node.op_type}) is not supported; supported are {', '.join(READERS)}")
        attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
        return reader(self, node, attributes)

    def constant(self, node: onnx.NodeProto, index: int, default: Any = None) -> Any:
        if index >= len(node.input) or not node.input[index]:
            return default
        if node.input[index] not in self.constants:
            raise K210Error(f"{_name(node)} ({node.op_type}): {node.input[index]} has to be a constant")
        return self.constants[node.input[index]]

    def refuse(self, node: onnx.NodeProto, why: str) -> K210Error:
        return K210Error(f"{_name(node)} ({node.op_type}): {why}")


def _name(node: onnx.NodeProto) -> str:
    return node.name or node.output[0]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _pads(graph: _Graph, node: onnx.NodeProto, a: dict[str, Any], window: tuple[int, ...]) -> tuple[int, int, int, int]:
    auto = _text(a.get("auto_pad", "NOTSET"))
    if auto in ("NOTSET", "VALID"):
        pads = tuple(a.get("pads", (0, 0, 0, 0))) if auto == "NOTSET" else (0, 0, 0, 0)
        return pads[0], pads[1], pads[2], pads[3]
    found = []
    strides, dilations = a.get("strides", (1, 1)), a.get("dilations", (1, 1))
    for axis in (0, 1):
        size, out = graph.shapes[node.input[0]][1 + axis], graph.shapes[node.output[0]][1 + axis]
        total = max(0, (out - 1) * strides[axis] + (window[axis] - 1) * dilations[axis] + 1 - size)
        small = total // 2
        found.append((small, total - small) if auto == "SAME_UPPER" else (total - small, small))
    return found[0][0], found[1][0], found[0][1], found[1][1]


def _conv(graph: _Graph, node: onnx.NodeProto, a: dict[str, Any]) -> net.Node:
    weights = np.asarray(graph.constant(node, 1), np.float32)
    if weights.ndim != 4:
        raise graph.refuse(node, f"convolutions over {weights.ndim - 2} axes are not supported, over 2 are")
    bias = np.asarray(graph.constant(node, 2, np.zeros(weights.shape[0])), np.float32)
    window = (weights.shape[2], weights.shape[3])
    return net.Conv(
        _name(node), (node.input[0],), node.output[0], weights, bias, tuple(a.get("strides", (1, 1))),
        _pads(graph, node, a, window), tuple(a.get("dilations", (1, 1))), a.get("group", 1),
    )  # fmt: skip


def _clip(graph: _Graph, node: onnx.NodeProto, a: dict[str, Any]) -> net.Node:
    low = graph.constant(node, 1, a.get("min", -np.inf))
    high = graph.constant(node, 2, a.get("max", np.inf))
    return _function(node, Function.clip(float(np.squeeze(low)), float(np.squeeze(high))))


def _function(node: onnx.NodeProto, function: Function) -> net.Node:
    return net.Activation(_name(node), (node.input[0],), node.output[0], function)


def _prelu(graph: _Graph, node: onnx.NodeProto, a: dict[str, Any]) -> net.Node:
    slopes = np.unique(np.asarray(graph.constant(node, 1)))
    if len(slopes) != 1:
        raise graph.refuse(node, "slopes that differ by channel are not supported, one slope is")
    return _function(node, Function.leaky(float(slopes[0])))


def _pool(mean: bool) -> Reader:
    def reader(graph: _Graph, node: onnx.NodeProto, a: dict[str, Any]) -> net.Node:
        window = tuple(a["kernel_shape"])
        if len(window) != 2 or any(d != 1 for d in a.get("dilations", (1, 1))) or a.get("ceil_mode", 0):
            raise graph.refuse(node, "only pooling over two axes, without dilation and rounded down is supported")
        return net.Pool(
            _name(node), (node.input[0],), node.output[0], mean, (window[0], window[1]),
            tuple(a.get("strides", (1, 1))), _pads(graph, node, a, window), bool(a.get("count_include_pad", 0)),
        )  # fmt: skip

    return reader


def _with_constant(graph: _Graph, node: onnx.NodeProto) -> tuple[str, float] | None:
    """The value and the number of an operation with one constant number."""
    for index in (0, 1):
        constant = graph.constants.get(node.input[index])
        if constant is not None:
            if constant.size != 1:
                raise graph.refuse(node, f"a constant of {constant.size} numbers is not supported, a single one is")
            return node.input[1 - index], float(constant.reshape(()))
    return None


def _add(graph: _Graph, node: onnx.NodeProto, a: dict[str, Any]) -> net.Node:
    found = _with_constant(graph, node)
    if found is not None:
        return net.Activation(_name(node), (found[0],), node.output[0], Function.affine(1, found[1]))
    one, other = node.input
    if graph.shapes[one] != graph.shapes[other]:
        raise graph.refuse(node, f"shapes {graph.shapes[one]} and {graph.shapes[other]} differ")
    return net.Add(_name(node), (one, other), node.output[0])


def _mul(graph: _Graph, node: onnx.NodeProto, a: dict[str, Any]) -> net.Node:
    found = _with_constant(graph, node)
    if found is None:
        return net.Multiply(_name(node), tuple(node.input), node.output[0])
    return net.Activation(_name(node), (found[0],), node.output[0], Function.affine(found[1], 0))


def _concat(graph: _Graph, node: onnx.NodeProto, a: dict[str, Any]) -> net.Node:
    if a.get("axis") not in (1, 1 - len(graph.shapes[node.output[0]]) - 1):
        raise graph.refuse(node, f"along axis {a.get('axis')} is not supported, along the channels (1) is")
    return net.Concat(_name(node), tuple(node.input), node.output[0])


def _slice(graph: _Graph, node: onnx.NodeProto, a: dict[str, Any]) -> net.Node:
    """One as onnx_selecting leaves those that it has understood."""
    found = slice_of(node, graph.constants)
    if found is None:
        raise graph.refuse(node, "its numbers have to be constants")
    if list(found) != [1] or found[1][1] != 1:
        raise graph.refuse(node, "only slices of the channels, or of every other row and column, are supported")
    return net.Slice(_name(node), (node.input[0],), node.output[0], found[1][0])


def _global_mean(graph: _Graph, node: onnx.NodeProto, a: dict[str, Any]) -> net.Node:
    return net.GlobalMean(_name(node), (node.input[0],), node.output[0])


def _reduce_mean(graph: _Graph, node: onnx.NodeProto, a: dict[str, Any]) -> net.Node:
    axes = a.get("axes")
    axes = graph.constant(node, 1) if axes is None else axes
    wanted = len(graph.shapes[node.input[0]]) + 1
    if axes is None or sorted(int(axis) % wanted for axis in axes) != [2, 3]:
        raise graph.refuse(node, "only the mean over height and width is supported")
    return net.GlobalMean(_name(node), (node.input[0],), node.output[0])


def _gemm(graph: _Graph, node: onnx.NodeProto, a: dict[str, Any]) -> net.Node:
    weights = np.asarray(graph.constant(node, 1), np.float32) * np.float32(a.get("alpha", 1.0))
    weights = weights if a.get("transB", 0) else weights.T
    bias = np.asarray(graph.constant(node, 2, np.zeros(weights.shape[0])), np.float32) * np.float32(a.get("beta", 1.0))
    return net.Dense(
        _name(node), (node.input[0],), node.output[0], np.ascontiguousarray(weights),
        np.broadcast_to(bias.reshape(-1), (weights.shape[0],)),
    )  # fmt: skip


def _matmul(graph: _Graph, node: onnx.NodeProto, a: dict[str, Any]) -> net.Node:
    weights = np.asarray(graph.constant(node, 1), np.float32).T
    if weights.ndim != 2:
        raise graph.refuse(node, "only the product with a matrix is supported")
    weights = np.ascontiguousarray(weights)
    return net.Dense(_name(node), (node.input[0],), node.output[0], weights, np.zeros(len(weights), np.float32))


def _softmax(graph: _Graph, node: onnx.NodeProto, a: dict[str, Any]) -> net.Node:
    shape = graph.shapes[node.output[0]]
    if sum(size > 1 for size in shape) > 1:
        raise graph.refuse(node, f"over one axis of {shape} is not supported, over all values of a vector is")
    return net.Softmax(_name(node), (node.input[0],), node.output[0])


def _normalize(graph: _Graph, node: onnx.NodeProto, a: dict[str, Any]) -> net.Node:
    shape, axis = graph.shapes[node.output[0]], a.get("axis", -1)
    if a.get("p", 2) != 2 or axis not in (1, -len(shape)) or sum(size > 1 for size in shape[1:]):
        raise graph.refuse(node, f"p={a.get('p', 2)} along axis {axis} of {shape}; p=2 over all values is supported")
    return net.Normalize(_name(node), (node.input[0],), node.output[0])


def _transpose(graph: _Graph, node: onnx.NodeProto, a: dict[str, Any]) -> net.Node:
    perm, shape = list(a.get("perm", ())), graph.shapes[node.input[0]]
    moved = [axis for axis in perm[1:] if shape[axis - 1] > 1]
    if perm[:1] == [0] and moved == sorted(moved):
        return _alias(graph, node, a)
    if perm != TO_CHANNELS_LAST:
        raise graph.refuse(node, f"the order {perm} is not supported; channels to the end, {TO_CHANNELS_LAST}, is")
    return net.ChannelsLast(_name(node), (node.input[0],), node.output[0])


def _resize(graph: _Graph, node: onnx.NodeProto, a: dict[str, Any]) -> net.Node:
    if _text(a.get("mode", "nearest")) != "nearest":
        raise graph.refuse(node, f"mode {_text(a['mode'])} is not supported, nearest is")
    before, after = graph.shapes[node.input[0]], graph.shapes[node.output[0]]
    for size, new in zip(before[1:], after[1:], strict=True):
        if not np.array_equal(_nearest(a, size, new), np.arange(new) * size // new):
            raise graph.refuse(node, "this rounding of coordinates is not what the chip's runtimes do")
    return net.Resize(_name(node), (node.input[0],), node.output[0])


def _nearest(a: dict[str, Any], size: int, new: int) -> np.ndarray:
    """Which cell each of the new ones takes, as ONNX says."""
    scale, x = new / size, np.arange(new, dtype=float)
    mode = _text(a.get("coordinate_transformation_mode", "half_pixel"))
    if mode == "align_corners":
        x = x * (size - 1) / max(1, new - 1)
    else:
        x = x / scale if mode == "asymmetric" else (x + 0.5) / scale - 0.5
    rounding = _text(a.get("nearest_mode", "round_prefer_floor"))
    rounded = {
        "floor": np.floor(x), "ceil": np.ceil(x), "round_prefer_ceil": np.floor(x + 0.5),
    }.get(rounding, np.ceil(x - 0.5))  # fmt: skip
    return np.clip(rounded, 0, size - 1).astype(int)


def _alias(graph: _Graph, node: onnx.NodeProto, a: dict[str, Any]) -> net.Node:
    return net.Alias(_name(node), (node.input[0],), node.output[0])


def _transposed(graph: _Graph, node: onnx.NodeProto, a: dict[str, Any]) -> net.Node:
    weights = np.asarray(graph.constant(node, 1), np.float32)
    strides, pads = tuple(a.get("strides", (1, 1))), tuple(a.get("pads", (0, 0, 0, 0)))
    if weights.ndim != 4 or strides != (2, 2) or a.get("group", 1) != 1 or tuple(a.get("dilations", (1, 1))) != (1, 1):
        raise graph.refuse(node, "only transposed convolutions of stride 2, one group, without dilation are supported")
    before, after = graph.shapes[node.input[0]], graph.shapes[node.output[0]]
    if any(new != 2 * size for size, new in zip(before[1:], after[1:], strict=True)):
        raise graph.refuse(node, f"it makes {after[1:]} cells of {before[1:]}; twice as many are supported")
    bias = np.asarray(graph.constant(node, 2, np.zeros(weights.shape[1])), np.float32)
    return net.TransposedConv(_name(node), (node.input[0],), node.output[0], weights, bias, 2, (pads[0], pads[1]))


READERS: dict[str, Reader] = {
    "Conv": _conv,
    "ConvTranspose": _transposed,
    "Relu": lambda graph, node, a: _function(node, Function.clip(0, np.inf)),
    "Clip": _clip,
    "LeakyRelu": lambda graph, node, a: _function(node, Function.leaky(a.get("alpha", 0.01))),
    "PRelu": _prelu,
    "Sigmoid": lambda graph, node, a: _function(node, Function.sigmoid()),
    "HardSigmoid": lambda graph, node, a: _function(
        node, Function.hard_sigmoid(a.get("alpha", 0.2), a.get("beta", 0.5))
    ),
    "HardSwish": lambda graph, node, a: _function(node, Function.hard_swish()),
    "Tanh": lambda graph, node, a: _function(node, Function.tanh()),
    "Elu": lambda graph, node, a: _function(node, Function.elu(a.get("alpha", 1.0))),
    "MaxPool": _pool(mean=False),
    "AveragePool": _pool(mean=True),
    "GlobalAveragePool": _global_mean,
    "ReduceMean": _reduce_mean,
    "Add": _add,
    "Mul": _mul,
    "Concat": _concat,
    "Slice": _slice,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Softmax": _softmax,
    "LpNormalization": _normalize,
    "Transpose": _transpose,
    "Resize": _resize,
    "Upsample": _resize,
    "Flatten": _alias,
    "Reshape": _alias,
    "Squeeze": _alias,
    "Unsqueeze": _alias,
    "Identity": _alias,
    "Dropout": _alias,
}
