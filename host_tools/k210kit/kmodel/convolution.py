"""A convolution of a kmodel: argument block and parameters in the file, judged, to a layer that the KPU computes."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from k210kit.board.kpu import timing
from k210kit.board.kpu.arithmetic import POOL_STRIDE, Bytes
from k210kit.board.kpu.execute import activation_size, batchnorm_size, prepare, weights_size
from k210kit.board.kpu.layer import KERNEL_3X3, SIZE, LayerArguments
from k210kit.board.kpu.layout import check_layout
from k210kit.board.kpu.prepared import Prepared
from k210kit.kmodel.model import BYTE, KPU_RAM_SIZE, KpuImage, Layer, Region

if TYPE_CHECKING:
    from k210kit.kmodel.version3 import Body


class Convolve:
    """Callable: the image in to the image out. Its parameters are decoded when it first runs, and kept."""

    def __init__(self, arguments: LayerArguments, parameters: tuple[bytes, bytes, bytes], eight_bit: bool) -> None:
        self.arguments, self.parameters, self.eight_bit = arguments, parameters, eight_bit

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
    a = LayerArguments.parse(_part(b, block, SIZE, "arguments"))
    _judge(b, a)
    parts = (
        _part(b, weights, weights_size(a, eight_bit=b.file.eight_bit), "weights"),
        _part(b, batchnorm, batchnorm_size(a), "batch normalisation"),
        _part(b, activation, activation_size, "activation"),
    )
    shape = (a.input_channels, a.input_height, a.input_width)
    out_shape = (a.output_channels, a.output_height, a.output_width)
    source = KpuImage(a.image_source, shape, a.input_group, a.input_row_lines, a.input_channel_lines)
    target = KpuImage(a.image_target, out_shape, a.output_group, a.output_row_lines, a.output_channel_lines)
    outputs: list[KpuImage | Region] = []
    if to_main_memory is None:
        outputs.append(_image(b, target))
    else:
        outputs.append(_result(b, a, to_main_memory, out_shape))
        if not _problem(target):
            # The KPU leaves it in its RAM as well.
            outputs.append(target)
    per_pixel = a.output_channels * (1 if a.depthwise else a.input_channels) * (9 if a.kernel == KERNEL_3X3 else 1)
    return Layer(
        b.number,
        b.name,
        (_image(b, source),),
        tuple(outputs),
        Convolve(a, parts, b.file.eight_bit),
        macs=per_pixel * a.input_width * a.input_height,
        parameters=sum(map(len, parts)),
        cycles=timing.cycles(a, eight_bit=b.file.eight_bit),
    )


def _part(b: Body, offset: int, size: int, what: str) -> bytes:
    data = b.file.data
    if offset + size > len(data):
        raise b.fail(f"has its {what} in bytes {offset:,} to {offset + size:,} of a file of {len(data):,}")
    return data[offset : offset + size]


def _judge(b: Body, a: LayerArguments) -> None:
    """Refuse arguments that make no sense, or that the KPU's arithmetic does not cover."""
    if a.kernel > KERNEL_3X3:
        raise b.fail(f"has kernel type {a.kernel}, which is neither 0 (1x1) nor 1 (3x3)")
    if a.pool not in POOL_STRIDE:
        raise b.fail(f"has pooling mode {a.pool}, which is not between 0 and {max(POOL_STRIDE)}")
    if a.depthwise and a.input_channels != a.output_channels:
        raise b.fail(f"is depthwise with {a.input_channels} channels in and {a.output_channels} out")
    if a.first_stride or a.bypass_convolution:
        raise b.fail("halves its output (first_stride) or bypasses the convolution, which is not supported")
    stride = POOL_STRIDE[a.pool]
    height, width = a.input_height // stride, a.input_width // stride
    if a.output_height > height or a.output_width > width:
        raise b.fail(
            f"makes {a.output_width} x {a.output_height} of {a.input_width} x {a.input_height}, at most "
            f"{width} x {height} come out of pooling mode {a.pool}"
        )


def _problem(image: KpuImage) -> str | None:
    try:
        check_layout(image.shape[2], image.group, image.row_lines)
    except ValueError as error:
        return f"has an image whose {error}"
    if image.address + image.size > KPU_RAM_SIZE:
        channels, height, width = image.shape
        return (
            f"has an image of {width} x {height} x {channels} in bytes {image.address:,} to "
            f"{image.address + image.size:,} of the KPU's RAM, which has {KPU_RAM_SIZE:,}"
        )
    return None


def _image(b: Body, image: KpuImage) -> KpuImage:
    problem = _problem(image)
    if problem:
        raise b.fail(problem)
    return image


def _result(b: Body, a: LayerArguments, address: int, shape: tuple[int, int, int]) -> Region:
    """Where the DMA puts the result: as many bytes as the block says."""
    size = shape[0] * shape[1] * shape[2]
    if a.dma_bytes > size:
        raise b.fail(f"sends {a.dma_bytes:,} bytes to the main memory and has {size:,}")
    region = b.region(address, BYTE, shape if a.dma_bytes == size else (a.dma_bytes,))
    b.file.written[address] = region
    return region
