"""The greeting of firmware/greeting, as `make demo` shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from k210kit.board.board import Board


@pytest.mark.parametrize("kind", ["elf", "bin"])
@pytest.mark.parametrize("pure", [False, True], ids=["C", "Python"])
def test_both_harts_greet(guests: Path, kind: str, pure: bool) -> None:
    with Board(guests / f"greeting.{kind}", pure=pure) as board:
        board.run(0.01)
        assert board.output == b"Hello from hart 0\r\nHello from hart 1\r\nCPU frequency 390000000 Hz\r\n"
        assert all(engine.state.idle for engine in board.machine.engines), "both wait in WFI"
        before = board.retired
        board.run(1.0)
        assert board.retired == before
