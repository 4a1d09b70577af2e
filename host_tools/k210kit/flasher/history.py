"""What this machine has flashed before: kept so that a new version can be sent as its difference from the old one.

What a chip holds is only ever believed by its hashes; a file that is lost or wrong costs nothing but bytes on the line.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from k210kit.flasher import cache
from k210kit.flasher.plan import SECTOR, Piece, short_hash

LARGEST = 8 << 20
KEPT = 8
"""So many files are kept, the ones used last."""


def folder() -> Path:
    """Where they are."""
    return cache.folder() / "flashed"


def keep(piece: Piece) -> None:
    """Remember what is on a chip now; a disk that cannot be written is no matter."""
    if not SECTOR <= len(piece.data) <= LARGEST:
        return
    with contextlib.suppress(OSError, RuntimeError):
        place = folder()
        place.mkdir(parents=True, exist_ok=True)
        target = place / f"{piece.offset:06x}-{piece.sha256.hex()[:32]}"
        if target.exists():
            os.utime(target)
        else:
            new = target.with_suffix(f".{os.getpid()}")
            new.write_bytes(piece.data)
            new.replace(target)
        for old in sorted(place.iterdir(), key=lambda path: -path.stat().st_mtime)[KEPT:]:
            old.unlink()


def known(offset: int, hashes: Mapping[int, bytes]) -> dict[int, bytes]:
    """By their offsets whole sectors that a chip holds, found by their short hashes in files flashed to `offset`."""
    found: dict[int, bytes] = {}
    if offset % SECTOR:
        return found
    with contextlib.suppress(OSError, RuntimeError):
        for path in sorted(folder().glob(f"{offset:06x}-*")):
            data = path.read_bytes()
            for at in range(0, len(data) - SECTOR + 1, SECTOR):
                sector = data[at : at + SECTOR]
                if offset + at not in found and hashes.get(offset + at) == short_hash(sector):
                    found[offset + at] = sector
    return found
