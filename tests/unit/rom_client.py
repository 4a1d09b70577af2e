"""The mask ROM's protocol from the host's side: frames, and a board whose answers are awaited in virtual time."""

from __future__ import annotations

import struct
import zlib

from k210kit.board.board import Board
from k210kit.board.core.clock import PS_PER_SECOND

ECHO, NOP, WRITE, READ, BOOT, BAUD, DEBUG = 0xC1, 0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xD1
OK, BAD_LENGTH, BAD_CHECKSUM, BAD_COMMAND = 0xE0, 0xE1, 0xE2, 0xE3
GREETING = b"\xc0\xc2" + bytes(12) + b"\xc0"
"""As the usual client sends it: thirteen bytes, no CRC."""


def slip(payload: bytes) -> bytes:
    return b"\xc0" + payload.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc") + b"\xc0"


def unslip(raw: bytes) -> list[bytes]:
    """The payloads of whole frames."""
    pieces = raw.split(b"\xc0")
    assert raw.startswith(b"\xc0") and raw.endswith(b"\xc0"), raw
    return [piece.replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb") for piece in pieces[1:-1:2]]


def request(
    op: int, address: int = 0, data: bytes = b"", *, length: int | None = None, crc: int | None = None
) -> bytes:
    """A request's payload; length and CRC are right unless given."""
    length = len(data) if length is None else length
    body = struct.pack("<II", address, length) + data
    return struct.pack("<HHI", op, 0, zlib.crc32(body) if crc is None else crc) + body


class Rom:
    """The download mode of a board without endpoint."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.start()

    def start(self) -> None:
        self.board.line.purge(to_board=True)
        self.board.line.baud = None  # as the board's
        self.board.run(0.001)  # what was on the wire is over
        self.board.enter_download_mode()
        self.board.run(0.001)
        self.board.output.clear()

    def send(self, raw: bytes, frames: int = 1, seconds: float = 0.3) -> bytes:
        """What comes back, up to so many frames or for so many virtual seconds."""
        board = self.board
        board.output.clear()
        board.send(raw)
        end = board.machine.clock.now + round(seconds * PS_PER_SECOND)
        board.run_while(lambda: board.output.count(0xC0) < 2 * frames, end)
        return bytes(board.output)

    def ask(self, payload: bytes, seconds: float = 0.3) -> bytes:
        """The payload of the one reply to a request."""
        (reply,) = unslip(self.send(slip(payload), 1, seconds))
        return reply

    def greets(self) -> bool:
        return self.send(GREETING) == bytes((0xC0, NOP, OK, 0xC0))

    def memory(self, address: int, size: int) -> bytes:
        return self.board.machine.read(address, size)
