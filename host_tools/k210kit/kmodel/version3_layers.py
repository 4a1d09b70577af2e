"""The layers of kmodel version 3: each type's arguments, read and judged.

Source: Kendryte standalone SDK, drivers/include/kpu.h and kpu.c, names and meaning of every field; nncase v0.1.0-rc5,
NnCase.Converter.K210.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from k210kit.board.kpu.layer import LINE
from k210kit.kmodel import layers
from k210kit.kmodel.body import Body
from k210kit.kmodel.convolution import convolution
from k210kit.kmodel.model import BYTE, FLOAT, Array, KpuImage, Layer, Region, Shape

RANGE = struct.Struct("<2I")
MAIN_MEMORY_OUT = 1
LARGEST_SHIFT = 63

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
    parts = tuple(b.region(start, BYTE, (size,)) for start, size in RANGE.iter_unpack(b.take(RANGE.size * count)))
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
