"""Ctrl-C while a file is written to /flash: the write ends early, the file system stays whole."""

from __future__ import annotations

import pytest
from device_script import FIRMWARE, run_script

from k210kit.board.board import Board

AFTER = b"""
import os
try:
    file.close()
except OSError:
    pass
with open('kept') as file: assert file.read() == 'kept'
with open('other', 'w') as file: file.write('other' * 2000)
with open('other') as file: assert file.read() == 'other' * 2000
print(os.getcwd())
"""


@pytest.mark.parametrize("after_ms", [100, 333, 1000, 2345])
def test_long_write(after_ms: int) -> None:
    if not FIRMWARE.exists():
        pytest.skip("build/firmware.bin is not there: make firmware")
    with Board(FIRMWARE) as board:
        board.run_until(">>> ")
        run_script(board, b"with open('/flash/kept', 'w') as file: file.write('kept')")
        board.send(b"file = open('/flash/big', 'wb'); file.write(bytes(700000))\r")
        board.run(after_ms / 1000)
        board.send(b"\x03")
        asked = board.now
        shown = board.run_until(">>> ", 5)
        assert b"KeyboardInterrupt" in shown and b"OSError" not in shown
        assert board.now - asked < 0.2
        assert run_script(board, AFTER) == "/flash\n"
        board.reset()
        board.run_until(">>> ")
        check = b"print([open(name).read() == text for name, text in (('kept', 'kept'), ('other', 'other' * 2000))])"
        assert run_script(board, check) == "[True, True]\n"
