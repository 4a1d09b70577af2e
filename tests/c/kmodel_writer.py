"""Writes kernel models of version 3, layer by layer, and a set of small ones with every layer type.

Layout: Kendryte standalone SDK, drivers/include/kpu.h; padding as nncase v0.1.0-rc5 does it.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

ADD, QUANTIZED_ADD, GLOBAL_MAX_POOL, QUANTIZED_GLOBAL_MAX_POOL = 1, 2, 3, 4
GLOBAL_AVERAGE_POOL, QUANTIZED_GLOBAL_AVERAGE_POOL, MAX_POOL, QUANTIZED_MAX_POOL = 5, 6, 7, 8
AVERAGE_POOL, QUANTIZED_AVERAGE_POOL, QUANTIZE, DEQUANTIZE, REQUANTIZE, L2_NORMALIZATION = 9, 10, 11, 12, 13, 14
SOFTMAX, CONCAT, QUANTIZED_CONCAT, FULLY_CONNECTED, QUANTIZED_FULLY_CONNECTED = 15, 16, 17, 18, 19
FLATTEN, QUANTIZED_FLATTEN, RESIZE, QUANTIZED_RESIZE, CHANNELWISE_DEQUANTIZE, LOGISTIC = 20, 21, 22, 23, 24, 25
CONVOLUTION, ADD_PADDING, REMOVE_PADDING, UPLOAD = 10240, 10241, 10242, 10243

Body = bytes | Callable[[int], bytes]
"""A layer's arguments; those of a convolution hold their own offset in the file."""


def words(*values: int) -> bytes:
    """32-bit words, signed ones too."""
    return struct.pack(f"<{len(values)}I", *(value & 0xFFFF_FFFF for value in values))


@dataclass
class KmodelWriter:
    """Collects layers; build() makes the file."""

    main_memory: int
    outputs: list[tuple[int, int]]
    eight_bit: bool = True
    layers: list[tuple[int, Body]] = field(default_factory=list)

    def add(self, kind: int, body: Body) -> KmodelWriter:
        self.layers.append((kind, body))
        return self

    def build(self) -> bytes:
        head = words(3, int(self.eight_bit), 0, len(self.layers), 0, self.main_memory, len(self.outputs))
        head += b"".join(words(*output) for output in self.outputs)
        start = len(head) + 8 * len(self.layers)
        table = bodies = b""
        for kind, body in self.layers:
            offset = start + len(bodies)
            made = body if isinstance(body, bytes) else body(offset)
            made += bytes(-(offset + len(made)) % 8)
            table += words(kind, len(made))
            bodies += made
        return head + table + bodies


def group_of(width: int) -> tuple[int, int]:
    """Channels that share a line of KPU RAM, and lines a row takes."""
    return (4, 1) if width <= 16 else (2, 1) if width <= 32 else (1, -(-width // 64))


@dataclass
class Convolution:
    """A convolution's arguments: shapes are (channels, height, width), lines count KPU RAM in 64 bytes."""

    shape: tuple[int, int, int]
    out_shape: tuple[int, int, int]
    weights: np.ndarray
    batchnorm: bytes
    activation: bytes
    line: int = 0
    out_line: int = 0x4000
    kernel: int = 0
    pool: int = 0
    depthwise: bool = False
    pad_value: int = 0
    main_memory: int | None = None
    outputs_a_load: int | None = None
    changes: dict[int, int] = field(default_factory=dict)
    """Words of the block to be something else."""

    def block(self) -> list[int]:
        """The twelve 64-bit words."""
        (channels, height, width), (outputs, out_height, out_width) = self.shape, self.out_shape
        group, lines = group_of(width)
        out_group, out_lines = group_of(out_width)
        a_load = self.outputs_a_load or outputs
        load = self.weights.nbytes // outputs * a_load
        block = [
            self.depthwise << 3,
            self.line | self.out_line << 32,
            channels - 1 | outputs - 1 << 32 | a_load - 1 << 48,
            width - 1 | height - 1 << 10 | out_width - 1 << 32 | out_height - 1 << 42,
            self.kernel | self.pool << 4 | 1 << 10 | 15 << 16 | self.pad_value << 24,
            1 | (-(-outputs // a_load) - 1) << 1 | load << 15,
            0,
            lines * height | lines << 16 | group << 28 | 1 << 31,
            out_lines * out_height | out_lines << 16 | out_group << 20,
            0,
            0,
            (out_height * out_width - 1 & 0xFFFF) << 16 | outputs * out_height * out_width - 1 << 32,
        ]
        for index, word in self.changes.items():
            block[index] = word
        return block

    def __call__(self, offset: int) -> bytes:
        """The body, for its place in the file."""
        data, places = bytearray(24), []
        for part, alignment in (
            (struct.pack("<12Q", *self.block()), 8),
            (self.weights.tobytes(), 128),
            (self.batchnorm, 128),
            (self.activation, 256),
        ):
            data += bytes(-(offset + len(data)) % alignment)
            places.append(offset + len(data))
            data += part
        data[:24] = words(self.main_memory is not None, self.main_memory or 0, *places)
        return bytes(data)


def identity_convolution(channels: int, height: int, width: int, **changes: object) -> Convolution:
    """A depthwise 1x1 layer that leaves its input as it is, unless its output is of another size."""
    arguments: dict[str, object] = {
        "shape": (channels, height, width),
        "out_shape": (channels, height, width),
        "weights": np.ones(channels, np.uint8),
        "batchnorm": struct.pack("<Q", 1) * channels,
        "activation": struct.pack("<Q", 1 << 8) * 16 + bytes(16),
        "depthwise": True,
    } | changes
    return Convolution(**arguments)  # type: ignore[arg-type]


def fully_connected(source: int, target: int, weights: np.ndarray, bias: np.ndarray, activation: int = 0) -> bytes:
    """`weights` of shape (outputs, inputs)."""
    outputs, inputs = weights.shape
    floats = weights.astype("<f4").tobytes() + bias.astype("<f4").tobytes()
    return words(0, source, target, inputs, outputs, activation) + floats


def pool(source: int, target: int, shape: tuple[int, ...], out: tuple[int, ...], window: tuple[int, ...]) -> bytes:
    """Shapes are (channels, height, width), the window (width, height, stride x, y, padding x, y)."""
    return words(1, source, target, *reversed(shape), *reversed(out), *window)


def floats(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


FLOATS = 240
"""Of the input of the models below; it lies at address 0, what is made of it behind."""
FREE = FLOATS * 4 + 8


def on_floats(size: int, *layers: tuple[int, bytes], outputs: list[tuple[int, int]] | None = None) -> bytes:
    """A model that takes FLOATS floats and then has `layers`, which leave `size` bytes at FREE."""
    writer = KmodelWriter(FREE + -(-size // 8) * 8, outputs or [(FREE, size)])
    # The format wants a layer that takes the input; what this one makes of it is not looked at.
    writer.add(FULLY_CONNECTED, fully_connected(0, FLOATS * 4, np.zeros((1, FLOATS)), np.zeros(1)))
    for kind, body in layers:
        writer.add(kind, body)
    return writer.build()


def on_bytes(size: int, kind: int, body: bytes) -> bytes:
    return on_floats(size, (kind, body))


def small_models() -> dict[str, bytes]:
    """One model for each layer type, by name, and some with several layers and outputs."""
    table = bytes((i * 7 + 3) % 256 for i in range(256))
    shape = (2, 5, 6)
    window = (3, 2, 2, 1, 1, 0)
    image = identity_convolution(3, 4, 24, main_memory=0)
    return {
        "add": on_floats(400, (ADD, words(1, 0, 400, FREE, 100))),
        "quantized_add": on_floats(101, (QUANTIZED_ADD, words(1, 0, 101, FREE, 101, -20, 90, 7, 12, 70, 7, 30, 45, 6))),
        "quantized_add_shifts": on_floats(
            101, (QUANTIZED_ADD, words(1, 3, 400, FREE, 101, -120, 90, 7, 12, 70, 5, 100, 45, 8))
        ),
        "global_average_pool": on_floats(32, (GLOBAL_AVERAGE_POOL, words(1, 0, FREE, 30, 8))),
        "max_pool": on_floats(2 * 4 * 3 * 4, (MAX_POOL, pool(0, FREE, shape, (2, 4, 3), window) + words(1))),
        "average_pool": on_floats(2 * 4 * 3 * 4, (AVERAGE_POOL, pool(0, FREE, shape, (2, 4, 3), window) + words(2))),
        "quantized_max_pool": on_floats(2 * 4 * 3, (QUANTIZED_MAX_POOL, pool(3, FREE, shape, (2, 4, 3), window))),
        "quantize": on_floats(240, (QUANTIZE, words(1, 0, FREE, 240) + floats(0.03, -1.5))),
        "dequantize": on_floats(4 * 900, (DEQUANTIZE, words(1, 5, FREE, 900) + floats(0.0371, -3.3))),
        "dequantize_few": on_floats(4 * 33, (DEQUANTIZE, words(1, 1, FREE, 33) + floats(0.0371, -3.3))),
        "requantize": on_floats(250, (REQUANTIZE, words(1, 8, FREE, 250) + table)),
        "requantize_unaligned": on_floats(251, (REQUANTIZE, words(1, 9, FREE, 251) + table)),
        "l2_normalization": on_floats(400, (L2_NORMALIZATION, words(1, 40, FREE, 100))),
        "softmax": on_floats(400, (SOFTMAX, words(1, 80, FREE, 100))),
        "logistic": on_floats(400, (LOGISTIC, words(1, 80, FREE, 100))),
        "concat": on_floats(116, (CONCAT, words(1, FREE, 3, 0, 8, 400, 100, 16, 8))),
        "quantized_concat": on_floats(18, (QUANTIZED_CONCAT, words(1, FREE, 2, 1, 5, 100, 13))),
        "fully_connected": on_floats(
            4 * 7, (FULLY_CONNECTED, fully_connected(4, FREE, *random_weights(7, 33), activation=2))
        ),
        "flatten": on_floats(240, (FLATTEN, words(1, 0, FREE, 3, 4, 5))),
        "quantized_flatten": on_floats(60, (QUANTIZED_FLATTEN, words(1, 1, FREE, 3, 4, 5))),
        "resize": on_floats(2 * 7 * 9 * 4, (RESIZE, words(1, 0, FREE, 6, 5, 2, 9, 7, 0))),
        "resize_corners": on_floats(2 * 7 * 9 * 4, (RESIZE, words(1, 0, FREE, 6, 5, 2, 9, 7, 1))),
        "quantized_resize": on_floats(2 * 3 * 4, (QUANTIZED_RESIZE, words(1, 2, FREE, 6, 5, 2, 4, 3, 0))),
        "channelwise_dequantize": on_floats(
            3 * 10 * 4, (CHANNELWISE_DEQUANTIZE, words(1, 4, FREE, 3, 10) + floats(0.1, 1, 0.2, -2, 0.3, 3))
        ),
        "convolution": KmodelWriter(288, [(0, 288)]).add(CONVOLUTION, image).build(),
        "sixteen_bits": KmodelWriter(4 * 9 * 50, [(0, 4 * 9 * 50)], eight_bit=False)
        .add(CONVOLUTION, dense_convolution(np.uint16, main_memory=0))
        .build(),
        "padding": padding_model(),
        "upload": upload_model(),
        "outputs": on_floats(
            48,
            (SOFTMAX, words(1, 0, FREE, 6)),
            (LOGISTIC, words(1, 0, FREE + 24, 6)),
            outputs=[(FREE + 24, 24), (FREE, 24), (0, 8)],
        ),
    }


def random_weights(outputs: int, inputs: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(outputs * 1000 + inputs)
    return random.normal(0, 1, (outputs, inputs)).astype("<f4"), random.normal(0, 1, outputs).astype("<f4")


def dense_convolution(kind: type, **changes: object) -> Convolution:
    """3x3, five channels of 50 x 9 to four, weights in three loads."""
    random = np.random.default_rng(7)
    weights = random.integers(0, np.iinfo(kind).max, (4, 5, 3, 3), endpoint=True).astype(kind)
    # mul 1, shift 15, add 0; then (v - 0) * 1 >> 4: bytes that are not all at the limit.
    activation = struct.pack("<Q", 1 << 8 | (4 if kind is np.uint16 else 0)) * 16 + bytes(16)
    batchnorm = struct.pack("<Q", 1 | (15 if kind is np.uint16 else 10) << 56) * 4
    arguments: dict[str, object] = {
        "shape": (5, 9, 50),
        "out_shape": (4, 9, 50),
        "weights": weights,
        "batchnorm": batchnorm,
        "activation": activation,
        "kernel": 1,
        "pad_value": 9,
        "outputs_a_load": 2,
    } | changes
    return Convolution(**arguments)  # type: ignore[arg-type]


def padding_model() -> bytes:
    """Seven channels of one cell are padded, convolved as they are, and stripped again."""
    start = identity_convolution(7, 4, 4, main_memory=0)
    again = identity_convolution(7, 4, 4, line=0x100, main_memory=128)
    writer = KmodelWriter(256, [(248, 7)])
    writer.add(CONVOLUTION, start).add(REMOVE_PADDING, words(1, 0, 240, 7))
    writer.add(ADD_PADDING, words(0, 240, 0x100, 7)).add(CONVOLUTION, again)
    return writer.add(REMOVE_PADDING, words(1, 128, 248, 7)).build()


def upload_model() -> bytes:
    """Images of three widths go out of KPU RAM and come back in elsewhere."""
    writer = KmodelWriter(4096, [(2560, 3 * 5 * 70), (0, 1050)])
    writer.add(CONVOLUTION, identity_convolution(3, 5, 70, main_memory=0))
    writer.add(UPLOAD, words(0, 0, 0x300, 70, 5, 3))
    writer.add(CONVOLUTION, identity_convolution(3, 5, 70, line=0x300, main_memory=1280))
    writer.add(UPLOAD, words(0, 1280, 0x200, 14, 25, 3))
    writer.add(CONVOLUTION, identity_convolution(3, 25, 14, line=0x200, main_memory=0))
    writer.add(UPLOAD, words(0, 0, 0x280, 30, 7, 5))
    return writer.add(CONVOLUTION, identity_convolution(5, 7, 30, line=0x280, main_memory=2560)).build()


def main() -> None:
    """Write the small models into a folder: what a fuzzer starts from."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, model in small_models().items():
        (folder / name).write_bytes(model)


if __name__ == "__main__":
    main()
