"""The processor: traps, interrupts, counters, both harts, code, the FPU; in both run loops."""

from __future__ import annotations

import pytest
from conftest import Run

GUESTS = ["cpu_traps", "cpu_interrupts", "cpu_counters", "harts", "code", "fpu"]


@pytest.mark.parametrize("name", GUESTS)
def test_guest(run_both: Run, name: str) -> None:
    run_both(name)


@pytest.mark.parametrize("name", GUESTS)
def test_runs_repeat(run_guest: Run, name: str) -> None:
    assert run_guest(name) == run_guest(name)
