"""What ONNX says in several nodes and the chip does in one, and the other way round."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from k210kit.compiler import network as net
from k210kit.compiler.functions import Doubles, Function
from k210kit.errors import K210Error

PHASES = tuple((a, b) for a in (0, 1) for b in (0, 1))


def rewritten(network: net.Network) -> net.Network:
    """The same network of nodes that stages are made of. Raises K210Error that names what cannot be carried."""
    network = _products(network)
    return _transposed(network)


def _products(network: net.Network) -> net.Network:
    """x * f(x), as SiLU and hard swish are exported, is a function of x."""
    makers = {node.output: node for node in network.nodes}
    nodes: list[net.Node] = []
    for node in network.nodes:
        if isinstance(node, net.Multiply):
            nodes.append(_function_of(node, makers))
        else:
            nodes.append(node)
    return _without_unused(replace(network, nodes=tuple(nodes)))


def _function_of(node: net.Multiply, makers: dict[str, net.Node]) -> net.Activation:
    for value, other in (node.inputs, node.inputs[::-1]):
        maker = makers.get(other)
        if isinstance(maker, net.Activation) and maker.inputs[0] == value:
            return net.Activation(node.name, (value,), node.output, _times_itself(maker.function))
    if node.inputs[0] == node.inputs[1]:
        return net.Activation(node.name, node.inputs[:1], node.output, Function("square", np.square))
    raise K210Error(f"{node.name}: the product of two values is not supported; of a value and a function of it, it is")


def _times_itself(function: Function) -> Function:
    def apply(x: Doubles) -> Doubles:
        return x * function.apply(x)

    return Function(f"x {function.name}", apply)


def _without_unused(network: net.Network) -> net.Network:
    wanted = set(network.outputs)
    kept: list[net.Node] = []
    for node in reversed(network.nodes):
        if node.output in wanted:
            kept.append(node)
            wanted.update(node.inputs)
    return replace(network, nodes=tuple(reversed(kept)))


def _transposed(network: net.Network) -> net.Network:
    """A transposed convolution of stride 2 is four convolutions, whose results are interleaved."""
    shapes, parts_of = dict(network.shapes), dict(network.parts)
    nodes: list[net.Node] = []
    taken: set[str] = set()
    for node in network.nodes:
        if node.output in taken:
            continue
        if not isinstance(node, net.TransposedConv):
            nodes.append(node)
            continue
        users = network.users(node.output)
        follower = users[0] if len(users) == 1 and node.output not in network.outputs else None
        activation = follower if isinstance(follower, net.Activation) else None
        output = activation.output if activation is not None else node.output
        parts = []
        for phase in PHASES:
            convolution = _phase(node, phase)
            shapes[convolution.output] = (node.weights.shape[1], *network.shapes[node.inputs[0]][1:])
            parts_of[convolution.output] = node.output
            nodes.append(convolution)
            part = convolution.output
            if activation is not None:
                part = f"{output}, phase {phase}"
                shapes[part], parts_of[part] = shapes[convolution.output], output
                nodes.append(
                    net.Activation(
                        f"{activation.name}, phase {phase}", (convolution.output,), part, activation.function
                    )
                )
            parts.append(part)
        if activation is not None:
            taken.add(output)
        nodes.append(net.Interleave(node.name, tuple(parts), output))
    return replace(network, nodes=tuple(nodes), shapes=shapes, parts=parts_of)


def _phase(node: net.TransposedConv, phase: tuple[int, int]) -> net.Conv:
    """The convolution that makes cells 2y + a, 2x + b.

    Of the kernel's rows k those for which a + pad - k is even look (a + pad - k) / 2 cells away.
    """
    taps, pads = [], []
    for size, place, pad in zip(node.weights.shape[2:], phase, node.pads, strict=True):
        away = {(place + pad - k) // 2: k for k in range(size) if (place + pad - k) % 2 == 0}
        if not away:
            raise K210Error(f"{node.name}: a kernel of one cell leaves gaps, which is not supported")
        taps.append([away[key] for key in sorted(away)])
        pads.append(-min(away))
    weights = node.weights[:, :, taps[0]][:, :, :, taps[1]].transpose(1, 0, 2, 3)
    return net.Conv(
        f"{node.name}, phase {phase}", node.inputs, f"{node.output}, sums {phase}", np.ascontiguousarray(weights),
        node.bias, pads=(pads[0], pads[1], 0, 0),
    )  # fmt: skip
