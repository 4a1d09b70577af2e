"""An ONNX graph that is written anew, node by node, with what has to be known of its values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper


def attribute_of(node: onnx.NodeProto, name: str, default: Any) -> Any:
    """A node's attribute."""
    for attribute in node.attribute:
        if attribute.name == name:
            return helper.get_attribute_value(attribute)
    return default


@dataclass
class GraphEditor:
    """`model` is the one before, its shapes inferred; `nodes` and the constants `made` those of the new one. `users`
    counts who takes each of its values, its outputs included."""

    model: onnx.ModelProto
    constants: dict[str, npt.NDArray[Any]]
    shapes: dict[str, tuple[int, ...]]
    users: dict[str, int]
    nodes: list[onnx.NodeProto]
    made: list[onnx.TensorProto]

    @classmethod
    def of(cls, model: onnx.ModelProto) -> Self:
        """An empty one."""
        model = onnx.shape_inference.infer_shapes(model)
        graph = model.graph
        constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        shapes, users = {}, {value.name: 1 for value in graph.output}
        for value in (*graph.input, *graph.value_info, *graph.output):
            shapes[value.name] = tuple(size.dim_value for size in value.type.tensor_type.shape.dim)
        for node in graph.node:
            if node.op_type == "Constant":
                constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
            for value in node.input:
                users[value] = users.get(value, 0) + 1
        return cls(model, constants, shapes, users, [], [])

    @property
    def opset(self) -> int:
        """The version of ONNX's own operators."""
        return next(each.version for each in self.model.opset_import if each.domain in ("", "ai.onnx"))

    def used(self, outputs: Any) -> list[onnx.NodeProto]:
        """The nodes whose results anybody takes."""
        wanted, kept = {value.name for value in outputs}, []
        for node in reversed(self.nodes):
            if wanted.intersection(node.output):
                kept.append(node)
                wanted.update(node.input)
        return kept[::-1]

    def constant(self, name: str, array: npt.NDArray[Any]) -> str:
        """Make one; gives its name."""
        self.constants[name] = np.ascontiguousarray(array)
        self.made.append(numpy_helper.from_array(self.constants[name], name))
        return name

    def node(self, kind: str, node: onnx.NodeProto, inputs: list[str], output: str, **attributes: Any) -> None:
        """Append a node on behalf of one of the old ones, whose name it has when it makes its output."""
        name = node.name if output == node.output[0] else output
        self.nodes.append(helper.make_node(kind, inputs, [output], name=name, **attributes))

    def remade(
        self, value: str, output: str, change: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]
    ) -> bool:
        """Let the convolution that makes a value, for this alone, make `output`: `change` is for arrays whose first
        axis is the output channels."""
        maker = next((each for each in self.nodes if value in each.output), None)
        if maker is None or maker.op_type != "Conv" or attribute_of(maker, "group", 1) != 1:
            return False
        if self.users.get(value) != 1 or any(name not in self.constants for name in maker.input[1:]):
            return False
        other = onnx.NodeProto()
        other.CopyFrom(maker)
        other.output[0] = output
        for index, name in enumerate(maker.input[1:], start=1):
            other.input[index] = self.constant(f"{output}, {index}", change(self.constants[name]))
        self.nodes[self.nodes.index(maker)] = other
        return True
