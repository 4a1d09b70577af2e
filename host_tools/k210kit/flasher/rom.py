"""The mask ROM's download mode: write memory, start what was written.

Frames are SLIP. A request is u16 operation, u16 0, u32 CRC-32 over all that follows, u32 address, u32 length, data;
a reply is an operation and a reason, without a check of its own. Source: what the PyPI client `kflash` 1.1.6 sends
and expects.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

from k210kit.errors import DeviceError
from k210kit.flasher import slip
from k210kit.flasher.line import Line

BAUD = 115_200
NOP, WRITE, BOOT = 0xC2, 0xC3, 0xC5
CHUNK = 1024
"""Bytes of memory that one request may write."""
DONE = (0x00, 0xE0)
REASONS = {0xE1: "a wrong length", 0xE2: "a wrong checksum", 0xE3: "an unknown command"}
REPLY_SECONDS, TRIES = 1.0, 8

GREETING = slip.encode(bytes((NOP,)) + bytes(12))
"""As the usual client sends it: 13 bytes, with a checksum of 0."""


def request(operation: int, address: int, data: bytes = b"", length: int | None = None) -> bytes:
    """The frame of a request, unescaped."""
    body = struct.pack("<II", address, len(data) if length is None else length) + data
    return struct.pack("<HHI", operation, 0, zlib.crc32(body)) + body


class RomClient:
    """Talks to the ROM over `line`; its replies carry no check, so after a doubt the line is left to fall silent."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self._decoder = slip.Decoder()
        self.heard = bytearray()
        """The first bytes that came while a greeting was not answered: for the diagnosis."""

    def greet(self, seconds: float = 0.3) -> bool:
        """Whether the ROM answers a greeting within `seconds`."""
        self._quiet()
        self.line.write(GREETING)
        return self._reply(NOP, seconds + self.line.lag()) in DONE

    def write_memory(self, address: int, data: bytes, progress: Callable[[int], None] = lambda done: None) -> None:
        """Put `data` at `address`; `progress` is told the bytes of each piece. Raises DeviceError."""
        for at in range(0, len(data), CHUNK):
            piece = data[at : at + CHUNK]
            self._ask(WRITE, address + at, piece)
            progress(len(piece))

    def boot(self, address: int) -> None:
        """Start what lies at `address`; the ROM does not answer."""
        self.line.write(slip.encode(request(BOOT, address)))

    def _ask(self, operation: int, address: int, data: bytes) -> None:
        frame = slip.encode(request(operation, address, data))
        reason: int | None = None
        for _ in range(TRIES):
            self.line.write(frame)
            reason = self._reply(operation, REPLY_SECONDS + self.line.lag())
            if reason in DONE:
                return
            self._quiet()
        what = "no answer" if reason is None else REASONS.get(reason, f"reason {reason:#04x}")
        raise DeviceError(
            f"the mask ROM did not take {len(data)} bytes for {address:#x} in {TRIES} tries (the last: {what}): "
            "the line loses or damages bytes; try another cable or USB port"
        )

    def _reply(self, operation: int, seconds: float) -> int | None:
        """The reason in the reply to `operation`, or None when none came in time."""
        end = self.line.now() + seconds
        while (left := end - self.line.now()) > 0:
            data = self.line.read(left)
            if len(self.heard) < 4096:
                self.heard += data
            for frame in self._decoder.feed(data):
                # The usual client reads two bytes, whatever follows them; so does this one.
                if len(frame) >= 2 and frame[0] == operation:
                    self.line.on_the_way(0)
                    return frame[1]
        return None

    def _quiet(self) -> None:
        """Late answers must not be taken for those to come."""
        seen = self.line.drain(quiet=0.03, limit=0.5)
        if len(self.heard) < 4096:
            self.heard += seen
        self._decoder.clear()
