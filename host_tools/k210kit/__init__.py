"""Tools for Kendryte K210 boards.

`k210kit.flash(port, {0: "firmware.kfpkg", 0x300000: "model.kmodel"})` writes a board's flash; the other functions of
the flasher are in k210kit.flasher, the virtual board is k210kit.board.Board.
"""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    # Imported when it is used: the rest of the package does without a serial port.
    if name == "flash":
        from k210kit.flasher import flash

        return flash
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
