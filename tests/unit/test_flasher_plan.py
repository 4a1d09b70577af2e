"""The plan: applied to any old contents it gives the wanted ones, and touches nothing else."""

from __future__ import annotations

import hashlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k210kit.errors import K210Error
from k210kit.flasher import plan as plans
from k210kit.flasher.plan import SECTOR, Piece

CHIP = 40 * SECTOR


def hashes_of(flash: bytes, pieces: list[Piece]) -> dict[int, bytes]:
    return {
        offset: plans.short_hash(flash[offset : offset + len(data)])
        for piece in pieces
        for offset, data in piece.segments()
    }


@st.composite
def jobs(draw):
    """Old contents of a small chip, and pieces that do not overlap; some of them partly there already."""
    seed = draw(st.integers(0, 2**32))
    flash = bytearray(random.Random(seed).randbytes(CHIP) if draw(st.booleans()) else b"\xff" * CHIP)
    cuts = sorted(draw(st.lists(st.integers(0, CHIP), min_size=2, max_size=8, unique=True)))
    if draw(st.booleans()):
        cuts[0] = 0
    pieces = []
    for start, end in zip(cuts[::2], cuts[1::2], strict=False):
        data = bytearray(random.Random(seed + start).randbytes(end - start))
        for sector in range(start & -SECTOR, end, SECTOR):
            if draw(st.integers(0, 2)) == 0:
                low, high = max(start, sector), min(end, sector + SECTOR)
                data[low - start : high - start] = flash[low:high]
        if data:
            pieces.append(Piece(start, bytes(data), f"piece at {start:#x}", is_firmware=start == 0))
    return bytes(flash), pieces


@settings(deadline=None, max_examples=150)
@given(jobs())
def test_a_plan_makes_of_any_old_contents_the_wanted_ones(job):
    flash, pieces = job
    if not pieces:
        return
    pieces = plans.check(pieces, CHIP)
    plan = plans.make(pieces, hashes_of(flash, pieces))
    wanted = bytearray(flash)
    for piece in pieces:
        wanted[piece.offset : piece.end] = piece.data
    holes = {offset: flash[offset : offset + size] for offset, size in plan.holes}
    result, touched, order = bytearray(flash), set(), []
    for offset, data in plan.blocks(holes):
        assert offset % SECTOR == 0 and len(data) % SECTOR == 0 and 0 < len(data) <= plans.BLOCK
        assert offset // plans.BLOCK == (offset + len(data) - 1) // plans.BLOCK
        sectors = range(offset, offset + len(data), SECTOR)
        assert not touched.intersection(sectors)
        touched.update(sectors)
        order += sectors
        result[offset : offset + len(data)] = data
    assert bytes(result) == bytes(wanted)
    # Only sectors that differ, and all of those; sector 0 at the end, alone.
    assert touched == {at for at in range(0, CHIP, SECTOR) if flash[at : at + SECTOR] != wanted[at : at + SECTOR]}
    if 0 in touched:
        assert order[-1] == 0
        assert len(plan.blocks(holes)[-1][1]) == SECTOR
    assert plan.size == len(touched) * SECTOR
    for offset, size in plan.holes:
        assert offset & -SECTOR in touched and 0 < size < SECTOR
        assert all(offset >= piece.end or offset + size <= piece.offset for piece in pieces)


@settings(deadline=None, max_examples=50)
@given(jobs(), st.integers(0, 20))
def test_an_interrupted_plan_made_again_sends_only_what_is_missing(job, done):
    flash, pieces = job
    if not pieces:
        return
    pieces = plans.check(pieces, CHIP)
    first = plans.make(pieces, hashes_of(flash, pieces))
    blocks = first.blocks({offset: flash[offset : offset + size] for offset, size in first.holes})
    now = bytearray(flash)
    for offset, data in blocks[:done]:
        now[offset : offset + len(data)] = data
    second = plans.make(pieces, hashes_of(bytes(now), pieces))
    again = second.blocks({offset: bytes(now[offset : offset + size]) for offset, size in second.holes})
    assert again == blocks[done:]


def test_what_the_chip_holds_is_said():
    piece = Piece(0x1000, bytes(3 * SECTOR), "zeros")
    blank = b"\xff" * CHIP
    (part,) = plans.make([piece], hashes_of(blank, [piece])).parts
    assert (part.changed, part.sectors, part.now) == (3, 3, "erased")
    (part,) = plans.make([piece], hashes_of(bytes(CHIP), [piece])).parts
    assert (part.changed, part.now) == (0, "the same")
    other = bytes(2 * SECTOR) + b"\x01" * SECTOR + bytes(CHIP)
    digest = hashlib.sha256(other[SECTOR : 4 * SECTOR]).digest()
    (part,) = plans.make([piece], hashes_of(other, [piece]), {0x1000: digest}).parts
    assert (part.changed, part.now) == (1, f"{digest.hex()[:8]}: 1 of 3 sectors differ")


def test_an_offset_within_a_sector_is_said():
    piece = Piece(0x300010, bytes(100), "m.kmodel")
    (note,) = plans.make([piece], {0x300010: bytes(8)}).notes
    assert note == (
        "m.kmodel starts at 0x300010, within the 4 KiB sector at 0x300000: what else is in that sector is read and "
        "written back (16 bytes before it, 3980 behind it)"
    )
    assert plans.make([Piece(0x300000, bytes(100), "m")], {0x300000: bytes(8)}).notes == ()


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ([Piece(0, b"ab", "x"), Piece(1, b"c", "y")], "y at 0x1 overlaps x, which ends at 0x2; .* 0x1000"),
        ([Piece(1 << 24, b"a", "x")], "0x1000000 to 0x1000001, and the chip ends at 0x1000000"),
        ([Piece((1 << 24) - 1, b"ab", "x")], "the chip ends at 0x1000000"),
        ([Piece(-1, b"ab", "x")], "would lie at"),
        ([Piece(0, b"", "x")], "x is empty"),
        ([Piece(0x2FFFFF, b"a", "m")], "would destroy /flash, which lies at 0x200000 to 0x300000"),
        ([Piece(0x1FFFFF, b"ab", "m")], "would destroy /flash"),
        ([Piece(0x10000, b"a", "m")], "would destroy the firmware on the board, which ends at 0x7b000"),
    ],
)
def test_what_cannot_be_meant_is_refused(pieces, words):
    with pytest.raises(K210Error, match=words) as caught:
        plans.check(pieces, 1 << 24, firmware_end=0x7B000)
    assert caught.value.exit_status == 2


def test_force_writes_over_firmware_and_filesystem_but_not_over_the_end():
    pieces = [Piece(0x280000, b"m", "a"), Piece(0x1000, b"m", "b")]
    assert [piece.name for piece in plans.check(pieces, 1 << 24, 0x7B000, force=True)] == ["b", "a"]
    with pytest.raises(K210Error, match="ends at"):
        plans.check([Piece(0xFFFFFF, b"ab", "x")], 1 << 24, force=True)


def test_beside_the_firmware_and_with_new_firmware_all_is_well():
    plans.check([Piece(0x7B000, b"m", "m"), Piece(0x300000, b"m", "n")], 1 << 24, 0x7B000)
    plans.check([Piece(0, bytes(100), "f"), Piece(0x1000, b"m", "m")], 1 << 24, 0x7B000)
