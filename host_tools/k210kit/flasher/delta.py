"""Blocks as differences from what the chip holds, where that is known: a deflate stream that refers to it.

When a block is written, the sectors before it are new already and those from it on are still old. So a program in which
a function has grown finds all that has moved, a little further back or on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from k210kit.flasher import stub_client
from k210kit.flasher.stub_client import Request
from k210kit.flasher.stub_frames import DICTIONARY_MAX

SECTOR = 4096
BLOCK = 4 * SECTOR
"""Deflate looks back 32 KiB: a block and what it refers to have to fit into that."""
BEHIND = 2 * SECTOR
BEFORE = SECTOR


def pack(blocks: Iterable[tuple[int, bytes]], known: Mapping[int, bytes]) -> list[Request]:
    """Writes for these blocks in this order; `known` are by offset sectors that the chip holds at first.

    A block is packed on its own where nothing is known of its sectors, or where that is not longer.
    """
    now = dict(known)
    requests = []
    for offset, data in _cut(blocks, known):
        requests.append(_shorter(offset, data, now))
        for at in range(0, len(data), SECTOR):
            now[offset + at] = data[at : at + SECTOR]
    return requests


def _cut(blocks: Iterable[tuple[int, bytes]], known: Mapping[int, bytes]) -> Iterator[tuple[int, bytes]]:
    """Blocks of which something is known, in pieces that deflate can refer over."""
    for offset, data in blocks:
        if not any(offset + at in known for at in range(0, len(data), SECTOR)):
            yield offset, data
            continue
        for at in range(0, len(data), BLOCK):
            yield offset + at, data[at : at + BLOCK]


def _shorter(offset: int, data: bytes, now: Mapping[int, bytes]) -> Request:
    (plain,) = stub_client.pack([(offset, data)])
    if offset not in now or len(data) > BLOCK:
        return plain
    first, end = offset, offset
    while first > offset - BEFORE and first - SECTOR in now:
        first -= SECTOR
    while end < offset + len(data) + BEHIND and end in now:
        end += SECTOR
    dictionary = b"".join(now[at] for at in range(first, end, SECTOR))
    assert len(dictionary) <= DICTIONARY_MAX
    delta = stub_client.pack_with(offset, data, dictionary, first)
    return delta if len(delta.body) < len(plain.body) else plain
