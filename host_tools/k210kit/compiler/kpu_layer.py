"""A KPU layer's bytes: weights, batch normalisation, activation, argument block.

The quantities, from real numbers: with x = sx (q - zx) and w = sw (p - zw) the KPU's sum over q p, -zw q, -zx p and
zw zx is the sum of (q - zx)(p - zw); its batch normalisation brings that, for each channel, and the bias to units
of one size, out of which the activation makes bytes. Field layout: Kendryte standalone SDK, kpu.h.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from k210kit.board.kpu.arithmetic import POOL_MEAN_2, POOL_MEAN_4
from k210kit.compiler.activation_table import make_table
from k210kit.compiler.functions import Function
from k210kit.compiler.quantization import Scale, Weights, quantize_weights
from k210kit.compiler.stages import KpuStage
from k210kit.compiler.views import View
from k210kit.errors import K210Error

Doubles = npt.NDArray[np.float64]

MOST_MUL, MOST_SHIFT, MOST_ADD = (1 << 23) - 1, 15, (1 << 31) - 1
UNIT_BITS = 26
"""So many bits has the largest number that the activation is given."""
LOAD_BYTES = 72 * 1024
"""Of the parameter memory on the chip; weights come in portions of at most this many bytes."""
LOST_BY_MEAN = {POOL_MEAN_2: 3 / 8, POOL_MEAN_4: 15 / 32}
"""Of a byte, on average: the KPU rounds the mean of 4 or 16 bytes down. It is added ahead of the rounding to bytes."""
MOST_LOADS = 64
PORTION = 8
"""Channels that layers of one stage make are a multiple of this, but for the last."""
MOST_CHANNELS, MOST_WIDTH, MOST_HEIGHT = 1024, 1024, 256
"""Of an image; above 256 rows the KPU leaves out every other one (its data sheet)."""


@dataclass(frozen=True)
class Parameters:
    """What a layer fetches, and the numbers of its argument block that depend on the values."""

    weights: bytes
    batchnorm: bytes
    activation: bytes
    pad_value: int
    arg_x: int
    arg_w: int
    arg_add: int


def parameters(
    stage: KpuStage, before: tuple[float, float], source: Scale, target: Scale, means: Doubles | None = None
) -> Parameters:
    """For a stage whose sums run from before[0] to before[1] ahead of the activation.

    With the input channels' `means` the bias makes good what rounding the weights adds to a channel's mean.
    """
    weights = quantize_weights(stage.weights)
    biases = stage.bias.astype(np.float64)
    if means is not None:
        biases = biases - _mean_error(stage, weights, means)
    low, high = min(before[0], 0.0), max(before[1], 0.0)
    # Beyond what calibration has seen numbers go on, into the same bytes.
    reach = max(-low, high, 1e-6)
    unit = reach / (1 << UNIT_BITS)
    words = [
        _batchnorm(source.step * step / unit, bias / unit) for step, bias in zip(weights.steps, biases, strict=True)
    ]
    taps = stage.weights.shape[2] * stage.weights.shape[3]
    function = stage.function
    if stage.pool in LOST_BY_MEAN:
        function = function.then(Function.affine(1, LOST_BY_MEAN[stage.pool] * target.step))
    return Parameters(
        weights=weights.data.tobytes(),
        batchnorm=struct.pack(f"<{len(words)}Q", *words),
        activation=make_table(function, unit, low - 0.1 * reach, high + 0.1 * reach, target),
        pad_value=source.zero,
        arg_x=-weights.zero,
        arg_w=-source.zero,
        arg_add=weights.zero * source.zero * taps,
    )


def _mean_error(stage: KpuStage, weights: Weights, means: Doubles) -> Doubles:
    """What the rounding of weights adds to each output channel in the mean."""
    error = (weights.real() - stage.weights).sum((2, 3))
    return error[:, 0] * means if stage.depthwise else error @ means


def _batchnorm(factor: float, bias: float) -> int:
    shift = MOST_SHIFT
    while shift and factor * (1 << shift) > MOST_MUL:
        shift -= 1
    mul = min(MOST_MUL, round(factor * (1 << shift)))
    add = int(np.clip(round(bias), -MOST_ADD - 1, MOST_ADD))
    return mul | (add & 0xFFFF_FFFF) << 24 | shift << 56


def portions(stage: KpuStage, largest: int) -> list[range]:
    """The output channels that one layer makes each, so that weights are at most `largest` bytes.

    Portions end where a line of KPU RAM does, and eight bytes that DMA moves.
    """
    outputs = len(stage.weights)
    if stage.depthwise or stage.weights.size <= largest:
        return [range(outputs)]
    each = max(PORTION, largest * outputs // stage.weights.size // PORTION * PORTION)
    return [range(first, min(first + each, outputs)) for first in range(0, outputs, each)]


def loads_of(weights: int, outputs: int) -> tuple[int, int]:
    """How many channels' weights come at a time, and how often."""
    a_load = max(1, min(outputs, LOAD_BYTES * outputs // weights))
    return a_load, -(-outputs // a_load)


def check(stage: KpuStage, source: View, target: View, p: Parameters) -> None:
    """Raise K210Error for a layer that the KPU has no room for in its arguments or its parameter memory."""
    for what, view in (("input", source), ("output", target)):
        channels, height, width = view.shape
        if channels > MOST_CHANNELS or width > MOST_WIDTH or height > MOST_HEIGHT:
            raise K210Error(
                f"{stage.name}: its {what} is {channels}x{height}x{width}, the KPU takes {MOST_CHANNELS} channels of "
                f"{MOST_HEIGHT} rows and {MOST_WIDTH} columns at most"
            )
    outputs = target.shape[0]
    a_load, loads = loads_of(len(p.weights), outputs)
    if a_load * len(p.weights) // outputs > LOAD_BYTES or loads > MOST_LOADS:
        raise K210Error(
            f"{stage.name}: {len(p.weights):,} bytes of weights are more than the KPU loads for a layer, {MOST_LOADS} "
            f"times {LOAD_BYTES:,}"
        )


def argument_block(stage: KpuStage, source: View, target: View, p: Parameters) -> bytes:
    """The twelve words, for images whose buffers have their addresses."""
    (channels, height, width), (outputs, out_height, out_width) = source.shape, target.shape
    an_output = len(p.weights) // outputs
    a_load, loads = loads_of(len(p.weights), outputs)
    block = (
        int(stage.depthwise) << 3,
        source.line | target.line << 32,
        channels - 1 | outputs - 1 << 32 | a_load - 1 << 48,
        width - 1 | height - 1 << 10 | out_width - 1 << 32 | out_height - 1 << 42,
        (stage.weights.shape[2] == 3) | stage.pool << 4 | 1 << 10 | 15 << 16 | p.pad_value << 24,
        1 | loads - 1 << 1 | a_load * an_output << 15,
        0,
        source.channel_lines | source.row_lines << 16 | source.group << 28 | 1 << 31,
        target.channel_lines | target.row_lines << 16 | target.group << 20,
        (p.arg_w & 0xFF_FFFF) << 8 | (p.arg_x & 0xFF_FFFF) << 32,
        p.arg_add & 0xFF_FFFF_FFFF,
        (out_height * out_width - 1 & 0xFFFF) << 16 | outputs * out_height * out_width - 1 << 32,
    )
    return struct.pack("<12Q", *block)
