"""Images in KPU RAM as a layer is told of them: a buffer, or a part of one."""

from __future__ import annotations

from dataclasses import dataclass, replace

from k210kit.board.kpu.layer import LINE
from k210kit.board.kpu.layout import RowLayout
from k210kit.compiler.memory import Buffer

Image = tuple[int, int, int]
"""Channels, height, width."""


@dataclass(frozen=True)
class View:
    """`shape` cells of an image that starts `offset` lines into its buffer; rows take `row_lines` lines, groups of
    channels are `channel_lines` apart."""

    buffer: Buffer
    shape: Image
    group: int
    row_lines: int
    channel_lines: int
    offset: int = 0

    @classmethod
    def of(cls, buffer: Buffer, shape: Image, offset: int = 0) -> View:
        """A whole image in the layout of its width."""
        layout = RowLayout.of(shape[2])
        return cls(buffer, shape, layout.group, layout.lines, layout.lines * shape[1], offset)

    @property
    def line(self) -> int:
        """Where it starts in KPU RAM, once the buffer has its address."""
        return self.buffer.address // LINE + self.offset

    def cut(self, height: int, width: int) -> View:
        """Other rows and columns from the same corner."""
        return replace(self, shape=(self.shape[0], height, width))

    def rows(self, first: int, count: int) -> View:
        """So many of its rows."""
        channels, _, width = self.shape
        return replace(self, shape=(channels, count, width), offset=self.offset + first * self.row_lines)

    def channels(self, some: range) -> View:
        """Some of its channels, the first of which begins a line."""
        lines = some.start // self.group * self.channel_lines
        return replace(self, shape=(len(some), *self.shape[1:]), offset=self.offset + lines)

    def is_whole(self) -> bool:
        """Whether it lies as an image of its shape does on its own."""
        return self == View.of(self.buffer, self.shape, self.offset)


def lines_of(shape: Image) -> int:
    """Lines of KPU RAM that an image takes."""
    return RowLayout.of(shape[2]).size(shape[0], shape[1]) // LINE
