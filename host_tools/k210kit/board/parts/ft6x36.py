"""FocalTech FT6x36: the capacitive touch panel of several boards.

Registers: FocalTech's FT6x36 application note (0x02 number of points, 0x03 to 0x06 first point: event in the top two
bits, x, touch id in the top four, y). Not modelled: gestures, the second point, the interrupt pin.
"""

from __future__ import annotations

from k210kit.board.parts.register_part import RegisterPart

POINTS, FIRST, CHIP, FIRMWARE, VENDOR = 0x02, 0x03, 0xA3, 0xA6, 0xA8
CONTACT = 2 << 6
READ_ONLY = frozenset((*range(0x01, 0x0F), CHIP, FIRMWARE, VENDOR))


class Ft6x36(RegisterPart):
    """A touch panel; `touch` and `release` are the finger, in the panel's own coordinates."""

    address = 0x38

    def __init__(self) -> None:
        super().__init__()
        self.registers[CHIP], self.registers[VENDOR] = 0x64, 0x11
        self.release()

    def touch(self, x: int, y: int) -> None:
        """A finger lies at column `x`, row `y`."""
        x, y = x & 0xFFF, y & 0xFFF
        self.registers[POINTS] = 1
        self.registers[FIRST : FIRST + 4] = bytes((CONTACT | x >> 8, x & 0xFF, y >> 8, y & 0xFF))

    def release(self) -> None:
        """The finger is lifted."""
        self.registers[POINTS] = 0
        self.registers[FIRST : FIRST + 4] = b"\xff" * 4

    def store(self, register: int, value: int) -> None:
        """Results and identity are read-only."""
        if register not in READ_ONLY:
            self.registers[register] = value
