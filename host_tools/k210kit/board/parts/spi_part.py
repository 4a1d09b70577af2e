"""What an SPI controller sees of the part at the other end."""

from __future__ import annotations


class SpiPart:
    """A part on an SPI bus. `lines` is the bus width of that phase: 1, 2, 4 or 8.

    The base class is an empty socket: it takes everything and answers ones (a pulled-up line).
    Data are bytes in bus order; `clock_hz` of the last transfer is set by the controller.
    """

    clock_hz = 0
    minds_idle_clocks = False
    """Whether `exchange` is to be called for clocks that pass while the part is not selected (an SD card)."""

    def select(self, selected: bool) -> None:
        """Chip select; True is asserted (the pin low)."""

    def exchange(self, data: bytes) -> bytes:
        """Full duplex on one line each way; returns as many bytes as were sent."""
        self.send(data)
        return b"\xff" * len(data)

    def send(self, data: bytes, lines: int = 1) -> None:
        """Controller to part."""

    def receive(self, count: int, lines: int = 1) -> bytes:
        """Part to controller; the controller drives ones where it drives anything."""
        return b"\xff" * count

    def dummy(self, cycles: int) -> None:
        """Clock cycles without data between the address and the data phase."""
