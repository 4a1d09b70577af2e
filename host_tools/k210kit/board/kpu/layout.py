"""How images lie in the AI RAM: lines of 64 bytes, narrow channels side by side in one line.

Source: nncase v1.9.0, modules/k210/include/nncase/runtime/k210/runtime_op_utility.h.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from k210kit.board.kpu.arithmetic import Bytes
from k210kit.board.kpu.layer import LINE


@dataclass(frozen=True)
class RowLayout:
    """Of images of one width: `group` channels share a line at a distance of `pitch` bytes; a row takes `lines`."""

    group: int
    pitch: int
    lines: int

    @classmethod
    def of(cls, width: int) -> RowLayout:
        """The layout for rows of `width` bytes."""
        if width <= 16:
            return cls(4, 16, 1)
        if width <= 32:
            return cls(2, 32, 1)
        return cls(1, LINE, -(-width // LINE))

    def size(self, channels: int, height: int) -> int:
        """Bytes of AI RAM that an image takes."""
        return -(-channels // self.group) * self.lines * height * LINE


def gather(ram: memoryview, shape: tuple[int, int, int], group: int, row_lines: int, channel_lines: int) -> Bytes:
    """The image of `shape` (channels, height, width) whose first line is the first of `ram`: `group` channels share
    each line, a row takes `row_lines` of them, and from one group of channels to the next it is `channel_lines`.

    Raises ValueError when that makes no sense or leaves the memory.
    """
    channels, height, width = shape
    lines = _lines(ram, shape, group, row_lines, channel_lines)
    rows = lines.reshape(lines.shape[0], height, row_lines, group, -1).transpose(0, 3, 1, 2, 4)
    return rows.reshape(lines.shape[0] * group, height, -1)[:channels, :, :width].copy()


def scatter(ram: memoryview, image: Bytes, group: int, row_lines: int, channel_lines: int) -> None:
    """Put an image where gather() finds it; bytes between rows and channels stay. Raises ValueError as that does."""
    _, height, width = image.shape
    lines = _lines(ram, image.shape, group, row_lines, channel_lines)
    rows = lines.reshape(lines.shape[0], height, row_lines * LINE)
    pitch = LINE // group
    for first in range(group):
        part = image[first::group]
        rows[: len(part), :, first * pitch : first * pitch + width] = part


def check_layout(width: int, group: int, row_lines: int) -> None:
    """Raises ValueError when rows of `width` bytes cannot lie so."""
    if group not in (1, 2, 4) or not row_lines or width > (LINE // group if group > 1 else row_lines * LINE):
        raise ValueError(f"rows of {width} bytes, {group} channels a line and {row_lines} lines a row do not fit")


def _lines(
    ram: memoryview, shape: tuple[int, ...], group: int, row_lines: int, channel_lines: int
) -> npt.NDArray[np.uint8]:
    """A view of shape (groups of channels, height * row_lines, LINE) into the memory."""
    channels, height, width = shape
    check_layout(width, group, row_lines)
    groups = -(-channels // group)
    used = height * row_lines
    size = ((groups - 1) * channel_lines + used) * LINE
    if size > len(ram):
        raise ValueError(
            f"an image of {channels} x {height} x {width} takes {size} bytes of AI RAM, {len(ram)} are left"
        )
    raw = np.frombuffer(ram, np.uint8, size)
    return np.lib.stride_tricks.as_strided(raw, (groups, used, LINE), (channel_lines * LINE, LINE, 1))


def pack(image: Bytes) -> bytes:
    """An image (channels, height, width) as it lies in AI RAM on its own; bytes between are zero."""
    channels, height, width = image.shape
    layout = RowLayout.of(width)
    data = bytearray(layout.size(channels, height))
    scatter(memoryview(data), image, layout.group, layout.lines, layout.lines * height)
    return bytes(data)


def unpack(data: bytes | memoryview, channels: int, height: int, width: int) -> Bytes:
    """The image that pack() has packed. Raises ValueError when `data` is too short."""
    layout = RowLayout.of(width)
    shape = (channels, height, width)
    return gather(memoryview(data), shape, layout.group, layout.lines, layout.lines * height)
