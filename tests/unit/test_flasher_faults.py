"""A bad line, a reset, an unplugged cable: a verified chip or a clear error, and the next run succeeds."""

from __future__ import annotations

import random

import fake_chip
import pytest
from fake_chip import Chip, Faults
from flasher_jobs import Record, holds, own_cache_and_stub, program  # noqa: F401

from k210kit import flasher
from k210kit.errors import DeviceError

FILES = {0: program(30_000), 0x300000: random.Random(2).randbytes(50_003)}
RUNS, FEW = 500, 40
LONGEST_SECONDS = 600.0
"""Of the line's own time: nothing waits for ever."""


def faults_of(seed: int) -> Faults:
    """Rates, and in every third run a bigger mishap, by the seed."""
    chance = random.Random(seed)

    def pair() -> tuple[float, float]:
        return tuple(10 ** chance.uniform(-7, -2.5) * chance.choice((0, 1)) for _ in range(2))  # type: ignore[return-value]

    made = Faults(drop=pair(), double=pair(), flip=pair(), seed=seed)
    if chance.random() < 0.3:
        made.only_above_baud = chance.choice((115_200, 460_800, 921_600))
    mishap = chance.random()
    if mishap < 0.17:
        made.reset_after = chance.randrange(1, 90_000)
    elif mishap < 0.34:
        made.unplug_after = chance.randrange(1, 90_000)
    return made


def one_run(seed: int) -> str:
    chance = random.Random(seed + 1_000_000)
    chip = Chip(circuit=chance.choice(("dan", "kd233", "goD")), faults=faults_of(seed))
    flash = chip.flash
    if chance.random() < 0.5:
        flash.data[:0x8000] = chance.randbytes(0x8000)
        flash.data[0x300000:0x308000] = chance.randbytes(0x8000)
    kind = chance.random()
    if kind < 0.05:
        flash.answers = False
    elif kind < 0.1:
        flash.protected = True
    elif kind < 0.15:
        flash.jedec = bytes((chance.choice((0xC8, 0xC2, 0x20, 0x9D)), 0x40, 0x18))
    begun, outside = chip.clock.now(), bytes(flash.data[0x400000:0x410000])
    try:
        flasher.flash(fake_chip.line(chip), FILES)
        outcome = "verified"
        assert holds(chip, FILES), f"seed {seed}: said to be verified and is not"
    except DeviceError as error:
        outcome = str(error)
        assert error.exit_status == 1
        assert len(outcome) > 40 and "\n" not in outcome and "Traceback" not in outcome
    assert chip.clock.now() - begun < LONGEST_SECONDS, f"seed {seed} took {chip.clock.now() - begun:.0f} s: {outcome}"
    assert bytes(flash.data[0x400000:0x410000]) == outside
    # The next one, with a sound line and a flash that does what it should.
    chip.faults, flash.answers, flash.protected = Faults(), True, False
    flasher.flash(fake_chip.line(chip), FILES)
    assert holds(chip, FILES), f"seed {seed}: the clean run did not mend it"
    assert chip.mode == "firmware"
    return outcome


@pytest.mark.parametrize("seed", range(FEW))
def test_a_run_with_faults(seed):
    one_run(seed)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(FEW, RUNS, 20))
def test_many_runs_with_faults(first):
    for seed in range(first, min(first + 20, RUNS)):
        one_run(seed)


def test_most_runs_succeed_and_both_outcomes_occur():
    outcomes = [one_run(seed) == "verified" for seed in range(FEW)]
    assert 0.4 * FEW < sum(outcomes) < FEW


def test_a_line_that_is_sound_only_when_slow_is_used_slowly():
    chip, record = Chip(faults=Faults(flip=(0.001, 0.001), only_above_baud=230_400, seed=1)), Record()
    flasher.flash(fake_chip.line(chip), FILES, report=record)
    assert holds(chip, FILES)
    downs = [note for note in record.notes if "going down to" in note]
    assert 1 <= len(downs) <= 3
    assert downs[-1].startswith("much is damaged at 460800 baud, going down to 230400") or "921600" in downs[-1]


def test_a_line_that_damages_everything_is_given_up():
    chip = Chip(faults=Faults(flip=(0.05, 0.0), seed=2))
    begun = chip.clock.now()
    with pytest.raises(DeviceError):
        flasher.flash(fake_chip.line(chip), FILES)
    assert chip.clock.now() - begun < 60


@pytest.mark.parametrize("after", [1, 20, 3000, 8000, 12_000, 30_000])
def test_an_unplugged_cable_is_told_at_once(after):
    chip = Chip(faults=Faults(unplug_after=after))
    begun = chip.clock.now()
    with pytest.raises(DeviceError, match=r"has gone .*: is the cable loose"):
        flasher.flash(fake_chip.line(chip), FILES)
    assert chip.clock.now() - begun < 10


@pytest.mark.parametrize("after", [15_000, 30_000])
def test_a_reset_meanwhile_is_told(after):
    chip = Chip(faults=Faults(reset_after=after))
    begun = chip.clock.now()
    with pytest.raises(DeviceError, match="does not answer any more at 1500000 baud: was it reset"):
        flasher.flash(fake_chip.line(chip), FILES)
    assert chip.clock.now() - begun < 40
    flasher.flash(fake_chip.line(chip), FILES)
    assert holds(chip, FILES)


def test_the_fake_chip_programs_as_a_flash_does():
    flash = fake_chip.FakeFlash()
    flash.program(0, b"\x0f" * 256)
    flash.program(0, b"\xf3" * 256)
    assert flash.data[:257] == b"\x03" * 256 + b"\xff"
    flash.erase(0)
    assert flash.data[:256] == b"\xff" * 256
