"""A network between ONNX and the chip: nodes in the order in which they run, each with one output."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from k210kit.compiler.functions import Function

Floats = npt.NDArray[np.float32]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Node:
    """`name` is the ONNX node's, `inputs` and `output` name values."""

    name: str
    inputs: tuple[str, ...]
    output: str
    kind: ClassVar[str] = "node"


@dataclass(frozen=True)
class Conv(Node):
    """`weights` (outputs, inputs of a group, rows, columns), `pads` top, left, bottom, right; height before width."""

    weights: Floats = field(repr=False, default_factory=lambda: np.zeros((1, 1, 1, 1), np.float32))
    bias: Floats = field(repr=False, default_factory=lambda: np.zeros(1, np.float32))
    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilations: tuple[int, int] = (1, 1)
    groups: int = 1
    kind: ClassVar[str] = "convolution"

    @property
    def depthwise(self) -> bool:
        """Each output channel looks at the input channel of its number only."""
        return self.groups == self.weights.shape[0] > 1 and self.weights.shape[1] == 1


@dataclass(frozen=True)
class Activation(Node):
    """A function of each value alone."""

    function: Function = field(default_factory=Function.identity)
    kind: ClassVar[str] = "activation"


@dataclass(frozen=True)
class Pool(Node):
    """The largest value or the mean of windows; a mean counts what is inside only unless `counts_padding`."""

    mean: bool = False
    window: tuple[int, int] = (2, 2)
    strides: tuple[int, int] = (2, 2)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    counts_padding: bool = False
    kind: ClassVar[str] = "pooling"


@dataclass(frozen=True)
class Add(Node):
    """Of two values of the same shape."""

    kind: ClassVar[str] = "addition"


@dataclass(frozen=True)
class Concat(Node):
    """Along the channels."""

    kind: ClassVar[str] = "concatenation"


@dataclass(frozen=True)
class Slice(Node):
    """As many channels, or values of a vector, as the output has, from number `first` on."""

    first: int = 0
    kind: ClassVar[str] = "slice"


@dataclass(frozen=True)
class GlobalMean(Node):
    """Of each channel."""

    kind: ClassVar[str] = "global mean"


@dataclass(frozen=True)
class Dense(Node):
    """`weights` (outputs, inputs)."""

    weights: Floats = field(repr=False, default_factory=lambda: np.zeros((1, 1), np.float32))
    bias: Floats = field(repr=False, default_factory=lambda: np.zeros(1, np.float32))
    kind: ClassVar[str] = "dense layer"


@dataclass(frozen=True)
class Softmax(Node):
    """Over all values."""

    kind: ClassVar[str] = "softmax"


@dataclass(frozen=True)
class Normalize(Node):
    """All values over the square root of the sum of their squares."""

    kind: ClassVar[str] = "L2 norm"


@dataclass(frozen=True)
class ChannelsLast(Node):
    """An image of (channels, height, width) as (height, width, channels)."""

    kind: ClassVar[str] = "channels to the end"


@dataclass(frozen=True)
class Resize(Node):
    """To the nearest cell: cell y takes floor(y * height / new height), and so for x."""

    kind: ClassVar[str] = "nearest upsampling"


@dataclass(frozen=True)
class Multiply(Node):
    """Of two values of the same shape."""

    kind: ClassVar[str] = "product"


@dataclass(frozen=True)
class TransposedConv(Node):
    """`weights` (inputs, outputs, rows, columns): every cell adds the kernel, times its value, `stride` cells apart."""

    weights: Floats = field(repr=False, default_factory=lambda: np.zeros((1, 1, 2, 2), np.float32))
    bias: Floats = field(repr=False, default_factory=lambda: np.zeros(1, np.float32))
    stride: int = 2
    pads: tuple[int, int] = (0, 0)
    kind: ClassVar[str] = "transposed convolution"


@dataclass(frozen=True)
class Interleave(Node):
    """Of four images: cell 2y + a, 2x + b of the output is cell y, x of input 2a + b."""

    kind: ClassVar[str] = "interleaving"


@dataclass(frozen=True)
class Alias(Node):
    """Another shape for the same values in the same order."""

    kind: ClassVar[str] = "reshaping"


@dataclass(frozen=True)
class Network:
    """`shapes` has every value's shape without the batch; `outputs` in the model's order. `parts` tells for values that
    ONNX does not know of which one they are a part."""

    input: str
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    shapes: dict[str, Shape]
    parts: dict[str, str] = field(default_factory=dict)

    def users(self, value: str) -> list[Node]:
        """The nodes that take it."""
        return [node for node in self.nodes if value in node.inputs]
