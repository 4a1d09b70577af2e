"""Stages to layers of version 3: what runs where, which memory holds what, and when."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from k210kit.board.kpu.layer import LINE
from k210kit.compiler import kpu_layer
from k210kit.compiler import network as net
from k210kit.compiler.functions import Function
from k210kit.compiler.memory import Buffer, allocate
from k210kit.compiler.quantization import LEVELS, Scale
from k210kit.compiler.stages import Join, KpuStage, Stage, copy_stage, is_image, made_cells
from k210kit.compiler.version3_writer import FileLayer, convolution_body, words, write
from k210kit.compiler.views import Image, View, lines_of
from k210kit.errors import K210Error

KPU_RAM_SIZE = 2 << 20
MAIN_ALIGNMENT = 64
FLAGS = 1
SIGMOID = Function.sigmoid().name

QUANTIZED_ADD, GLOBAL_AVERAGE_POOL, QUANTIZED_MAX_POOL, AVERAGE_POOL, QUANTIZE, DEQUANTIZE = 2, 5, 8, 9, 11, 12
REQUANTIZE, L2_NORMALIZATION, SOFTMAX, CONCAT, QUANTIZED_CONCAT, FULLY_CONNECTED, FLATTEN = 13, 14, 15, 16, 17, 18, 20
QUANTIZED_RESIZE, LOGISTIC = 23, 25
CONVOLUTION, UPLOAD = 10240, 10243

Ranges = dict[str, tuple[float, float]]
Means = dict[str, npt.NDArray[np.float64]]
"""Of each channel."""


@dataclass
class Layer:
    """One of the file's layers; `body` is asked for once all buffers have addresses."""

    kind: int
    name: str
    what: str
    value: str
    shape: net.Shape
    body: Callable[[], FileLayer]
    channels: range | None = None
    """Of the value, when the layer may make only some."""


@dataclass
class Held:
    """Where a value is: as an image in KPU RAM, as bytes and as floats in main memory."""

    image: View | None = None
    data: Buffer | None = None
    floats: Buffer | None = None
    made_at: int = -1
    """The convolution that can leave it in main memory too."""


@dataclass(frozen=True)
class Place:
    """Of a value that is made as a part of another: that one's name, and the lines before it, or the rows."""

    whole: str
    at: int
    by_rows: bool


@dataclass
class Lowering:
    """Builds the layers of one network."""

    network: net.Network
    scales: dict[str, Scale]
    ranges: Ranges
    means: Means
    largest_layer: int
    layers: list[Layer] = field(default_factory=list)
    held: dict[str, Held] = field(default_factory=dict)
    images: list[Buffer] = field(default_factory=list)
    places: dict[str, Place] = field(default_factory=dict)
    wholes: dict[str, Buffer] = field(default_factory=dict)
    regions: list[Buffer] = field(default_factory=list)

    # ---- Buffers and layers

    def _shape(self, value: str) -> net.Shape:
        return self.network.shapes[value]

    def _image_shape(self, value: str) -> tuple[int, int, int]:
        shape = self._shape(value)
        if len(shape) != 3:
            raise K210Error(f"{value} of shape {shape} is no image, which the KPU wants")
        return shape[0], shape[1], shape[2]

    def _new_image(self, value: str, shape: Image, layer: int) -> View:
        place = self.places.get(value)
        if place is None:
            buffer = Buffer(value, lines_of(shape) * LINE, layer, layer)
            self.images.append(buffer)
            return View.of(buffer, shape)
        if place.whole not in self.wholes:
            lines = lines_of(self._image_shape(place.whole))
            self.wholes[place.whole] = Buffer(place.whole, lines * LINE, layer, layer)
            self.images.append(self.wholes[place.whole])
        buffer = self.wholes[place.whole]
        buffer.used_at(layer)
        if place.by_rows:
            return View.of(buffer, self._image_shape(place.whole)).rows(place.at, shape[1])
        return View.of(buffer, shape, place.at)

    def _new_region(self, value: str, size: int, layer: int) -> Buffer:
        # DMA moves eight bytes at a time.
        self.regions.append(Buffer(value, -(-size // 8) * 8, layer, layer))
        return self.regions[-1]

    def _count(self, value: str) -> int:
        return math.prod(self._shape(value))

    def _add(self, kind: int, name: str, what: str, value: str, body: Callable[[], bytes]) -> int:
        self.layers.append(
            Layer(kind, name, what, value, self._shape(value), lambda: FileLayer(kind, lambda _offset: body()))
        )
        return len(self.layers) - 1

    @property
    def _next(self) -> int:
        return len(self.layers)

    # ---- Values where they are wanted

    def image_of(self, value: str) -> View:
        """The value as an image in KPU RAM."""
        held = self.held[value]
        if held.image is None:
            data, at = self.bytes_of(value), self._next
            image = self._new_image(value, self._image_shape(value), at)
            channels, height, width = self._image_shape(value)
            self._add(
                UPLOAD, value, "upload", value,
                lambda: words(0, data.address, image.line, width, height, channels),
            )  # fmt: skip
            data.used_at(at)
            held.image = image
        held.image.buffer.used_at(self._next)
        return held.image

    def bytes_of(self, value: str) -> Buffer:
        """The value as bytes in main memory."""
        held = self.held[value]
        if held.data is None and held.floats is not None:
            source, at, scale = held.floats, self._next, self.scales[value]
            held.data = target = self._new_region(value, self._count(value), at)
            self._add(
                QUANTIZE, value, "quantize", value,
                lambda: words(FLAGS, source.address, target.address, self._count(value)) + _quantization(scale),
            )  # fmt: skip
            source.used_at(at)
        elif held.data is None:
            if held.made_at < 0 or held.image is None or not held.image.is_whole():
                self._made_whole(value)
            held.data = self._new_region(value, self._count(value), held.made_at)
        held.data.used_at(self._next)
        return held.data

    def floats_of(self, value: str) -> Buffer:
        """The value as floats in main memory."""
        held = self.held[value]
        if held.floats is None:
            source, at, scale = self.bytes_of(value), self._next, self.scales[value]
            held.floats = target = self._new_region(value, 4 * self._count(value), at)
            self._add(
                DEQUANTIZE, value, "dequantize", value,
                lambda: words(FLAGS, source.address, target.address, self._count(value)) + _quantization(scale),
            )  # fmt: skip
            source.used_at(at)
        held.floats.used_at(self._next)
        return held.floats

    def _made_whole(self, value: str) -> None:
        """A copy of an image that is a part of others, which can be sent to main memory."""
        held, at = self.held[value], self._next
        copy = copy_stage(f"{value}, whole", value, self._image_shape(value)[0])
        view = self._new_image(copy.output, self._image_shape(value), at)
        self._kpu_layer(copy, self.image_of(value), view, held)
        held.image, held.made_at = view, at

    # ---- Stages

    def lower(self, stage: Stage) -> None:
        """Append the layers of one stage. Raises K210Error when version 3 has none for it."""
        if isinstance(stage, KpuStage):
            self._convolution(stage)
        elif isinstance(stage, Join):
            self._join(stage)
        elif isinstance(stage, net.Alias):
            self._alias(stage)
        else:
            lower = {
                net.Activation: self._activation,
                net.Add: self._addition,
                net.Concat: self._concat,
                net.Slice: self._slice,
                net.Pool: self._pool,
                net.GlobalMean: self._global_mean,
                net.Dense: self._dense,
                net.Softmax: self._softmax,
                net.Normalize: self._normalize,
                net.ChannelsLast: self._channels_last,
                net.Resize: self._resize,
                net.Interleave: self._interleave,
            }[type(stage)]
            lower(stage)  # type: ignore[operator]

    def _convolution(self, stage: KpuStage) -> None:
        source = self.image_of(stage.input)
        at = self._next
        if stage.cells is not None:
            source = source.cut(*stage.cells)
            # A row more than there is lies behind the last channel's.
            source.buffer.size += source.row_lines * LINE * max(0, stage.cells[0] - self._shape(stage.input)[1])
        if stage.window is not None:
            source = source.rows(*stage.window)
        made = (self._shape(stage.output)[0], *made_cells(stage, self.network.shapes))
        target = self._new_image(stage.output, (made[0], made[1], made[2]), at)
        wanted = self._image_shape(stage.output)
        held = self.held[stage.output] = Held(image=target.cut(*wanted[1:]), made_at=at if wanted == made else -1)
        self._kpu_layer(stage, source, target, held)

    def _kpu_layer(self, stage: KpuStage, source: View, target: View, held: Held) -> None:
        """Append the layer, or those that each make some of its channels. They send bytes to main memory when those of
        `held` are wanted, and are their own."""
        at = self._next
        for channels in kpu_layer.portions(stage, self.largest_layer):
            self._portion(stage, source, target, channels, lambda: held.data if held.made_at == at else None)
        source.buffer.used_at(self._next - 1)

    def _portion(
        self, stage: KpuStage, source: View, target: View, channels: range, sent_to: Callable[[], Buffer | None]
    ) -> None:
        part, view = stage.portion(channels), target.channels(channels)
        source_scale = self.scales[stage.input]
        target_scale = self.scales.get(stage.output, source_scale)
        means = self.means.get(stage.input)
        p = kpu_layer.parameters(part, self._before_activation(stage), source_scale, target_scale, means)
        kpu_layer.check(part, source, view, p)
        sent_before = channels.start * target.shape[1] * target.shape[2]

        def body() -> FileLayer:
            block = kpu_layer.argument_block(part, source, view, p)
            data = sent_to()
            output = None if data is None else data.address + sent_before
            return FileLayer(CONVOLUTION, convolution_body(block, p.weights, p.batchnorm, p.activation, output))

        side = stage.weights.shape[2]
        what = f"KPU {side}x{side}{' depthwise' if stage.depthwise else ''}, {stage.function.name}, pool {stage.pool}"
        self.layers.append(Layer(CONVOLUTION, part.name, what, stage.output, view.shape, body, channels))

    def _join(self, stage: Join) -> None:
        """Its parts are in their places already."""
        view = View.of(self.wholes[stage.output], self._image_shape(stage.output))
        self.held[stage.output] = Held(image=view)

    def _before_activation(self, stage: KpuStage) -> tuple[float, float]:
        """The range of a stage's sums."""
        found = self.ranges.get(stage.sums or stage.measured)
        if found is None:
            scale = self.scales[stage.input]
            found = -scale.step * scale.zero, scale.step * (LEVELS - scale.zero)
        return found

    def _alias(self, node: net.Alias) -> None:
        self.held[node.output] = replace(self.held[node.inputs[0]])
        if len(self._shape(node.output)) != 3 or self._shape(node.output) != self._shape(node.inputs[0]):
            self.bytes_or_floats(node.inputs[0])
            self.held[node.output] = replace(self.held[node.inputs[0]], image=None)

    def bytes_or_floats(self, value: str) -> None:
        """Make sure that it is in main memory."""
        if self.held[value].floats is None:
            self.bytes_of(value)

    def _activation(self, node: net.Activation) -> None:
        if node.function.name == SIGMOID and self.held[node.inputs[0]].floats is not None:
            count = self._count(node.output)
            self._on_floats(LOGISTIC, node, SIGMOID, lambda a, b: words(FLAGS, a, b, count))
            return
        value, before, after = node.inputs[0], self.scales[node.inputs[0]], self.scales[node.output]
        levels = (np.arange(LEVELS + 1) - before.zero) * before.step
        table = after.bytes_of(node.function.apply(levels.astype(np.float64))).tobytes()
        source, at = self.bytes_of(value), self._next
        target = self._new_region(node.output, self._count(node.output), at)
        self._add(
            REQUANTIZE, node.name, node.function.name, node.output,
            lambda: words(FLAGS, source.address, target.address, self._count(value)) + table,
        )  # fmt: skip
        self.held[node.output] = Held(data=target)

    def _addition(self, node: net.Add) -> None:
        one, other = (self.bytes_of(value) for value in node.inputs)
        at = self._next
        for source in (one, other):
            source.used_at(at)
        target = self._new_region(node.output, self._count(node.output), at)
        numbers = addition(*(self.scales[value] for value in (*node.inputs, node.output)))
        self._add(
            QUANTIZED_ADD, node.name, "addition", node.output,
            lambda: words(FLAGS, one.address, other.address, target.address, self._count(node.output), *numbers),
        )  # fmt: skip
        self.held[node.output] = Held(data=target)

    def _concat(self, node: net.Concat) -> None:
        sources = [self.bytes_of(value) for value in node.inputs]
        at = self._next
        target = self._new_region(node.output, self._count(node.output), at)
        for source in sources:
            source.used_at(at)
        sizes = [self._count(value) for value in node.inputs]

        def body() -> bytes:
            parts = [number for source, size in zip(sources, sizes, strict=True) for number in (source.address, size)]
            return words(FLAGS, target.address, len(sources), *parts)

        self._add(QUANTIZED_CONCAT, node.name, "concatenation", node.output, body)
        self.held[node.output] = Held(data=target)

    def _slice(self, node: net.Slice) -> None:
        """Channels of an image are where they are; values of a vector are copied."""
        value, count = node.inputs[0], self._count(node.output)
        if is_image(self._shape(value)):
            channels = range(node.first, node.first + self._shape(node.output)[0])
            self.held[node.output] = Held(image=self.image_of(value).channels(channels))
            return
        source, each = self.floats_of(value), count // self._shape(node.output)[0]
        target = self._joined_floats(
            node, "slice", [source], lambda: [(source.address + 4 * node.first * each, 4 * count)], 4 * count
        )
        self.held[node.output] = Held(floats=target)

    def _pool(self, node: net.Pool) -> None:
        shape, out = self._image_shape(node.inputs[0]), self._image_shape(node.output)
        window = (*node.window[::-1], *node.strides[::-1], node.pads[1], node.pads[0])
        if node.mean and node.counts_padding and any(node.pads):
            raise K210Error(f"{node.name}: a mean that counts padding is not supported")
        source = (self.floats_of if node.mean else self.bytes_of)(node.inputs[0])
        at = self._next
        size = self._count(node.output) * (4 if node.mean else 1)
        target = self._new_region(node.output, size, at)

        def body() -> bytes:
            numbers = words(FLAGS, source.address, target.address, *reversed(shape), *reversed(out), *window)
            return numbers + (words(0) if node.mean else b"")

        kind = AVERAGE_POOL if node.mean else QUANTIZED_MAX_POOL
        self._add(kind, node.name, "mean of windows" if node.mean else "largest of windows", node.output, body)
        self.held[node.output] = Held(floats=target) if node.mean else Held(data=target)

    def _global_mean(self, node: net.GlobalMean) -> None:
        channels, height, width = self._image_shape(node.inputs[0])
        self._on_floats(
            GLOBAL_AVERAGE_POOL, node, "global mean",
            lambda a, b: words(FLAGS, a, b, height * width, channels),
        )  # fmt: skip

    def _dense(self, node: net.Dense) -> None:
        outputs, inputs = node.weights.shape
        if inputs != self._count(node.inputs[0]):
            raise K210Error(f"{node.name}: {inputs} inputs, but the value before has {self._count(node.inputs[0])}")
        numbers = node.weights.astype("<f4").tobytes() + node.bias.astype("<f4").tobytes()
        self._on_floats(
            FULLY_CONNECTED, node, "dense layer", lambda a, b: words(FLAGS, a, b, inputs, outputs, 0) + numbers
        )

    def _softmax(self, node: net.Softmax) -> None:
        count = self._count(node.output)
        self._on_floats(SOFTMAX, node, "softmax", lambda a, b: words(FLAGS, a, b, count))

    def _normalize(self, node: net.Normalize) -> None:
        count = self._count(node.output)
        self._on_floats(L2_NORMALIZATION, node, "L2 norm", lambda a, b: words(FLAGS, a, b, count))

    def _channels_last(self, node: net.ChannelsLast) -> None:
        channels, height, width = self._image_shape(node.inputs[0])
        self._on_floats(FLATTEN, node, "channels to the end", lambda a, b: words(FLAGS, a, b, width, height, channels))

    def _on_floats(self, kind: int, node: net.Node, what: str, body: Callable[[int, int], bytes]) -> None:
        source, at = self.floats_of(node.inputs[0]), self._next
        source.used_at(at)
        target = self._new_region(node.output, 4 * self._count(node.output), at)
        self._add(kind, node.name, what, node.output, lambda: body(source.address, target.address))
        self.held[node.output] = Held(floats=target)

    def _resize(self, node: net.Resize) -> None:
        channels, height, width = self._image_shape(node.inputs[0])
        _, new_height, new_width = self._image_shape(node.output)
        source, at = self.bytes_of(node.inputs[0]), self._next
        source.used_at(at)
        target = self._new_region(node.output, self._count(node.output), at)
        self._add(
            QUANTIZED_RESIZE, node.name, "nearest upsampling", node.output,
            lambda: words(FLAGS, source.address, target.address, width, height, channels, new_width, new_height, 0),
        )  # fmt: skip
        self.held[node.output] = Held(data=target)

    def _interleave(self, node: net.Interleave) -> None:
        """Columns by the transposition that flattening is, rows by putting ranges one behind the other."""
        channels, height, width = self._image_shape(node.inputs[0])
        lines = channels * height
        size = 4 * lines * width
        rows = []
        for half in range(2):
            pair = [self.floats_of(value) for value in node.inputs[2 * half : 2 * half + 2]]
            both = self._joined_floats(node, "pairs of columns", pair, partial(_each, pair, size))
            rows.append(self._turned(node, both, (width, lines, 2)))
        row = 4 * 2 * width

        def in_turn() -> list[tuple[int, int]]:
            return [(part.address + line * row, row) for line in range(lines) for part in rows]

        self.held[node.output] = Held(floats=self._joined_floats(node, "rows in turn", rows, in_turn))

    def _joined_floats(
        self,
        node: net.Node,
        what: str,
        sources: list[Buffer],
        ranges: Callable[[], list[tuple[int, int]]],
        size: int | None = None,
    ) -> Buffer:
        """A layer that puts ranges of main memory one behind the other: `size` bytes, or as many as the sources'."""
        size = sum(source.size for source in sources) if size is None else size
        target = self._new_region(f"{node.output}, {what}", size, self._next)

        def body() -> bytes:
            found = ranges()
            return words(FLAGS, target.address, len(found), *(number for pair in found for number in pair))

        self._add_from(sources, CONCAT, node, what, body)
        return target

    def _turned(self, node: net.Node, source: Buffer, shape: tuple[int, int, int]) -> Buffer:
        """Floats of shape (width, height, channels) with the channels last."""
        target = self._new_region(f"{node.output}, columns in turn", source.size, self._next)
        self._add_from(
            [source], FLATTEN, node, "columns in turn", lambda: words(FLAGS, source.address, target.address, *shape)
        )
        return target

    def _add_from(self, sources: list[Buffer], kind: int, node: net.Node, what: str, body: Callable[[], bytes]) -> None:
        for source in sources:
            source.used_at(self._next)
        self._add(kind, node.name, what, node.output, body)

    # ---- The whole

    def finish(self) -> bytes:
        """Bring the outputs to main memory as floats, give everything its place, and write the file."""
        results = [self.floats_of(value) for value in self.network.outputs]
        for result in results:
            result.used_at(self._next)
        allocate(self.images, LINE, KPU_RAM_SIZE)
        main = allocate(self.regions, MAIN_ALIGNMENT)
        outputs = [
            (result.address, 4 * self._count(value))
            for result, value in zip(results, self.network.outputs, strict=True)
        ]
        return write([layer.body() for layer in self.layers], main, outputs)


def _each(buffers: list[Buffer], size: int) -> list[tuple[int, int]]:
    """So many bytes of each."""
    return [(buffer.address, size) for buffer in buffers]


def _quantization(scale: Scale) -> bytes:
    """As the format has it: value = byte * scale + bias."""
    return struct.pack("<2f", scale.step, -scale.step * scale.zero)


def addition(one: Scale, other: Scale, target: Scale) -> tuple[int, ...]:
    """The numbers of a quantized addition: offset, factor, shift of both inputs and of the result.

    The sum is kept above zero, where the format's rounding is to the nearest: offsets are moved by what makes
    whole levels of the result.
    """
    shift = 16
    ma, mb = (round(scale.step / target.step * (1 << shift)) for scale in (one, other))
    best = (1.0, 0, 0)
    for more in range(64):
        extra = (ma * (one.zero + more) + mb * other.zero) / (1 << shift)
        away = abs(extra - round(extra))
        best = min(best, (away, more, round(extra)))
    _, more, whole = best
    return more, ma, 0, 0, mb, 0, target.zero - whole, 1, shift


def lower(
    network: net.Network,
    stages: list[Stage],
    scales: dict[str, Scale],
    ranges: Ranges,
    means: Means,
    largest_layer: int,
) -> Lowering:
    """All layers of a network; `means` are for the correction of biases, KPU layers have at most `largest_layer` bytes
    of weights. Raises K210Error."""
    lowering = Lowering(network, scales, ranges, means, largest_layer)
    for stage in stages:
        if isinstance(stage, Join):
            lowering.places.update(_places(stage, lowering))
    image = lowering._new_image(network.input, lowering._image_shape(network.input), 0)
    lowering.held[network.input] = Held(image=image)
    for stage in stages:
        lowering.lower(stage)
    return lowering


def _places(join: Join, lowering: Lowering) -> dict[str, Place]:
    found, at = {}, 0
    for part in join.parts:
        found[part] = Place(join.output, at, join.by_rows)
        shape = lowering._image_shape(part)
        at += shape[1] if join.by_rows else lines_of(shape)
    return found
