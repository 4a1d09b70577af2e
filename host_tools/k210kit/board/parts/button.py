"""A push button between a pad and ground (or supply)."""

from __future__ import annotations

from k210kit.board.core.pads import Pad


class Button:
    """`press()` and `release()` a button on `pad`.

    Active low with the board's pull-up by default; `active_high` swaps both. `board_pull` False
    leaves the idle level to the pad's own pull.
    """

    def __init__(self, pad: Pad, *, active_high: bool = False, board_pull: bool = True) -> None:
        self.pad, self.active_high = pad, active_high
        self.pressed = False
        if board_pull:
            pad.board_pull(not active_high)

    def press(self) -> None:
        """Close the contact; it stays closed until `release()`."""
        self.pressed = True
        self.pad.drive(self.active_high, self)

    def release(self) -> None:
        """Open the contact."""
        self.pressed = False
        self.pad.drive(None, self)
