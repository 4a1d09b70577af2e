"""A layer's arguments in a file: read word after word, judged, with errors that name the layer."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from k210kit.board.kpu.layout import check_layout
from k210kit.errors import K210Error
from k210kit.kmodel import layers
from k210kit.kmodel.model import FLOAT, KPU_RAM_SIZE, Array, KpuImage, Layer, Region, Shape

MOST_ELEMENTS = 1 << 26
"""Values that the processor touches in a run. No network for this chip comes near, but what a damaged file asks for
must have a bound; the firmware has the same."""


@dataclass
class File:
    """The whole file while its layers are read: what is known of the main memory, how much work there was."""

    data: bytes
    eight_bit: bool
    main_memory: int
    written: dict[int, Region] = field(default_factory=dict)
    elements: int = 0
    lines: int = 0


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
            size += at - self._start
            raise self.fail(f"has a body of {self._end - self._start:,} bytes and needs at least {size:,}")
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

    def shape(self) -> tuple[int, int, int]:
        """Width, height and channels, as (channels, height, width)."""
        width, height, channels = self.words(3)
        return self.solid((channels, height, width))

    def solid(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """A shape that has no 0."""
        if 0 in shape:
            raise self.fail(f"has a tensor of {shape[0]} x {shape[1]} x {shape[2]} (channels, height, width)")
        return shape

    def activation(self) -> int:
        """The next number, of an activation."""
        (number,) = self.words(1)
        if number > layers.RELU6:
            raise self.fail(f"has activation {number}, which is not between 0 and {layers.RELU6}")
        return number

    def work(self, elements: int) -> None:
        """Add to the work of a run."""
        self.file.elements += elements
        if self.file.elements > MOST_ELEMENTS:
            raise self.fail(f"brings a run to {self.file.elements:,} values, more than {MOST_ELEMENTS:,} take too long")

    def known(self, address: int, count: int) -> Shape:
        """The shape of what was written to an address, when it has so many values."""
        region = self.file.written.get(address)
        return region.shape if region is not None and region.count == count else (count,)

    def region(self, address: int, kind: np.dtype[Any], shape: Shape) -> Region:
        """Values in the main memory."""
        region = Region(address, kind, shape)
        if not region.count:
            raise self.fail("has an empty tensor")
        end = address + region.size
        if end > self.file.main_memory:
            raise self.fail(f"uses bytes {address:,} to {end:,} of a main memory of {self.file.main_memory:,}")
        if address % kind.itemsize:
            raise self.fail(f"has floats at address {address:,}, which is no multiple of {kind.itemsize}")
        self.work(region.count)
        return region

    def image(self, image: KpuImage) -> KpuImage:
        """An image in KPU RAM."""
        try:
            check_layout(image.shape[2], image.group, image.row_lines)
        except ValueError as error:
            raise self.fail(f"has an image that cannot lie in the KPU's RAM: {error}") from None
        end = image.address + image.size
        if end > KPU_RAM_SIZE:
            raise self.fail(
                f"has an image of {' x '.join(map(str, image.shape))} (channels, height, width) in bytes "
                f"{image.address:,} to {end:,} of the KPU's RAM, which has {KPU_RAM_SIZE:,}"
            )
        return image

    def apart(self, source: Region, target: Region, *, in_place: bool = False) -> None:
        """Refuse an output that overlaps its input, other than `in_place`: both the very same bytes."""
        first, second = sorted((source, target), key=lambda region: region.address)
        same = in_place and (source.address, source.size) == (target.address, target.size)
        if first.address + first.size > second.address and not same:
            raise self.fail(
                f"writes to address {target.address:,} of the main memory while it reads {source.address:,}"
            )

    def layer(
        self,
        inputs: Region | tuple[Region, ...],
        output: Region,
        compute: Callable[..., Array],
        *,
        in_place: bool = False,
        **extra: int,
    ) -> Layer:
        """A layer from main memory to main memory, its output noted for those that come after."""
        inputs = inputs if isinstance(inputs, tuple) else (inputs,)
        for source in inputs:
            if not extra.get("joined"):
                self.apart(source, output, in_place=in_place)
        self.file.written[output.address] = output
        return Layer(self.number, self.name, inputs, (output,), compute, **extra)  # type: ignore[arg-type]
