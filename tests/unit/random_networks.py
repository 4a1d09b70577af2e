"""Random small networks as ONNX, of everything that the compiler carries."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


@dataclass
class Builder:
    """Adds nodes to a network for one picture; `value` and `shape` are those of the last one."""

    seed: int
    shape: tuple[int, ...]
    opset: int = 13
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    value: str = "input"

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)
        self.first = self.shape

    def constant(self, array: np.ndarray) -> str:
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def add(self, kind: str, shape: tuple[int, ...], *others: str, inputs: list[str] | None = None, **a: object) -> str:
        name = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs or [self.value, *others], [name], name=f"node_{name}", **a))
        self.value, self.shape = name, shape
        return name

    def conv(
        self,
        outputs: int,
        side: int | tuple[int, int] = 3,
        stride: int = 1,
        pads: tuple[int, ...] | None = None,
        groups: int = 1,
        dilation: int = 1,
    ) -> str:
        rows, columns = (side, side) if isinstance(side, int) else side
        channels, height, width = self.shape
        pads = pads or (rows // 2 * dilation, columns // 2 * dilation) * 2
        fan = channels // groups * rows * columns
        weights = self.random.normal(0, (2 / fan) ** 0.5, (outputs, channels // groups, rows, columns))
        sizes = [
            (size + pads[i] + pads[i + 2] - (kernel - 1) * dilation - 1) // stride + 1
            for i, (size, kernel) in enumerate(((height, rows), (width, columns)))
        ]
        return self.add(
            "Conv", (outputs, *sizes), self.constant(weights.astype(np.float32)),
            self.constant(self.random.normal(0, 0.1, outputs).astype(np.float32)), kernel_shape=[rows, columns],
            strides=[stride, stride], pads=list(pads), group=groups, dilations=[dilation, dilation],
        )  # fmt: skip

    def function(self, kind: str, **a: object) -> str:
        return self.add(kind, self.shape, **a)

    def relu6(self) -> str:
        low, high = self.constant(np.array(0, np.float32)), self.constant(np.array(6, np.float32))
        return self.add("Clip", self.shape, low, high)

    def pool(self, kind: str, side: int, stride: int, pads: tuple[int, ...] = (0, 0, 0, 0)) -> str:
        channels, *sizes = self.shape
        out = [(size + pads[i] + pads[i + 2] - side) // stride + 1 for i, size in enumerate(sizes)]
        return self.add(kind, (channels, *out), kernel_shape=[side, side], strides=[stride, stride], pads=list(pads))

    def plus(self, other: str) -> str:
        return self.add("Add", self.shape, other)

    def beside(self, other: str, channels: int) -> str:
        return self.add("Concat", (self.shape[0] + channels, *self.shape[1:]), other, axis=1)

    def split(self, first: int) -> str:
        """In two, of which the second goes on; gives the first."""
        channels, *sizes = self.shape
        names = [f"split{len(self.nodes)}_{part}" for part in "ab"]
        lengths = self.constant(np.array([first, channels - first], np.int64))
        self.nodes.append(helper.make_node("Split", [self.value, lengths], names, name=f"node_{names[0]}", axis=1))
        self.value, self.shape = names[1], (channels - first, *sizes)
        return names[0]

    def slice(self, starts: list[int], ends: list[int], axes: list[int], steps: list[int]) -> str:
        shape = list(self.shape)
        for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
            shape[axis - 1] = len(range(*slice(start, end, step).indices(shape[axis - 1])))
        numbers = [self.constant(np.array(each, np.int64)) for each in (starts, ends, axes, steps)]
        return self.add("Slice", tuple(shape), *numbers)

    def shuffle(self, groups: int) -> str:
        channels, *sizes = shape = self.shape
        inner = np.array([1, groups, channels // groups, *sizes], np.int64)
        self.add("Reshape", (), self.constant(inner))
        self.add("Transpose", (), perm=[0, 2, 1, 3, 4])
        return self.add("Reshape", shape, self.constant(np.array([1, *shape], np.int64)))

    def upsample(self, factor: int) -> str:
        channels, height, width = self.shape
        scales = self.constant(np.array([1, 1, factor, factor], np.float32))
        return self.add(
            "Resize", (channels, height * factor, width * factor), "", scales, mode="nearest",
            coordinate_transformation_mode="asymmetric", nearest_mode="floor",
        )  # fmt: skip

    def mean(self) -> str:
        return self.add("GlobalAveragePool", (self.shape[0], 1, 1))

    def flat(self) -> str:
        return self.add("Flatten", (int(np.prod(self.shape)),), axis=1)

    def dense(self, outputs: int) -> str:
        weights = self.random.normal(0, self.shape[0] ** -0.5, (outputs, self.shape[0])).astype(np.float32)
        bias = self.constant(self.random.normal(0, 0.1, outputs).astype(np.float32))
        return self.add("Gemm", (outputs,), self.constant(weights), bias, transB=1)

    def build(self, *outputs: str) -> onnx.ModelProto:
        names = outputs or (self.value,)
        graph = helper.make_graph(
            self.nodes,
            "network",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, *self.first])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)
        return model

    def pictures(self, count: int) -> np.ndarray:
        """Smooth pictures with some noise, so that neighbours are alike as in photos."""
        channels, height, width = self.first
        coarse = self.random.normal(0, 1, (count, channels, 5, 5))
        rows, columns = np.linspace(0, 4, height), np.linspace(0, 4, width)
        blend = [np.maximum(0, 1 - np.abs(at[:, None] - np.arange(5))) for at in (rows, columns)]
        smooth = np.einsum("yi,ncij,xj->ncyx", blend[0], coarse, blend[1])
        noisy = 128 + 70 * smooth + self.random.normal(0, 10, smooth.shape)
        return np.clip(noisy, 0, 255).astype(np.uint8)


FUNCTIONS = (
    ("Relu", {}), ("LeakyRelu", {"alpha": 0.1}), ("Sigmoid", {}), ("HardSigmoid", {"alpha": 0.2, "beta": 0.5}),
    ("Tanh", {}), ("Elu", {"alpha": 1.0}),
)  # fmt: skip


def random_network(seed: int) -> Builder:
    """Two to seven steps, each chosen at random."""
    random = np.random.default_rng(seed)
    size = int(random.integers(8, 41)), int(random.integers(8, 41))
    b = Builder(seed, (int(random.choice([1, 3])), *size))
    b.conv(int(random.integers(2, 13)))
    _activate(b, random)
    for _ in range(int(random.integers(1, 7))):
        _step(b, random)
    if random.random() < 0.3:
        b.mean()
        b.flat()
        b.dense(int(random.integers(2, 12)))
        if random.random() < 0.5:
            b.add("Softmax", b.shape, axis=1)
    return b


def _activate(b: Builder, random: np.random.Generator) -> None:
    choice = int(random.integers(0, 9))
    if choice < len(FUNCTIONS):
        kind, attributes = FUNCTIONS[choice]
        b.function(kind, **attributes)
    elif choice == 6:
        b.relu6()


def _step(b: Builder, random: np.random.Generator) -> None:
    channels, height, width = b.shape
    step = int(random.integers(0, 15))
    if min(height, width) < 8 and step in (1, 2, 3, 4, 5):
        step = 0
    if step == 0:
        b.conv(int(random.integers(2, 13)), int(random.choice([1, 3])))
    elif step == 1:
        b.conv(int(random.integers(2, 13)), 3, 2, pads=((1, 1, 1, 1), (0, 0, 1, 1))[int(random.integers(0, 2))])
    elif step == 2:
        b.pool("MaxPool", 2, 2)
    elif step == 3:
        b.pool("AveragePool", 2, 2)
    elif step == 4:
        b.pool("MaxPool", 3, 2, (1, 1, 1, 1))
    elif step == 5:
        b.conv(int(random.integers(2, 9)), int(random.choice([5, 7])))
    elif step == 6:
        b.conv(channels, 3, groups=channels)
    elif step == 7:
        b.conv(int(random.integers(2, 9)), 3, dilation=2)
    elif step == 8:
        before = b.value
        b.conv(channels, 3)
        b.plus(before)
    elif step == 9:
        before = b.value
        b.conv(int(random.integers(2, 9)), 3)
        b.beside(before, channels)
    elif step == 11:
        first = int(random.integers(1, channels)) if channels > 1 else 0
        if first:
            aside = b.split(first)
            b.conv(int(random.integers(2, 9)), 3)
            b.beside(aside, first)
    elif step == 12 and channels > 2:
        start = int(random.integers(0, channels - 1))
        b.slice([start], [channels], [1], [int(random.integers(1, 3))])
        b.conv(int(random.integers(2, 9)), int(random.choice([1, 3])))
    elif step == 13 and channels % 2 == 0:
        b.shuffle(2)
    elif step == 10 and max(height, width) <= 24:
        b.upsample(2)
    else:
        b.conv(2 * channels, 3, groups=channels) if random.random() < 0.5 else b.conv(6, (1, 3))
    _activate(b, random)
