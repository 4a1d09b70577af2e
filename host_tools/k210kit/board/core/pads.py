"""The 48 pads, where the chip meets the outside world.

A pad's level is settled between what the chip drives, what outside parts drive and the pulls.
Pull strengths and contention currents are not modelled.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from k210kit.board.core.line import Line

PAD_COUNT = 48

log = logging.getLogger("k210kit.board")


@dataclass(frozen=True)
class PinBank:
    """The wires of a run of GPIO-like functions, index 0 first: to and from the pad multiplexer."""

    inputs: Sequence[Line]
    outputs: Sequence[Line]
    enables: Sequence[Line]

    @classmethod
    def unconnected(cls, count: int) -> PinBank:
        """`count` pins that lead nowhere."""
        rows = [[Line() for _ in range(count)] for _ in range(3)]
        return cls(*rows)


class Pad:
    """One pad: `line` carries its settled level; listen to it to hear of changes.

    Order of strength: drivers (any low wins against a high, as in a short to ground), the board's
    own pull resistor, the pull in the pad. A floating pad reads 0; silicon leaves that undefined.
    """

    __slots__ = ("_board_pull", "_chip", "_contention_told", "_net", "_outside", "_pull", "line", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self.line = Line(f"IO{number}")
        self._chip: bool | None = None
        self._pull: bool | None = None
        self._board_pull: bool | None = None
        self._outside: dict[object, bool] = {}
        self._net = [self]
        self._contention_told = False

    def drive(self, level: bool | None, source: object = None) -> None:
        """An outside part (`source` tells several apart) drives the pad, or lets go with None."""
        if level is None:
            self._outside.pop(source, None)
        else:
            self._outside[source] = bool(level)
        self._settle()

    def board_pull(self, level: bool | None) -> None:
        """The board's resistor to supply (True) or ground (False), or none."""
        self._board_pull = level
        self._settle()

    def chip_drive(self, level: bool | None) -> None:
        """The chip's output driver: a level, or None while it is off."""
        if level is not self._chip:
            self._chip = level
            self._settle()

    def chip_pull(self, level: bool | None) -> None:
        """The pull inside the pad: up (True), down (False) or none."""
        if level is not self._pull:
            self._pull = level
            self._settle()

    @property
    def driven_by_chip(self) -> bool:
        """Whether the chip's output driver is on."""
        return self._chip is not None

    def join(self, other: Pad) -> None:
        """A wire between two pads: from now on they have one level, settled between all that drives either."""
        net = self._net + [pad for pad in other._net if pad not in self._net]
        for pad in net:
            pad._net = net
        self._settle()

    def joined(self, other: Pad) -> bool:
        """Whether both are one pad or wires lead from one to the other."""
        return other in self._net

    def _settle_net(self) -> None:
        net = self._net
        levels = {level for pad in net for level in (pad._chip, *pad._outside.values()) if level is not None}
        if len(levels) == 2 and not self._contention_told:
            self._contention_told = True
            log.info("IO%d and the pads wired to it: driven high and low at once; they read low", self.number)
        pulls = {pad._board_pull for pad in net} - {None} or {pad._pull for pad in net} - {None}
        level = False not in levels if levels else pulls == {True}
        for pad in net:
            pad.line.set(level)

    def _settle(self) -> None:
        if len(self._net) > 1:
            self._settle_net()
        elif self._outside:
            levels = set(self._outside.values())
            if self._chip is not None:
                levels.add(self._chip)
                if len(levels) == 2 and not self._contention_told:
                    self._contention_told = True
                    log.info("IO%d: driven high and low at once; it reads low", self.number)
            self.line.set(False not in levels)
        elif self._chip is not None:
            self.line.set(self._chip)
        else:
            self.line.set(bool(self._pull if self._board_pull is None else self._board_pull))
