"""A K210 board in a few hundred lines of Python, for fast tests of the flasher and of what goes wrong on its line.

Written from documents alone: the ROM's protocol as in k210kit/flasher/rom.py, the stub's from docs/flash_protocol.md,
a NOR flash that can only clear bits and erases whole sectors, the boards' reset circuits from k210kit/board/parts. Time
is its own; nothing here waits for the host's clock.
"""

from __future__ import annotations

import hashlib
import random
import struct
import zlib
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

import serial

from k210kit.board.parts.reset_circuit import ResetCircuit
from k210kit.flasher import rom, slip, stub_frames
from k210kit.flasher.line import READ_SECONDS, Line
from k210kit.images import header

SECTOR, PAGE, BLOCK = 4096, 256, 0x10000
ERASE_SECONDS, ERASE_BLOCK_SECONDS, PROGRAM_SECONDS = 0.045, 0.150, 0.0007
BYTE_SECONDS = 1 / 10e6
STUB_ADDRESS = 0x8000_0000
STUB = b"stub of the fake chip" * 200
HELD = 2
REVERT_SECONDS = 0.3
UNDER_WAY_SECONDS = 0.5

Work = Generator[float | None, None, None]
"""What the chip does: yields seconds of work, or None to wait for the next frame."""


class FakeClock:
    """Time that passes when somebody waits."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += max(0.0, seconds)


@dataclass
class Faults:
    """Probabilities per byte in either direction (to the chip, from the chip), and moments of a bigger mishap.

    `reset_after` and `unplug_after` are bytes sent to the chip; `power` of these resets also tears the flash.
    """

    drop: tuple[float, float] = (0.0, 0.0)
    double: tuple[float, float] = (0.0, 0.0)
    flip: tuple[float, float] = (0.0, 0.0)
    only_above_baud: int = 0
    reset_after: int | None = None
    unplug_after: int | None = None
    seed: int = 0
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def damage(self, data: bytes, direction: int, baud: int) -> bytes:
        rates = self.drop[direction], self.double[direction], self.flip[direction]
        total = sum(rates)
        if not total or baud <= self.only_above_baud:
            return data
        result, at = bytearray(), 0
        while True:
            # The distance to the next mishap, instead of a draw for each byte.
            gap = int(self._random.expovariate(total)) if total < 1 else 0
            if at + gap >= len(data):
                return bytes(result + data[at:])
            result += data[at : at + gap]
            byte, kind = data[at + gap], self._random.random() * total
            at += gap + 1
            if kind < rates[0]:
                continue
            if kind < rates[0] + rates[1]:
                result += bytes((byte, byte))
            else:
                result.append(byte ^ 1 << self._random.randrange(8))


class FakeFlash:
    """NOR: programming clears bits, erasing sets a sector's."""

    def __init__(self, size: int = 16 << 20, jedec: bytes = b"\xef\x60\x18") -> None:
        self.size, self.jedec, self.status = size, jedec, b"\x00\x02\x00"
        self.data = bytearray(b"\xff") * size
        self.answers = True
        self.protected = False
        self.worn: set[int] = set()
        """Sectors in which the first byte stays 0."""
        self.sectors_erased = self.pages_programmed = 0
        self.touched: set[int] = set()

    def erase(self, sector: int) -> None:
        self.data[sector : sector + SECTOR] = b"\xff" * SECTOR
        self.sectors_erased += 1
        self._written(sector)

    def program(self, offset: int, page: bytes) -> None:
        assert offset % PAGE == 0 and len(page) == PAGE
        old = int.from_bytes(self.data[offset : offset + PAGE], "big")
        self.data[offset : offset + PAGE] = (old & int.from_bytes(page, "big")).to_bytes(PAGE, "big")
        self.pages_programmed += 1
        self._written(offset & -SECTOR)

    def _written(self, sector: int) -> None:
        self.touched.add(sector)
        if sector in self.worn:
            self.data[sector] = 0


def parts_of(body: bytes, flash: bytes | bytearray) -> bytes:
    """The data of a write of kind 2. Raises ValueError for a checksum that is not the part's."""
    data, at = b"", 9
    while at < len(body):
        size, offset, before, crc, packed = stub_frames.PART_HEAD.unpack_from(body, at)
        assert before % 8 == 0 and before <= stub_frames.DICTIONARY_MAX and 0 < size <= stub_frames.PART_MAX
        at += stub_frames.PART_HEAD.size
        part = stub_frames.inflate(body[at : at + packed], size, bytes(flash[offset : offset + before]))
        if zlib.crc32(part) != crc:
            raise ValueError("another dictionary")
        data += part
        at += packed
    return data


class Chip:
    """ROM, RAM stub and what they need. `firmware_says` is printed when a whole firmware starts."""

    def __init__(
        self,
        *,
        circuit: str = "dan",
        flash: FakeFlash | None = None,
        faults: Faults | None = None,
        stub_runs: bool = True,
        rom_answers: bool = True,
        firmware_says: bytes = b"MicroPython v1.25.0\r\n>>> ",
        firmware_baud: int = 115_200,
        highest_baud: int = 4_500_000,
    ) -> None:
        self.clock = FakeClock()
        self.flash = flash or FakeFlash()
        self.faults = faults or Faults()
        self.circuit = ResetCircuit(circuit, host_clock=self.clock.now)
        self.circuit.reset.listen(self._reset_line)
        self.stub_runs, self.rom_answers = stub_runs, rom_answers
        self.firmware_says, self.firmware_baud, self.highest_baud = firmware_says, firmware_baud, highest_baud
        self.unplugged = self.powered_off = False
        self.received = 0
        self.requests: list[tuple[int, bytes]] = []
        """Operations that the stub has taken, with their bodies."""
        self.memory: dict[int, bytes] = {}
        self.port_baud = 115_200
        self._to_host: list[tuple[float, bytes]] = []
        self._host_free = self._chip_free = 0.0
        self._arriving: list[tuple[float, bytes, int]] = []
        self.mode = ""
        self._start(download=False)

    # ---- Life

    def _reset_line(self, held: bool) -> None:
        if held:
            self._stop()
            self.mode = "held"
        else:
            self._start(download=bool(self.circuit.boot.level))

    def _stop(self) -> None:
        """Whatever was under way ends where it is."""
        self._work: Work | None = None
        self._arriving.clear()
        self._inbox: list[bytes] = []
        self._decoder = slip.Decoder()
        self.baud = 115_200
        self._revert: tuple[float, int] | None = None
        self._complained = False
        self.time = self.clock.now()

    def _start(self, download: bool) -> None:
        self._stop()
        whole = True
        try:
            header.check(bytes(self.flash.data[: 7 << 20]), "flash")
        except header.HeaderError:
            whole = False
        if not download and whole and self.flash.answers:
            self.mode, self.baud = "firmware", self.firmware_baud
            self._say(self.firmware_says)
        elif self.rom_answers:
            self.mode, self._work = "rom", self._rom()
        else:
            self.mode = "dead"

    def reset(self) -> None:
        """Somebody presses RESET."""
        self._start(download=bool(self.circuit.boot.level))

    def into_download(self) -> None:
        """Somebody presses RESET while BOOT is held."""
        self._start(download=True)

    def advance(self) -> None:
        """Let the chip do what it would have done up to now."""
        self.circuit.poll()
        now = self.clock.now()
        while True:
            arrival = self._arriving[0][0] if self._arriving else None
            due = self._work is not None and self.time <= now and (arrival is None or self.time < arrival)
            if due and self._step():
                continue
            if arrival is None or arrival > now:
                break
            _, data, baud = self._arriving.pop(0)
            self._hear(arrival, data, baud)
        if self._work is None or self._waiting:
            self.time = max(self.time, now)

    _waiting = False

    def _step(self) -> bool:
        """One step of the present work; False when it waits for a frame."""
        if self._waiting and not self._inbox:
            return False
        work = self._work
        assert work is not None
        try:
            took = next(work)
        except StopIteration:
            self._work = None
            return False
        if work is not self._work:
            return True
        self._waiting = took is None
        self.time += took or 0.0
        return True

    def _hear(self, at: float, data: bytes, baud: int) -> None:
        if self._revert is not None and at > self._revert[0]:
            self.baud, self._revert = self._revert[1], None
        self.received += len(data)
        if abs(baud - self.baud) > 0.03 * self.baud or baud > self.highest_baud:
            data = bytes(byte * 37 & 0xFF for byte in data[:: max(1, baud // max(self.baud, 1))])
        data = self.faults.damage(data, 0, baud)
        if self._waiting or self._work is None:
            self.time = max(self.time, at)
        if self.mode in ("firmware", "held", "dead"):
            if self.mode == "firmware" and baud == self.baud:
                self._say(b"\r\n>>> " if b"\r" in data else b"")
            return
        for frame in self._decoder.feed(data):
            if self.mode == "stub" and stub_frames.parse_request(frame) is None:
                self._complain()
            elif self.mode == "stub" and len(self._inbox) >= HELD:
                continue  # more than it can hold
            else:
                self._complained = False
                self._revert = None
                self._inbox.append(frame)

    def _complain(self) -> None:
        if not self._complained:
            self._complained = True
            self._say(slip.encode(stub_frames.reply(stub_frames.DAMAGED_FRAME, 0, stub_frames.DAMAGED)))

    def _say(self, data: bytes) -> None:
        """Onto the wire at the chip's rate."""
        if not data:
            return
        start = max(self.time, self._chip_free)
        self._chip_free = start + len(data) * 10 / self.baud
        if abs(self.port_baud - self.baud) > 0.03 * self.baud or self.baud > self.highest_baud:
            data = bytes(byte * 91 & 0xFF | 0x80 for byte in data)
        self._to_host.append((self._chip_free, self.faults.damage(data, 1, self.baud)))

    def _frame(self) -> Generator[None, None, bytes]:
        while not self._inbox:
            yield None
        return self._inbox.pop(0)

    # ---- The mask ROM

    def _rom(self) -> Work:
        while True:
            frame = yield from self._frame()
            if not frame:
                continue
            operation = frame[0]
            if operation == rom.NOP:
                self._say(slip.encode(bytes((rom.NOP, 0xE0))))
                continue
            if len(frame) < 16:
                self._say(slip.encode(bytes((operation, 0xE1))))
                continue
            crc, address, length = struct.unpack_from("<III", frame, 4)
            data = frame[16:]
            if zlib.crc32(frame[8:]) != crc:
                self._say(slip.encode(bytes((operation, 0xE2))))
            elif operation == rom.WRITE:
                if length != len(data):
                    self._say(slip.encode(bytes((operation, 0xE1))))
                    continue
                self.memory[address] = data
                yield 0.001
                self._say(slip.encode(bytes((operation, 0xE0))))
            elif operation == rom.BOOT:
                loaded = b"".join(data for _, data in sorted(self.memory.items()))
                if address == STUB_ADDRESS and loaded == STUB and self.stub_runs:
                    self.mode, self._work = "stub", self._stub()
                    self._inbox.clear()
                    yield 0.01
                else:
                    self.mode, self._work = "dead", None
                return
            else:
                self._say(slip.encode(bytes((operation, 0xE3))))

    # ---- The stub

    def _stub(self) -> Work:
        self._waiting = False
        yield 0.01
        while True:
            frame = yield from self._frame()
            parsed = stub_frames.parse_request(frame)
            assert parsed is not None
            operation, number, body = parsed
            self.requests.append((operation, body))
            yield 0.0002
            handler: Callable[[int, bytes], Generator[float, None, tuple[int, bytes]]] | None = {
                stub_frames.HELLO: self._hello, stub_frames.BAUD: self._set_baud, stub_frames.FLASH: self._chip,
                stub_frames.READ: self._read, stub_frames.HASH: self._hash, stub_frames.ERASE: self._erase,
                stub_frames.WRITE: self._write, stub_frames.RESET: self._restart,
            }.get(operation)  # fmt: skip
            if handler is None:
                self._answer(operation, number, stub_frames.UNKNOWN)
                continue
            self._number, self._operation = number, operation
            status, answer = yield from handler(number, body)
            self._answer(operation, number, status, answer)
            if operation == stub_frames.BAUD and status == stub_frames.DONE:
                self._revert = (max(self.time, self._chip_free) + REVERT_SECONDS, self.baud)
                self.baud = int.from_bytes(body, "little")
            if operation == stub_frames.RESET:
                yield max(0.0, self._chip_free - self.time)
                self._start(download=bool(self.circuit.boot.level))
                return

    def _answer(self, operation: int, number: int, status: int, body: bytes = b"") -> None:
        self._say(slip.encode(stub_frames.reply(operation, number, status, body)))

    def _hello(self, number: int, body: bytes) -> Generator[float, None, tuple[int, bytes]]:
        yield 0.0
        if body != b"K210":
            return stub_frames.WRONG_ARGUMENT, b""
        return stub_frames.DONE, struct.pack("<HIBI", 1, BLOCK + 9, HELD, self.baud)

    def _set_baud(self, number: int, body: bytes) -> Generator[float, None, tuple[int, bytes]]:
        yield 0.0
        return stub_frames.DONE, body

    def _restart(self, number: int, body: bytes) -> Generator[float, None, tuple[int, bytes]]:
        yield 0.0
        return stub_frames.DONE, b""

    def _chip(self, number: int, body: bytes) -> Generator[float, None, tuple[int, bytes]]:
        yield 0.0
        if not self.flash.answers:
            return stub_frames.NO_CHIP, b"\xff\xff\xff"
        return stub_frames.DONE, self.flash.jedec + struct.pack("<I", self.flash.size) + self.flash.status

    def _range(self, offset: int, size: int) -> tuple[int, bytes] | None:
        if not self.flash.answers:
            return stub_frames.NO_CHIP, b"\xff\xff\xff"
        if offset + size > self.flash.size:
            return stub_frames.OUTSIDE, struct.pack("<I", self.flash.size)
        return None

    def _read(self, number: int, body: bytes) -> Generator[float, None, tuple[int, bytes]]:
        offset, size, _ = struct.unpack("<IIB", body)
        if size > BLOCK:
            return stub_frames.WRONG_ARGUMENT, b""
        if wrong := self._range(offset, size):
            return wrong
        yield size * BYTE_SECONDS
        flag, packed = stub_frames.deflate(bytes(self.flash.data[offset : offset + size]))
        return stub_frames.DONE, struct.pack("<IIB", offset, size, flag) + packed

    def _hash(self, number: int, body: bytes) -> Generator[float, None, tuple[int, bytes]]:
        offset, size, piece = struct.unpack("<III", body)
        if not size or (piece != size and piece % SECTOR):
            return stub_frames.WRONG_ARGUMENT, b""
        if wrong := self._range(offset, size):
            return wrong
        yield size * BYTE_SECONDS
        data = bytes(self.flash.data[offset : offset + size])
        if piece >= size:
            return stub_frames.DONE, hashlib.sha256(data).digest()
        hashes = (hashlib.sha256(data[at : at + piece]).digest()[:8] for at in range(0, size, piece))
        return stub_frames.DONE, b"".join(hashes)

    def _under_way(self, since: float, done: int, total: int) -> float:
        if self.time - since >= UNDER_WAY_SECONDS:
            self._answer(self._operation, self._number, stub_frames.UNDER_WAY, struct.pack("<II", done, total))
            return self.time
        return since

    def _erase(self, number: int, body: bytes) -> Generator[float, None, tuple[int, bytes]]:
        offset, size = struct.unpack("<II", body)
        if offset % SECTOR or size % SECTOR:
            return stub_frames.WRONG_ARGUMENT, b""
        size = size or self.flash.size
        if wrong := self._range(offset, size):
            return wrong
        if self.flash.protected:
            return stub_frames.PROTECTED, b"\x7c\x02\x00"
        erased, since = 0, self.time
        for sector in range(offset, offset + size, SECTOR):
            if self.flash.data[sector : sector + SECTOR] != b"\xff" * SECTOR:
                self.flash.erase(sector)
                erased += SECTOR
                yield ERASE_SECONDS
            since = self._under_way(since, sector + SECTOR - offset, size)
        return stub_frames.DONE, struct.pack("<I", erased)

    def _write(self, number: int, body: bytes) -> Generator[float, None, tuple[int, bytes]]:
        offset, size, flag = struct.unpack_from("<IIB", body)
        if offset % SECTOR or size % SECTOR or not 0 < size <= BLOCK:
            return stub_frames.WRONG_ARGUMENT, b""
        if wrong := self._range(offset, size):
            return wrong
        try:
            if flag == stub_frames.DEFLATED_WITH_CHIP:
                data = parts_of(body, self.flash.data)
            else:
                data = stub_frames.inflate(body[9:], size) if flag == stub_frames.DEFLATED else body[9:]
        except ValueError:
            return stub_frames.BAD_DATA, b""
        if len(data) != size:
            return stub_frames.WRONG_ARGUMENT, b""
        if self.flash.protected:
            return stub_frames.PROTECTED, b"\x7c\x02\x00"
        erased = pages = 0
        since = self.time
        for at in range(0, size, SECTOR):
            wanted, sector = data[at : at + SECTOR], offset + at
            old = bytes(self.flash.data[sector : sector + SECTOR])
            since = self._under_way(since, at, size)
            if old == wanted:
                continue
            if int.from_bytes(old, "big") & int.from_bytes(wanted, "big") != int.from_bytes(wanted, "big"):
                self.flash.erase(sector)
                erased += 1
                yield ERASE_SECONDS
            for page in range(0, SECTOR, PAGE):
                if self.flash.data[sector + page : sector + page + PAGE] != wanted[page : page + PAGE]:
                    self.flash.program(sector + page, wanted[page : page + PAGE])
                    pages += 1
                    yield PROGRAM_SECONDS
        held = bytes(self.flash.data[offset : offset + size])
        yield size * BYTE_SECONDS
        if held != data:
            first = next(n for n in range(size) if held[n] != data[n])
            return stub_frames.BAD_READBACK, struct.pack("<I", offset + first)
        return stub_frames.DONE, struct.pack("<II", erased, pages) + hashlib.sha256(held).digest()


class Port:
    """What pyserial would give for the board's USB-serial chip."""

    def __init__(self, chip: Chip, *, control: bool = True) -> None:
        self.chip, self.control = chip, control
        self.timeout = READ_SECONDS
        self.is_open = True
        self._dtr = self._rts = False
        self._ready = bytearray()
        self._free = 0.0
        self.written = 0

    def _check(self) -> None:
        if self.chip.unplugged or not self.is_open:
            raise serial.SerialException(5, "Input/output error")

    @property
    def baudrate(self) -> int:
        return self.chip.port_baud

    @baudrate.setter
    def baudrate(self, value: int) -> None:
        self._check()
        self.chip.advance()
        self.chip.port_baud = value

    @property
    def dtr(self) -> bool:
        return self._dtr

    @dtr.setter
    def dtr(self, on: bool) -> None:
        self._dtr = on
        self._set()

    @property
    def rts(self) -> bool:
        return self._rts

    @rts.setter
    def rts(self, on: bool) -> None:
        self._rts = on
        self._set()

    def _set(self) -> None:
        self._check()
        if not self.control:
            raise OSError(25, "Inappropriate ioctl for device")
        self.chip.advance()
        self.chip.circuit.set_lines(self._dtr, self._rts)

    def write(self, data: bytes) -> int:
        self._check()
        chip, faults = self.chip, self.chip.faults
        chip.advance()
        for at in range(0, len(data), 64):
            part = data[at : at + 64]
            self.written += len(part)
            self._free = max(self._free, chip.clock.now()) + len(part) * 10 / chip.port_baud
            chip._arriving.append((self._free, part, chip.port_baud))
            if faults.unplug_after is not None and self.written >= faults.unplug_after:
                chip.unplugged, chip.powered_off = True, True
                chip._stop()
                chip.mode = "dead"
                self._check()
            if faults.reset_after is not None and self.written >= faults.reset_after:
                faults.reset_after = None
                chip.clock.time = max(chip.clock.time, self._free)
                chip.advance()
                chip.reset()
        return len(data)

    @property
    def in_waiting(self) -> int:
        self._check()
        self._collect()
        return len(self._ready)

    def _collect(self) -> None:
        chip = self.chip
        chip.advance()
        now, later = chip.clock.now(), []
        for at, data in chip._to_host:
            if at <= now:
                self._ready += data
            else:
                later.append((at, data))
        chip._to_host[:] = later

    def read(self, size: int = 1) -> bytes:
        self._check()
        end = self.chip.clock.now() + (self.timeout or 0.0)
        self._collect()
        while len(self._ready) < size and self.chip.clock.now() < end:
            self.chip.clock.time = min(end, self.chip.clock.now() + 0.002)
            self._collect()
        data = bytes(self._ready[:size])
        del self._ready[: len(data)]
        return data

    def close(self) -> None:
        if self.is_open and self.control and not self.chip.unplugged:
            self.chip.advance()
            self.chip.circuit.set_lines(False, False)
        self.is_open = False


def line(chip: Chip, *, control: bool = True, name: str = "fake") -> Line:
    """The flasher's end of a fresh cable to the chip."""
    if chip.unplugged:
        chip.unplugged = False
        chip._start(download=False)
    chip.advance()
    chip.port_baud = rom.BAUD
    return Line(Port(chip, control=control), name, has_control=control, clock=chip.clock)
