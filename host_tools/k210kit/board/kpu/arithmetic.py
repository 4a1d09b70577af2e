"""What a layer of the KPU computes, exact to the byte.

Source: nncase v1.9.0, modules/k210/include/nncase/kernels/k210/k210_kernels.h, and v0.2.0-beta4,
src/common/include/kernels/k210/k210_kernels.h: convolution, batch normalisation, activation, pooling, in that order.
The rounding of the activation's shift (to nearest, ties to even) is theirs too; silicon's is not known for certain.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]

SEGMENTS = 16
ACTIVATION_SIZE = SEGMENTS * 8 + SEGMENTS
BATCHNORM_SIZE = 8

POOL_NONE, POOL_MAX_2, POOL_MEAN_2, POOL_MAX_4, POOL_MEAN_4 = range(5)
POOL_TOP_LEFT_2, POOL_TOP_RIGHT_2, POOL_TOP_LEFT_4, POOL_MEAN_2_STRIDE_1, POOL_MAX_2_STRIDE_1 = range(5, 10)
SAMPLES = {POOL_TOP_LEFT_2: (2, 0), POOL_TOP_RIGHT_2: (2, 1), POOL_TOP_LEFT_4: (4, 0)}
"""Modes that take one cell of each square: its side, and the column taken."""
POOL_STRIDE = {
    POOL_NONE: 1, POOL_MAX_2: 2, POOL_MEAN_2: 2, POOL_MAX_4: 4, POOL_MEAN_4: 4, POOL_TOP_LEFT_2: 2,
    POOL_TOP_RIGHT_2: 2, POOL_TOP_LEFT_4: 4, POOL_MEAN_2_STRIDE_1: 1, POOL_MAX_2_STRIDE_1: 1,
}  # fmt: skip


@dataclass(frozen=True)
class Convolution:
    """`weights` has the shape (outputs, inputs, side, side), for a depthwise layer (channels, 1, 3, 3); unsigned.

    A sum over all taps and input channels, padding included: x*w + (arg_x * x >> shr_x) + (arg_w * w >> shr_w), where
    the shifts apply to the sums, plus `arg_add` for each input channel.
    """

    weights: npt.NDArray[np.unsignedinteger]
    depthwise: bool = False
    pad_value: int = 0
    arg_x: int = 0
    shr_x: int = 0
    arg_w: int = 0
    shr_w: int = 0
    arg_add: int = 0

    @property
    def side(self) -> int:
        """Rows and columns of the kernel: 1 or 3."""
        return int(self.weights.shape[-1])


@dataclass(frozen=True)
class BatchNorm:
    """An affine map for each output channel: (v * mul >> shift) + add."""

    mul: Integers
    shift: Integers
    add: Integers

    @classmethod
    def parse(cls, data: bytes) -> BatchNorm:
        """From 8 bytes a channel: mul in bits 0 to 23, add in 24 to 55, shift in 56 to 59."""
        words = np.frombuffer(data, "<u8")
        return cls(
            _signed(words, 0, 24), (words >> np.uint64(56) & np.uint64(15)).astype(np.int64), _signed(words, 24, 32)
        )


@dataclass(frozen=True)
class Activation:
    """Sixteen segments; the last one whose start is below v maps it: ((v - start) * mul >> shift) + bias."""

    start: Integers
    mul: Integers
    shift: Integers
    bias: Integers

    @classmethod
    def parse(cls, data: bytes) -> Activation:
        """From 144 bytes: sixteen words (shift in bits 0 to 7, mul in 8 to 23, start in 24 to 59), sixteen biases."""
        words = np.frombuffer(data, "<u8", SEGMENTS)
        bias = np.frombuffer(data, np.uint8, SEGMENTS, SEGMENTS * 8)
        return cls(
            _signed(words, 24, 36),
            _signed(words, 8, 16),
            (words & np.uint64(0xFF)).astype(np.int64),
            bias.astype(np.int64),
        )


@dataclass(frozen=True)
class Layer:
    """All that a layer does between its input and its output."""

    convolution: Convolution
    batchnorm: BatchNorm
    activation: Activation
    pool: int = POOL_NONE


def _signed(words: npt.NDArray[np.uint64], low: int, width: int) -> Integers:
    return (words << np.uint64(64 - low - width)).astype(np.int64) >> (64 - width)


def run(x: Bytes, layer: Layer) -> Bytes:
    """One layer: `x` of shape (channels, height, width) to the same of the output. Raises ValueError for an unknown
    pooling mode or shapes that do not fit."""
    if layer.pool not in POOL_STRIDE:
        raise ValueError(f"pooling mode {layer.pool} is not between 0 and {max(POOL_STRIDE)}")
    sums = convolve(x, layer.convolution)
    if layer.pool in SAMPLES:
        # One cell of each square is all that is looked at; what the others would be need not be known.
        side, column = SAMPLES[layer.pool]
        rows, columns = sums.shape[1] // side * side, sums.shape[2] // side * side
        sums = sums[:, :rows:side, column:columns:side]
    out = activate(normalise(sums, layer.batchnorm), layer.activation)
    return out if layer.pool in SAMPLES else pool(out, layer.pool)


def convolve(x: Bytes, convolution: Convolution) -> Integers:
    """The sums, of shape (outputs, height, width): the stride is 1, a 3x3 kernel has one cell of padding around."""
    check_fit(x, convolution)
    weights = convolution.weights
    padded = _padded(x, convolution)
    shape = (weights.shape[0], *x.shape[1:])
    of_x = input_sums(x, convolution)
    products = _depthwise(padded, weights, shape) if convolution.depthwise else _dense(padded, weights, shape)
    of_w = weights.reshape(weights.shape[0], -1).sum(1, dtype=np.int64)[:, None, None]
    inputs = 1 if convolution.depthwise else x.shape[0]
    constant = (convolution.arg_w * of_w >> convolution.shr_w) + convolution.arg_add * inputs
    return products + (convolution.arg_x * of_x >> convolution.shr_x) + constant


def check_fit(x: Bytes, convolution: Convolution) -> None:
    """Raises ValueError unless the weights are for as many channels as the input has."""
    weights, channels = convolution.weights, x.shape[0]
    wanted = 1 if convolution.depthwise else channels
    if weights.shape[1] != wanted or (convolution.depthwise and weights.shape[0] != channels):
        raise ValueError(f"weights of shape {weights.shape} do not fit an input of {channels} channels")


def input_sums(x: Bytes, convolution: Convolution) -> Integers:
    """The sum of the inputs under the kernel, of shape (channels or 1, height, width)."""
    padded = _padded(x, convolution)
    planes = padded.astype(np.int64) if convolution.depthwise else padded.sum(0, dtype=np.int64)[None]
    return _window_sum(planes, convolution.side, x.shape[1:])


def _padded(x: Bytes, convolution: Convolution) -> Bytes:
    edge = convolution.side // 2
    return np.pad(x, ((0, 0), (edge, edge), (edge, edge)), constant_values=convolution.pad_value)


def _window_sum(planes: Integers, side: int, shape: tuple[int, ...]) -> Integers:
    height, width = shape
    if side == 1:
        return planes
    rows = np.add.reduce([planes[:, dy : dy + height] for dy in range(side)])
    return np.add.reduce([rows[:, :, dx : dx + width] for dx in range(side)])


def _depthwise(padded: Bytes, weights: npt.NDArray[np.integer], shape: tuple[int, ...]) -> Integers:
    _, height, width = shape
    wide = padded.astype(np.int32)
    total = np.zeros(shape, np.int32)
    for dy in range(weights.shape[2]):
        for dx in range(weights.shape[3]):
            # Nine products of 8 and 16 bits: 28 bits.
            total += wide[:, dy : dy + height, dx : dx + width] * weights[:, 0, dy, dx].astype(np.int32)[:, None, None]
    return total.astype(np.int64)


def _columns(padded: npt.NDArray[np.floating], side: int, height: int, width: int) -> npt.NDArray[np.floating]:
    """(channels * side * side, height * width), in the order of a weight's taps."""
    if side == 1:
        return padded.reshape(padded.shape[0], -1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(1, 2))
    return windows.transpose(0, 3, 4, 1, 2).reshape(-1, height * width)


def _dense(padded: Bytes, weights: npt.NDArray[np.integer], shape: tuple[int, ...]) -> Integers:
    outputs, height, width = shape
    # 64-bit floats hold the sums of 16-bit weights: 2**8 * 2**16 * 9 * 2**10 < 2**53.
    columns = _columns(padded.astype(np.float64), weights.shape[-1], height, width)
    return (weights.reshape(outputs, -1).astype(np.float64) @ columns).astype(np.int64).reshape(shape)


def normalise(sums: Integers, batchnorm: BatchNorm) -> Integers:
    """Batch normalisation of each channel, rounded down."""
    mul, shift, add = (field[:, None, None] for field in (batchnorm.mul, batchnorm.shift, batchnorm.add))
    return (sums * mul >> shift) + add


def activate(values: Integers, activation: Activation) -> Bytes:
    """The piecewise linear function, clamped to a byte. A value above no start takes the first segment."""
    if values.size == 0:
        return values.astype(np.uint8)
    low, high = int(values.min()), int(values.max())
    reached = [i for i in range(SEGMENTS) if activation.start[i] < high]
    # A later segment hides the ones before it wherever it applies, so only from the last that all values reach on.
    certain = max((i for i in reached if activation.start[i] < low), default=0)
    out = _segment(values, activation, certain)
    for i in reached:
        if i > certain:
            out = np.where(values > activation.start[i], _segment(values, activation, i), out)
    return out.clip(0, 255).astype(np.uint8)


def _segment(values: Integers, activation: Activation, i: int) -> Integers:
    product = (values - activation.start[i]) * activation.mul[i]
    shift = min(int(activation.shift[i]), 62)
    if shift:
        # To nearest, ties to even.
        product = (product + (1 << (shift - 1)) - 1 + (product >> shift & 1)) >> shift
    return product + activation.bias[i]


def pool(x: Bytes, mode: int) -> Bytes:
    """The pooling modes that combine cells; sizes are rounded down."""
    if mode == POOL_NONE:
        return x
    if mode in (POOL_MEAN_2_STRIDE_1, POOL_MAX_2_STRIDE_1):
        x = np.pad(x, ((0, 0), (0, 1), (0, 1)))
        cells = [x[:, :-1, :-1], x[:, :-1, 1:], x[:, 1:, :-1], x[:, 1:, 1:]]
    else:
        cells = _squares(x, POOL_STRIDE[mode])
    if mode in (POOL_MAX_2, POOL_MAX_4, POOL_MAX_2_STRIDE_1):
        return functools.reduce(np.maximum, cells)
    total = functools.reduce(np.add, (cell.astype(np.uint16) for cell in cells))
    return (total // len(cells)).astype(np.uint8)


def _squares(x: Bytes, side: int) -> list[Bytes]:
    """For each cell of a square, an image of that cell in all squares."""
    rows, columns = x.shape[1] // side * side, x.shape[2] // side * side
    return [x[:, row:rows:side, column:columns:side] for row in range(side) for column in range(side)]
