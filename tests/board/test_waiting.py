"""Waits that are let pass instead of executed: the guest must not be able to tell."""

from __future__ import annotations

import pytest
from conftest import Run

from k210kit.board.board import Board


def test_flash_waits_skipped_lap_by_lap_change_nothing(run_guest: Run) -> None:
    boards: list[Board] = []

    def executed(board: Board) -> None:
        boards.append(board)
        board.laps.enabled = False

    pattern = bytes((n * 5 + n // 256) & 0xFF for n in range(4096))
    skipping = run_guest("flash", boards.append, flash={0x200000: pattern})
    executing = run_guest("flash", executed, flash={0x200000: pattern})
    assert boards[0].laps.skipped > 100 and boards[1].laps.skipped == 0
    assert skipping.output == executing.output
    assert skipping.retired == executing.retired
    assert skipping.registers == executing.registers


@pytest.mark.c_run_loop
@pytest.mark.parametrize("name", ["harts", "plic", "sysctl", "crypto"])
def test_skipped_loops_change_nothing(run_guest: Run, name: str) -> None:
    skipping = run_guest(name)
    executing = run_guest(name, lambda board: board.machine.runner.be_eager(7))
    assert skipping == executing
