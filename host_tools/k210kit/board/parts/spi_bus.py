"""Which part answers an SPI controller: by pads for SPI0 and SPI1, soldered for SPI3.

FPIOA function numbers: Kendryte standalone SDK, drivers/include/fpioa.h.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from k210kit.board.core.line import Line
from k210kit.board.parts.spi_part import SpiPart


class Pad(Protocol):
    """One pin of the chip: its level as the outside sees it."""

    line: Line


class PadRouting(Protocol):
    """What the bus asks of the FPIOA."""

    @property
    def pads(self) -> Sequence[Pad]:
        """The 48 pads."""
        ...

    def pad_of(self, function: int) -> int | None:
        """The pad that carries `function`, or None."""
        ...

    def function_of(self, pad: int) -> int:
        """The function number that `pad` carries."""
        ...


class SpiBus(SpiPart):
    """The wires as the controller sees them; the base class is a bus with nothing on it."""

    controller_sync: Callable[[], None] = staticmethod(lambda: None)

    def begin(self, enabled: int, clock_hz: int) -> None:
        """A transfer starts with slave-select mask `enabled` at `clock_hz`."""

    def end(self) -> None:
        """The transfer is over: the controller releases its selects."""


class SolderedBus(SpiBus):
    """One part for good at chip select 0 (SPI3 and the flash)."""

    def __init__(self, part: SpiPart) -> None:
        self.part, self._selected = part, False
        self._empty = SpiPart()

    def _target(self) -> SpiPart:
        return self.part if self._selected else self._empty

    def begin(self, enabled: int, clock_hz: int) -> None:
        """Select the part when bit 0 of `enabled` is set."""
        self._selected = bool(enabled & 1)
        if self._selected:
            self.part.clock_hz = clock_hz
            self.part.select(True)

    def end(self) -> None:
        """Deselect the part."""
        if self._selected:
            self._selected = False
            self.part.select(False)

    def exchange(self, data: bytes) -> bytes:
        """Full duplex with the part."""
        return self._target().exchange(data)

    def send(self, data: bytes, lines: int = 1) -> None:
        """To the part."""
        self._target().send(data, lines)

    def receive(self, count: int, lines: int = 1) -> bytes:
        """From the part."""
        return self._target().receive(count, lines)

    def dummy(self, cycles: int) -> None:
        """Clock cycles without data."""
        self._target().dummy(cycles)


@dataclass(frozen=True)
class SpiPins:
    """Function numbers of one controller; SSn is `select0 + n`, data line n `data0 + n`."""

    data0: int
    select0: int
    sclk: int


SPI0_PINS = SpiPins(data0=4, select0=12, sclk=17)
SPI1_PINS = SpiPins(data0=70, select0=78, sclk=83)


@dataclass
class Socket:
    """A part wired to pads. None for `cs`: always selected; None for `mosi` and `miso`: no such wire.

    `data_enable` stands for dedicated data wires instead of `mosi` (the LCD's D0-D7): it says whether
    SYSCTL routes SPI0's data lines there.
    """

    part: SpiPart
    sclk: int
    mosi: int | None = None
    miso: int | None = None
    cs: int | None = None
    data_enable: Callable[[], bool] | None = None
    selected: bool = False


class PadWiring:
    """Parts on pads, shared by the controllers: which of them reaches a part is the FPIOA's affair.

    Only D0 and D1 are checked; lines D2 and up are taken as routed when a multi-line transfer is made.
    """

    def __init__(self, routing: PadRouting) -> None:
        self.routing = routing
        self.sockets: list[Socket] = []
        self.buses: list[PadBus] = []

    def bus(self, pins: SpiPins) -> PadBus:
        """The wires of one more controller."""
        self.buses.append(PadBus(self, pins))
        return self.buses[-1]

    def attach(self, socket: Socket) -> Socket:
        """Wire a part to its pads; returns the socket for `detach`."""
        self.sockets.append(socket)
        if socket.cs is not None:
            self.routing.pads[socket.cs].line.listen(lambda level: self._cs_moved(socket))
        self.refresh(socket)
        return socket

    def detach(self, socket: Socket) -> None:
        """Take a part off the bus (an SD card pulled out)."""
        if socket in self.sockets:
            self._set(socket, False)
            self.sockets.remove(socket)
            for bus in self.buses:
                bus.route()

    def _cs_moved(self, socket: Socket) -> None:
        if socket in self.sockets:
            for bus in self.buses:
                bus.controller_sync()
            self.refresh(socket)
            for bus in self.buses:
                bus.route()

    def refresh(self, socket: Socket) -> None:
        """Bring the part's chip select to what the pads say now."""
        if socket.cs is None:
            self._set(socket, True)
            return
        function = self.routing.function_of(socket.cs)
        for bus in self.buses:
            number = function - bus.pins.select0
            if 0 <= number < 4:
                self._set(socket, bus.active and bool(bus.enabled >> number & 1))
                return
        self._set(socket, not self.routing.pads[socket.cs].line.level)

    @staticmethod
    def _set(socket: Socket, selected: bool) -> None:
        if selected != socket.selected:
            socket.selected = selected
            socket.part.select(selected)


class PadBus(SpiBus):
    """One controller's wires; its parts are found through the FPIOA at the start of every transfer."""

    def __init__(self, wiring: PadWiring, pins: SpiPins) -> None:
        self.wiring, self.pins = wiring, pins
        self.active, self.enabled, self._clock_hz = False, 0, 0
        self._talking: list[tuple[Socket, bool, bool]] = []
        self._clocked: list[SpiPart] = []

    def route(self) -> None:
        """Find who hears and who answers; the sockets' selection is up to date."""
        self._talking, self._clocked = [], []
        if not self.active:
            return
        function = self.wiring.routing.function_of
        for socket in self.wiring.sockets:
            if function(socket.sclk) != self.pins.sclk:
                continue
            if not socket.selected:
                if socket.part.minds_idle_clocks:
                    self._clocked.append(socket.part)
                continue
            if socket.data_enable is not None:
                hears = answers = socket.data_enable()
            else:
                hears = socket.mosi is not None and function(socket.mosi) == self.pins.data0
                answers = socket.miso is not None and function(socket.miso) == self.pins.data0 + 1
                # Three-wire parts: the K210 turns the data wire round by giving its pad function D1.
                if socket.miso is None and socket.mosi is not None:
                    answers = function(socket.mosi) == self.pins.data0 + 1
            socket.part.clock_hz = self._clock_hz
            self._talking.append((socket, hears, answers))

    def begin(self, enabled: int, clock_hz: int) -> None:
        """Assert the selects in mask `enabled` on the pads that carry them."""
        self.active, self.enabled, self._clock_hz = True, enabled, clock_hz
        for socket in self.wiring.sockets:
            self.wiring.refresh(socket)
        self.route()

    def end(self) -> None:
        """Release the controller's selects; those driven by GPIO stay."""
        self.active = False
        self._talking, self._clocked = [], []
        for socket in self.wiring.sockets:
            self.wiring.refresh(socket)

    def _clock_idle(self, count: int) -> None:
        for part in self._clocked:
            part.exchange(b"\xff" * count)

    def exchange(self, data: bytes) -> bytes:
        """Full duplex; the first part that answers is heard."""
        self._clock_idle(len(data))
        answer = None
        for socket, hears, answers in self._talking:
            said = socket.part.exchange(data if hears else b"\xff" * len(data))
            if answers and answer is None:
                answer = said
        return answer if answer is not None else b"\xff" * len(data)

    def send(self, data: bytes, lines: int = 1) -> None:
        """To every selected part."""
        self._clock_idle(len(data))
        for socket, hears, _ in self._talking:
            socket.part.send(data if hears else b"\xff" * len(data), lines)

    def receive(self, count: int, lines: int = 1) -> bytes:
        """From the first part that answers; all of them are clocked."""
        self._clock_idle(count)
        answer = None
        for socket, _, answers in self._talking:
            said = socket.part.receive(count, lines)
            if answers and answer is None:
                answer = said
        return answer if answer is not None else b"\xff" * count

    def dummy(self, cycles: int) -> None:
        """Clock cycles without data."""
        for socket, _, _ in self._talking:
            socket.part.dummy(cycles)
