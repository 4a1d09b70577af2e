"""Strict mode: what the documentation does not cover traps, the same in both run loops."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Run

from k210kit.board.board import Board
from k210kit.board.core.strict import LEVELS, Level, Strict


def test_what_is_refused(run_both: Run) -> None:
    boards: list[Board] = []
    run_both("strict", boards.append, strict="all")
    found = [board.machine.strict for board in boards]
    assert all(isinstance(strict, Strict) for strict in found)
    pure, fast = found
    assert pure.report() == fast.report()
    lines = "\n".join(fast.report())
    for words in (
        "load access fault, uart1+0xfc0",
        "store access fault, sha256+0x38",
        "load access fault, debug+0x0",
        "store access fault, address 0x60000000",
        "load address misaligned, sha256+0x2",
        "bus master: store access fault, sha256+0x38",
    ):
        assert words in lines, lines
    assert sum(count for finding, count in fast.faults.items() if finding.place == "sha256+0x38") == 4
    assert len(fast.misaligned) == 12


@pytest.mark.parametrize("pure", [False, True])
def test_registers_only(guests: Path, pure: bool) -> None:
    """Faults are those of the whole; in memory atomics alone must be aligned, as without strict mode."""
    found: dict[Level, Strict] = {}
    for level in LEVELS:
        with Board(guests / "strict.elf", strict=level, pure=pure) as board:
            board.run_until("done ", 1)
            assert board.machine.strict is not None
            found[level] = board.machine.strict
    whole, registers = found["all"], found["registers"]
    assert sum(whole.faults.values()) == sum(registers.faults.values())
    at_register = {finding for finding in registers.misaligned if finding.place == "sha256+0x2"}
    atomic = set(registers.misaligned) - at_register
    assert len(at_register) == len(atomic) == 1
    assert len(whole.misaligned) == 12


def test_the_command_tells_and_fails(guests: Path) -> None:
    command = [sys.executable, "-m", "k210kit.cli", "board", "--until", "done ", "--run-for", "1", "--firmware"]
    done = subprocess.run(
        [*command, guests / "strict.elf", "--strict"], capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 4, done.stderr
    assert "k210: strict: hart 0, pc 0x" in done.stderr
    clean = subprocess.run(
        [*command, guests / "plic.elf", "--strict"], capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert clean.returncode == 0, clean.stderr
    assert "fault" not in clean.stderr
