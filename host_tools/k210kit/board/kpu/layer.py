"""A layer's argument block, as software writes it to the KPU: twelve 64-bit words.

Layout: Kendryte standalone SDK, drivers/include/kpu.h (kpu_layer_argument_t); what the fields mean: nncase v1.9.0,
modules/k210/src/runtime/ops/kpu_conv2d.cpp and runtime_types.h.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

WORDS = 12
SIZE = WORDS * 8
LINE = 64
"""Bytes of a line of AI RAM, the unit of image addresses."""

KERNEL_1X1, KERNEL_3X3 = 0, 1


def _bits(word: int, low: int, width: int) -> int:
    return word >> low & ((1 << width) - 1)


def _signed(word: int, low: int, width: int) -> int:
    value = _bits(word, low, width)
    return value - (value >> (width - 1) << width)


@dataclass(frozen=True)
class LayerArguments:
    """The fields of the block, counts and sizes as numbers (not less one); addresses of images in bytes of AI RAM,
    those of parameters on the bus."""

    interrupt: bool
    depthwise: bool
    image_source: int
    image_target: int
    input_channels: int
    output_channels: int
    channels_a_load: int
    input_width: int
    input_height: int
    output_width: int
    output_height: int
    kernel: int
    pad_type: int
    pool: int
    first_stride: bool
    bypass_convolution: bool
    load_parameters: bool
    dma_burst: int
    pad_value: int
    batchnorm_address: int
    load_coordinates: bool
    loads: int
    load_size: int
    weights_address: int
    input_channel_lines: int
    input_row_lines: int
    input_group: int
    activation_address: int
    output_channel_lines: int
    output_row_lines: int
    output_group: int
    shr_w: int
    shr_x: int
    arg_w: int
    arg_x: int
    arg_add: int
    send_data_out: bool
    channel_bytes: int
    dma_bytes: int

    @classmethod
    def parse(cls, block: bytes) -> LayerArguments:
        """Decode the block's 96 bytes. Raises ValueError for another length."""
        if len(block) != SIZE:
            raise ValueError(f"a layer's arguments take {SIZE} bytes, not {len(block)}")
        w = struct.unpack(f"<{WORDS}Q", block)
        return cls(
            interrupt=bool(_bits(w[0], 0, 1)),
            depthwise=bool(_bits(w[0], 3, 1)),
            image_source=_bits(w[1], 0, 15) * LINE,
            image_target=_bits(w[1], 32, 15) * LINE,
            input_channels=_bits(w[2], 0, 10) + 1,
            output_channels=_bits(w[2], 32, 10) + 1,
            channels_a_load=_bits(w[2], 48, 10) + 1,
            input_width=_bits(w[3], 0, 10) + 1,
            input_height=_bits(w[3], 10, 9) + 1,
            output_width=_bits(w[3], 32, 10) + 1,
            output_height=_bits(w[3], 42, 9) + 1,
            kernel=_bits(w[4], 0, 3),
            pad_type=_bits(w[4], 3, 1),
            pool=_bits(w[4], 4, 4),
            first_stride=bool(_bits(w[4], 8, 1)),
            bypass_convolution=bool(_bits(w[4], 9, 1)),
            load_parameters=bool(_bits(w[4], 10, 1)),
            dma_burst=_bits(w[4], 16, 8) + 1,
            pad_value=_bits(w[4], 24, 8),
            batchnorm_address=_bits(w[4], 32, 32),
            load_coordinates=bool(_bits(w[5], 0, 1)),
            loads=_bits(w[5], 1, 6) + 1,
            load_size=_bits(w[5], 15, 17),
            weights_address=_bits(w[5], 32, 32),
            input_channel_lines=_bits(w[7], 0, 15),
            input_row_lines=_bits(w[7], 16, 4),
            input_group=_bits(w[7], 28, 3),
            activation_address=_bits(w[7], 32, 32),
            output_channel_lines=_bits(w[8], 0, 15),
            output_row_lines=_bits(w[8], 16, 4),
            output_group=_bits(w[8], 20, 3),
            shr_w=_bits(w[9], 0, 4),
            shr_x=_bits(w[9], 4, 4),
            arg_w=_signed(w[9], 8, 24),
            arg_x=_signed(w[9], 32, 24),
            arg_add=_signed(w[10], 0, 40),
            send_data_out=bool(_bits(w[11], 0, 1)),
            channel_bytes=_bits(w[11], 16, 16) + 1,
            dma_bytes=_bits(w[11], 32, 32) + 1,
        )
