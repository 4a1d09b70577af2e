"""Nodes joined to what the chip does in one go: a convolution with the activation and the pooling behind it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from k210kit.board.kpu.arithmetic import (
    POOL_MAX_2,
    POOL_MAX_4,
    POOL_MEAN_2,
    POOL_MEAN_4,
    POOL_NONE,
    POOL_TOP_LEFT_2,
    POOL_TOP_LEFT_4,
)
from k210kit.compiler import network as net
from k210kit.compiler.functions import Function
from k210kit.errors import K210Error

POOLS = {
    (False, 2): POOL_MAX_2,
    (False, 4): POOL_MAX_4,
    (True, 2): POOL_MEAN_2,
    (True, 4): POOL_MEAN_4,
}
STRIDE_POOLS = {1: POOL_NONE, 2: POOL_TOP_LEFT_2, 4: POOL_TOP_LEFT_4}
CENTRE = 1


@dataclass(frozen=True)
class KpuStage:
    """A layer of the KPU: the convolution has a 1x1 or 3x3 kernel, stride 1 and keeps the size. `measured` is the value
    in whose range the function's results are, before pooling."""

    name: str
    input: str
    output: str
    measured: str
    weights: net.Floats
    bias: net.Floats
    depthwise: bool
    function: Function
    pool: int = POOL_NONE


Stage = KpuStage | net.Node


def stages_of(network: net.Network) -> tuple[list[Stage], net.Network]:
    """What is to be done, in order. Values that appear on the way are added to the network's shapes. Raises K210Error
    with the name of the node that cannot be carried."""
    shapes = dict(network.shapes)
    found: list[Stage] = []
    taken: set[str] = set()
    for node in network.nodes:
        if node.output in taken:
            continue
        if isinstance(node, net.Conv) and not _is_dense(node, network):
            found += _convolution(node, network, shapes, taken)
        elif isinstance(node, net.Conv):
            found.append(_as_dense(node))
        elif isinstance(node, net.Pool) and _pool_mode(node, network) is not None:
            found.append(_copy(node, network, _pool_mode(node, network) or 0))
        else:
            found.append(node)
    return found, replace(network, shapes=shapes)


def _only_user(network: net.Network, value: str) -> net.Node | None:
    users = network.users(value)
    return users[0] if len(users) == 1 and value not in network.outputs else None


def _is_dense(node: net.Conv, network: net.Network) -> bool:
    """A 1x1 convolution of a single cell, which the processor does."""
    return network.shapes[node.inputs[0]][1:] == (1, 1) and node.weights.shape[2:] == (1, 1) and node.groups == 1


def _as_dense(node: net.Conv) -> net.Dense:
    return net.Dense(node.name, node.inputs, node.output, node.weights[:, :, 0, 0], node.bias)


def _pool_mode(node: net.Pool, network: net.Network) -> int | None:
    """The KPU's mode for it, or None."""
    if node.window[0] != node.window[1] or node.strides != node.window or any(node.pads):
        return None
    return POOLS.get((node.mean, node.window[0]))


def _copy(node: net.Pool, network: net.Network, mode: int) -> KpuStage:
    """A layer that only pools."""
    channels = network.shapes[node.inputs[0]][0]
    weights, bias = _tap(channels, CENTRE, CENTRE)
    value = node.inputs[0]
    return KpuStage(node.name, value, node.output, value, weights, bias, True, Function.identity(), mode)


def _tap(channels: int, row: int, column: int) -> tuple[net.Floats, net.Floats]:
    """Depthwise weights that take one cell."""
    weights = np.zeros((channels, 1, 3, 3), np.float32)
    weights[:, 0, row, column] = 1
    return weights, np.zeros(channels, np.float32)


def _convolution(node: net.Conv, network: net.Network, shapes: dict[str, net.Shape], taken: set[str]) -> list[Stage]:
    weights, depthwise = _carried_weights(node)
    offsets, stride = _placing(node, network)
    measured, function = node.output, Function.identity()
    value = node.output
    follower = _only_user(network, value)
    while isinstance(follower, net.Activation):
        function = function.then(follower.function)
        value = measured = follower.output
        taken.add(value)
        follower = _only_user(network, value)
    if stride == 1 and isinstance(follower, net.Pool) and _pool_mode(follower, network) is not None:
        pool = _pool_mode(follower, network) or 0
        value = follower.output
        taken.add(value)
        return [KpuStage(node.name, node.inputs[0], value, measured, weights, node.bias, depthwise, function, pool)]
    stage = KpuStage(node.name, node.inputs[0], value, measured, weights, node.bias, depthwise, function)
    if offsets == (0, 0):
        return [replace(stage, pool=STRIDE_POOLS[stride])]
    # The cells wanted are not the upper left ones of their squares: all are computed, then moved by a depthwise layer.
    whole = f"{value}, every cell"
    channels = weights.shape[0]
    shapes[whole] = (channels, *shapes[node.inputs[0]][1:])
    moved, zero = _tap(channels, CENTRE + offsets[0], CENTRE + offsets[1])
    return [
        replace(stage, output=whole),
        KpuStage(node.name, whole, value, measured, moved, zero, True, Function.identity(), STRIDE_POOLS[stride]),
    ]


def _carried_weights(node: net.Conv) -> tuple[net.Floats, bool]:
    """Weights for the KPU and whether they are depthwise; groups become one with zeros between."""
    outputs, inputs, rows, columns = node.weights.shape
    if (rows, columns) not in ((1, 1), (3, 3)):
        raise K210Error(f"{node.name}: a kernel of {rows}x{columns} is not supported yet, 1x1 and 3x3 are")
    if node.dilations != (1, 1) and (rows, columns) != (1, 1):
        raise K210Error(f"{node.name}: dilation {node.dilations} is not supported yet")
    if node.depthwise:
        weights = node.weights
        if (rows, columns) == (1, 1):
            weights = np.pad(weights, ((0, 0), (0, 0), (1, 1), (1, 1)))
        return weights, True
    if node.groups == 1:
        return node.weights, False
    whole = np.zeros((outputs, inputs * node.groups, rows, columns), np.float32)
    for group in range(node.groups):
        a, b = group * outputs // node.groups, (group + 1) * outputs // node.groups
        whole[a:b, group * inputs : (group + 1) * inputs] = node.weights[a:b]
    return whole, False


def _placing(node: net.Conv, network: net.Network) -> tuple[tuple[int, int], int]:
    """Which cell of each square of `stride` cells the layer's results are: the KPU's are around every cell."""
    height, width = network.shapes[node.inputs[0]][1:]
    out = network.shapes[node.output][1:]
    stride = node.strides[0]
    if node.strides[1] != stride or stride not in STRIDE_POOLS:
        raise K210Error(f"{node.name}: strides {node.strides} are not supported, 1, 2 and 4 are")
    edge = node.weights.shape[2] // 2
    offsets = []
    for size, new, before in zip((height, width), out, node.pads[:2], strict=True):
        offset = edge - before
        if not 0 <= offset < stride or new != size // stride:
            raise K210Error(
                f"{node.name}: padding {node.pads} at stride {stride} makes {size} cells {new}; supported yet is what "
                f"makes them {size // stride}, with {edge} or up to {stride - 1} less before the first cell"
            )
        offsets.append(offset)
    return (offsets[0], offsets[1]), stride
