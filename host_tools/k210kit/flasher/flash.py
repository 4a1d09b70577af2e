"""The flasher as a library; each function here is a command of `k210` too.

`port` is anything that pyserial opens, or None to find the board by its USB id. All take the keywords of
session.Session: `baud`, `reset_circuit`, `no_reset`, `report`. Files are paths or bytes by their offset in the flash.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from k210kit.errors import DeviceError, K210Error
from k210kit.flasher import delta, history, ports, reset, sources, stub_client
from k210kit.flasher import plan as plans
from k210kit.flasher.line import Line
from k210kit.flasher.plan import Piece, Plan
from k210kit.flasher.report import Report
from k210kit.flasher.session import Session
from k210kit.flasher.sources import Source
from k210kit.flasher.stub_client import SECTOR, Chip
from k210kit.images import header

LARGEST_CHIP = 16 << 20
"""What three bytes of address reach."""
REWRITES = 2
"""So often sectors that do not hold what they should are written once more."""
MANUFACTURERS = {
    0xEF: "Winbond", 0xC8: "GigaDevice", 0xC2: "Macronix", 0x20: "XMC or Micron", 0x9D: "ISSI", 0x85: "Puya",
    0x68: "Boya", 0x0B: "XTX", 0x5E: "Zbit", 0x1C: "Eon", 0xA1: "Fudan", 0xBA: "Zetta",
}  # fmt: skip


def flash(
    port: str | Line | None,
    files: Mapping[int, Source],
    *,
    key: bytes | None = None,
    raw: bool = False,
    force: bool = False,
    start: bool = True,
    report: Report | None = None,
    **settings: Any,
) -> Plan:
    """Write files to the flash, send only the sectors that differ, verify all of it; returns what was planned.

    `files` maps offsets to .bin, .elf, .kfpkg or any data (`{0: "firmware.kfpkg", 0x300000: "model.kmodel"}`); firmware
    at 0 gets its boot header. `key` encrypts it, `raw` writes the bytes as they are, `force` also over the firmware on
    the board and /flash; `start` starts the board afterwards. What was interrupted is finished by the same call.
    Raises K210Error for what cannot be meant, DeviceError when the board does not do it.
    """
    report = report or Report()
    pieces = sources.load(files, key=key, raw=raw)
    # Before the board is touched; its chip may be smaller.
    pieces = plans.check(pieces, LARGEST_CHIP, force=force)
    with Session(port, report=report, **settings) as session:
        plans.check(pieces, session.chip.size, _firmware_end(session, pieces), force=force)
        plan = _Writing(session, pieces, report).run()
        if start:
            session.start_board()
    return plan


def _firmware_end(session: Session, pieces: Sequence[Piece]) -> int:
    """Where the firmware on the board ends; 0 when there is none or it is replaced."""
    if any(piece.offset == 0 for piece in pieces):
        return 0
    flags, length = struct.unpack("<BI", session.stub.read(0, header.HEADER_SIZE))
    if flags & ~header.KNOWN_FLAGS or not 0 < length <= header.LONGEST:
        return 0
    return header.HEADER_SIZE + length + header.HASH_SIZE


class _Writing:
    """One job: compare, show, write, verify."""

    def __init__(self, session: Session, pieces: Sequence[Piece], report: Report) -> None:
        self.session, self.pieces, self.report = session, pieces, report
        self.stub = session.stub
        self._done = 0
        self._known: dict[int, bytes] = {}
        """Of some sectors, by offset, what the chip holds."""

    def run(self) -> Plan:
        plan = self._plan()
        requests = self._requests(plan)
        self.report.plan(plan, sum(len(request.body) for request in requests))
        for note in plan.notes:
            self.report.note(note)
        try:
            self._write(plan, requests)
        except KeyboardInterrupt:
            self.report.note(
                f"interrupted: {self._done:,} of {plan.size:,} bytes are confirmed; "
                "the same command writes what is missing"
            )
            raise
        return plan

    def _plan(self) -> Plan:
        whole: dict[int, bytes] = {}
        hashes: dict[int, bytes] = {}
        for piece in self.pieces:
            whole[piece.offset] = self.stub.sha256(piece.offset, len(piece.data))
            if whole[piece.offset] == piece.sha256:
                history.keep(piece)
                hashes |= {offset: plans.short_hash(data) for offset, data in piece.segments()}
            else:
                found = self._hashes(piece)
                hashes |= found
                self._known |= history.known(piece.offset, found)
        return plans.make(self.pieces, hashes, whole)

    def _hashes(self, piece: Piece) -> dict[int, bytes]:
        """By the offset of each segment the short hash of what the chip holds."""
        found: dict[int, bytes] = {}
        offset, end = piece.offset, piece.end
        head = min(end, (offset // SECTOR + 1) * SECTOR) if offset % SECTOR else offset
        if head > offset:
            found[offset] = self.stub.sector_hashes(offset, head - offset)[0]
        if end > head:
            hashes = self.stub.sector_hashes(head, end - head)
            found |= {head + n * SECTOR: value for n, value in enumerate(hashes)}
        return found

    def _requests(self, plan: Plan) -> list[stub_client.Request]:
        holes = {offset: self.stub.read(offset, size) for offset, size in plan.holes}
        return delta.pack(plan.blocks(holes), self._known)

    def _write(self, plan: Plan, requests: list[stub_client.Request]) -> None:
        for part in plan.parts:
            if part.changed:
                self.report.begin(part.piece.name, part.changed * SECTOR)
        try:
            first = [request for request in requests if request.offset == 0]
            others = [request for request in requests if request.offset != 0]
            self.stub.write(others, lambda offset, size: self._progress(plan, offset, size))
            self._verify([piece for piece in self.pieces if piece.offset >= SECTOR])
            # All else is right: now the ROM may find the firmware.
            self.stub.write(first, lambda offset, size: self._progress(plan, offset, size))
            self._verify([piece for piece in self.pieces if piece.offset < SECTOR])
        finally:
            self.report.end()

    def _progress(self, plan: Plan, offset: int, size: int) -> None:
        self._done += size
        done: dict[str, int] = {}
        for sector in range(offset, offset + size, SECTOR):
            name = next(p.piece.name for p in plan.parts if p.piece.offset < sector + SECTOR and p.piece.end > sector)
            done[name] = done.get(name, 0) + SECTOR
        for name, count in done.items():
            self.report.advance(name, count)

    def _verify(self, pieces: Sequence[Piece]) -> None:
        """Each piece as a whole by its SHA-256; sectors that are not right get another chance."""
        for piece in pieces:
            for _ in range(REWRITES):
                if self.stub.sha256(piece.offset, len(piece.data)) == piece.sha256:
                    history.keep(piece)
                    break
                self._rewrite(piece)
            else:
                if self.stub.sha256(piece.offset, len(piece.data)) != piece.sha256:
                    raise DeviceError(_not_held(piece, self._hashes(piece)))

    def _rewrite(self, piece: Piece) -> None:
        self._known.clear()
        again = plans.make([piece], self._hashes(piece))
        self.report.note(f"{piece.name}: {len(again.sectors)} sectors do not hold what was written; once more")
        self.stub.write(self._requests(again))


def _not_held(piece: Piece, hashes: Mapping[int, bytes]) -> str:
    wrong = [offset for offset, data in piece.segments() if hashes[offset] != plans.short_hash(data)]
    where = f"the first of {len(wrong)} such sectors is at {wrong[0]:#x}" if wrong else "its parts are right one by one"
    return (
        f"{piece.name} was written and is not what the chip holds now: {where}; try again, and if it stays so the "
        "flash is worn or badly powered"
    )


@dataclass(frozen=True)
class Difference:
    """A file that the chip does not hold: its name, the offsets of the sectors that differ, of how many."""

    name: str
    offsets: tuple[int, ...]
    sectors: int


def verify(
    port: str | Line | None,
    files: Mapping[int, Source],
    *,
    key: bytes | None = None,
    raw: bool = False,
    start: bool = True,
    report: Report | None = None,
    **settings: Any,
) -> list[Difference]:
    """Compare files with the flash by hash; returns the differences. Arguments as of `flash`."""
    pieces = plans.check(sources.load(files, key=key, raw=raw), LARGEST_CHIP, force=True)
    report = report or Report()
    found = []
    with Session(port, report=report, **settings) as session:
        plans.check(pieces, session.chip.size, force=True)
        plan = _Writing(session, pieces, report)._plan()
        for part in plan.parts:
            if part.changed:
                inside = range(part.piece.offset & -SECTOR, part.piece.end)
                found.append(
                    Difference(part.piece.name, tuple(at for at in plan.sectors if at in inside), part.sectors)
                )
        if start:
            session.start_board()
    return found


def read_flash(
    port: str | Line | None,
    offset: int = 0,
    size: int | None = None,
    *,
    start: bool = True,
    report: Report | None = None,
    **settings: Any,
) -> bytes:
    """Bytes of the flash (None: to the chip's end), checked by the chip's own hash of them."""
    report = report or Report()
    with Session(port, report=report, **settings) as session:
        size = session.chip.size - offset if size is None else size
        _within(session.chip, offset, size)
        report.begin("read", size)
        try:
            data = session.stub.read(offset, size, lambda done: report.advance("read", done))
        finally:
            report.end()
        if hashlib.sha256(data).digest() != session.stub.sha256(offset, size):
            raise DeviceError(
                f"the {size} bytes read from {offset:#x} are not those that the chip has hashed: something "
                "writes to the flash, or it does not hold its data; try again"
            )
        if start:
            session.start_board()
    return data


def erase_flash(port: str | Line | None, *, report: Report | None = None, **settings: Any) -> int:
    """Erase the whole chip; returns its size. The board stays in its ROM's download mode at the next start."""
    with Session(port, report=report, **settings) as session:
        _erase(session, 0, session.chip.size, whole=True)
        session.start_board()
        return session.chip.size


def erase_region(
    port: str | Line | None,
    offset: int,
    size: int,
    *,
    start: bool = True,
    report: Report | None = None,
    **settings: Any,
) -> None:
    """Erase whole 4 KiB sectors. Raises K210Error for others."""
    if offset % SECTOR or size % SECTOR or size <= 0 or offset < 0:
        raise K210Error(
            f"only whole sectors of {SECTOR:#x} bytes can be erased, not {size:#x} bytes at {offset:#x}; the sectors "
            f"around are {-(-(offset % SECTOR + max(size, 1)) // SECTOR) * SECTOR:#x} bytes at {offset & -SECTOR:#x}"
        )
    with Session(port, report=report, **settings) as session:
        _within(session.chip, offset, size)
        _erase(session, offset, size)
        if start:
            session.start_board()


def _erase(session: Session, offset: int, size: int, whole: bool = False) -> None:
    report, last = session.report, 0

    def progress(done: int, total: int) -> None:
        nonlocal last
        report.advance("erase", max(0, done - last))
        last = max(done, last)

    report.begin("erase", size)
    try:
        session.stub.erase(0 if whole else offset, 0 if whole else size, progress)
        progress(size, size)
    finally:
        report.end()
    blank = hashlib.sha256(b"\xff" * size).digest()
    if session.stub.sha256(offset, size) != blank:
        raise DeviceError(
            f"the {size:#x} bytes at {offset:#x} are not all erased: try again; if it stays so the flash "
            "is worn or protected"
        )


def _within(chip: Chip, offset: int, size: int) -> None:
    if offset < 0 or size <= 0 or offset + size > chip.size:
        raise K210Error(f"{size:#x} bytes at {offset:#x} are not within the chip, which has {chip.size:#x} bytes")


def flash_id(port: str | Line | None, *, start: bool = True, report: Report | None = None, **settings: Any) -> Chip:
    """Who the flash chip is, its size, its status registers."""
    with Session(port, report=report, **settings) as session:
        if start:
            session.start_board()
        return session.chip


def reset_board(
    port: str | Line | None, *, reset_circuit: str | None = None, report: Report | None = None
) -> list[str]:
    """Start the board anew through DTR and RTS; returns the names of the dances made (of all, when none is known)."""
    dances = [reset.find(reset_circuit)] if reset_circuit is not None else None
    line = port if isinstance(port, Line) else ports.open_line(port if port is not None else ports.choose()[0])
    try:
        if not line.has_control:
            raise DeviceError(f"{line.name} has no DTR and RTS lines to reset the board with: press its RESET key")
        if dances is None:
            known = reset.recall(ports.identity(line.name))
            dances = [known] if known is not None else list(reset.DANCES)
        for dance in dances:
            reset.perform(line, dance.run)
        reset.release(line)
    finally:
        line.close()
    return [dance.name for dance in dances]
