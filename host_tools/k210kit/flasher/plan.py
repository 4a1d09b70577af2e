"""What is to be written where, decided before anything is: pure, without a board.

Files become pieces; pieces are cut at the 4 KiB sectors of the flash; hashes of what the chip holds tell which sectors
have to be sent; what of such a sector no piece covers is read first and written back as it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from k210kit.errors import K210Error

SECTOR = 4096
BLOCK = 0x10000
FILESYSTEM = range(0x200000, 0x300000)
"""Where this project's MicroPython has /flash (MICROPY_HW_FLASH_FS_START in micropython_port/k210_flash.h)."""
HASH_PART = 8
"""So many bytes of a sector's SHA-256 decide whether it is sent; the whole range's is compared in full afterwards."""


@dataclass(frozen=True)
class Piece:
    """Bytes for the flash from `offset` on; `is_firmware` when the mask ROM will start them."""

    offset: int
    data: bytes
    name: str
    is_firmware: bool = False

    @property
    def end(self) -> int:
        """The offset behind the last byte."""
        return self.offset + len(self.data)

    @property
    def sha256(self) -> bytes:
        """Of all its bytes."""
        return hashlib.sha256(self.data).digest()

    def segments(self) -> Iterator[tuple[int, bytes]]:
        """Its bytes cut at the borders of sectors."""
        at = self.offset
        while at < self.end:
            stop = min(self.end, (at // SECTOR + 1) * SECTOR)
            yield at, self.data[at - self.offset : stop - self.offset]
            at = stop


def short_hash(data: bytes) -> bytes:
    """What of a SHA-256 goes over the line for a sector."""
    return hashlib.sha256(data).digest()[:HASH_PART]


def check(pieces: Sequence[Piece], chip_size: int, firmware_end: int = 0, *, force: bool = False) -> list[Piece]:
    """The pieces in the order of their offsets.

    Refuses (K210Error) overlaps, what lies beyond the chip's end, and unless `force` is set what would destroy the
    firmware that the chip holds up to `firmware_end`, or /flash.
    """
    ordered = sorted(pieces, key=lambda piece: piece.offset)
    for piece in ordered:
        if not piece.data:
            raise K210Error(f"{piece.name} is empty: there is nothing to write")
        if piece.offset < 0 or piece.end > chip_size:
            raise K210Error(
                f"{piece.name} would lie at {piece.offset:#x} to {piece.end:#x}, and the chip ends at {chip_size:#x}"
            )
    for first, second in pairwise(ordered):
        if second.offset < first.end:
            raise K210Error(
                f"{second.name} at {second.offset:#x} overlaps {first.name}, which ends at {first.end:#x}; "
                f"the next free 4 KiB sector starts at {first.end + SECTOR - 1 & -SECTOR:#x}"
            )
    if not force:
        _spare(ordered, firmware_end)
    return ordered


def _spare(pieces: Sequence[Piece], firmware_end: int) -> None:
    new_firmware = any(piece.offset == 0 for piece in pieces)
    for piece in pieces:
        if piece.offset < FILESYSTEM.stop and piece.end > FILESYSTEM.start:
            raise K210Error(
                f"{piece.name} at {piece.offset:#x} to {piece.end:#x} would destroy /flash, which lies at "
                f"{FILESYSTEM.start:#x} to {FILESYSTEM.stop:#x}; models go behind it, or give --force"
            )
        if not new_firmware and 0 < piece.offset < firmware_end:
            raise K210Error(
                f"{piece.name} at {piece.offset:#x} would destroy the firmware on the board, which ends at "
                f"{firmware_end:#x}; give an offset from {FILESYSTEM.stop:#x} on, or --force"
            )


@dataclass(frozen=True)
class Part:
    """How a piece stands: of its sectors `changed` differ from what the chip holds; `now` is what that is, in words."""

    piece: Piece
    sectors: int
    changed: int
    now: str


@dataclass(frozen=True)
class Plan:
    """Blocks to write, in this order; `parts` say the same for each piece, `notes` what a person should know."""

    parts: tuple[Part, ...]
    sectors: Mapping[int, tuple[tuple[int, bytes], ...]] = field(repr=False)
    """Of each sector to be sent, what the pieces put there: (offset, bytes)."""
    notes: tuple[str, ...]

    @property
    def holes(self) -> list[tuple[int, int]]:
        """(offset, size) of what the pieces leave free in those sectors."""
        found = []
        for sector, segments in sorted(self.sectors.items()):
            at = sector
            for offset, data in segments:
                if offset > at:
                    found.append((at, offset - at))
                at = offset + len(data)
            if at < sector + SECTOR:
                found.append((at, sector + SECTOR - at))
        return found

    @property
    def size(self) -> int:
        """Bytes of flash to be written."""
        return len(self.sectors) * SECTOR

    def blocks(self, holes: Mapping[int, bytes]) -> list[tuple[int, bytes]]:
        """(offset, bytes) to write one after the other, up to 64 KiB each; `holes` are by offset what was read.

        Sector 0 is the last: until it is there the mask ROM finds no firmware and stays in download mode.
        """
        whole: dict[int, bytes] = {}
        for sector, segments in self.sectors.items():
            data = bytearray(SECTOR)
            for at, hole in holes.items():
                if sector <= at < sector + SECTOR:
                    data[at - sector : at - sector + len(hole)] = hole
            for at, segment in segments:
                data[at - sector : at - sector + len(segment)] = segment
            whole[sector] = bytes(data)
        order = sorted(whole, key=lambda sector: (sector == 0, sector))
        return list(_merged((sector, whole[sector]) for sector in order))


def _merged(sectors: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    """Neighbours together, but not across the borders of 64 KiB, which the chip erases at once."""
    start, data = 0, bytearray()
    for offset, sector in sectors:
        if data and (offset != start + len(data) or offset % BLOCK == 0):
            yield start, bytes(data)
            data = bytearray()
        if not data:
            start = offset
        data += sector
    if data:
        yield start, bytes(data)


def make(pieces: Sequence[Piece], hashes: Mapping[int, bytes], whole: Mapping[int, bytes] | None = None) -> Plan:
    """The plan for pieces that passed `check`.

    `hashes` are by the offset of each segment (Piece.segments) the short hash of what the chip holds there now, `whole`
    by the offset of each piece the SHA-256 of what the chip holds in its range.
    """
    sectors: dict[int, list[tuple[int, bytes]]] = {}
    changed: set[int] = set()
    parts = []
    for piece in pieces:
        different = segments = erased = 0
        for offset, data in piece.segments():
            sectors.setdefault(offset & -SECTOR, []).append((offset, data))
            segments += 1
            erased += hashes[offset] == short_hash(b"\xff" * len(data))
            if hashes[offset] != short_hash(data):
                different += 1
                changed.add(offset & -SECTOR)
        now = _held(different, segments, erased, (whole or {}).get(piece.offset))
        parts.append(Part(piece, segments, different, now))
    sending = {sector: tuple(sorted(sectors[sector])) for sector in sorted(changed)}
    return Plan(tuple(parts), sending, tuple(_notes(pieces)))


def _held(different: int, segments: int, erased: int, digest: bytes | None) -> str:
    if not different:
        return "the same"
    if erased == segments:
        return "erased"
    name = f"{digest.hex()[:8]}: " if digest else ""
    return f"{name}{different} of {segments} sectors differ"


def _notes(pieces: Sequence[Piece]) -> Iterator[str]:
    for piece in pieces:
        if piece.offset % SECTOR:
            first, last = piece.offset & -SECTOR, min(piece.end, (piece.offset & -SECTOR) + SECTOR)
            yield (
                f"{piece.name} starts at {piece.offset:#x}, within the 4 KiB sector at {first:#x}: what else is in "
                f"that sector is read and written back ({piece.offset - first} bytes before it"
                + (f", {first + SECTOR - last} behind it)" if last < first + SECTOR else ")")
            )
