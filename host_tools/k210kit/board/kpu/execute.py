"""A layer as the KPU executes it: arguments and parameters as bytes, images in AI RAM."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from k210kit.board.kpu.arithmetic import (
    ACTIVATION_SIZE,
    BATCHNORM_SIZE,
    Activation,
    BatchNorm,
    Bytes,
    Convolution,
    Layer,
)
from k210kit.board.kpu.layer import KERNEL_3X3, LayerArguments
from k210kit.board.kpu.layout import gather, scatter
from k210kit.board.kpu.prepared import Prepared


def weights_size(a: LayerArguments, *, eight_bit: bool) -> int:
    """Bytes of weights that the layer loads."""
    taps = 9 if a.kernel == KERNEL_3X3 else 1
    inputs = 1 if a.depthwise else a.input_channels
    return a.output_channels * inputs * taps * (1 if eight_bit else 2)


def batchnorm_size(a: LayerArguments) -> int:
    """Bytes of batch normalisation arguments that the layer loads."""
    return BATCHNORM_SIZE * a.output_channels


activation_size = ACTIVATION_SIZE


def prepare(a: LayerArguments, weights: bytes, batchnorm: bytes, activation: bytes, *, eight_bit: bool) -> Prepared:
    """The layer with its parameters decoded; they have the sizes that the functions above tell."""
    kind: np.dtype[Any] = np.dtype(np.uint8) if eight_bit else np.dtype("<u2")
    side = 3 if a.kernel == KERNEL_3X3 else 1
    matrix = np.frombuffer(weights, kind).reshape(a.output_channels, 1 if a.depthwise else a.input_channels, side, side)
    convolution = Convolution(matrix, a.depthwise, a.pad_value, a.arg_x, a.shr_x, a.arg_w, a.shr_w, a.arg_add)
    return Prepared(Layer(convolution, BatchNorm.parse(batchnorm), Activation.parse(activation), a.pool))


# A model's layers come again with every frame.
_kept = functools.lru_cache(maxsize=64)(prepare)


def compute(
    a: LayerArguments, ai_ram: memoryview, weights: bytes, batchnorm: bytes, activation: bytes, *, eight_bit: bool
) -> Bytes:
    """The layer's output (channels, height, width); AI RAM is read only.

    Parameters as for prepare(). Raises ValueError for arguments that make no sense.
    """
    layer = _kept(a, weights, batchnorm, activation, eight_bit=eight_bit)
    shape = (a.input_channels, a.input_height, a.input_width)
    image = gather(ai_ram[a.image_source :], shape, a.input_group, a.input_row_lines, a.input_channel_lines)
    return layer.run(image)[:, : a.output_height, : a.output_width]


def write_back(a: LayerArguments, ai_ram: memoryview, image: Bytes) -> None:
    """Leave the output where the arguments say. Raises ValueError when that is outside AI RAM."""
    scatter(ai_ram[a.image_target :], image, a.output_group, a.output_row_lines, a.output_channel_lines)
