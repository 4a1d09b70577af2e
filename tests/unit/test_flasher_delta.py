"""New versions as differences from what the chip holds: the same result, with fewer bytes."""

from __future__ import annotations

import random
from pathlib import Path

import fake_chip
import pytest
from fake_chip import Chip, Faults
from flasher_jobs import MODEL, holds, own_cache_and_stub, program  # noqa: F401
from hypothesis import given, settings
from hypothesis import strategies as st

from k210kit import flasher
from k210kit.flasher import delta, history, stub_frames
from k210kit.flasher.plan import SECTOR, Piece, short_hash

OLD = program(120_000)


def grown(at: int, by: int) -> bytes:
    """The old program in which a function at `at` has become longer, and all behind it has moved."""
    return OLD[:at] + random.Random(by).randbytes(by) + OLD[at:]


def written(chip: Chip) -> list[bytes]:
    return [body for operation, body in chip.requests if operation == stub_frames.WRITE]


@pytest.mark.parametrize("by", [2, 64, 1000])
def test_a_program_that_has_grown_is_sent_as_a_difference(by):
    chip = Chip()
    flasher.flash(fake_chip.line(chip), {0: OLD})
    first = sum(map(len, written(chip)))
    chip.requests.clear()
    new = grown(3000, by)
    flasher.flash(fake_chip.line(chip), {0: new})
    assert holds(chip, {0: new})
    assert sum(map(len, written(chip))) < first / 8 + by
    assert any(body[8] == stub_frames.DEFLATED_WITH_CHIP for body in written(chip))


def test_without_a_history_it_is_sent_whole(tmp_path):
    chip = Chip()
    flasher.flash(fake_chip.line(chip), {0: OLD})
    for path in history.folder().iterdir():
        path.unlink()
    chip.requests.clear()
    flasher.flash(fake_chip.line(chip), {0: grown(3000, 64)})
    assert holds(chip, {0: grown(3000, 64)})
    assert all(body[8] != stub_frames.DEFLATED_WITH_CHIP for body in written(chip))


def test_a_history_that_is_not_what_the_chip_holds_is_not_believed():
    chip = Chip()
    flasher.flash(fake_chip.line(chip), {0: OLD})
    for path in history.folder().iterdir():
        path.write_bytes(random.Random(1).randbytes(path.stat().st_size))
    flasher.flash(fake_chip.line(chip), {0: grown(3000, 64)})
    assert holds(chip, {0: grown(3000, 64)})


def test_a_stub_that_finds_another_dictionary_gets_the_data_whole():
    """As after a repeated request, whose first one has changed the chip."""
    chip = Chip()
    flasher.flash(fake_chip.line(chip), {0: OLD})
    hashing = chip._hash

    def before_the_write(number, body):
        result = yield from hashing(number, body)
        if body[8:12] == SECTOR.to_bytes(4, "little"):
            chip.flash.data[0x4000:0x4100] = bytes(256)
        return result

    chip._hash = before_the_write  # type: ignore[method-assign]
    flasher.flash(fake_chip.line(chip), {0: grown(3000, 64)})
    assert holds(chip, {0: grown(3000, 64)})


@pytest.mark.parametrize("seed", range(20))
def test_differences_over_a_bad_line(seed):
    chip = Chip()
    flasher.flash(fake_chip.line(chip), {0: OLD})
    chip.faults = Faults(drop=(3e-5, 3e-4), flip=(3e-5, 3e-4), double=(3e-5, 3e-4), seed=seed)
    new = grown(3000, 64)
    flasher.flash(fake_chip.line(chip), {0: new})
    assert holds(chip, {0: new})


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 30), st.integers(0, 30), st.booleans(), st.integers(0, 10**6))
def test_requests_done_in_order_give_the_new_contents(sectors, unknown, moved, seed):
    chance = random.Random(seed)
    old = bytearray(program(sectors * SECTOR, chance.randrange(1000)))
    new = bytes(old[-64:] + old[:-64]) if moved else chance.randbytes(len(old))
    known = {at: bytes(old[at : at + SECTOR]) for at in range(0, len(old), SECTOR) if at // SECTOR != unknown}
    blocks = [(at, new[at : at + 0x10000]) for at in range(0, len(new), 0x10000)]
    for request in delta.pack(blocks, known):
        body, size = request.body, len(request.data)
        if body[8] == stub_frames.DEFLATED_WITH_CHIP:
            data = fake_chip.parts_of(body, old)
        else:
            data = stub_frames.inflate(body[9:], size) if body[8] else body[9:]
        assert data == request.data
        old[request.offset : request.offset + size] = data
    assert bytes(old) == new


def test_few_files_are_kept_and_found_by_their_hashes():
    for seed in range(history.KEPT + 3):
        history.keep(Piece(0x300000, random.Random(seed).randbytes(2 * SECTOR + 5), "m"))
    assert len(list(history.folder().iterdir())) == history.KEPT
    last = random.Random(history.KEPT + 2).randbytes(2 * SECTOR + 5)
    hashes = {0x300000: short_hash(last[:SECTOR]), 0x301000: bytes(8)}
    assert history.known(0x300000, hashes) == {0x300000: last[:SECTOR]}
    assert history.known(0x310000, hashes) == {}
    assert history.known(0x300010, hashes) == {}


def test_a_disk_that_cannot_be_written_is_no_matter(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    chip = Chip()
    flasher.flash(fake_chip.line(chip), {0: OLD, 0x300000: MODEL})
    assert holds(chip, {0: OLD, 0x300000: MODEL})
    assert not Path(tmp_path / "file/k210kit").exists()
