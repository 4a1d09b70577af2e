"""The processor: traps, interrupts, counters, both harts, code, the FPU; in both run loops."""

from __future__ import annotations

import pytest
from conftest import Run

GUESTS = ["cpu_traps", "cpu_interrupts", "cpu_counters", "harts", "code", "fpu"]


@pytest.mark.parametrize("name", GUESTS)
def test_guest(run_guest: Run, name: str) -> None:
    run_guest(name)


@pytest.mark.parametrize("name", GUESTS)
def test_both_run_loops_agree(run_guest: Run, name: str) -> None:
    fast, pure = run_guest(name), run_guest(name, pure=True)
    assert fast.output == pure.output
    assert fast.retired == pure.retired
    assert fast.now == pure.now
    assert fast.registers == pure.registers


@pytest.mark.parametrize("name", GUESTS)
def test_runs_repeat(run_guest: Run, name: str) -> None:
    assert run_guest(name) == run_guest(name)
