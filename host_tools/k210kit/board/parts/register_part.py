"""An I2C part with 256 byte registers behind a pointer that counts up, as most small parts are."""

from __future__ import annotations

from k210kit.board.parts.i2c_bus import I2cPart


class RegisterPart(I2cPart):
    """The first byte written is the register's number, further ones go to it and those after it; reads go on there."""

    def __init__(self) -> None:
        self.registers = bytearray(256)
        self._pointer = 0
        self._expects_pointer = False

    def start(self, read: bool) -> bool:
        """Acknowledge the address."""
        self._expects_pointer = not read
        return True

    def write(self, byte: int) -> bool:
        """The pointer, or a byte for the register it points to."""
        if self._expects_pointer:
            self._pointer, self._expects_pointer = byte, False
        else:
            self.store(self._pointer, byte)
            self._pointer = (self._pointer + 1) & 0xFF
        return True

    def read(self) -> int | None:
        """The register that the pointer is at."""
        value = self.registers[self._pointer]
        self._pointer = (self._pointer + 1) & 0xFF
        return value

    def store(self, register: int, value: int) -> None:
        """What writing a register does; parts with read-only registers or effects override it."""
        self.registers[register] = value
