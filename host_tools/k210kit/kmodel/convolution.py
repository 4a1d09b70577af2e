"""A convolution of a kmodel: argument block and parameters in the file, judged, to a layer that the KPU computes."""

from __future__ import annotations

import functools
import struct
from typing import TYPE_CHECKING

from k210kit.board.kpu import timing
from k210kit.board.kpu.arithmetic import POOL_STRIDE, Bytes
from k210kit.board.kpu.execute import activation_size, batchnorm_size, prepare, weights_size
from k210kit.board.kpu.layer import KERNEL_3X3, SIZE, LayerArguments
from k210kit.board.kpu.prepared import Prepared
from k210kit.kmodel.model import BYTE, KpuImage, Layer, Region

if TYPE_CHECKING:
    from k210kit.kmodel.body import Body

ALIGNMENT, DMA_UNIT = 8, 8
"""Of parameters in the file, and of what a DMA channel moves at a time."""
MOST_LINES = 1 << 30
"""Lines of its RAM that the KPU reads in a run; no network for this chip comes near."""
UNKNOWN_SIGNALS = 0b110
"""ram_flag and full_add."""


class Convolve:
    """Callable: the image in to the image out. Its parameters are decoded when it first runs, and kept.

    `block` holds the arguments as in the file; `parameters` are weights, batch normalisation and activation.
    """

    def __init__(self, block: bytes, parameters: tuple[bytes, bytes, bytes], eight_bit: bool) -> None:
        self.block, self.parameters, self.eight_bit = block, parameters, eight_bit
        self.arguments = LayerArguments.parse(block)

    @functools.cached_property
    def prepared(self) -> Prepared:
        """The parameters as arrays."""
        return prepare(self.arguments, *self.parameters, eight_bit=self.eight_bit)

    def __call__(self, x: Bytes) -> Bytes:
        """(channels, height, width) in and out."""
        return self.prepared.run(x)[:, : self.arguments.output_height, : self.arguments.output_width]


def convolution(b: Body, offsets: tuple[int, int, int, int], to_main_memory: int | None) -> Layer:
    """The layer whose argument block, weights, batch normalisation and activation lie at these offsets of the file, and
    whose result also goes to an address of the main memory unless that is None. Raises K210Error."""
    block, weights, batchnorm, activation = offsets
    data = _part(b, block, SIZE, "arguments")
    a = LayerArguments.parse(data)
    _judge(b, a, struct.unpack("<12Q", data))
    parts = (
        _part(b, weights, weights_size(a, eight_bit=b.file.eight_bit), "weights"),
        _part(b, batchnorm, batchnorm_size(a), "batch normalisation"),
        _part(b, activation, activation_size, "activation"),
    )
    shape = (a.input_channels, a.input_height, a.input_width)
    out_shape = (a.output_channels, a.output_height, a.output_width)
    source = b.image(KpuImage(a.image_source, shape, a.input_group, a.input_row_lines, a.input_channel_lines))
    target = b.image(KpuImage(a.image_target, out_shape, a.output_group, a.output_row_lines, a.output_channel_lines))
    # What goes to main memory, the KPU leaves in its RAM as well.
    outputs = (target,) if to_main_memory is None else (_result(b, a, to_main_memory, out_shape), target)
    _count_lines(b, a)
    return Layer(
        b.number,
        b.name,
        (source,),
        outputs,
        Convolve(data, parts, b.file.eight_bit),
        macs=a.output_channels * (1 if a.depthwise else a.input_channels) * _taps(a) * a.input_width * a.input_height,
        parameters=sum(map(len, parts)),
        cycles=timing.cycles(a, eight_bit=b.file.eight_bit),
    )


def _taps(a: LayerArguments) -> int:
    return 9 if a.kernel == KERNEL_3X3 else 1


def _part(b: Body, offset: int, size: int, what: str) -> bytes:
    data, end = b.file.data, offset + size
    if end > len(data):
        raise b.fail(f"has its {what} in bytes {offset:,} to {end:,} of a file of {len(data):,}")
    if offset % ALIGNMENT:
        raise b.fail(f"has its {what} at byte {offset:,} of the file, which is no multiple of {ALIGNMENT}")
    return data[offset:end]


def _judge(b: Body, a: LayerArguments, words: tuple[int, ...]) -> None:
    """Refuse arguments that make no sense, or that nobody knows to be used."""
    if words[0] & UNKNOWN_SIGNALS or a.first_stride or a.bypass_convolution or a.send_data_out:
        raise b.fail(
            "sets bits of the KPU's arguments (such as full_add, first_stride, bypass_conv) that no model sets"
        )
    if a.kernel > KERNEL_3X3:
        raise b.fail(f"has kernel type {a.kernel}, which is neither 0 (1x1) nor 1 (3x3)")
    if a.pool not in POOL_STRIDE:
        raise b.fail(f"has pooling mode {a.pool}, which is not between 0 and {max(POOL_STRIDE)}")
    if a.depthwise and a.input_channels != a.output_channels:
        raise b.fail(f"is depthwise with {a.input_channels} channels in and {a.output_channels} out")
    stride = POOL_STRIDE[a.pool]
    height, width = a.input_height // stride, a.input_width // stride
    if (a.output_height, a.output_width) != (height, width):
        raise b.fail(f"makes {a.output_height} x {a.output_width} cells, pooling leaves {height} x {width}")
    _judge_loads(b, a)


def _judge_loads(b: Body, a: LayerArguments) -> None:
    """Weights come in equal portions, but for the last."""
    portions = -(-a.output_channels // a.channels_a_load)
    if a.loads != portions:
        raise b.fail(f"loads weights {a.loads} times, {a.channels_a_load} channels a load make it {portions}")
    size = weights_size(a, eight_bit=b.file.eight_bit) // a.output_channels * a.channels_a_load
    if a.load_size != size:
        raise b.fail(f"loads {a.load_size:,} bytes of weights at a time, {a.channels_a_load} channels make it {size:,}")


def _count_lines(b: Body, a: LayerArguments) -> None:
    groups = -(-a.input_channels // a.input_group)
    b.file.lines += groups * a.input_height * a.input_row_lines * (1 if a.depthwise else a.output_channels)
    if b.file.lines > MOST_LINES:
        raise b.fail(f"brings a run to {b.file.lines:,} lines of the KPU's RAM, more than {MOST_LINES:,} take too long")


def _result(b: Body, a: LayerArguments, address: int, shape: tuple[int, int, int]) -> Region:
    """Where the DMA puts the result, in whole units: the last may carry bytes beyond."""
    size = shape[0] * shape[1] * shape[2]
    if a.dma_bytes != size:
        raise b.fail(f"sends {a.dma_bytes:,} bytes to the main memory and has {size:,}")
    b.region(address, BYTE, (-(-size // DMA_UNIT) * DMA_UNIT,))
    region = Region(address, BYTE, shape)
    b.file.written[address] = region
    return region
