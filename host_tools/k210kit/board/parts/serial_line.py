"""Serial lines: what hangs on the board's RX and TX pads.

A line finds its UART by the pads' present functions, so firmware may move the console between
UARTs. All times are virtual; host side buffering is in serial_endpoints.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import islice, takewhile

from k210kit.board.core.clock import PS_PER_SECOND, Clock, Event
from k210kit.board.core.serial import FORMAT_8N1, Character, SerialFormat, SerialPort, rates_match, resample
from k210kit.board.devices.fpioa import Fpioa

UNKNOWN_BAUD = 115_200
"""Pace of a sender that follows the board's rate while no UART listens."""


class SerialWiring:
    """The board's UARTs on one side, serial lines and jumper wires on its pads on the other."""

    def __init__(self, fpioa: Fpioa) -> None:
        self.fpioa = fpioa
        self._ports: list[SerialPort] = []
        self._by_rx: dict[int, SerialPort] = {}
        self._lines: list[SerialLine] = []
        self._jumpers: list[tuple[int, int]] = []
        self._breaks: dict[SerialPort, Break] = {}

    def connect(self, port: SerialPort) -> SerialPort:
        """Take in a UART's port; its TX function idles high from now on."""
        assert port.tx_function is not None and port.rx_function is not None
        tx = self.fpioa.output(port.tx_function)
        tx.set(True)

        def set_break(low: bool) -> None:
            tx.set(not low)
            self._break_changed(port, low)

        port.set_break = set_break
        port.transmit = lambda data: self._transmit(port, data)
        port.prompt = bool(self._jumpers)
        self._ports.append(port)
        self._by_rx[port.rx_function] = port
        return port

    def attach(self, line: SerialLine) -> None:
        """Called by a new SerialLine."""
        self._lines.append(line)

    def jumper(self, tx_pad: int, rx_pad: int) -> None:
        """A wire from one pad to another: what a UART sends on the first, a UART hears on the second.

        From now on transmission takes an event a character, so that none comes late.
        """
        self._jumpers.append((tx_pad, rx_pad))
        for port in self._ports:
            port.prompt = True

    def receiver(self, pad: int) -> SerialPort | None:
        """The UART that listens to `pad`, or None."""
        return self._by_rx.get(self.fpioa.function_of(pad)) if self.fpioa.input_enabled(pad) else None

    def _transmit(self, port: SerialPort, data: bytes) -> None:
        for line in self._lines:
            if self._sends(line.tx_pad, port):
                line.from_board(data, port.baud, port.format)
        for hearing in self._hearing(port):
            for byte in data:
                deliver(hearing, byte, port.baud, port.format)

    def _break_changed(self, port: SerialPort, low: bool) -> None:
        if low and port not in self._breaks:
            clock = self.fpioa.clock
            self._breaks[port] = Break(clock, [hearing for hearing in self._hearing(port) if hearing.baud > 0])
        elif not low and port in self._breaks:
            self._breaks.pop(port).end()

    def _hearing(self, port: SerialPort) -> list[SerialPort]:
        """The UARTs that hear this one over jumpers."""
        ends = (self.receiver(rx_pad) for tx_pad, rx_pad in self._jumpers if self._sends(tx_pad, port))
        return [hearing for hearing in ends if hearing is not None]

    def _sends(self, pad: int, port: SerialPort) -> bool:
        return self.fpioa.function_of(pad) == port.tx_function and self.fpioa.pads[pad].driven_by_chip


class Break:
    """A line that a UART holds low: a break for those who see it for a whole frame, else a start bit and zeros."""

    def __init__(self, clock: Clock, hearing: list[SerialPort]) -> None:
        self._clock, self._start = clock, clock.now
        self._waiting = {
            port: clock.after(port.format.character_time(port.baud), partial(self._frame_over, port))
            for port in hearing
        }

    def _frame_over(self, port: SerialPort) -> None:
        del self._waiting[port]
        port.receive(Character(0, framing_error=True, is_break=True))

    def end(self) -> None:
        """The line is high again."""
        for port, event in self._waiting.items():
            event.cancel()
            bits = round((self._clock.now - self._start) * port.baud / PS_PER_SECOND)
            if bits > 0:
                deliver(port, 0, port.baud, SerialFormat(bits - 1))


def deliver(port: SerialPort, byte: int, baud: float, form: SerialFormat) -> None:
    """A frame of the given rate and format reaches `port`, understood or not."""
    if port.baud <= 0:
        return
    character = hear(byte, baud, form, port.baud, port.format)
    if character is not None:
        port.receive(character)


def hear(byte: int, baud: float, form: SerialFormat, own_baud: float, own: SerialFormat) -> Character | None:
    """What a receiver set to `own_baud` and `own` makes of a frame; None when it notices nothing."""
    matching = rates_match(baud, own_baud)
    if matching and form == own:
        return Character(byte & ((1 << own.data_bits) - 1))
    return resample(byte, form, own, 1.0 if matching else baud / own_baud)


_Setting = tuple[str, object]
"""Name and value of what changes for the bytes behind it."""


class SerialLine:
    """The cable to the board: the host's TX on `rx_pad`, its RX on `tx_pad` (names are the board's).

    `baud` and `format` are the host's; None follows whatever the board's UART is set to. What the
    host sends is paced at one character time each in virtual time; a new rate by `set_baud()` takes
    effect behind it, as with a port that drains first.
    """

    def __init__(self, clock: Clock, wiring: SerialWiring, *, rx_pad: int = 4, tx_pad: int = 5) -> None:
        self.clock, self.wiring, self.rx_pad, self.tx_pad = clock, wiring, rx_pad, tx_pad
        self.baud: float | None = None
        self.format: SerialFormat | None = None
        self._to_board: deque[int | _Setting] = deque()
        self._from_board = bytearray()
        self._listeners: list[Callable[[bytes], None]] = []
        self._event: Event | None = None
        self._next = 0  # when the first of _to_board arrives
        self._hiding: SerialPort | None = None
        self._syncing = False
        self._breaking = False
        self.carried_to_board = self.carried_from_board = 0
        """Characters that have gone over the line so far, whether they were understood or not."""
        wiring.attach(self)
        wiring.fpioa.pads[rx_pad].drive(True, self)

    @property
    def carried(self) -> int:
        """Characters that have gone over the line so far, both ways together."""
        return self.carried_to_board + self.carried_from_board

    @property
    def pending(self) -> int:
        """Bytes sent by the host that have not reached the board."""
        return len(self._to_board)

    def send(self, data: bytes) -> None:
        """The host sends; bytes queue up behind those not yet on the wire."""
        self._to_board.extend(data)
        if self._event is None and self._to_board:
            self._await_next(self.clock.now)
            self._plan()

    def set_baud(self, baud: float | None) -> None:
        """The host's rate from here on."""
        self._set("baud", baud)

    def set_format(self, form: SerialFormat | None) -> None:
        """The host's frame from here on."""
        self._set("format", form)

    def _set(self, name: str, value: object) -> None:
        if self._to_board:
            self._to_board.append((name, value))
        else:
            setattr(self, name, value)

    def _take_settings(self) -> None:
        while self._to_board and not isinstance(entry := self._to_board[0], int):
            self._to_board.popleft()
            setattr(self, *entry)

    def set_break(self, on: bool) -> None:
        """The host holds the line low; the UART hears one break character."""
        self.sync()
        if on and not self._breaking:
            port = self.wiring.receiver(self.rx_pad)
            if port is not None and port.baud > 0:
                port.receive(Character(0, framing_error=True, is_break=True))
        self._breaking = on
        self.wiring.fpioa.pads[self.rx_pad].drive(not on, self)

    def purge(self, *, to_board: bool = False, from_board: bool = False) -> None:
        """Drop what waits in either direction; a character on the wire still arrives."""
        self.sync()
        if to_board:
            waiting = [*self._to_board]
            self._to_board = deque(
                entry for index, entry in enumerate(waiting) if not index or not isinstance(entry, int)
            )
        if from_board:
            self._from_board.clear()

    def take(self) -> bytes:
        """What the board has sent since the last call, as the host's receiver understood it."""
        data = bytes(self._from_board)
        self._from_board.clear()
        return data

    def listen(self, listener: Callable[[bytes], None]) -> None:
        """Call `listener(data)` for everything the board sends, besides `take()`."""
        self._listeners.append(listener)

    def from_board(self, data: bytes, baud: float, form: SerialFormat) -> None:
        """The board's UART has sent `data`."""
        self.carried_from_board += len(data)
        own_baud, own = self.baud or baud, self.format or form
        if own != form or not rates_match(baud, own_baud):
            heard = (hear(byte, baud, form, own_baud, own) for byte in data)
            data = bytes(character.byte for character in heard if character is not None)
        self._from_board += data
        for listener in self._listeners:
            listener(data)

    def _sending(self) -> tuple[float, SerialFormat, SerialPort | None]:
        port = self.wiring.receiver(self.rx_pad)
        listening = port is not None and port.baud > 0
        baud = self.baud or (port.baud if port is not None and listening else UNKNOWN_BAUD)
        form = self.format or (port.format if port is not None else FORMAT_8N1)
        return baud, form, port if listening else None

    def _await_next(self, before: int) -> None:
        """The first character in the queue follows one that came at `before`."""
        baud, form, _ = self._sending()
        self._next = before + form.character_time(baud)

    def _plan(self) -> None:
        """One event for as many characters as may arrive before the guest notices without looking."""
        baud, form, port = self._sending()
        count = 1
        if port is not None and not self._breaking and form == port.format and rates_match(baud, port.baud):
            waiting = takewhile(lambda entry: isinstance(entry, int), islice(self._to_board, port.quiet()))
            count = max(1, sum(1 for _ in waiting))
        due = self._next + (count - 1) * form.character_time(baud)
        if self._event is not None:
            self._event.cancel()
        self._event = self.clock.at(due, self._arrived)
        self._hide(port if count > 1 else None)

    def _hide(self, port: SerialPort | None) -> None:
        if port is self._hiding:
            return
        before, self._hiding = self._hiding, port
        if before is not None:
            before.sync = before.replan = lambda: None
            before.hide(False)
        if port is not None:
            port.sync, port.replan = self.sync, self._replan
            port.hide(True)

    def _replan(self) -> None:
        if self._event is not None and not self._syncing:
            self._plan()

    def sync(self) -> None:
        """Let arrive what has arrived by now."""
        if self._syncing:
            return
        self._syncing = True
        now = self.clock.now
        while self._to_board and self._next <= now:
            self._let_arrive()
        self._syncing = False

    def _let_arrive(self) -> None:
        byte, time = self._to_board.popleft(), self._next
        assert isinstance(byte, int)
        self.carried_to_board += 1
        baud, form, port = self._sending()
        self._take_settings()
        if self._to_board:
            self._await_next(time)
        if port is not None and not self._breaking:
            port.arrived = time
            deliver(port, byte, baud, form)
            port.arrived = None

    def _arrived(self) -> None:
        self._event = None
        self.sync()
        if self._to_board:
            self._plan()
        else:
            self._hide(None)
