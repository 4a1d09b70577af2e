"""kmodel version 3, as nncase 0.1 writes it.

A header, the outputs, a header for each layer, the layers' bodies one after the other. Source: Kendryte standalone SDK,
drivers/include/kpu.h and kpu.c, names and meaning of every field; nncase v0.1.0-rc5, NnCase.Converter.K210.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from k210kit.board.kpu.layer import LINE
from k210kit.board.kpu.layout import check_layout
from k210kit.errors import K210Error
from k210kit.kmodel import layers
from k210kit.kmodel.convolution import convolution
from k210kit.kmodel.model import (
    BYTE,
    FLOAT,
    KPU_RAM_SIZE,
    SRAM_SIZE,
    Array,
    KpuImage,
    Layer,
    Model,
    Place,
    Region,
    Shape,
)

VERSION = 3
HEADER = struct.Struct("<7I")
PAIR = struct.Struct("<2I")
EIGHT_BIT_WEIGHTS = 1
MAIN_MEMORY_OUT = 1
PADDING = 7
"""So many bytes may be missing at the end: converters pad the last layer, and some files lack that."""
LARGEST_SHIFT = 63

# Sizes that no network for this chip comes near; they bound what damaged files ask for. The firmware has the same.
MOST_LAYERS, MOST_OUTPUTS = 4096, 256
MOST_ELEMENTS = 1 << 26
"""Values that the processor touches in a run."""

NAMES = {
    1: "add", 2: "quantized add", 3: "global max pool", 4: "quantized global max pool", 5: "global average pool",
    6: "quantized global average pool", 7: "max pool", 8: "quantized max pool", 9: "average pool",
    10: "quantized average pool", 11: "quantize", 12: "dequantize", 13: "requantize", 14: "L2 normalization",
    15: "softmax", 16: "concat", 17: "quantized concat", 18: "fully connected", 19: "quantized fully connected",
    20: "TensorFlow flatten", 21: "quantized TensorFlow flatten", 22: "resize nearest", 23: "quantized resize nearest",
    24: "channelwise dequantize", 25: "logistic", 10240: "K210 convolution", 10241: "K210 add padding",
    10242: "K210 remove padding", 10243: "K210 upload",
}  # fmt: skip
"""Layer types by number. Some have a number but no body in the vendor's headers: nothing can run those."""


@dataclass
class File:
    """The whole file while its layers are read: what is known of the main memory, how much work there was."""

    data: bytes
    eight_bit: bool
    main_memory: int
    written: dict[int, Region] = field(default_factory=dict)
    elements: int = 0
    lines: int = 0


class Body:
    """A layer's body: its words in order, and checks that name the layer."""

    def __init__(self, file: File, number: int, name: str, start: int, size: int) -> None:
        self.file, self.number, self.name = file, number, name
        self._at, self._start, self._end = start, start, start + size

    def fail(self, what: str) -> K210Error:
        """An error that names the layer."""
        return K210Error(f"layer {self.number} ({self.name}) {what}; the file is damaged, copy or compile it again")

    def take(self, size: int) -> bytes:
        """The next bytes."""
        at = self._at
        if at + size > self._end:
            size += at - self._start
            raise self.fail(f"has a body of {self._end - self._start:,} bytes and needs at least {size:,}")
        self._at += size
        return self.file.data[at : at + size]

    def words(self, count: int) -> tuple[int, ...]:
        """The next unsigned numbers."""
        return struct.unpack(f"<{count}I", self.take(4 * count))

    def signed(self, count: int) -> tuple[int, ...]:
        """The next signed numbers."""
        return struct.unpack(f"<{count}i", self.take(4 * count))

    def floats(self, count: int) -> Array:
        """The next floats."""
        return np.frombuffer(self.take(4 * count), FLOAT)

    def shape(self) -> tuple[int, int, int]:
        """Width, height and channels, as (channels, height, width)."""
        width, height, channels = self.words(3)
        return self.solid((channels, height, width))

    def solid(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """A shape that has no 0."""
        if 0 in shape:
            raise self.fail(f"has a tensor of {shape[0]} x {shape[1]} x {shape[2]} (channels, height, width)")
        return shape

    def activation(self) -> int:
        """The next number, of an activation."""
        (number,) = self.words(1)
        if number > layers.RELU6:
            raise self.fail(f"has activation {number}, which is not between 0 and {layers.RELU6}")
        return number

    def work(self, elements: int) -> None:
        """Add to the work of a run."""
        self.file.elements += elements
        if self.file.elements > MOST_ELEMENTS:
            raise self.fail(f"brings a run to {self.file.elements:,} values, more than {MOST_ELEMENTS:,} take too long")

    def known(self, address: int, count: int) -> Shape:
        """The shape of what was written to an address, when it has so many values."""
        region = self.file.written.get(address)
        return region.shape if region is not None and region.count == count else (count,)

    def region(self, address: int, kind: np.dtype[Any], shape: Shape) -> Region:
        """Values in the main memory."""
        region = Region(address, kind, shape)
        if not region.count:
            raise self.fail("has an empty tensor")
        end = address + region.size
        if end > self.file.main_memory:
            raise self.fail(f"uses bytes {address:,} to {end:,} of a main memory of {self.file.main_memory:,}")
        if address % kind.itemsize:
            raise self.fail(f"has floats at address {address:,}, which is no multiple of {kind.itemsize}")
        self.work(region.count)
        return region

    def image(self, image: KpuImage) -> KpuImage:
        """An image in KPU RAM."""
        try:
            check_layout(image.shape[2], image.group, image.row_lines)
        except ValueError as error:
            raise self.fail(f"has an image that cannot lie in the KPU's RAM: {error}") from None
        end = image.address + image.size
        if end > KPU_RAM_SIZE:
            raise self.fail(
                f"has an image of {' x '.join(map(str, image.shape))} (channels, height, width) in bytes "
                f"{image.address:,} to {end:,} of the KPU's RAM, which has {KPU_RAM_SIZE:,}"
            )
        return image

    def apart(self, source: Region, target: Region, *, in_place: bool = False) -> None:
        """Refuse an output that overlaps its input, other than `in_place`: both the very same bytes."""
        first, second = sorted((source, target), key=lambda region: region.address)
        same = in_place and (source.address, source.size) == (target.address, target.size)
        if first.address + first.size > second.address and not same:
            raise self.fail(
                f"writes to address {target.address:,} of the main memory while it reads {source.address:,}"
            )

    def layer(
        self,
        inputs: Region | tuple[Region, ...],
        output: Region,
        compute: Callable[..., Array],
        *,
        in_place: bool = False,
        **extra: int,
    ) -> Layer:
        """A layer from main memory to main memory, its output noted for those that come after."""
        inputs = inputs if isinstance(inputs, tuple) else (inputs,)
        for source in inputs:
            if not extra.get("joined"):
                self.apart(source, output, in_place=in_place)
        self.file.written[output.address] = output
        return Layer(self.number, self.name, inputs, (output,), compute, **extra)  # type: ignore[arg-type]


# ---- Layer types, in the order of their numbers


def _pair(b: Body, kind: np.dtype[Any]) -> tuple[tuple[Region, Region], Region]:
    _, first, second, out, count = b.words(5)
    shape = max(b.known(first, count), b.known(second, count), key=len)
    return (b.region(first, kind, shape), b.region(second, kind, shape)), b.region(out, kind, shape)


def _add(b: Body) -> Layer:
    inputs, output = _pair(b, FLOAT)
    return b.layer(inputs, output, layers.add, in_place=True)


def _quantized_add(b: Body) -> Layer:
    inputs, output = _pair(b, BYTE)
    numbers = b.signed(9)
    of_a, of_b, of_out = numbers[:3], numbers[3:6], numbers[6:]
    for shift in (of_a[2], of_b[2], of_out[2]):
        if not 0 <= shift <= LARGEST_SHIFT:
            raise b.fail(f"shifts by {shift}, not by 0 to {LARGEST_SHIFT}")
    compute = partial(layers.quantized_add, of_a=of_a, of_b=of_b, of_out=of_out)
    return b.layer(inputs, output, compute, in_place=True)


def _global_average_pool(b: Body) -> Layer:
    _, source, out, kernel, channels = b.words(5)
    x = b.region(source, FLOAT, (channels, kernel))
    return b.layer(x, b.region(out, FLOAT, (channels,)), layers.global_average_pool)


def _pool(b: Body, kind: np.dtype[Any], compute: Callable[..., Array], *, activated: bool) -> Layer:
    _, source, out = b.words(3)
    shape, out_shape = b.shape(), b.shape()
    kernel, stride, padding = ((high, wide) for wide, high in (b.words(2), b.words(2), b.words(2)))
    if shape[0] != out_shape[0]:
        raise b.fail(f"makes {out_shape[0]} channels of {shape[0]}")
    for n, outputs, side, step, pad in zip(shape[1:], out_shape[1:], kernel, stride, padding, strict=True):
        if side <= pad or (outputs - 1) * step >= n + pad:
            raise b.fail(
                f"has {outputs} windows of {side} cells, {step} apart: one lies outside of {n} cells and {pad} padded"
            )
    x, result = b.region(source, kind, shape), b.region(out, kind, out_shape)
    b.work(result.count * min(kernel[0], shape[1]) * min(kernel[1], shape[2]))
    compute = partial(compute, out_size=out_shape[1:], kernel=kernel, stride=stride, padding=padding)
    return b.layer(x, result, partial(compute, activation=b.activation()) if activated else compute)


def _max_pool(b: Body) -> Layer:
    return _pool(b, FLOAT, layers.max_pool, activated=True)


def _quantized_max_pool(b: Body) -> Layer:
    return _pool(b, BYTE, layers.quantized_max_pool, activated=False)


def _average_pool(b: Body) -> Layer:
    return _pool(b, FLOAT, layers.average_pool, activated=True)


def _conversion(b: Body, of: np.dtype[Any], to: np.dtype[Any]) -> tuple[Region, Region]:
    """From as many values to as many."""
    _, source, out, count = b.words(4)
    shape = b.known(source, count)
    return b.region(source, of, shape), b.region(out, to, shape)


def _quantize(b: Body) -> Layer:
    places = _conversion(b, FLOAT, BYTE)
    scale, bias = b.floats(2)
    return b.layer(*places, partial(layers.quantize, scale=scale, bias=bias))


def _dequantize(b: Body) -> Layer:
    places = _conversion(b, BYTE, FLOAT)
    scale, bias = b.floats(2)
    return b.layer(*places, partial(layers.dequantize, scale=scale, bias=bias))


def _requantize(b: Body) -> Layer:
    places = _conversion(b, BYTE, BYTE)
    table = np.frombuffer(b.take(256), np.uint8)
    return b.layer(*places, partial(layers.requantize, table=table), in_place=True, parameters=256)


def _l2_normalization(b: Body) -> Layer:
    return b.layer(*_conversion(b, FLOAT, FLOAT), layers.l2_normalize, in_place=True)


def _softmax(b: Body) -> Layer:
    return b.layer(*_conversion(b, FLOAT, FLOAT), layers.softmax, in_place=True)


def _logistic(b: Body) -> Layer:
    return b.layer(*_conversion(b, FLOAT, FLOAT), layers.logistic, in_place=True)


def _concat(b: Body) -> Layer:
    """Of floats or of bytes: sizes are in bytes, and what they are is what was written there."""
    _, out, count = b.words(3)
    parts = tuple(b.region(start, BYTE, (size,)) for start, size in PAIR.iter_unpack(b.take(PAIR.size * count)))
    known = [b.file.written.get(part.address) for part in parts]
    quantized = b.name == NAMES[17]
    total = b.region(out, BYTE, (sum(part.size for part in parts),))
    kind = BYTE if quantized or total.size % FLOAT.itemsize or out % FLOAT.itemsize else FLOAT
    joined = b.layer(parts, total, layers.same, joined=True)
    # For those that come after it has a kind and a shape.
    b.file.written[out] = Region(out, kind, _joined(known, total.size // kind.itemsize))
    return joined


def _joined(parts: list[Region | None], count: int) -> Shape:
    """The shape of images of one size put together, else the plain count."""
    images = [part.shape for part in parts if part is not None and len(part.shape) == 3]
    sizes = {shape[1:] for shape in images}
    if len(images) != len(parts) or len(sizes) != 1:
        return (count,)
    shape = sum(image[0] for image in images), *sizes.pop()
    return shape if math.prod(shape) == count else (count,)


def _fully_connected(b: Body) -> Layer:
    _, source, out, inputs, outputs = b.words(5)
    activation = b.activation()
    x, result = b.region(source, FLOAT, (inputs,)), b.region(out, FLOAT, (outputs,))
    weights = b.floats(inputs * outputs).reshape(outputs, inputs)
    b.work(weights.size)
    compute = partial(layers.fully_connected, weights=weights, bias=b.floats(outputs), activation=activation)
    return b.layer(x, result, compute, macs=weights.size, parameters=4 * (weights.size + outputs))


def _flatten(b: Body, kind: np.dtype[Any] = FLOAT) -> Layer:
    _, source, out = b.words(3)
    x = b.region(source, kind, b.shape())
    return b.layer(x, b.region(out, kind, (x.count,)), layers.flatten)


def _quantized_flatten(b: Body) -> Layer:
    return _flatten(b, BYTE)


def _resize(b: Body, kind: np.dtype[Any] = FLOAT) -> Layer:
    _, source, out = b.words(3)
    x = b.region(source, kind, b.shape())
    width, height, corners = b.words(3)
    result = b.region(out, kind, b.solid((x.shape[0], height, width)))
    compute = partial(layers.resize_nearest, out_size=(height, width), align_corners=bool(corners))
    return b.layer(x, result, compute)


def _quantized_resize(b: Body) -> Layer:
    return _resize(b, BYTE)


def _channelwise_dequantize(b: Body) -> Layer:
    _, source, out, channels, size = b.words(5)
    x = b.region(source, BYTE, (channels, size))
    result = b.region(out, FLOAT, b.known(source, x.count))
    scale, bias = b.floats(2 * channels).reshape(channels, 2).T
    compute = partial(layers.channelwise_dequantize, scale=scale, bias=bias)
    return b.layer(x, result, compute, parameters=8 * channels)


def _convolution(b: Body) -> Layer:
    flags, out, block, weights, batchnorm, activation = b.words(6)
    return convolution(b, (block, weights, batchnorm, activation), out if flags & MAIN_MEMORY_OUT else None)


PADDED_SIDE = 4
"""Of the images that one cell each is padded to; the cells around it do not matter."""


def _add_padding(b: Body) -> Layer:
    _, source, out, channels = b.words(4)
    x = b.region(source, BYTE, (channels, 1, 1))
    whole = b.image(KpuImage.of(out * LINE, (channels, PADDED_SIDE, PADDED_SIDE)))
    corner = KpuImage(whole.address, x.shape, whole.group, whole.row_lines, whole.channel_lines)  # type: ignore[arg-type]
    return Layer(b.number, b.name, (x,), (corner,), layers.same)


def _remove_padding(b: Body) -> Layer:
    _, source, out, channels = b.words(4)
    x = b.region(source, BYTE, (channels, PADDED_SIDE**2))
    return b.layer(x, b.region(out, BYTE, (channels,)), layers.remove_padding)


def _upload(b: Body) -> Layer:
    _, source, out = b.words(3)
    shape = b.shape()
    x = b.region(source, BYTE, shape)
    return Layer(b.number, b.name, (x,), (b.image(KpuImage.of(out * LINE, shape)),), layers.same)


PARSERS: dict[int, Callable[[Body], Layer]] = {
    1: _add, 2: _quantized_add, 5: _global_average_pool, 7: _max_pool, 8: _quantized_max_pool, 9: _average_pool,
    11: _quantize, 12: _dequantize, 13: _requantize, 14: _l2_normalization, 15: _softmax, 16: _concat, 17: _concat,
    18: _fully_connected, 20: _flatten, 21: _quantized_flatten, 22: _resize, 23: _quantized_resize,
    24: _channelwise_dequantize, 25: _logistic, 10240: _convolution, 10241: _add_padding, 10242: _remove_padding,
    10243: _upload,
}  # fmt: skip


# ---- The file


def read(data: bytes) -> Model:
    """The model in `data`, which starts with the version. Raises K210Error."""
    _complete(data, HEADER.size)
    version, flags, arch, count, _, main_memory, output_count = HEADER.unpack_from(data)
    if version != VERSION or arch:
        raise K210Error(f"version {version} for architecture {arch} is not supported, only {VERSION} for 0 (K210) is")
    for what, has, most in (
        ("flags", flags, 1),
        ("layers", count, MOST_LAYERS),
        ("outputs", output_count, MOST_OUTPUTS),
    ):
        if has > most or (what != "flags" and not has):
            raise K210Error(
                f"the header says {has:,} {what}, at most {most:,} can be; the file is damaged, copy it again"
            )
    if main_memory > SRAM_SIZE:
        raise K210Error(
            f"the model needs {main_memory:,} bytes of main memory, more than the {SRAM_SIZE:,} of the chip"
        )
    headers = HEADER.size + PAIR.size * output_count
    start = headers + PAIR.size * count
    _complete(data, start)
    table = list(PAIR.iter_unpack(data[headers:start]))
    for number, (kind, _) in enumerate(table):
        if kind not in PARSERS:
            name = f" ({NAMES[kind]})" if kind in NAMES else ""
            raise K210Error(f"layer {number} of type {kind}{name} is not supported; compile the model without it")
    size = start + sum(body for _, body in table)
    _complete(data, size - PADDING)
    file = File(data[:size], bool(flags & EIGHT_BIT_WEIGHTS), main_memory)
    steps = []
    for number, (kind, body) in enumerate(table):
        try:
            steps.append(PARSERS[kind](Body(file, number, NAMES[kind], start, min(body, len(file.data) - start))))
        except K210Error:
            if number == count - 1:
                # What is missing was not only padding.
                _complete(data, size)
            raise
        if number == 0 and isinstance(steps[0].inputs[0], Region):
            file.written.setdefault(steps[0].inputs[0].address, steps[0].inputs[0])
        start += body
    outputs = tuple(_output(file, i, *pair) for i, pair in enumerate(PAIR.iter_unpack(data[HEADER.size : headers])))
    return Model(VERSION, len(file.data), file.eight_bit, main_memory, _input(steps[0]), outputs, tuple(steps))


def _complete(data: bytes, size: int) -> None:
    if len(data) < size:
        raise K210Error(f"truncated: it has {len(data):,} bytes and needs {size:,}; copy it again")


def _input(first: Layer) -> Place:
    """Where the input goes: the first layer's, which must be a convolution's or a fully connected layer's."""
    place = first.inputs[0]
    if isinstance(place, KpuImage):
        # The whole picture is written in the layout of its width, whatever the layer says of it.
        image = KpuImage.of(place.address, place.shape)
        if image.address + image.size > KPU_RAM_SIZE:
            raise K210Error(
                f"the input takes {image.size:,} bytes from {image.address:,} on, past the end of the KPU's RAM"
            )
        return image
    if first.name != NAMES[18]:
        raise K210Error(
            f"layer 0 ({first.name}) cannot take the input; a model starts with a convolution or fully connected"
        )
    return place


def _output(file: File, number: int, address: int, size: int) -> Region:
    """An output of the size that the header says; kind and shape are those of what was written there last."""
    end = address + size
    if end > file.main_memory:
        raise K210Error(
            f"output {number} takes bytes {address:,} to {end:,} of a main memory of {file.main_memory:,}; the file is "
            "damaged, copy it again"
        )
    written = file.written.get(address, Region(address, BYTE, (size,)))
    if written.size == size:
        return written
    kind = BYTE if size % written.kind.itemsize else written.kind
    return Region(address, kind, (size // kind.itemsize,))
