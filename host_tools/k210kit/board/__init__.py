"""The virtual board: a register-level Kendryte K210."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from k210kit.board.board import Board, GuestCrash, TimedOut

__all__ = ["Board", "GuestCrash", "TimedOut"]


def __getattr__(name: str) -> Any:
    # A device can be had without the whole board.
    if name in __all__:
        from k210kit.board import board

        return getattr(board, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
