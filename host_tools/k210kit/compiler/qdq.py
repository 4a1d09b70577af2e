"""Models that were quantized elsewhere: QuantizeLinear and DequantizeLinear pairs say what the ranges are."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from k210kit.compiler.onnx_editing import attribute_of
from k210kit.compiler.quantization import LEVELS
from k210kit.errors import K210Error

Given = dict[str, tuple[float, float]]


def without_qdq(model: onnx.ModelProto) -> tuple[onnx.ModelProto, Given]:
    """The model in floats, and the ranges that its pairs give to values.

    Raises K210Error for pairs with a scale for each channel of a value that is not constant.
    """
    if not any(node.op_type == "DequantizeLinear" for node in model.graph.node):
        return model, {}
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    graph = changed.graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    makers = {node.output[0]: node for node in graph.node}
    given: Given = {}
    other_names: dict[str, str] = {}
    kept = []
    for node in graph.node:
        for index, value in enumerate(node.input):
            node.input[index] = other_names.get(value, value)
        if node.op_type == "QuantizeLinear":
            continue
        if node.op_type != "DequantizeLinear":
            kept.append(node)
            continue
        scale, zero = _parameters(node, constants)
        if node.input[0] in constants:
            graph.initializer.append(numpy_helper.from_array(_folded(node, constants, scale, zero), node.output[0]))
            continue
        maker = makers.get(node.input[0])
        if maker is None or maker.op_type != "QuantizeLinear" or scale.size != 1:
            raise K210Error(f"{node.name or node.output[0]}: only pairs with one scale are supported for values")
        source = other_names.get(maker.input[0], maker.input[0])
        low = -128 if zero.dtype == np.int8 else 0
        step = float(scale.reshape(()))
        given[source] = (low - int(zero.reshape(()))) * step, (low + LEVELS - int(zero.reshape(()))) * step
        other_names[node.output[0]] = source
    for output in graph.output:
        if output.name in other_names:
            kept.append(onnx.helper.make_node("Identity", [other_names[output.name]], [output.name]))
    del graph.node[:]
    graph.node.extend(kept)
    return changed, given


def _parameters(node: onnx.NodeProto, constants: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    scale = constants.get(node.input[1])
    zero = constants.get(node.input[2]) if len(node.input) > 2 else np.zeros(1, np.uint8)
    if scale is None or zero is None:
        raise K210Error(f"{node.name or node.output[0]}: scale and zero have to be constants")
    return scale, zero


def _folded(node: onnx.NodeProto, constants: dict[str, np.ndarray], scale: np.ndarray, zero: np.ndarray) -> np.ndarray:
    data = constants[node.input[0]]
    axis = attribute_of(node, "axis", 1)
    shape = [1] * data.ndim
    if scale.size > 1:
        shape[axis] = scale.size
    return (data.astype(np.float32) - zero.astype(np.float32).reshape(shape if zero.size > 1 else -1)) * scale.reshape(
        shape if scale.size > 1 else -1
    ).astype(np.float32)
