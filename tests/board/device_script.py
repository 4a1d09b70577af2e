"""Scripts of tests/device on a virtual board with our firmware, through the raw REPL as mpremote uses it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from k210kit.board.board import Board

ROOT = Path(__file__).resolve().parents[2]
FIRMWARE = ROOT / "build/firmware.bin"
RAW_PROMPT = b"raw REPL; CTRL-B to exit\r\n>"
END = b"\x04"


def run_script(board: Board, source: bytes, seconds: float = 60.0) -> str:
    """Run a script on a board that has shown its prompt; returns what it printed, or fails with its traceback."""
    board.send(b"\x01")
    board.run_until(RAW_PROMPT)
    board.send(source + END)
    board.run_until(b"OK")
    printed = board.run_until(END, seconds)[:-1].decode()
    problem = board.run_until(END)[:-1].decode()
    assert not problem, f"{printed}{problem}"
    board.send(b"\x02")
    board.run_until(">>> ")
    return printed.replace("\r\n", "\n")


def error_of(board: Board, code: str) -> str:
    """The exception that a line of code raises: its type and text; or "nothing"."""
    tried = f"try:\n    {code}\n    print('nothing')\nexcept Exception as e:\n    print(type(e).__name__, e)\n"
    return run_script(board, tried.encode(), 120).strip()


def interrupt(board: Board, source: bytes, seconds: float) -> None:
    """Run an endless script and end it with Ctrl-C after so long."""
    board.send(b"\x01")
    board.run_until(RAW_PROMPT)
    board.send(source + END)
    board.run_until(b"OK")
    board.run(seconds)
    board.send(b"\x03")
    assert b"KeyboardInterrupt" in board.run_until(END + b">", 5)
    board.send(b"\x02")
    board.run_until(">>> ")


def script(name: str) -> bytes:
    """tests/device/NAME.py."""
    return (ROOT / "tests/device" / f"{name}.py").read_bytes()


def run_device_script(name: str, **options: Any) -> str:
    """Boot our firmware and run tests/device/NAME.py on it; `options` are Board's."""
    if not FIRMWARE.exists():
        pytest.skip("build/firmware.bin is not there: make firmware")
    with Board(FIRMWARE, **options) as board:
        board.run_until(">>> ")
        return run_script(board, script(name))
