"""How images lie in the AI RAM: lines of 64 bytes, narrow channels side by side in one line.

Source: nncase v1.9.0, modules/k210/include/nncase/runtime/k210/runtime_op_utility.h.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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


def pack(image: Bytes) -> bytes:
    """An image (channels, height, width) as it lies in AI RAM; bytes between are zero."""
    channels, height, width = image.shape
    layout = RowLayout.of(width)
    groups = -(-channels // layout.group)
    lines = np.zeros(
        (groups, layout.group, height, layout.lines * (layout.pitch if layout.group > 1 else LINE)), np.uint8
    )
    lines.reshape(groups * layout.group, height, -1)[:channels, :, :width] = image
    return lines.transpose(0, 2, 1, 3).tobytes()


def unpack(data: bytes | memoryview, channels: int, height: int, width: int) -> Bytes:
    """The image in AI RAM that starts where `data` does. Raises ValueError when `data` is too short."""
    layout = RowLayout.of(width)
    groups = -(-channels // layout.group)
    raw = np.frombuffer(data, np.uint8, layout.size(channels, height))
    rows = raw.reshape(groups, height, layout.group, -1).transpose(0, 2, 1, 3)
    return rows.reshape(groups * layout.group, height, -1)[:channels, :, :width].copy()
