"""What the layers that the processor runs compute, on arrays; the KPU's own is in board.kpu.

Source of version 3's: Kendryte standalone SDK, drivers/kpu.c; sums are taken one after the other in 32 bits, as there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from k210kit.kmodel.model import Array

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

LINEAR, RELU, RELU6 = range(3)
Scaling = tuple[int, ...]
"""Offset, mul, shift."""
EPSILON = np.float32(1e-10)


def _sum(values: Floats) -> Floats:
    """Along the last axis, from the first to the last."""
    return np.add.accumulate(values, axis=-1, dtype=np.float32)[..., -1]


def rectify(x: Floats, activation: int) -> Floats:
    """The activation fused into a layer: 0 none, 1 what is not above 0 to 0, 2 also what is above 6 to 6."""
    if activation == LINEAR:
        return x
    x = np.where(x > 0, x, np.float32(0))
    return np.minimum(x, np.float32(6)) if activation == RELU6 else x


def add(a: Floats, b: Floats) -> Floats:
    """The sum of each pair."""
    return a + b


def quantized_add(a: Bytes, b: Bytes, of_a: Scaling, of_b: Scaling, of_out: Scaling) -> Bytes:
    """The sum of each pair of quantized values."""
    x, y = ((v.astype(np.int64) + p[0]) * p[1] for v, p in ((a, of_a), (b, of_b)))
    total = (x + y) >> of_a[2] if of_a[2] == of_b[2] else (x >> of_a[2]) + (y >> of_b[2])
    return (_rounded_shift(total * of_out[1], of_out[2]) + of_out[0]).clip(0, 255).astype(np.uint8)


def _rounded_shift(values: npt.NDArray[np.int64], shift: int) -> npt.NDArray[np.int64]:
    """Half up; of negative halves the vendor's code takes one less than the lower neighbour, and so does this."""
    if shift == 0:
        return values
    values = values >> (shift - 1)
    return (values >> 1) + np.where(values & 1, np.where(values < 0, -1, 1), 0)


def global_average_pool(x: Floats) -> Floats:
    """(channels, pixels) to a mean for each channel."""
    return _sum(x) / np.float32(x.shape[1])


Size = tuple[int, int]
"""Rows, columns."""


def taps(in_size: Size, out_size: Size, kernel: Size, stride: Size, padding: Size) -> Any:
    """For each cell of the window, row by row: (rows out, rows in, columns out, columns in) where it is inside."""
    axes = []
    for n, out, side, step, pad in zip(in_size, out_size, kernel, stride, padding, strict=True):
        origin = np.arange(out) * step - pad
        first, end = max(0, -int(origin[-1])), min(side, n - int(origin[0]))
        cells = []
        for k in range(first, end):
            inside = np.flatnonzero((origin + k >= 0) & (origin + k < n))
            cells.append((inside, origin[inside] + k))
        axes.append(cells)
    for rows_out, rows_in in axes[0]:
        for columns_out, columns_in in axes[1]:
            yield np.ix_(rows_out, columns_out), np.ix_(rows_in, columns_in)


def quantized_max_pool(x: Bytes, out_size: Size, kernel: Size, stride: Size, padding: Size) -> Bytes:
    """(channels, height, width): the largest of each window's cells inside the image."""
    out = np.zeros((x.shape[0], *out_size), np.uint8)
    for to, of in taps(x.shape[1:], out_size, kernel, stride, padding):
        cells = (slice(None), *to)
        out[cells] = np.maximum(out[cells], x[(slice(None), *of)])
    return out


def max_pool(x: Floats, out_size: Size, kernel: Size, stride: Size, padding: Size, activation: int) -> Floats:
    """(channels, height, width): the largest of each window's cells inside the image. The vendor's runtime lacks it."""
    out, empty = np.zeros((x.shape[0], *out_size), np.float32), np.ones((x.shape[0], *out_size), bool)
    for to, of in taps(x.shape[1:], out_size, kernel, stride, padding):
        cells = (slice(None), *to)
        found = x[(slice(None), *of)]
        # Comparisons as in C: a NaN stays only when it comes first.
        out[cells] = np.where(empty[cells] | (found > out[cells]), found, out[cells])
        empty[cells] = False
    return rectify(out, activation)


def average_pool(x: Floats, out_size: Size, kernel: Size, stride: Size, padding: Size, activation: int) -> Floats:
    """(channels, height, width): the mean of each window's cells inside the image.

    The vendor's runtime forgets the activation.
    """
    out, count = np.zeros((x.shape[0], *out_size), np.float32), np.zeros(out_size, np.float32)
    for to, of in taps(x.shape[1:], out_size, kernel, stride, padding):
        out[(slice(None), *to)] += x[(slice(None), *of)]
        count[to] += 1
    return rectify(out / count, activation)


def quantize(x: Floats, scale: float, bias: float) -> Bytes:
    """Floats to bytes, halves away from zero; NaN becomes 255, as the chip's conversion to int makes it its largest."""
    value = (x - np.float32(bias)) * (np.float32(1) / np.float32(scale))
    whole: Floats = np.trunc(value)
    whole = np.where(np.abs(value - whole) >= 0.5, whole + np.copysign(np.float32(1), value), whole)
    whole = np.nan_to_num(whole, nan=255, posinf=255, neginf=0)
    return whole.clip(0, 255).astype(np.uint8)


def dequantize(x: Bytes, scale: float, bias: float) -> Floats:
    """Bytes to floats."""
    return x.astype(np.float32) * np.float32(scale) + np.float32(bias)


def channelwise_dequantize(x: Bytes, scale: Floats, bias: Floats) -> Floats:
    """(channels, pixels): bytes to floats, each channel with its own parameters."""
    return x.astype(np.float32) * scale[:, None] + bias[:, None]


def requantize(x: Bytes, table: Bytes) -> Bytes:
    """Each byte through a table of 256."""
    return table[x]


def l2_normalize(x: Floats) -> Floats:
    """The vector divided by its length."""
    length: Floats = np.sqrt(np.maximum(_sum(x * x), EPSILON))
    return x * (np.float32(1) / length)


def softmax(x: Floats) -> Floats:
    """Exponentials that add up to 1. The vendor's code takes the largest value as above 0; here it is what it is."""
    e = np.exp(x - x.max())
    return e / _sum(e)


def logistic(x: Floats) -> Floats:
    """1 / (1 + exp(-x)) of each."""
    return np.float32(1) / (np.float32(1) + np.exp(-x))


def fully_connected(x: Floats, weights: Floats, bias: Floats, activation: int) -> Floats:
    """A matrix (outputs, inputs) times the input, plus a bias for each output."""
    return rectify(_sum(x * weights) + bias, activation)


def flatten(x: Array) -> Array:
    """(channels, height, width) in TensorFlow's order: the channels of a pixel side by side."""
    return x.transpose(1, 2, 0).ravel()


def resize_nearest(x: Array, out_size: Size, *, align_corners: bool) -> Array:
    """(channels, height, width): each pixel out takes the one at the same place, rounded down.

    With `align_corners`, as TensorFlow has it, corners keep their places and the nearest pixel is taken; the vendor's
    runtime does not know that.
    """
    rows, columns = (_nearest(n, out, align_corners) for n, out in zip(x.shape[1:], out_size, strict=True))
    return x[:, rows][:, :, columns]


def _nearest(n: int, out: int, align_corners: bool) -> npt.NDArray[np.int64]:
    aligned = align_corners and out > 1
    scale = np.float32(n - 1) / np.float32(out - 1) if aligned else np.float32(n) / np.float32(out)
    places = np.floor(np.arange(out, dtype=np.float32) * scale + np.float32(0.5 * aligned)).astype(np.int64)
    return np.minimum(places, n - 1)


def remove_padding(x: Bytes) -> Bytes:
    """(channels, cells): the first cell of each channel."""
    return x[:, 0]


def same(x: Array) -> Array:
    """For layers that only move data."""
    return x
