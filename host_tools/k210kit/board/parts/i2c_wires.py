"""The two wires of an I2C bus, for masters that move them by hand (GPIO): edges become transfers.

Conditions and acknowledges: NXP UM10204, the I2C-bus specification. Masters in the I2C blocks reach parts
without wires moving (see i2c_bus.py). Addresses of 10 bits are not decoded here.
"""

from __future__ import annotations

from k210kit.board.core.clock import Clock
from k210kit.board.core.pads import Pad
from k210kit.board.parts.i2c_bus import I2cBus, Parts

STRETCH_PS = 10**6
"""How often a part that holds the clock is asked again."""


class I2cWires:
    """Pull-ups on `sclk` and `sda`, and the receiver's side of the protocol on behalf of `parts`."""

    def __init__(self, clock: Clock, sclk: Pad, sda: Pad, parts: Parts) -> None:
        self.clock, self.sclk, self.sda, self.parts = clock, sclk, sda, parts
        self._bus = I2cBus()
        self._clocks = 0
        self._byte = 0
        self._addressed = self._sending = self._listening = False
        self._first = self._acknowledged = False
        for pad in (sclk, sda):
            pad.board_pull(True)
        sclk.line.listen(lambda level: self._clock_rose() if level else self._clock_fell())
        sda.line.listen(self._data_moved)

    def _data_moved(self, level: bool) -> None:
        """A data edge while the clock is high: START or STOP."""
        if not self.sclk.line.level:
            return
        self._clocks, self._byte = 0, 0
        self._sending, self._listening, self._addressed = False, not level, False
        if level:
            self._bus.stop()

    def _clock_rose(self) -> None:
        self._clocks += 1
        if self._clocks > 8:
            self._acknowledged = not self.sda.line.level
        elif self._listening:
            self._byte = self._byte << 1 | self.sda.line.level

    def _clock_fell(self) -> None:
        if self._clocks == 8:
            self._drive(not (self._listening and self._received()))
        elif self._clocks > 8:
            self._clocks = 0
            self._drive(True)
            self._next_byte()
        elif self._sending and self._clocks:
            self._drive(bool(self._byte >> (7 - self._clocks) & 1))

    def _received(self) -> bool:
        """A byte is in; returns whether somebody acknowledges it."""
        byte, self._byte = self._byte, 0
        if self._addressed:
            self._listening = self._bus.write(byte)
            return self._listening
        self._addressed = True
        found = self._bus.start(byte >> 1, bool(byte & 1), parts=self.parts())
        self._listening = found and not byte & 1
        self._sending = found and bool(byte & 1)
        self._first = True
        return found

    def _next_byte(self) -> None:
        if not self._sending:
            return
        if not self._first:
            self._bus.read_done(self._acknowledged)
            if not self._acknowledged:
                self._sending = False
                return
        self._first = False
        self._send()

    def _send(self) -> None:
        byte = self._bus.read()
        if byte is None:
            self.sclk.drive(False, self)
            self.clock.after(STRETCH_PS, self._send)
            return
        self._byte = byte
        self._drive(bool(byte >> 7))
        self.sclk.drive(None, self)

    def _drive(self, level: bool) -> None:
        """Open drain: low, or let go."""
        self.sda.drive(None if level else False, self)
