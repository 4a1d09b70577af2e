"""Our drivers touch nothing that the chip's documentation does not have: their tests once more, in strict mode."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import test_drivers_crypto
import test_drivers_kpu
import test_drivers_pins
import test_drivers_serial
import test_drivers_storage
from conftest import Prepare, Report, Run

from k210kit.board.board import Board

MODULES = (test_drivers_crypto, test_drivers_kpu, test_drivers_pins, test_drivers_serial, test_drivers_storage)


CHOSEN = {"quad_enabled": True, "kind": "high"}
"""Of parametrised tests one case."""


def cases() -> list[Any]:
    """Every driver test that runs a guest."""
    found = []
    for module in MODULES:
        for name, test in inspect.getmembers(module, inspect.isfunction):
            wanted = list(inspect.signature(test).parameters)
            if name.startswith("test_") and wanted and wanted[0] in ("run_both", "run_guest"):
                found.append(pytest.param(test, {key: CHOSEN[key] for key in wanted[1:]}, id=name))
    return found


@pytest.mark.parametrize(("test", "arguments"), cases())
def test_in_strict_mode(test: Callable[..., None], arguments: dict[str, Any], run_guest: Run) -> None:
    boards: list[Board] = []

    def run(name: str, prepare: Prepare | None = None, **options: Any) -> Report:
        def prepare_and_note(board: Board) -> None:
            boards.append(board)
            if prepare is not None:
                prepare(board)

        return run_guest(name, prepare_and_note, **options, strict="all")

    test(run, **arguments)
    assert boards
    for board in boards:
        strict = board.machine.strict
        assert strict is not None
        assert not strict.faults and not strict.misaligned, "\n".join(strict.report())
