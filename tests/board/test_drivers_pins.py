"""The drivers of pins, timers, watchdogs and the clock, by guests that use them as any program would."""

from __future__ import annotations

from conftest import Run

from k210kit.board.board import Board


def test_pins(run_both: Run) -> None:
    def prepare(board: Board) -> None:
        board.wire(10, 11)
        board.wire(12, 13)

    run_both("drv_pins", prepare)


def test_timers_and_pwm(run_both: Run) -> None:
    run_both("drv_timers", lambda board: board.wire(10, 11))


def test_rtc(run_guest: Run) -> None:
    run_guest("drv_rtc", seconds=30)


def test_watchdogs(run_guest: Run) -> None:
    report = run_guest("drv_wdt")
    lines = [line for line in report.output.splitlines() if not line.startswith("ok ")]
    assert lines == ["unfed interrupt", "bitten by 1", "fed", "soon", "done 1 failed 0"]
