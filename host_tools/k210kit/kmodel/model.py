"""What a kmodel is once it has been read, whatever its version: layers between places in two memories."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from k210kit.board.kpu.layer import LINE
from k210kit.board.kpu.layout import RowLayout

Array = npt.NDArray[Any]
Shape = tuple[int, ...]

FLOAT: np.dtype[Any] = np.dtype("<f4")
BYTE: np.dtype[Any] = np.dtype(np.uint8)

KPU_RAM_SIZE = 2 << 20
SRAM_SIZE = 6 << 20
"""The memory that model and main memory share with the program."""


@dataclass(frozen=True)
class Region:
    """Values in main memory, from byte `address` on."""

    address: int
    kind: np.dtype[Any]
    shape: Shape

    @property
    def count(self) -> int:
        """How many values."""
        return math.prod(self.shape)

    @property
    def size(self) -> int:
        """Bytes that they take."""
        return self.count * self.kind.itemsize


@dataclass(frozen=True)
class KpuImage:
    """Bytes of shape (channels, height, width) in the KPU's RAM from byte `address` on, as board.kpu.layout tells."""

    address: int
    shape: tuple[int, int, int]
    group: int
    row_lines: int
    channel_lines: int

    @classmethod
    def of(cls, address: int, shape: tuple[int, int, int]) -> KpuImage:
        """In the layout that goes with the width."""
        layout = RowLayout.of(shape[2])
        return cls(address, shape, layout.group, layout.lines, layout.lines * shape[1])

    @property
    def size(self) -> int:
        """Bytes of KPU RAM from the first line to the last."""
        groups = -(-self.shape[0] // self.group)
        return ((groups - 1) * self.channel_lines + self.shape[1] * self.row_lines) * LINE


Place = Region | KpuImage


@dataclass(frozen=True)
class Layer:
    """`compute` takes an array for each of `inputs`; its result goes to each of `outputs`. With `joined` the inputs
    are copied to the output instead, one after the other.

    `number` counts from 0. `macs` are multiply-accumulates, `parameters` bytes of weights and the like, `cycles` what
    the KPU takes for it (0 when it is the processor's).
    """

    number: int
    name: str
    inputs: tuple[Place, ...]
    outputs: tuple[Place, ...]
    compute: Callable[..., Array]
    macs: int = 0
    parameters: int = 0
    cycles: int = 0
    joined: bool = False


@dataclass(frozen=True)
class Model:
    """A kmodel that has been judged: running it leaves neither memory.

    `input` is bytes 0 to 255 of shape (channels, height, width), or floats of shape (n,). `size` is that of the file,
    `table_size` of what stands before the layers, `largest_layer` of the largest of them.
    """

    version: int
    size: int
    table_size: int
    largest_layer: int
    eight_bit: bool
    main_memory: int
    input: Place
    outputs: tuple[Region, ...]
    layers: tuple[Layer, ...]

    @property
    def takes_floats(self) -> bool:
        """Whether the input is floats, not a picture."""
        return isinstance(self.input, Region)

    @property
    def board_memory(self) -> int:
        """Bytes of the board's memory that the loaded model needs: its own and its main memory."""
        return self.size + self.main_memory

    @property
    def streamed_memory(self) -> int:
        """Bytes that it needs when its layers come into memory one at a time."""
        return self.table_size + self.largest_layer + self.main_memory
