"""What a network wants its picture to be, as nodes before it: the chip's input is the picture's bytes, red first."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from k210kit.errors import K210Error

PICTURE = "picture, as bytes"
BLUE_FIRST = "picture, blue first"


def uniform(mean: tuple[float, ...], std: tuple[float, ...]) -> tuple[float, float]:
    """Factor and offset when they are the same for all channels and bytes can stand for them, else 1 and 0."""
    if _is_uniform(mean, std):
        return 1 / std[0], -mean[0] / std[0]
    return 1.0, 0.0


def _is_uniform(mean: tuple[float, ...], std: tuple[float, ...]) -> bool:
    return len(set(mean)) == len(set(std)) == 1 and float(mean[0]).is_integer() and 0 <= mean[0] <= 255


def with_preprocessing(
    model: onnx.ModelProto, mean: tuple[float, ...], std: tuple[float, ...], swap_rb: bool
) -> onnx.ModelProto:
    """The model with nodes in front of it for what uniform() does not cover. Raises K210Error when numbers and channels
    do not match."""
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    if len(inputs) != 1:
        return model
    channels = inputs[0].type.tensor_type.shape.dim[1].dim_value if inputs[0].type.tensor_type.shape.dim else 0
    if any(len(numbers) not in (1, channels) for numbers in (mean, std)):
        raise K210Error(f"mean {mean} and std {std}: one number, or one for each of {channels} channels, is wanted")
    if swap_rb and channels != 3:
        raise K210Error(f"red and blue cannot be swapped in a picture of {channels} channels")
    if _is_uniform(mean, std) and not swap_rb:
        return model
    scaled = _is_uniform(mean, std)
    weights = np.zeros((channels, channels, 1, 1), np.float32)
    order = [2, 1, 0] if swap_rb else list(range(channels))
    factors = np.broadcast_to([1.0] if scaled else 1 / np.array(std), (channels,))
    weights[np.arange(channels), order, 0, 0] = factors
    bias = np.zeros(channels) if scaled else -np.broadcast_to(mean, (channels,)) * factors
    return _with_convolution(model, inputs[0], weights, bias.astype(np.float32))


def _with_convolution(
    model: onnx.ModelProto, value: onnx.ValueInfoProto, weights: np.ndarray, bias: np.ndarray
) -> onnx.ModelProto:
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    graph = changed.graph
    graph.initializer.append(numpy_helper.from_array(weights, f"{PICTURE}: weights"))
    graph.initializer.append(numpy_helper.from_array(bias, f"{PICTURE}: bias"))
    node = helper.make_node(
        "Conv", [PICTURE, f"{PICTURE}: weights", f"{PICTURE}: bias"], [value.name], name="preprocessing",
        kernel_shape=[1, 1],
    )  # fmt: skip
    graph.node.insert(0, node)
    for known in graph.input:
        if known.name == value.name:
            known.name = PICTURE
    return changed
