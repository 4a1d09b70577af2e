"""Frames between the flasher and the RAM stub: docs/flash_protocol.md in code."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

HELLO, BAUD, FLASH, READ, HASH, ERASE, WRITE, RESET = range(1, 9)
REPLY = 0x80
DAMAGED_FRAME = 0xFF
"""The operation of the notice that a frame has arrived damaged."""
NAMES = {
    HELLO: "hello", BAUD: "baud", FLASH: "flash", READ: "read", HASH: "hash", ERASE: "erase", WRITE: "write",
    RESET: "reset",
}  # fmt: skip
PROTOCOL = 1
PLAIN, DEFLATED, DEFLATED_WITH_CHIP = range(3)
"""How the data of a write is packed."""
DICTIONARY_MAX = PART_MAX = 0x8000
PART_HEAD = struct.Struct("<IIIII")
"""Of a part of a write that refers to what the chip holds: bytes, dictionary (offset, bytes), CRC-32, bytes packed."""

DONE, UNDER_WAY, DAMAGED, UNKNOWN, WRONG_ARGUMENT, OUTSIDE, NO_CHIP, TOO_SLOW, BAD_READBACK, BAD_DATA, PROTECTED = (
    range(11)
)


@dataclass(frozen=True)
class Reply:
    """A whole reply: whose it is, its status, and what is behind it."""

    operation: int
    number: int
    status: int
    body: bytes


def request(operation: int, number: int, body: bytes = b"") -> bytes:
    """A request's frame, unescaped."""
    head = bytes((operation, number)) + body
    return head + struct.pack("<I", zlib.crc32(head))


def parse_request(frame: bytes) -> tuple[int, int, bytes] | None:
    """(operation, number, body), or None for a damaged frame."""
    if len(frame) < 6 or zlib.crc32(frame[:-4]) != int.from_bytes(frame[-4:], "little"):
        return None
    return frame[0], frame[1], frame[2:-4]


def reply(operation: int, number: int, status: int, body: bytes = b"") -> bytes:
    """A reply's frame, unescaped; `operation` is the request's, or DAMAGED_FRAME."""
    return request(operation | REPLY, number, bytes((status,)) + body)


def parse_reply(frame: bytes) -> Reply | None:
    """A reply, or None for a damaged frame."""
    parsed = parse_request(frame)
    if parsed is None or not parsed[0] & REPLY or not parsed[2]:
        return None
    operation, number, body = parsed
    return Reply(operation if operation == DAMAGED_FRAME else operation & ~REPLY, number, body[0], body[1:])


def deflate(data: bytes) -> tuple[int, bytes]:
    """(1, raw deflate) or (0, the data), whichever is shorter."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(data) + packer.flush()
    return (1, packed) if len(packed) < len(data) else (0, data)


def deflate_with(data: bytes, dictionary: bytes) -> bytes:
    """Raw deflate that refers to `dictionary` (DICTIONARY_MAX bytes at most) as if it came before."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, dictionary)
    return packer.compress(data) + packer.flush()


def inflate(packed: bytes, size: int, dictionary: bytes = b"") -> bytes:
    """The `size` bytes of raw deflate. Raises ValueError when it gives others."""
    unpacker = zlib.decompressobj(-15, dictionary)
    try:
        data = unpacker.decompress(packed, size + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if len(data) != size or not unpacker.eof:
        raise ValueError(f"{len(data)} bytes instead of {size}")
    return data
