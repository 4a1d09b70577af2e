"""Cross-layer equalization: what one convolution makes smaller the next one makes larger, channel by channel.

Between two convolutions with nothing but a relu in between, a channel may be divided by any positive number if the
weights that look at it are multiplied by it. It is chosen so that the channel takes as much of the first one's range as
of the second one's. Source: Nagel et al., Data-Free Quantization Through Weight Equalization and Bias Correction, 2019.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from k210kit.compiler.onnx_editing import attribute_of

ROUNDS = 20
HOMOGENEOUS = ("Relu", "LeakyRelu")
"""f(s x) = s f(x) for s above 0."""


def equalized(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network with other weights."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    pairs = _pairs(changed.graph)
    weights = {tensor.name: numpy_helper.to_array(tensor).copy() for tensor in changed.graph.initializer}
    for _ in range(ROUNDS):
        for first, second in pairs:
            _equalize(first, second, weights)
    for tensor in changed.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(weights[tensor.name], tensor.name))
    return changed


def _pairs(graph: onnx.GraphProto) -> list[tuple[onnx.NodeProto, onnx.NodeProto]]:
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for value in node.input:
            users.setdefault(value, []).append(node)
    outputs = {value.name for value in graph.output}
    constants = {tensor.name for tensor in graph.initializer}
    shared = {name for name in constants if len(users.get(name, [])) > 1}
    found = []
    for node in graph.node:
        if not _is_plain(node, constants, shared):
            continue
        value = node.output[0]
        after = users.get(value, [])
        while len(after) == 1 and after[0].op_type in HOMOGENEOUS and value not in outputs:
            value = after[0].output[0]
            after = users.get(value, [])
        if len(after) == 1 and value not in outputs and _is_plain(after[0], constants, shared):
            found.append((node, after[0]))
    return found


def _is_plain(node: onnx.NodeProto, constants: set[str], shared: set[str]) -> bool:
    return node.op_type == "Conv" and all(name in constants and name not in shared for name in node.input[1:])


def _equalize(first: onnx.NodeProto, second: onnx.NodeProto, weights: dict[str, np.ndarray]) -> None:
    w1, w2 = weights[first.input[1]], weights[second.input[1]]
    groups = attribute_of(second, "group", 1)
    if groups not in (1, w2.shape[0]) or (groups != 1 and w2.shape[1] != 1):
        return
    made = np.abs(w1.reshape(len(w1), -1)).max(1)
    taken = np.abs(w2).max((0, 2, 3)) if groups == 1 else np.abs(w2).max((1, 2, 3))
    if len(made) != len(taken):
        return
    usable = (made > 1e-8) & (taken > 1e-8)
    factor = np.where(usable, np.sqrt(np.maximum(made, 1e-8) / np.maximum(taken, 1e-8)), 1.0).astype(w1.dtype)
    weights[first.input[1]] = w1 / factor[:, None, None, None]
    if len(first.input) > 2:
        weights[first.input[2]] = weights[first.input[2]] / factor
    weights[second.input[1]] = w2 * (factor[None, :, None, None] if groups == 1 else factor[:, None, None, None])
