"""ONNX nodes that the chip has no layer for, as other ONNX nodes that compute exactly the same.

This comes before anything is measured, so that every value on the way has its range.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper

from k210kit.compiler.onnx_editing import GraphEditor, attribute_of
from k210kit.compiler.onnx_selecting import SELECTIONS

TO_CHANNELS_FIRST, TO_CHANNELS_LAST = [0, 3, 1, 2], [0, 2, 3, 1]
BACK_TO_NORM = ("Expand", "Clip", "Max", "Add", "Identity")
"""What exporters put between a norm and the division by it, so that none is by 0."""


def with_channels_first(model: onnx.ModelProto) -> onnx.ModelProto:
    """A model that begins with putting the channels first, as those from TensorFlow do, takes them first instead."""
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    users = [node for node in model.graph.node if len(inputs) == 1 and inputs[0].name in node.input]
    if len(users) != 1 or users[0].op_type != "Transpose" or attribute_of(users[0], "perm", []) != TO_CHANNELS_FIRST:
        return model
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    graph, name = changed.graph, inputs[0].name
    sizes = next(value for value in graph.input if value.name == name).type.tensor_type.shape.dim
    height, width, channels = (size.dim_value for size in sizes[1:])
    for size, wanted in zip(sizes[1:], (channels, height, width), strict=True):
        size.dim_value = wanted
    gone = users[0].output[0]
    kept = [node for node in graph.node if gone not in node.output]
    for node in kept:
        for index, value in enumerate(node.input):
            node.input[index] = name if value == gone else value
    del graph.node[:]
    graph.node.extend(kept)
    return changed


def with_simple_nodes(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network without slopes by channel, sums and products with constants by channel, quotients by constants,
    batch normalizations that no convolution stands before, and norms in several nodes; of slices those of channels
    that begin a line of KPU RAM are left."""
    rewriting = _Rewriting.of(model)
    for node in model.graph.node:
        rewriting.add(node)
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    del changed.graph.node[:]
    changed.graph.node.extend(rewriting.used(model.graph.output))
    changed.graph.initializer.extend(rewriting.made)
    return changed


@dataclass
class _Rewriting(GraphEditor):
    def add(self, node: onnx.NodeProto) -> None:
        """Append the node, or those that it is made of."""
        if node.op_type in SELECTIONS:
            if not SELECTIONS[node.op_type](self, node):
                self.nodes.append(node)
            return
        rewrite: Callable[[onnx.NodeProto], bool] | None = {
            "PRelu": self._slopes, "BatchNormalization": self._normalization, "Add": self._sum, "Sub": self._sum,
            "Mul": self._product, "Div": self._quotient,
        }.get(node.op_type)  # fmt: skip
        if rewrite is None or not rewrite(node):
            self.nodes.append(node)

    def _by_channel(self, value: str, constant: str) -> npt.NDArray[np.float32] | None:
        """A constant as one number for each channel of an image, or None when it is something else."""
        shape, array = self.shapes.get(value, ()), self.constants.get(constant)
        if array is None or len(shape) != 4 or array.size == 1:
            return None
        if array.size != shape[1] or array.reshape(-1, 1, 1).shape != (1, *array.shape)[-3:]:
            return None
        return array.reshape(-1).astype(np.float32)

    def _each_channel(self, node: onnx.NodeProto, value: str, factors: Any, offsets: Any) -> None:
        """factor * x + offset, which a depthwise convolution of one cell is."""
        weights = self.constant(f"{node.output[0]}, factors", np.asarray(factors, np.float32).reshape(-1, 1, 1, 1))
        bias = self.constant(f"{node.output[0]}, offsets", np.asarray(offsets, np.float32))
        self.node("Conv", node, [value, weights, bias], node.output[0], group=len(factors), kernel_shape=[1, 1])

    def _sum(self, node: onnx.NodeProto) -> bool:
        sign = -1 if node.op_type == "Sub" else 1
        for index in (0, 1):
            value, constant = node.input[index], node.input[1 - index]
            factor, of_constant = (1, sign) if index == 0 else (sign, 1)
            numbers = self._by_channel(value, constant)
            if numbers is not None:
                self._each_channel(node, value, np.full(len(numbers), factor, np.float32), of_constant * numbers)
                return True
            array = self.constants.get(constant)
            if sign < 0 and array is not None and array.size == 1:
                turned = value
                if factor < 0:
                    turned = f"{node.output[0]}, turned"
                    minus = self.constant(f"{turned}, factor", np.array(-1, np.float32))
                    self.node("Mul", node, [value, minus], turned)
                offset = self.constant(f"{node.output[0]}, offset", np.asarray(of_constant * array, np.float32))
                self.node("Add", node, [turned, offset], node.output[0])
                return True
        return False

    def _product(self, node: onnx.NodeProto) -> bool:
        for value, constant in (node.input, reversed(node.input)):
            numbers = self._by_channel(value, constant)
            if numbers is not None:
                self._each_channel(node, value, numbers, np.zeros(len(numbers), np.float32))
                return True
        return False

    def _quotient(self, node: onnx.NodeProto) -> bool:
        value, divisor = node.input
        array = self.constants.get(divisor)
        if array is not None and np.all(array != 0):
            inverse = f"{node.output[0]}, inverse"
            self.constant(inverse, (1 / array).astype(np.float32))
            product = helper.make_node("Mul", [value, inverse], [node.output[0]], name=node.name)
            self.add(product)
            return True
        if self._is_norm_of(divisor, value):
            self.node("LpNormalization", node, [value], node.output[0], axis=1, p=2)
            return True
        return False

    def _is_norm_of(self, divisor: str, value: str) -> bool:
        """Whether it is the square root of the sum of the squares over the first axis of a value."""
        makers = {output: node for node in self.model.graph.node for output in node.output}
        maker = makers.get(divisor)
        while maker is not None and maker.op_type in BACK_TO_NORM:
            maker = makers.get(maker.input[0])
        if maker is None or maker.op_type != "ReduceL2" or maker.input[0] != value:
            return False
        axes = attribute_of(maker, "axes", None)
        if axes is None and len(maker.input) > 1:
            axes = self.constants.get(maker.input[1])
        rank = len(self.shapes.get(value, ()))
        return axes is not None and rank > 0 and [int(axis) % rank for axis in axes] == [1]

    def _normalization(self, node: onnx.NodeProto) -> bool:
        found = [self.constants.get(name) for name in node.input[1:5]]
        if any(array is None for array in found) or len(self.shapes.get(node.input[0], ())) != 4:
            return False
        gamma, beta, mean, variance = (np.asarray(array, np.float64) for array in found)
        factors = gamma / np.sqrt(variance + attribute_of(node, "epsilon", 1e-5))
        self._each_channel(node, node.input[0], factors, beta - mean * factors)
        return True

    def _slopes(self, node: onnx.NodeProto) -> bool:
        """relu(x) - slope * relu(-x): twice the channels, of both signs, then each pair's difference."""
        slopes = self._by_channel(node.input[0], node.input[1])
        if slopes is None or np.all(slopes == slopes[0]):
            return False
        signs, positive = f"{node.output[0]}, both signs", f"{node.output[0]}, parts above 0"
        one = np.eye(len(slopes), dtype=np.float32)[:, :, None, None]
        weights = self.constant(f"{signs}, factors", np.concatenate([one, -one]))
        self._signs(node, weights, signs)
        self.node("Relu", node, [signs], positive)
        back = self.constant(f"{node.output[0]}, slopes", np.concatenate([one, -slopes[:, None, None, None] * one], 1))
        self.node("Conv", node, [positive, back], node.output[0], kernel_shape=[1, 1])
        return True

    def _signs(self, node: onnx.NodeProto, weights: str, output: str) -> None:
        """x and -x, by the convolution that makes x where there is one of its own."""
        if not self.remade(node.input[0], output, lambda array: np.concatenate([array, -array])):
            self.node("Conv", node, [node.input[0], weights], output, kernel_shape=[1, 1])
