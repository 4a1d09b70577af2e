"""Blocks as differences from what the chip holds, where that is known: a deflate stream that refers to it.

When a block is written, the sectors before it are new already, its own and those behind it still old. So a program in
which a function has grown finds all that has moved, a little further back or on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from k210kit.flasher import stub_client
from k210kit.flasher.stub_client import SECTOR, Request

PART = 4 * SECTOR
"""Deflate looks back 32 KiB: a part and what it refers to have to fit into that."""
BEHIND = 2 * SECTOR
BEFORE = SECTOR


def pack(blocks: Iterable[tuple[int, bytes]], known: Mapping[int, bytes]) -> list[Request]:
    """Writes for these blocks in this order; `known` are by offset sectors that the chip holds at first.

    A block is packed on its own where none of its sectors is known, or where that is not longer.
    """
    now = dict(known)
    requests = []
    for offset, data in blocks:
        requests.append(_shorter(offset, data, now))
        for at in range(0, len(data), SECTOR):
            now[offset + at] = data[at : at + SECTOR]
    return requests


def _shorter(offset: int, data: bytes, now: Mapping[int, bytes]) -> Request:
    (plain,) = stub_client.pack([(offset, data)])
    if not any(offset + at in now for at in range(0, len(data), SECTOR)):
        return plain
    parts = []
    for at in range(0, len(data), PART):
        part = data[at : at + PART]
        known = _around(offset + at, offset + at + len(part), now)
        parts.append((part, b"".join(now[sector] for sector in known), known.start))
    delta = stub_client.pack_with(offset, parts)
    return delta if len(delta.body) < len(plain.body) else plain


def _around(start: int, end: int, now: Mapping[int, bytes]) -> range:
    """The longest run of known sectors in a range a little longer than this one."""
    best, run = range(0), range(0)
    for sector in range(max(0, start - BEFORE), end + BEHIND, SECTOR):
        if sector not in now:
            run = range(0)
            continue
        run = range(run.start if run else sector, sector + SECTOR, SECTOR)
        best = max(best, run, key=len)
    return best
