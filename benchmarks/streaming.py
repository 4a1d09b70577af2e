"""A model that memory holds and one twice as large on the board: ResNet-18 of two widths, random weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from benchmarks.firmware import FIRMWARE, PROMPT, answer
from k210kit.board import Board
from k210kit.compiler import Options, compile_model
from k210kit.kmodel.describe import KPU_HZ
from k210kit.kmodel.read import read

SIDE, OFFSET = 128, 0x300000
WIDTHS = (40, 44, 64)
"""Channels of the first stage; 64 is the published network."""
BLOCKS = 8


@dataclass
class _ResNet18:
    """https://arxiv.org/abs/1512.03385, table 1, with batch normalisation merged."""

    width: int
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = np.random.default_rng(self.width)

    def _node(self, kind: str, inputs: list[str], **attributes: object) -> str:
        name = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def _conv(self, value: str, inputs: int, outputs: int, side: int, stride: int = 1) -> str:
        weights = self._random.normal(0, (1 / (inputs * side * side)) ** 0.5, (outputs, inputs, side, side))
        name = f"weights{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(weights.astype(np.float32), name))
        return self._node("Conv", [value, name], kernel_shape=[side] * 2, strides=[stride] * 2, pads=[side // 2] * 4)

    def _block(self, value: str, inputs: int, outputs: int) -> str:
        stride = 1 if inputs == outputs else 2
        inner = self._node("Relu", [self._conv(value, inputs, outputs, 3, stride)])
        inner = self._conv(inner, outputs, outputs, 3)
        aside = value if stride == 1 else self._conv(value, inputs, outputs, 1, 2)
        return self._node("Relu", [self._node("Add", [inner, aside])])

    def build(self) -> onnx.ModelProto:
        """The network up to the global mean; a classifier of its thousand classes is floats for the processor."""
        value = self._node("Relu", [self._conv("input", 3, self.width, 7, 2)])
        value = self._node("MaxPool", [value], kernel_shape=[2, 2], strides=[2, 2])
        channels = self.width
        for number in range(BLOCKS):
            outputs = self.width << number // 2
            value, channels = self._block(value, channels, outputs), outputs
        value = self._node("GlobalAveragePool", [value])
        ends = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in (("input", (1, 3, SIDE, SIDE)), (value, (1, channels, 1, 1)))
        ]
        graph = helper.make_graph(self.nodes, "ResNet-18", ends[:1], ends[1:], self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def _row(width: int) -> str:
    pictures = np.random.default_rng(1).integers(0, 256, (2, 3, SIDE, SIDE), np.uint8)
    data = compile_model(_ResNet18(width).build(), pictures, Options(std=(255.0,))).data
    model = read(data)
    with Board(FIRMWARE, flash={OFFSET: data}) as board:
        board.run_until(PROMPT)
        for line in (
            "import image, time; from maix import KPU; kpu = KPU()",
            f"img = image.Image(size=({SIDE}, {SIDE})); _ = img.pix_to_ai()",
            f"kpu.load_kmodel({OFFSET}, {len(data)}); _ = kpu.run_with_output(img)",
            "t = time.ticks_us(); _ = kpu.run_with_output(img); t = time.ticks_diff(time.ticks_us(), t)",
        ):
            answer(board, line)
        shown, took = answer(board, "kpu"), int(answer(board, "t")) / 1000
    streamed = int(shown.split(" bytes, ")[1].split(" of them streamed")[0]) if "streamed" in shown else 0
    kpu = sum(layer.cycles for layer in model.layers) / KPU_HZ * 1000
    return f"| {width} | {len(data):,} | {streamed:,} | {kpu:.1f} | {took:.1f} |"


def table() -> str:
    """The table for docs/benchmarks.md."""
    if not Path(FIRMWARE).exists():
        return "Not measured: build/firmware.bin is not there."
    return "\n".join([
        f"`make bench`: ResNet-18 on {SIDE}x{SIDE}, from the flash; milliseconds a frame as modelled, KPU at 400 MHz. "
        "A width of 64 is the published network.",
        "",
        "| width | model, bytes | streamed at each frame | KPU alone, ms | a frame, ms |",
        "|---|---|---|---|---|",
        *(_row(width) for width in WIDTHS),
    ])  # fmt: skip


if __name__ == "__main__":
    print(table())
