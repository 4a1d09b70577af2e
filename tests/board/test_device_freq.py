"""What hangs on the crystal keeps its time when our MicroPython changes the CPU's frequency."""

from __future__ import annotations

import pytest
from device_script import FIRMWARE, run_script, script

from k210kit.board.board import Board


def test_script() -> None:
    if not FIRMWARE.exists():
        pytest.skip("build/firmware.bin is not there: make firmware")
    with Board(FIRMWARE, strict="all") as board:
        board.wire(10, 11)
        board.run_until(">>> ")
        assert run_script(board, script("freq")).endswith("done\n")
        strict = board.machine.strict
        assert strict is not None and not strict.faults
