"""Writes a board's flash over its serial line: see flash.py for the functions, docs/flashing.md for the commands."""

from k210kit.flasher.flash import (
    Difference,
    erase_flash,
    erase_region,
    flash,
    flash_id,
    read_flash,
    reset_board,
    verify,
)
from k210kit.flasher.report import Report
from k210kit.flasher.session import Session

__all__ = [
    "Difference",
    "Report",
    "Session",
    "erase_flash",
    "erase_region",
    "flash",
    "flash_id",
    "read_flash",
    "reset_board",
    "verify",
]
