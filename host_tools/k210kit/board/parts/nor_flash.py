"""The boards' SPI NOR flash: a Winbond W25Q128 by its data sheet, with configurable identity.

Command set, timing and protection: W25Q128JV data sheet (typical figures). Identities seen on K210
boards: manufacturer 0xEF or 0xC8, device 0x17 or 0x16. Not modelled: individual block locks (WPS),
security registers, the write-protect pin, 4-byte addresses and QPI.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from k210kit.board.core.clock import PS_PER_SECOND, Clock
from k210kit.board.core.device import log
from k210kit.board.parts.spi_part import SpiPart
from k210kit.errors import K210Error

MICROSECOND = PS_PER_SECOND // 10**6
PAGE = 256
PROGRAM_PS, STATUS_PS, SUSPEND_PS, WAKE_PS = (n * MICROSECOND for n in (700, 10_000, 20, 3))
# Of a part of a page: first byte and each further one (W25Q128FV data sheet).
FIRST_BYTE_PS, NEXT_BYTE_PS = 30 * MICROSECOND, 5 * MICROSECOND // 2
ERASE_SIZES = {0x20: (4096, 45_000), 0x52: (32768, 120_000), 0xD8: (65536, 150_000)}
CHIP_ERASE_PS = 40 * PS_PER_SECOND
BUSY, WRITE_ENABLED, QUAD, SUSPENDED_BIT = 0x01, 0x02, 0x02, 0x80
STATUS_MASKS = (0xFC, 0x7B, 0xE4)
WHILE_BUSY = frozenset((0x05, 0x35, 0x15, 0x75, 0x66, 0x99))
IDLE_COMMANDS = frozenset((0x05, 0x35, 0x15, 0x9F, 0x90, 0xAB, 0x4B, 0x5A))


@dataclass(frozen=True)
class Command:
    """How a command goes on: address, mode bits, dummy cycles, then data in or out on `lines`."""

    address_bytes: int = 0
    address_lines: int = 1
    mode_bits: bool = False
    dummy: int = 0
    lines: int = 1
    takes_data: bool = False
    quad: bool = False


READS = {
    0x03: Command(3),
    0x0B: Command(3, dummy=8),
    0x3B: Command(3, dummy=8, lines=2),
    0x6B: Command(3, dummy=8, lines=4, quad=True),
    0xBB: Command(3, 2, mode_bits=True, lines=2),
    0xEB: Command(3, 4, mode_bits=True, dummy=4, lines=4, quad=True),
}
COMMANDS = READS | {
    0x02: Command(3, takes_data=True),
    0x32: Command(3, lines=4, takes_data=True, quad=True),
    0x20: Command(3), 0x52: Command(3), 0xD8: Command(3),
    0x01: Command(takes_data=True), 0x31: Command(takes_data=True), 0x11: Command(takes_data=True),
    0x90: Command(3), 0xAB: Command(3), 0x4B: Command(0, dummy=32), 0x5A: Command(3, dummy=8),
    0x9F: Command(), 0x05: Command(), 0x35: Command(), 0x15: Command(),
    0x06: Command(), 0x04: Command(), 0x50: Command(), 0xC7: Command(), 0x60: Command(),
    0x66: Command(), 0x99: Command(), 0xB9: Command(), 0x75: Command(), 0x7A: Command(), 0xFF: Command(),
}  # fmt: skip


@dataclass
class Operation:
    """A program or erase under way; `old` is what the range held before."""

    offset: int
    old: bytes
    start: int
    end: int
    clears_enable: bool = True


class NorFlash(SpiPart):
    """A NOR flash of `size` bytes, erased to 0xFF, or the contents of file `image` kept across runs.

    `jedec` is the answer to command 0x9F; the device id of 0x90 and 0xAB is its last byte less one.
    `quad_enabled`: leaves the factory with QE set, as the parts with ordering option "IQ" do. `torn`: what a cut of
    power leaves of a program or erase under way. As it comes (None), what was done by its share of time is done and the
    rest untouched; with a random generator, the rest is bits that may or may not have changed and, where it was
    being erased, in part programmed to zeros (chips do that first), in part undefined.
    Raises K210Error when `image` has another size or cannot be read or created.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        size: int = 16 << 20,
        jedec: tuple[int, int, int] = (0xEF, 0x40, 0x18),
        unique_id: bytes = bytes.fromhex("d1664c2141173423"),
        quad_enabled: bool = False,
        image: str | os.PathLike[str] | None = None,
    ) -> None:
        self.clock, self.size, self.jedec, self.unique_id = clock, size, bytes(jedec), unique_id
        self.path = Path(image) if image is not None else None
        self._file: int | None = None
        self.data = bytearray(b"\xff") * size if self.path is None else self._open(self.path)
        self.changes = 0  # operations so far
        self.on_wait: Callable[[], None] = lambda: None  # told when the status is read in vain
        self._stored = [0, QUAD if quad_enabled else 0, 0]  # non-volatile status; not kept in the image
        self.torn: random.Random | None = None
        self._selected = False
        self.power_on()

    # The image on the host.

    def _open(self, path: Path) -> bytearray:
        try:
            if not path.exists():
                self._create(path)
            length = path.stat().st_size
            if length != self.size:
                raise K210Error(
                    f"flash image {path} has {length} bytes, the chip has {self.size}: "
                    "give a file of that size, or a new name to have one made"
                )
            self._file = os.open(path, os.O_RDWR)
            return bytearray(path.read_bytes())
        except OSError as error:
            raise K210Error(f"flash image {path} of {self.size} bytes cannot be used: {error.strerror}") from error

    def _create(self, path: Path) -> None:
        """Make an erased image at full size, so that a full disk shows now and not in mid-run."""
        part = path.with_name(path.name + ".part")
        try:
            part.write_bytes(b"\xff" * self.size)
            part.replace(path)
        except OSError:
            part.unlink(missing_ok=True)
            raise

    def _save(self, offset: int, length: int) -> None:
        if self._file is None:
            return
        try:
            view = memoryview(self.data)[offset : offset + length]
            while len(view):
                written = os.pwrite(self._file, view, offset)
                view, offset = view[written:], offset + written
        except OSError as error:
            raise K210Error(
                f"flash image {self.path}: writing {length} bytes at offset {offset:#x} failed: {error.strerror}"
            ) from error

    def close(self) -> None:
        """Let go of the image file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def load(self, offset: int, data: bytes) -> None:
        """Put `data` at `offset` as a programmer would; raises K210Error when it does not fit."""
        if offset < 0 or offset + len(data) > self.size:
            raise K210Error(
                f"{len(data)} bytes at flash offset {offset:#x} end at {offset + len(data):#x}, "
                f"beyond the chip's {self.size:#x}: choose a lower offset or a smaller file"
            )
        self.data[offset : offset + len(data)] = data
        self._save(offset, len(data))

    def set_factory_quad(self, enabled: bool) -> None:
        """Whether the chip comes with its QE bit set; it is power-cycled."""
        self._stored[1] = self._stored[1] & ~QUAD | (QUAD if enabled else 0)
        self.power_on()

    # Power, reset and busy time.

    def power_on(self) -> None:
        """Come up as after applying power."""
        self._operation: Operation | None = None
        self._suspended: Operation | None = None
        self._remaining = 0
        self._asleep = False
        self._reset_state()

    def power_cut(self) -> None:
        """Power fails now: a program or erase under way has got as far as its share of time."""
        self._settle()
        if self._operation is not None:
            self._break_off(self._operation, self._operation.end - self.clock.now)
        if self._suspended is not None:
            self._break_off(self._suspended, self._remaining)
        self.power_on()

    def _break_off(self, operation: Operation, remaining: int) -> None:
        """Put back what `operation` would still have had to do in `remaining` ps."""
        total = operation.end - operation.start
        done = len(operation.old) * (total - remaining) // total
        start, end = operation.offset + done, operation.offset + len(operation.old)
        rest = operation.old[done:]
        self.data[start:end] = rest if self.torn is None else self._tear(rest, bytes(self.data[start:end]))
        self._save(operation.offset, len(operation.old))

    def _tear(self, old: bytes, new: bytes) -> bytes:
        """Something between `old` and `new`, in runs of 64 bytes."""
        assert self.torn is not None
        erases = len(old) > PAGE or any(after & ~before for before, after in zip(old, new, strict=True))
        result = bytearray()
        for at in range(0, len(old), 64):
            before, after = old[at : at + 64], new[at : at + 64]
            noise = self.torn.randbytes(len(before))
            kind = self.torn.randrange(5 if erases else 3)
            if kind == 0:
                result += before
            elif kind == 1:
                result += after
            elif kind == 2:  # every bit either way
                result += bytes(b & n | a & ~n & 0xFF for b, a, n in zip(before, after, noise, strict=True))
            else:
                result += bytes(len(before)) if kind == 3 else noise
        return bytes(result)

    def _reset_state(self) -> None:
        self._status = list(self._stored)
        self._enabled = self._volatile = self._reset_armed = False
        self._continuous: int | None = None
        self._wake = 0
        self._code: int | None = None
        self._ignoring = not self._selected
        self._clear_phases()

    def _clear_phases(self) -> None:
        self._header = bytearray()
        self._need = self._dummy = self._position = 0
        self._input = bytearray()

    def _settle(self) -> None:
        """End an operation whose time is over."""
        operation = self._operation
        if operation is not None and self.clock.now >= operation.end:
            self._operation = None
            if operation.clears_enable:
                self._enabled = False

    @property
    def under_way(self) -> int:
        """How many bytes are being programmed or erased."""
        self._settle()
        return len(self._operation.old) if self._operation is not None else 0

    @property
    def busy(self) -> bool:
        """Whether a program, erase or status write is under way."""
        self._settle()
        return self._operation is not None

    def status(self, number: int) -> int:
        """Status register 1, 2 or 3 as the chip would answer."""
        self._settle()
        value = self._status[number - 1]
        if number == 1:
            value |= (BUSY if self._operation is not None else 0) | (WRITE_ENABLED if self._enabled else 0)
        if number == 2 and self._suspended is not None:
            value |= SUSPENDED_BIT
        return value

    def _first_status(self) -> bytes:
        status = self.status(1)
        if status & BUSY:
            self.on_wait()
        return bytes((status,))

    # The bus.

    def select(self, selected: bool) -> None:
        """Chip select: a command begins, or what it asked for is done."""
        if selected == self._selected:
            return
        self._selected = selected
        if not selected:
            code, self._code = self._code, None
            if code is not None and not self._ignoring:
                self._finish(code)
            self._ignoring = True
            return
        self._settle()
        self._ignoring = False
        self._clear_phases()
        self._code = None
        if self._continuous is not None:
            self._begin(self._continuous)

    def exchange(self, data: bytes) -> bytes:
        """Full duplex on one line each way."""
        used = self._consume(data, 1)
        rest = len(data) - used
        if not rest:
            return b"\xff" * len(data)
        command = COMMANDS[self._code] if self._code is not None else None
        if self._ignoring or command is None or command.takes_data:
            self._take(data[used:], 1)
            return b"\xff" * len(data)
        return b"\xff" * used + self._output(rest, 1)

    def send(self, data: bytes, lines: int = 1) -> None:
        """Command, address and data from the controller."""
        used = self._consume(data, lines)
        if used < len(data):
            self._take(data[used:], lines)

    def receive(self, count: int, lines: int = 1) -> bytes:
        """The chip's answer; ones while it has none."""
        lead = 0
        if self._code is None or self._need or self._dummy:
            lead = self._consume(b"\xff" * count, lines)
        return b"\xff" * lead + (self._output(count - lead, lines) if count > lead else b"")

    def dummy(self, cycles: int) -> None:
        """Clocks without data use up the dummy phase."""
        if not self._need:
            self._dummy = max(self._dummy - cycles, 0)

    def _consume(self, data: bytes, lines: int) -> int:
        """Feed command, address, mode and dummy phases; returns how many bytes they used."""
        used = 0
        while used < len(data) and not self._ignoring:
            if self._code is None:
                used += 1
                if lines == 1:
                    self._begin(data[used - 1])
                else:
                    self._ignoring = True
            elif self._need:
                command = COMMANDS[self._code]
                if lines != command.address_lines:
                    self._wrong_lines(lines)
                    return len(data)
                part = data[used : used + self._need]
                self._header += part
                used += len(part)
                self._need -= len(part)
                if not self._need:
                    self._header_done(command)
            elif self._dummy > 0:
                used += 1
                self._dummy = max(self._dummy - 8 // lines, 0)
            else:
                break
        return len(data) if self._ignoring else used

    def _wrong_lines(self, lines: int) -> None:
        log.info("flash: command %#04x: wrong number of lines (%d), ignored", self._code or 0, lines)
        self._ignoring, self._continuous = True, None

    def _begin(self, code: int) -> None:
        """The command byte is in (or implied by continuous read mode)."""
        command = COMMANDS.get(code)
        allowed = command is not None
        if self._operation is not None:
            allowed = allowed and code in WHILE_BUSY
        if self._asleep or self.clock.now < self._wake:
            allowed = allowed and code == 0xAB
        if command is not None and command.quad and not self._status[1] & QUAD:
            allowed = False
        if command is None or not allowed:
            self._ignoring = True
            return
        self._code = code
        self._need = command.address_bytes + command.mode_bits
        self._dummy = command.dummy

    def _header_done(self, command: Command) -> None:
        self._position = int.from_bytes(self._header[:3], "big") % self.size
        if command.mode_bits:
            self._continuous = self._code if self._header[3] >> 4 & 3 == 2 else None

    def _take(self, data: bytes, lines: int) -> None:
        """Data bytes for the command; during a read they only move the address on."""
        if self._ignoring or self._code is None:
            return
        command = COMMANDS[self._code]
        if not command.takes_data:
            self._position += len(data)
        elif lines != command.lines:
            self._wrong_lines(lines)
        else:
            self._input += data

    def _output(self, count: int, lines: int) -> bytes:
        """`count` bytes of answer from the present position on."""
        code = self._code
        if self._ignoring or code is None or COMMANDS[code].takes_data or lines != COMMANDS[code].lines:
            return b"\xff" * count
        at = self._position
        self._position += count
        if code in READS:
            return self._contents(at, count)
        source = self._answer(code)
        if not source:
            return b"\xff" * count
        at %= len(source)
        return (source * ((at + count) // len(source) + 1))[at : at + count]

    def _contents(self, at: int, count: int) -> bytes:
        at %= self.size
        data = bytes(self.data[at : at + count])
        while len(data) < count:
            data += bytes(self.data[: count - len(data)])
        self._position %= self.size
        return data

    def _answer(self, code: int) -> bytes:
        """What a command that asks something answers, over and over."""
        device = self.jedec[2] - 1
        answers: dict[int, Callable[[], bytes]] = {
            0x05: self._first_status,
            0x35: lambda: bytes((self.status(2),)),
            0x15: lambda: bytes((self.status(3),)),
            0x9F: lambda: self.jedec,
            0x90: lambda: bytes((self.jedec[0], device)),
            0xAB: lambda: bytes((device,)),
            0x4B: lambda: self.unique_id,
            0x5A: self._sfdp,
        }
        return answers[code]() if code in answers else b""

    def _sfdp(self) -> bytes:
        """JESD216 header, one parameter header, nine words of basic parameters at 0x80."""
        words = [0xFFF920E5, self.size * 8 - 1, 0x6B08EB44, 0xBB423B08, 0xFFFFFFFE, 0x0000FFFF, 0xEB40FFFF]
        words += [0x520F200C, 0x0000D810]
        table = b"SFDP\x00\x01\x00\xff" + b"\x00\x00\x01\x09\x80\x00\x00\xff"
        return table.ljust(0x80, b"\xff") + b"".join(w.to_bytes(4, "little") for w in words).ljust(0x80, b"\xff")

    # What happens when chip select rises.

    def _finish(self, code: int) -> None:
        if (self._need and code != 0xAB) or not self._acts(code):
            return
        reset_armed, self._reset_armed = self._reset_armed, False
        if code == 0x06:
            self._enabled = True
        elif code == 0x04:
            self._enabled = False
        elif code == 0x50:
            self._volatile = True
        elif code in (0x01, 0x31, 0x11):
            self._write_status(code)
        elif code in (0x02, 0x32):
            self._program()
        elif code in ERASE_SIZES:
            size, microseconds = ERASE_SIZES[code]
            self._erase(self._position & -size, size, microseconds * MICROSECOND)
        elif code in (0xC7, 0x60):
            self._erase(0, self.size, CHIP_ERASE_PS)
        elif code == 0x66:
            self._reset_armed = True
        elif code == 0x99 and reset_armed:
            self.power_cut()  # data under way are lost; silicon then ignores commands for up to 30 us
        elif code == 0xB9:
            self._asleep = True
        elif code == 0xAB and self._asleep:
            self._asleep, self._wake = False, self.clock.now + WAKE_PS
        elif code == 0x75:
            self._suspend()
        elif code == 0x7A:
            self._resume()

    def _acts(self, code: int) -> bool:
        """Whether it is more than a question: those leave the reset sequence alone too."""
        return code not in READS and (code not in IDLE_COMMANDS or code == 0xAB)

    def _run(self, offset: int, old: bytes, delay: int, clears_enable: bool = True) -> None:
        now = self.clock.now
        self._operation = Operation(offset, old, now, now + delay, clears_enable)
        self.changes += 1
        self.clock.at(now + delay, self._settle)

    def _write_status(self, code: int) -> None:
        values, volatile = self._input, self._volatile
        self._volatile = False
        if not values or not (self._enabled or volatile):
            return
        first = {0x01: 0, 0x31: 1, 0x11: 2}[code]
        for index, value in enumerate(values[: 2 if first == 0 else 1], first):
            value &= STATUS_MASKS[index]
            if index == 1:  # the security registers' lock bits are one-time
                value |= self._stored[1] & 0x38
            self._status[index] = value
            if self._enabled:
                self._stored[index] = value
        if self._enabled:
            self._run(0, b"", STATUS_PS)

    def _program(self) -> None:
        data = bytes(self._input)
        if not self._enabled or not data or self._suspended is not None:
            return
        page, column = self._position & -PAGE, self._position % PAGE
        if self._protected(page, PAGE):
            return
        if len(data) > PAGE:  # only the last 256 stay in the page buffer
            column, data = (column + len(data) - PAGE) % PAGE, data[-PAGE:]
        new = bytearray(b"\xff" * PAGE)
        head = data[: PAGE - column]
        new[column : column + len(head)] = head
        new[: len(data) - len(head)] = data[len(head) :]
        old = bytes(self.data[page : page + PAGE])
        merged = int.from_bytes(old, "big") & int.from_bytes(new, "big")
        self.data[page : page + PAGE] = merged.to_bytes(PAGE, "big")
        self._save(page, PAGE)
        self._run(page, old, min(PROGRAM_PS, FIRST_BYTE_PS + (len(data) - 1) * NEXT_BYTE_PS))

    def _erase(self, offset: int, size: int, delay: int) -> None:
        if not self._enabled or self._suspended is not None or self._protected(offset, size):
            return
        size = min(size, self.size - offset)
        old = bytes(self.data[offset : offset + size])
        self.data[offset : offset + size] = b"\xff" * size
        self._save(offset, size)
        self._run(offset, old, delay)

    def _suspend(self) -> None:
        operation = self._operation
        if operation is None or not operation.old or self._suspended is not None or len(operation.old) == self.size:
            return
        # The range is taken as finished while suspended; the data sheet leaves its contents open.
        self._suspended, self._remaining = operation, operation.end - self.clock.now
        self._enabled = False
        self._run(0, b"", SUSPEND_PS)

    def _resume(self) -> None:
        if self._suspended is not None and self._operation is None:
            operation, self._suspended = self._suspended, None
            end = self.clock.now + self._remaining
            operation.start, operation.end = end - (operation.end - operation.start), end
            self._operation = operation

    def _protected(self, offset: int, size: int) -> bool:
        """Whether the block-protect bits cover any of the range."""
        first, second = self._status[0], self._status[1]
        amount, bottom, sectors = first >> 2 & 7, first >> 5 & 1, first >> 6 & 1
        if amount == 0:
            length = 0
        elif amount == 7:
            length = self.size
        elif sectors:
            length = min(4096 << (amount - 1), 32768)
        else:
            length = min((self.size // 64) << (amount - 1), self.size)
        start, end = (0, length) if bottom else (self.size - length, self.size)
        if second >> 6 & 1:  # complement
            start, end = (length, self.size) if bottom else (0, self.size - length)
        covered = offset < end and start < offset + size
        if covered:
            log.info("flash: %d bytes at %#x are write-protected (status %#04x)", size, offset, first)
        return covered
