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
MOST_WORK = 1 << 30
"""Cells of windows that a pooling layer may look at; a damaged number must not make a run endless."""
LARGEST_SHIFT = 62

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
    """The whole file while its layers are read, and what is known so far of the main memory."""

    data: bytes
    eight_bit: bool
    main_memory: int
    written: dict[int, Region] = field(default_factory=dict)


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
            raise self.fail(
                f"has a body of {self._end - self._start:,} bytes and needs at least {at + size - self._start:,}"
            )
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

    def shape(self, size: tuple[int, ...]) -> tuple[int, int, int]:
        """Width, height, channels as (channels, height, width); none may be 0."""
        if 0 in size:
            raise self.fail(f"has a tensor of {size[0]} x {size[1]} x {size[2]} (width, height, channels)")
        return size[2], size[1], size[0]

    def region(self, address: int, kind: np.dtype[Any], shape: Shape | int) -> Region:
        """Values in the main memory; a plain count takes the shape of what was written there."""
        if isinstance(shape, int):
            known = self.file.written.get(address)
            shape = known.shape if known is not None and math.prod(known.shape) == shape else (shape,)
        region = Region(address, kind, shape)
        if not region.count:
            raise self.fail("has an empty tensor")
        if region.address + region.size > self.file.main_memory:
            raise self.fail(
                f"uses bytes {address:,} to {address + region.size:,} of a main memory of {self.file.main_memory:,}"
            )
        if address % kind.itemsize:
            raise self.fail(f"has floats at address {address:,}, which is no multiple of 4")
        return region

    def image(self, image: KpuImage) -> KpuImage:
        """An image in KPU RAM."""
        if image.address + image.size > KPU_RAM_SIZE:
            channels, height, width = image.shape
            raise self.fail(
                f"has an image of {width} x {height} x {channels} at {image.address:,} of the KPU's RAM, which has "
                f"{KPU_RAM_SIZE:,} bytes"
            )
        return image

    def layer(
        self, inputs: Place | tuple[Place, ...], output: Place, compute: Callable[..., Array], **extra: int
    ) -> Layer:
        """The layer, its output noted for those that come after."""
        if isinstance(output, Region):
            self.file.written[output.address] = output
        places = inputs if isinstance(inputs, tuple) else (inputs,)
        return Layer(self.number, self.name, places, (output,), compute, **extra)


# ---- Layer types, in the order of their numbers


def _add(b: Body) -> Layer:
    _, first, second, out, count = b.words(5)
    x, y = b.region(first, FLOAT, count), b.region(second, FLOAT, count)
    shape = max(x.shape, y.shape, key=len)
    flat = Region(x.address, FLOAT, shape), Region(y.address, FLOAT, shape)
    return b.layer(flat, b.region(out, FLOAT, shape), layers.add)


def _quantized_add(b: Body) -> Layer:
    _, first, second, out, count = b.words(5)
    numbers = b.signed(9)
    of_a, of_b, of_out = numbers[:3], numbers[3:6], numbers[6:]
    for shift in (of_a[2], of_b[2], of_out[2]):
        if not 0 <= shift <= LARGEST_SHIFT:
            raise b.fail(f"shifts by {shift}, which is not between 0 and {LARGEST_SHIFT}")
    x, y = b.region(first, BYTE, count), b.region(second, BYTE, count)
    shape = max(x.shape, y.shape, key=len)
    flat = Region(x.address, BYTE, shape), Region(y.address, BYTE, shape)
    return b.layer(flat, b.region(out, BYTE, shape), partial(layers.quantized_add, of_a=of_a, of_b=of_b, of_out=of_out))


def _global_average_pool(b: Body) -> Layer:
    _, source, out, kernel, channels = b.words(5)
    x = b.region(source, FLOAT, (channels, kernel))
    return b.layer(x, b.region(out, FLOAT, (channels,)), layers.global_average_pool)


def _pool(b: Body, kind: np.dtype[Any], compute: Callable[..., Array]) -> Layer:
    _, source, out = b.words(3)
    shape, out_shape = b.shape(b.words(3)), b.shape(b.words(3))
    kernel, stride, padding = ((high, wide) for wide, high in (b.words(2), b.words(2), b.words(2)))
    if shape[0] < out_shape[0]:
        raise b.fail(f"makes {out_shape[0]} channels of {shape[0]}")
    x, result = b.region(source, kind, shape), b.region(out, kind, out_shape)
    if math.prod(kernel) * result.count > MOST_WORK:
        raise b.fail(f"looks at {math.prod(kernel):,} cells for each of {result.count:,} outputs, too many to be meant")
    x = Region(x.address, kind, (out_shape[0], *shape[1:]))
    size = out_shape[1:]
    return b.layer(x, result, partial(compute, out_size=size, kernel=kernel, stride=stride, padding=padding))


def _quantized_max_pool(b: Body) -> Layer:
    return _pool(b, BYTE, layers.quantized_max_pool)


def _average_pool(b: Body) -> Layer:
    layer = _pool(b, FLOAT, layers.average_pool)
    b.words(1)  # An activation, which the vendor's runtime does not apply.
    return layer


def _quantize(b: Body) -> Layer:
    _, source, out, count = b.words(4)
    scale, bias = b.floats(2)
    x = b.region(source, FLOAT, count)
    return b.layer(x, b.region(out, BYTE, x.shape), partial(layers.quantize, scale=scale, bias=bias))


def _dequantize(b: Body) -> Layer:
    _, source, out, count = b.words(4)
    scale, bias = b.floats(2)
    x = b.region(source, BYTE, count)
    return b.layer(x, b.region(out, FLOAT, x.shape), partial(layers.dequantize, scale=scale, bias=bias))


def _requantize(b: Body) -> Layer:
    _, source, out, count = b.words(4)
    table = np.frombuffer(b.take(256), np.uint8)
    x = b.region(source, BYTE, count)
    return b.layer(x, b.region(out, BYTE, x.shape), partial(layers.requantize, table=table), parameters=256)


def _vector(b: Body, compute: Callable[..., Array]) -> Layer:
    _, source, out, channels = b.words(4)
    x = b.region(source, FLOAT, (channels,))
    return b.layer(x, b.region(out, FLOAT, (channels,)), compute)


def _l2_normalization(b: Body) -> Layer:
    return _vector(b, layers.l2_normalize)


def _softmax(b: Body) -> Layer:
    return _vector(b, layers.softmax)


def _logistic(b: Body) -> Layer:
    _, source, out, channels = b.words(4)
    x = b.region(source, FLOAT, channels)
    return b.layer(x, b.region(out, FLOAT, x.shape), layers.logistic)


def _concat(b: Body, kind: np.dtype[Any]) -> Layer:
    _, out, count = b.words(3)
    if not count:
        raise b.fail("joins nothing")
    ranges = PAIR.iter_unpack(b.take(PAIR.size * count))
    parts = tuple(b.region(start, BYTE, (size,)) for start, size in ranges)
    total = sum(part.size for part in parts)
    if total % kind.itemsize:
        raise b.fail(f"joins {total:,} bytes, which are no whole number of floats")
    shape = _joined([b.file.written.get(part.address) for part in parts], total // kind.itemsize)
    return b.layer(parts, b.region(out, kind, shape), layers.concat)


def _joined(parts: list[Region | None], count: int) -> Shape | int:
    """The shape of images of one size put together, else the plain count."""
    images = [part.shape for part in parts if part is not None and len(part.shape) == 3]
    sizes = {shape[1:] for shape in images}
    if len(images) != len(parts) or len(sizes) != 1:
        return (count,)
    shape = sum(image[0] for image in images), *sizes.pop()
    return shape if math.prod(shape) == count else (count,)


def _float_concat(b: Body) -> Layer:
    return _concat(b, FLOAT)


def _quantized_concat(b: Body) -> Layer:
    return _concat(b, BYTE)


def _fully_connected(b: Body) -> Layer:
    _, source, out, inputs, outputs, activation = b.words(6)
    x, result = b.region(source, FLOAT, (inputs,)), b.region(out, FLOAT, (outputs,))
    weights = b.floats(inputs * outputs).reshape(outputs, inputs)
    compute = partial(layers.fully_connected, weights=weights, bias=b.floats(outputs), activation=activation)
    if activation > layers.RELU6:
        raise b.fail(f"has activation {activation}, which is not between 0 and {layers.RELU6}")
    return b.layer(x, result, compute, macs=weights.size, parameters=4 * (weights.size + outputs))


def _flatten(b: Body) -> Layer:
    _, source, out = b.words(3)
    x = b.region(source, FLOAT, b.shape(b.words(3)))
    return b.layer(x, b.region(out, FLOAT, (x.count,)), layers.flatten)


def _resize(b: Body, kind: np.dtype[Any]) -> Layer:
    _, source, out = b.words(3)
    x = b.region(source, kind, b.shape(b.words(3)))
    width, height, _align_corners = b.words(3)  # The vendor's runtime does not look at the last.
    result = b.region(out, kind, b.shape((width, height, x.shape[0])))
    return b.layer(x, result, partial(layers.resize_nearest, out_size=(height, width)))


def _float_resize(b: Body) -> Layer:
    return _resize(b, FLOAT)


def _quantized_resize(b: Body) -> Layer:
    return _resize(b, BYTE)


def _channelwise_dequantize(b: Body) -> Layer:
    _, source, out, channels, size = b.words(5)
    x = b.region(source, BYTE, (channels, size))
    known = b.region(source, BYTE, channels * size).shape
    scale, bias = b.floats(2 * channels).reshape(channels, 2).T
    compute = partial(layers.channelwise_dequantize, scale=scale, bias=bias)
    return b.layer(x, b.region(out, FLOAT, known), compute, parameters=8 * channels)


def _convolution(b: Body) -> Layer:
    flags, out, block, weights, batchnorm, activation = b.words(6)
    return convolution(b, (block, weights, batchnorm, activation), out if flags & MAIN_MEMORY_OUT else None)


def _add_padding(b: Body) -> Layer:
    """A vector becomes images of 4x4 pixels, of which the first is written."""
    _, source, out, channels = b.words(4)
    x = b.region(source, BYTE, (channels, 1, 1))
    return b.layer(x, b.image(KpuImage(out * LINE, (channels, 1, 1), 4, 1, 4)), layers.same)


def _remove_padding(b: Body) -> Layer:
    _, source, out, channels = b.words(4)
    x = b.region(source, BYTE, (channels * 16 - 15,) if channels else 0)
    return b.layer(x, b.region(out, BYTE, (channels,)), layers.remove_padding)


def _upload(b: Body) -> Layer:
    _, source, out = b.words(3)
    shape = b.shape(b.words(3))
    return b.layer(b.region(source, BYTE, shape), b.image(KpuImage.of(out * LINE, shape)), layers.same)


PARSERS: dict[int, Callable[[Body], Layer]] = {
    1: _add, 2: _quantized_add, 5: _global_average_pool, 8: _quantized_max_pool, 9: _average_pool, 11: _quantize,
    12: _dequantize, 13: _requantize, 14: _l2_normalization, 15: _softmax, 16: _float_concat, 17: _quantized_concat,
    18: _fully_connected, 20: _flatten, 22: _float_resize, 23: _quantized_resize, 24: _channelwise_dequantize,
    25: _logistic, 10240: _convolution, 10241: _add_padding, 10242: _remove_padding, 10243: _upload,
}  # fmt: skip


# ---- The file


def read(data: bytes) -> Model:
    """The model in `data`, which starts with the version. Raises K210Error."""
    if len(data) < HEADER.size:
        raise K210Error(f"truncated: it has {len(data):,} bytes and needs at least the {HEADER.size} of its header")
    version, flags, arch, count, _, main_memory, output_count = HEADER.unpack_from(data)
    if version != VERSION or arch:
        raise K210Error(f"version {version} for architecture {arch} is not supported, only {VERSION} for 0 (K210) is")
    if not count or not output_count:
        raise K210Error(f"the model has {count} layers and {output_count} outputs, so there is nothing to run")
    if main_memory > SRAM_SIZE:
        raise K210Error(
            f"the model needs {main_memory:,} bytes of main memory, more than the {SRAM_SIZE:,} of the chip"
        )
    headers = HEADER.size + PAIR.size * output_count
    start = headers + PAIR.size * count
    _complete(data, start)
    table = list(PAIR.iter_unpack(data[headers:start]))
    _complete(data, start + sum(size for _, size in table))
    file = File(data, bool(flags & EIGHT_BIT_WEIGHTS), main_memory)
    steps = []
    for number, (kind, size) in enumerate(table):
        steps.append(_layer(file, number, kind, start, size))
        start += size
    outputs = tuple(_output(file, i, *pair) for i, pair in enumerate(PAIR.iter_unpack(data[HEADER.size : headers])))
    return Model(VERSION, len(data), file.eight_bit, main_memory, _input(steps[0]), outputs, tuple(steps))


def _complete(data: bytes, size: int) -> None:
    if len(data) < size:
        raise K210Error(f"truncated: it has {len(data):,} bytes and needs {size:,}; copy it again")


def _layer(file: File, number: int, kind: int, start: int, size: int) -> Layer:
    if kind not in PARSERS:
        name = f" ({NAMES[kind]})" if kind in NAMES else ""
        raise K210Error(f"layer {number} of type {kind}{name} is not supported; compile the model without it")
    return PARSERS[kind](Body(file, number, NAMES[kind], start, size))


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
    """An output as the header says, of the kind and shape that were written there last."""
    written = file.written.get(address)
    kind = written.kind if written is not None else BYTE
    count = size // kind.itemsize
    if not count or address + size > file.main_memory or address % kind.itemsize:
        raise K210Error(
            f"output {number} takes bytes {address:,} to {address + size:,} of a main memory of {file.main_memory:,}"
        )
    return written if written is not None and written.count <= count else Region(address, kind, (count,))
