"""A block that the board knows by name, address and the extent of its registers only."""

from __future__ import annotations

from typing import ClassVar

from k210kit.board.core.clock import Clock
from k210kit.board.core.device import Device


class Unimplemented(Device):
    """Reads as zero, ignores writes; each register touched is logged once. Registers fill the first `extent` bytes."""

    widths: ClassVar = (4, 8)

    def __init__(self, name: str, clock: Clock, extent: int = 0) -> None:
        self.extent = extent
        super().__init__(name, clock)

    def takes(self, offset: int, size: int, store: bool) -> bool:
        """Whether the access lies within the extent."""
        return size in self.widths and offset + size <= self.extent

    def not_modelled(self, offset: int) -> tuple[str, str]:
        """All of it."""
        return f"+{offset:#x}", "the whole block is not modelled"
