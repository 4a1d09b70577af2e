"""Our firmware knows nothing of the virtual board: it touches nothing that the chip's documentation does not have."""

from __future__ import annotations

import pytest
from device_script import FIRMWARE, ROOT, run_script

from k210kit.board.board import Board

SCRIPTS = ("hashlib", "cryptolib", "flash", "rtc", "softbus")


def test_strict_mode_finds_nothing() -> None:
    if not FIRMWARE.exists():
        pytest.skip("build/firmware.bin is not there: make firmware")
    with Board(FIRMWARE, strict="all") as board:
        board.wire(10, 11)
        board.wire(12, 13)
        board.run_until(">>> ")
        for name in SCRIPTS:
            run_script(board, (ROOT / "tests/device" / f"{name}.py").read_bytes())
        strict = board.machine.strict
        assert strict is not None
        assert not strict.faults and not strict.misaligned, "\n".join(strict.report())
        # And it would have: the same run, with one access outside the map.
        board.send(b"import machine; machine.mem32[0x502C0038]\r\n")
        board.run(0.1)
        assert [finding.place for finding in strict.faults] == ["sha256+0x38"]
