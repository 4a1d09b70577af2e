"""Work on hart 1, locks between the harts, misaligned accesses, clocks, alarms: the library's drivers on the board."""

from __future__ import annotations

import re

from conftest import Run


def test_jobs_on_hart_1_and_locks(run_both: Run) -> None:
    run_both("drv_core1")


def test_alarms_and_software_interrupts(run_both: Run) -> None:
    run_both("drv_clint")


def test_clocks(run_guest: Run) -> None:
    report = run_guest("drv_sysctl")
    assert report.output.index("first life over") < report.output.index("softly reset")


def test_misaligned_accesses(run_both: Run) -> None:
    """By made-up registers; the real ones do not trap here."""
    assert "traps 0\n" in run_both("drv_misaligned").output


def test_misaligned_accesses_that_trap(run_both: Run) -> None:
    report = run_both("drv_misaligned", strict="all")
    assert re.search(r"traps 5\n", report.output), report.output


def test_interrupt_latency(run_both: Run) -> None:
    run_both("drv_latency", lambda board: board.wire(10, 11))
