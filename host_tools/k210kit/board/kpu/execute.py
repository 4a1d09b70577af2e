"""A layer as the KPU executes it: arguments and parameters as bytes, images in AI RAM."""

from __future__ import annotations

from typing import Any

import numpy as np

from k210kit.board.kpu import arithmetic
from k210kit.board.kpu.arithmetic import ACTIVATION_SIZE, BATCHNORM_SIZE, Activation, BatchNorm, Bytes, Convolution
from k210kit.board.kpu.layer import KERNEL_3X3, LayerArguments
from k210kit.board.kpu.layout import gather, scatter


def weights_size(a: LayerArguments, *, eight_bit: bool) -> int:
    """Bytes of weights that the layer loads."""
    taps = 9 if a.kernel == KERNEL_3X3 else 1
    inputs = 1 if a.depthwise else a.input_channels
    return a.output_channels * inputs * taps * (1 if eight_bit else 2)


def batchnorm_size(a: LayerArguments) -> int:
    """Bytes of batch normalisation arguments that the layer loads."""
    return BATCHNORM_SIZE * a.output_channels


activation_size = ACTIVATION_SIZE


def compute(
    a: LayerArguments, ai_ram: memoryview, weights: bytes, batchnorm: bytes, activation: bytes, *, eight_bit: bool
) -> Bytes:
    """The layer's output (channels, height, width); AI RAM is read only.

    Parameters have the sizes that the functions above tell. Raises ValueError for arguments that make no sense.
    """
    kind: np.dtype[Any] = np.dtype(np.uint8) if eight_bit else np.dtype("<u2")
    side = 3 if a.kernel == KERNEL_3X3 else 1
    matrix = np.frombuffer(weights, kind).reshape(a.output_channels, 1 if a.depthwise else a.input_channels, side, side)
    convolution = Convolution(matrix, a.depthwise, a.pad_value, a.arg_x, a.shr_x, a.arg_w, a.shr_w, a.arg_add)
    shape = (a.input_channels, a.input_height, a.input_width)
    image = gather(ai_ram[a.image_source :], shape, a.input_group, a.input_row_lines, a.input_channel_lines)
    layer = arithmetic.Layer(convolution, BatchNorm.parse(batchnorm), Activation.parse(activation), a.pool)
    return arithmetic.run(image, layer)[:, : a.output_height, : a.output_width]


def write_back(a: LayerArguments, ai_ram: memoryview, image: Bytes) -> None:
    """Leave the output where the arguments say. Raises ValueError when that is outside AI RAM."""
    scatter(ai_ram[a.image_target :], image, a.output_group, a.output_row_lines, a.output_channel_lines)
