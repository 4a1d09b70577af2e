"""Asynchronous serial: frames, the shift register behind a transmit FIFO, and a UART's port.

Times are picoseconds, rates bits a second. Frame lengths are in half bits, as 1.5 stop bits exist.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from k210kit.board.core.clock import PS_PER_SECOND, Clock

BAUD_TOLERANCE = 0.05


class SerialFormat(NamedTuple):
    """A frame: 5 to 8 data bits, parity "N", "O", "E", "M" (mark) or "S" (space), stop in half bits."""

    data_bits: int = 8
    parity: str = "N"
    stop_half_bits: int = 2

    @property
    def half_bits(self) -> int:
        """Length of a whole frame, start and stop bits included."""
        return 2 * (1 + self.data_bits + (self.parity != "N")) + self.stop_half_bits

    def parity_bit(self, byte: int) -> int:
        """The parity bit that goes with `byte` (0 for "N")."""
        odd = (byte & ((1 << self.data_bits) - 1)).bit_count() & 1
        return {"N": 0, "E": odd, "O": 1 - odd, "M": 1, "S": 0}[self.parity]

    def character_time(self, baud: float) -> int:
        """Picoseconds that one frame takes at `baud` (> 0)."""
        return max(1, round(self.half_bits * PS_PER_SECOND / (2 * baud)))


FORMAT_8N1 = SerialFormat()


class Character(NamedTuple):
    """What a receiver made of a frame."""

    byte: int
    parity_error: bool = False
    framing_error: bool = False
    is_break: bool = False

    @property
    def flawed(self) -> bool:
        """Received with an error."""
        return self.parity_error or self.framing_error or self.is_break


def rates_match(a: float, b: float) -> bool:
    """Whether a receiver at one rate understands the other."""
    return a > 0 and b > 0 and abs(a - b) <= BAUD_TOLERANCE * max(a, b)


@lru_cache(maxsize=4096)
def resample(byte: int, sent: SerialFormat, received: SerialFormat, ratio: float) -> Character | None:
    """A frame of format `sent` as seen by a receiver of format `received`.

    `ratio` is sender's rate / receiver's rate. The receiver samples the middle of its own bits; after
    the frame the line idles. None when it sees no start bit at all.
    """
    bits = [0] + [byte >> i & 1 for i in range(sent.data_bits)]
    if sent.parity != "N":
        bits.append(sent.parity_bit(byte))

    def sample(index: int) -> int:
        at = int((index + 0.5) * ratio)
        return bits[at] if at < len(bits) else 1

    if sample(0):
        return None
    value = sum(sample(1 + i) << i for i in range(received.data_bits))
    place = 1 + received.data_bits
    parity_error = False
    if received.parity != "N":
        parity_error = sample(place) != received.parity_bit(value)
        place += 1
    return Character(value, parity_error, not sample(place))


class SerialPort:
    """A UART's end of its TX and RX functions, as numbered by the FPIOA.

    The UART keeps `baud` (0 while it has no clock) and `format` up to date, sets `receive`, and
    calls `transmit` with bytes whose last stop bit is just over; the wiring sets the rest.
    """

    def __init__(self, name: str = "", tx_function: int | None = None, rx_function: int | None = None) -> None:
        self.name, self.tx_function, self.rx_function = name, tx_function, rx_function
        self.baud = 0.0
        self.format = FORMAT_8N1
        self.receive: Callable[[Character], None] = lambda character: None
        self.transmit: Callable[[bytes], None] = lambda data: None
        self.set_break: Callable[[bool], None] = lambda low: None
        # Characters that nobody notices who does not look need not come one by one.
        self.quiet: Callable[[], int] = lambda: 1  # the UART's: so many may arrive until somebody does
        self.hide: Callable[[bool], None] = lambda on: None  # the UART's: told that sync() may have some to bring
        self.sync: Callable[[], None] = lambda: None  # the line's: bring what has arrived by now
        self.replan: Callable[[], None] = lambda: None  # the line's: quiet() may have fallen
        self.arrived: int | None = None  # when the one that receive() is given came, if not now
        # Set when somebody in virtual time listens (a jumper): bytes must not arrive in batches.
        self.prompt = False


class Transmitter:
    """A FIFO of `depth` characters and a shift register, in closed form.

    Bytes leave at times computed from `end` and `character_time`; call `sync()` before looking at
    the state. `character_time` 0 means no baud clock. `enabled` False lets the present character
    finish and holds the rest.
    """

    def __init__(self, clock: Clock, depth: int, sent: Callable[[bytes], None]) -> None:
        self.clock, self.depth, self._sent = clock, depth, sent
        self.fifo = bytearray()
        self.shifting: int | None = None
        self.end = 0
        self.character_time = 0
        self.enabled = True

    def clear(self) -> None:
        """Forget everything, the character in the shift register too."""
        self.fifo.clear()
        self.shifting = None

    @property
    def busy(self) -> bool:
        """Something is in the FIFO or in the shift register (as of the last sync)."""
        return self.shifting is not None or bool(self.fifo)

    def put(self, data: bytes) -> int:
        """Put what fits (call sync first); returns how many characters that were."""
        self.start()
        took = 0
        if data and self.shifting is None and not self.fifo and self._may_start:
            self.shifting, self.end, took = data[0], self.clock.now + self.character_time, 1
        room = self.depth - len(self.fifo)
        self.fifo += data[took : took + room]
        return took + min(room, len(data) - took)

    @property
    def _may_start(self) -> bool:
        return self.enabled and self.character_time > 0

    def start(self) -> None:
        """Load the shift register if it is free and allowed (after enabling)."""
        if self.shifting is None and self.fifo and self._may_start:
            self.shifting = self.fifo.pop(0)
            self.end = self.clock.now + self.character_time

    def set_character_time(self, character_time: int) -> None:
        """A new rate; the character being sent goes on at it."""
        if character_time == self.character_time:
            return
        before, self.character_time = self.character_time, character_time
        now = self.clock.now
        if self.shifting is not None and character_time:
            # A stopped clock forgets how far the character was: it starts over.
            left = (self.end - now) * character_time // before if before else character_time
            self.end = now + max(0, left)
        self.start()

    def sync(self) -> None:
        """Let leave what has left by now."""
        now = self.clock.now
        if self.shifting is None or now < self.end or not self.character_time:
            return
        waiting = len(self.fifo)
        done = min(1 + (now - self.end) // self.character_time, 1 + waiting) if self.enabled else 1
        data = bytes([self.shifting]) + bytes(self.fifo[: done - 1])
        if done <= waiting and self.enabled:
            self.shifting = self.fifo[done - 1]
            del self.fifo[:done]
            self.end += done * self.character_time
        else:
            del self.fifo[: done - 1]
            self.shifting = None
        self._sent(data)

    def time_of_level(self, level: int) -> int | None:
        """When the FIFO will have fallen to `level`; -1 asks when the shift register is done too."""
        if self.shifting is None or not self.character_time:
            return None
        if not self.enabled:
            return self.end if not self.fifo and level < 0 else None
        return self.end + max(0, len(self.fifo) - level - 1) * self.character_time
