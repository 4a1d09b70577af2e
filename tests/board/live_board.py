"""A virtual board in a process of its own, as people start it, and stock mpremote on its serial line."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from k210kit.board.board import Board

ROOT = Path(__file__).resolve().parents[2]
FIRMWARE = ROOT / "build/firmware.bin"
SECONDS = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def await_listener(port: int) -> None:
    for _ in range(200):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail(f"nobody listens on port {port}")


@contextmanager
def live_board(kind: str, *options: str) -> Iterator[str]:
    """Start `k210 board` with a "pty" or an "rfc2217" console; yields what mpremote connects to."""
    if not FIRMWARE.exists():
        pytest.skip("build/firmware.bin is not there: make firmware")
    port = free_port()
    serial = kind if kind == "pty" else f"{kind}:{port}"
    command = [sys.executable, "-m", "k210kit.cli", "board", "--firmware", str(FIRMWARE), "--serial", serial, *options]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        if kind == "pty":
            address = process.stdout.readline().strip()
            assert address.startswith("/dev/"), address
        else:
            await_listener(port)
            address = f"rfc2217://127.0.0.1:{port}"
        yield address
    finally:
        process.terminate()
        process.wait(10)


def mpremote(address: str, *words: str | Path, seconds: float = SECONDS) -> str:
    """What one mpremote command prints; fails with its output when it does not succeed."""
    command = [sys.executable, "-m", "mpremote", "connect", address, *map(str, words)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, f"{' '.join(map(str, words))}: {done.stdout}{done.stderr}"
    return done.stdout.replace("\r\n", "\n")


def answer(board: Board, line: str, seconds: float = 10.0) -> str:
    """What the friendly REPL answers to one line, between its echo and the next prompt."""
    board.send(line.encode() + b"\r")
    board.run_until(line + "\r\n", seconds)
    return re.sub(r">>> $", "", board.run_until(">>> ", seconds).decode(errors="replace")).replace("\r\n", "\n").strip()
