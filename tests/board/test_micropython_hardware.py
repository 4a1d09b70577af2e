"""MicroPython's own tests of hardware, as they are, on pads joined by a wire."""

from __future__ import annotations

import pytest
from device_script import FIRMWARE, ROOT, run_script, script

from k210kit.board.board import Board

TESTS = ROOT / "build/micropython-1.25.0/tests"


@pytest.mark.parametrize(
    ("name", "platform"),
    [
        pytest.param("extmod_hardware/machine_pwm", "rp2", marks=pytest.mark.slow),
        ("extmod_hardware/machine_uart_irq_break", "rp2"),
        ("extmod_hardware/machine_uart_irq_rx", "pyboard"),
        ("extmod_hardware/machine_uart_irq_rxidle", "rp2"),
        ("extmod/machine_uart_irq_txidle", "rp2"),
        ("extmod/machine_uart_tx", "rp2"),
        ("extmod/machine_i2s_rate", "rp2"),
        ("extmod/machine_spi_rate", "rp2"),
    ],
)
def test_script(name: str, platform: str) -> None:
    if not FIRMWARE.exists() or not TESTS.exists():
        pytest.skip("build/firmware.bin or MicroPython's source is not there: make firmware")
    source = (TESTS / f"{name}.py").read_bytes()
    with Board(FIRMWARE, strict="registers") as board:
        board.wire(10, 11)
        board.run_until(">>> ")
        run_script(board, f"PLATFORM = {platform!r}\n".encode() + script("wired_as"))
        printed = run_script(board, source, seconds=300.0)
    expected = TESTS / f"{name}.py.exp"
    if expected.exists():
        assert printed == expected.read_text()
    else:
        assert printed.endswith("OK\n")
