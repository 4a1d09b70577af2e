"""The other side of docs/flash_protocol.md for tests: frames, requests, and the stub on a virtual board."""

from __future__ import annotations

import struct
import zlib
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from k210kit.board.board import Board
from k210kit.board.core.clock import PS_PER_SECOND
from k210kit.flasher import rom, slip

ROOT = Path(__file__).resolve().parents[2]
STUB = ROOT / "host_tools/k210kit/flasher/stub/flash_stub.bin"

END, ESC = 0xC0, 0xDB
DONE, UNDER_WAY, FRAME_DAMAGED, UNKNOWN_OPERATION, WRONG_ARGUMENT, OUTSIDE_CHIP = range(6)
NO_CHIP, CHIP_SLOW, NOT_AS_WRITTEN, DATA_DAMAGED, PROTECTED = range(6, 11)
HELLO, BAUD, FLASH, READ, HASH, ERASE, WRITE, RESET = range(1, 9)
FIRST_BAUD = 115_200
DAMAGED_OPERATION = 0xFF
SECTOR, BLOCK = 4096, 65536
RAM = 0x80000000


def escape(data: bytes) -> bytes:
    """A SLIP frame around `data`."""
    return b"\xc0" + data.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc") + b"\xc0"


def frame(operation: int, body: bytes = b"", number: int = 0) -> bytes:
    """A whole request as it goes over the line."""
    data = bytes((operation, number)) + body
    return escape(data + zlib.crc32(data).to_bytes(4, "little"))


def deflate(data: bytes) -> bytes:
    """Raw deflate at its best."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def inflate(data: bytes) -> bytes:
    """The opposite; the whole of `data` has to be one stream."""
    unpacker = zlib.decompressobj(-15)
    result = unpacker.decompress(data) + unpacker.flush()
    assert unpacker.eof and not unpacker.unused_data
    return result


@dataclass(frozen=True)
class Reply:
    """A frame from the stub."""

    operation: int
    number: int
    status: int
    body: bytes


def parse(data: bytes) -> Reply:
    """What is between two ends of frames, unescaped and checked."""
    plain = data.replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb")
    assert zlib.crc32(plain[:-4]).to_bytes(4, "little") == plain[-4:], f"damaged reply {data.hex()}"
    return Reply(plain[0] & 0x7F if plain[0] != DAMAGED_OPERATION else plain[0], plain[1], plain[2], plain[3:-4])


class Stub:
    """The stub on a virtual board, which it booted from the flash as any firmware; the chip is blank then.

    Options are Board's. Raises AssertionError when a reply does not come within the time given, in virtual seconds.
    """

    def __init__(self, **options: Any) -> None:
        self.board = Board(STUB, **options)
        self.board.line.listen(self._heard)
        self._received = bytearray()
        self.replies: deque[Reply] = deque()
        self.progress: list[Reply] = []
        self._number = 0
        self._rom_speaks = False
        self.boot()
        self.chip.data[:] = b"\xff" * self.chip.size

    @property
    def chip(self) -> Any:
        return self.board.flash_chip

    def boot(self) -> None:
        """Let it start; the host speaks at 115200 baud then."""
        self.board.line.baud = FIRST_BAUD
        self.board.run(0.01)
        self.clear()

    def reload(self) -> None:
        """The chip has been reset: bring the stub back as the ROM would, with the flash as it is."""
        image = self.chip.data[: 1 << 16]
        image_of_stub = bytes(self.board._read_pieces(STUB, {})[0][1])
        self.chip.data[: len(image_of_stub)] = image_of_stub
        self.board.reset()
        self.board.run(0.001)
        self.chip.data[: 1 << 16] = image
        self.boot()

    def enter_by_rom(self) -> None:
        """Reset into the ROM's download mode and start the stub as the flasher does."""
        board = self.board
        board.line.baud = FIRST_BAUD
        self._rom_speaks = True
        board.enter_download_mode()
        board.run(0.01)
        image = STUB.read_bytes()
        for at in range(0, len(image), 1024):
            board.output.clear()
            board.send(slip.encode(rom.request(rom.WRITE, RAM + at, image[at : at + 1024])))
            board.run_until(bytes((END,)) + bytes((rom.WRITE,)), 1)
            board.run_until(bytes((END,)), 1)
        board.send(slip.encode(rom.request(rom.BOOT, RAM)))
        board.run(0.05)
        self._rom_speaks = False
        self.clear()

    def __enter__(self) -> Stub:
        return self

    def __exit__(self, *_error: object) -> None:
        self.board.close()

    def _heard(self, data: bytes) -> None:
        if self._rom_speaks:
            return
        self._received += data
        while (end := self._received.find(END)) >= 0:
            part = bytes(self._received[:end])
            del self._received[: end + 1]
            if part:
                self._reply(parse(part))

    def _reply(self, reply: Reply) -> None:
        (self.progress if reply.status == UNDER_WAY else self.replies).append(reply)

    def clear(self) -> None:
        """Forget what has come."""
        self._received.clear()
        self.replies.clear()
        self.progress.clear()

    def send(self, operation: int, body: bytes = b"", number: int | None = None) -> int:
        """Send a request and do not wait; returns its number."""
        if number is None:
            self._number = number = self._number + 1 & 0xFF
        self.board.send(frame(operation, body, number))
        return number

    def receive(self, seconds: float = 5.0) -> Reply:
        """The next reply that is no report of progress."""
        end = self.board.machine.clock.now + round(seconds * PS_PER_SECOND)
        self.board.run_while(lambda: not self.replies, end)
        assert self.replies, f"no reply within {seconds} virtual seconds"
        return self.replies.popleft()

    def silent(self, seconds: float = 0.1) -> bool:
        """Whether nothing comes for so long."""
        self.board.run(seconds)
        return not self.replies

    def ask(self, operation: int, body: bytes = b"", seconds: float = 5.0) -> Reply:
        """A request and its reply."""
        number = self.send(operation, body)
        reply = self.receive(seconds)
        assert (reply.operation, reply.number) == (operation, number), reply
        return reply

    def done(self, operation: int, body: bytes = b"", seconds: float = 5.0) -> bytes:
        """As ask(), of what has to succeed: the body of its reply."""
        reply = self.ask(operation, body, seconds)
        assert reply.status == DONE, reply
        return reply.body

    def set_baud(self, baud: int) -> int:
        """Go to another rate, both sides; returns what the stub says that it will be."""
        actual = int.from_bytes(self.done(BAUD, struct.pack("<I", baud)), "little")
        self.board.line.baud = baud
        self.board.run(0.001)
        self.done(HELLO, b"K210")
        return actual

    def write(
        self, offset: int, data: bytes, *, deflated: bool = True, seconds: float = 20.0
    ) -> tuple[int, int, bytes]:
        """Sectors erased, pages programmed, hash."""
        body = self.done(WRITE, write_body(offset, data, deflated=deflated), seconds)
        erased, programmed = struct.unpack_from("<II", body)
        assert len(body) == 40
        return erased, programmed, body[8:]

    def read(self, offset: int, count: int, *, deflated: bool = True) -> bytes:
        """What the chip holds, by the stub's word."""
        return unpack(self.done(READ, struct.pack("<IIB", offset, count, deflated)), offset, count)

    def hash(self, offset: int, count: int, piece: int) -> bytes:
        return self.done(HASH, struct.pack("<III", offset, count, piece), seconds=60)


def write_body(offset: int, data: bytes, *, deflated: bool = True) -> bytes:
    """The body of a write."""
    return struct.pack("<IIB", offset, len(data), deflated) + (deflate(data) if deflated else data)


def unpack(body: bytes, offset: int, count: int) -> bytes:
    """The data of a reply to a read."""
    at, length, deflated = struct.unpack_from("<IIB", body)
    assert (at, length) == (offset, count)
    data = inflate(body[9:]) if deflated else body[9:]
    assert len(data) == count
    return data
