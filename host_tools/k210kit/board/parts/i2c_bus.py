"""What an I2C controller sees of its bus: parts with addresses. And one such part, a 24C02 memory.

Conditions and acknowledges: NXP UM10204, the I2C-bus specification. 24C02: Atmel AT24C02 datasheet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from k210kit.board.core.clock import Clock

GENERAL_CALL = 0


class I2cPart:
    """A part on an I2C bus. `address` has 7 bits, or 10 when `ten_bit`.

    The base class acknowledges everything and sends ones.
    """

    address = 0
    ten_bit = False
    answers_general_call = False

    def start(self, read: bool) -> bool:
        """Addressed after a START or repeated START; returns whether the part acknowledges."""
        return True

    def write(self, byte: int) -> bool:
        """Controller to part; returns whether the part acknowledges."""
        return True

    def read(self) -> int | None:
        """Part to controller; None while the part holds the clock low: it is asked again a byte later."""
        return 0xFF

    def read_done(self, acknowledged: bool) -> None:
        """The controller's acknowledge of the byte just read; it refuses the last one."""

    def stop(self) -> None:
        """A STOP condition, or a repeated START that addresses somebody else."""


Parts = Callable[[], Iterable[I2cPart]]
"""Gives the parts that a controller reaches now, through the pads its SCLK and SDA are routed to."""


class I2cBus:
    """Parts on one pair of wires, and the transfer that is under way on them."""

    def __init__(self, parts: Iterable[I2cPart] = ()) -> None:
        self.parts: list[I2cPart] = list(parts)
        self._active: list[I2cPart] = []
        self._reading = False

    def attach(self, part: I2cPart) -> None:
        """Put a part on the bus."""
        self.parts.append(part)

    def __call__(self) -> list[I2cPart]:
        """The parts, as controllers ask for them (`Parts`)."""
        return self.parts

    def start(self, address: int, read: bool, ten_bit: bool = False, parts: Iterable[I2cPart] | None = None) -> bool:
        """START or repeated START and the address; returns whether somebody acknowledges."""
        candidates = self.parts if parts is None else list(parts)
        general = address == GENERAL_CALL and not read
        found = [
            part
            for part in candidates
            if (part.answers_general_call if general else part.address == address and part.ten_bit == ten_bit)
        ]
        for part in self._active:
            if part not in found:
                part.stop()
        self._reading = read
        self._active = [part for part in found if part.start(read)]
        return bool(self._active)

    def write(self, byte: int) -> bool:
        """One byte to whoever was addressed; returns whether somebody acknowledges."""
        answers = [part.write(byte) for part in self._active]
        return any(answers)

    def read(self) -> int | None:
        """One byte from whoever was addressed, wired-AND; None while somebody holds the clock."""
        value = 0xFF
        for part in self._active:
            byte = part.read()
            if byte is None:
                return None
            value &= byte
        return value

    def read_done(self, acknowledged: bool) -> None:
        """The controller's acknowledge after a byte read."""
        for part in self._active:
            part.read_done(acknowledged)

    def stop(self) -> None:
        """STOP: the transfer is over."""
        active, self._active = self._active, []
        for part in active:
            part.stop()


class Eeprom24C02(I2cPart):
    """256 bytes with 8-byte pages; while a page is being stored (5 ms) the part does not acknowledge its address."""

    PAGE = 8
    WRITE_TIME = 5 * 10**9  # picoseconds

    def __init__(self, clock: Clock, address: int = 0x50, content: bytes = b"") -> None:
        self.address = address
        self.memory = bytearray(content[:256].ljust(256, b"\xff"))
        self._clock = clock
        self._busy_until = 0
        self._pointer = 0
        self._expects_pointer = False
        self._page: dict[int, int] = {}

    def start(self, read: bool) -> bool:
        """Refused while a page is being stored."""
        if self._clock.now < self._busy_until:
            return False
        self._expects_pointer = not read
        self._page.clear()
        return True

    def write(self, byte: int) -> bool:
        """First the memory address, then data, wrapping within the page."""
        if self._expects_pointer:
            self._pointer, self._expects_pointer = byte, False
        else:
            self._page[self._pointer] = byte
            self._pointer = (self._pointer & ~(self.PAGE - 1)) | (self._pointer + 1) & (self.PAGE - 1)
        return True

    def read(self) -> int | None:
        """The next byte, wrapping at the end of the memory."""
        value = self.memory[self._pointer]
        self._pointer = (self._pointer + 1) & 0xFF
        return value

    def stop(self) -> None:
        """Store what was written; a repeated START instead gives it up."""
        if self._page:
            for at, byte in self._page.items():
                self.memory[at] = byte
            self._page.clear()
            self._busy_until = self._clock.now + self.WRITE_TIME
