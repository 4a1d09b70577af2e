"""A block that the board knows by name and address only."""

from __future__ import annotations

from k210kit.board.core.device import Device


class Unimplemented(Device):
    """Reads as zero, ignores writes; each register touched is logged once."""
