"""MicroPython's own performance suite on the virtual board: virtual time and retired instructions of each test."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from k210kit.board import Board

ROOT = Path(__file__).parent.parent
FIRMWARE = ROOT / "build/firmware.bin"
TESTS = Path(os.environ.get("MICROPYTHON_DIR", ROOT / "build/micropython-1.25.0")) / "tests"
MEGAHERTZ, HEAP_KILOBYTES = 396, 4096
"""Parameters N and M of run-perfbench.py, which scale the tests to the board."""
LIMIT = 120.0
RAW_PROMPT, END = b"raw REPL; CTRL-B to exit\r\n>", b"\x04"


class Score(NamedTuple):
    """A test's result."""

    name: str
    microseconds: int
    score: float
    instructions: int


def script(path: Path) -> bytes:
    """The test as run-perfbench.py sends it."""
    run = f"bm_run({MEGAHERTZ}, {HEAP_KILOBYTES})\n".encode()
    return b"import sys\nsys.path.remove('')\n\n" + path.read_bytes() + (path.parent / "benchrun.py").read_bytes() + run


def expected(path: Path) -> str:
    """The result that the test has to have: CPython's, where no file tells."""
    told = path.with_name(path.name + ".exp")
    if told.exists():
        return told.read_text().strip()
    done = subprocess.run([sys.executable, "-BS"], input=script(path), capture_output=True, check=True)
    return done.stdout.decode().split(None, 2)[2].strip()


def measure(path: Path) -> Score | None:
    """Run one test on a board of its own; None when the firmware skips it."""
    with Board(FIRMWARE) as board:
        board.run_until(">>> ")
        board.send(b"\x01")
        board.run_until(RAW_PROMPT)
        before = board.retired[0]
        board.send(script(path) + END)
        board.run_until(b"OK")
        printed = board.run_until(END, LIMIT)[:-1].decode()
        problem = board.run_until(END)[:-1].decode()
        if problem:
            raise RuntimeError(f"{path.name}: {printed}{problem}")
        if printed.strip() == "SKIP":
            return None
        found = re.match(r"(\d+) (\d+) (.*)", printed.strip(), re.DOTALL)
        if not found:
            raise RuntimeError(f"{path.name}: {printed}")
        result = found[3].replace("\r\n", "\n")
        if result != "None" and result != expected(path):
            raise RuntimeError(f"{path.name}: {result} instead of {expected(path)}")
        time, norm = int(found[1]), int(found[2])
        return Score(path.stem, time, 1e6 * norm / time, board.retired[0] - before)


def table() -> str:
    """All tests as a Markdown table; it is the same on every machine."""
    # Viper code is native code, which MicroPython 1.25 does not make for RV64.
    paths = [
        path for path in sorted((TESTS / "perf_bench").glob("*.py")) if not path.name.startswith(("viper", "benchrun"))
    ]
    scores = [measure(path) for path in paths]
    lines = [
        f"`run-perfbench.py`'s tests with N={MEGAHERTZ}, M={HEAP_KILOBYTES}; instructions include compiling the test:",
        "",
        "| test | virtual time, ms | score | million instructions |",
        "|---|---|---|---|",
    ]
    for score in scores:
        if score is not None:
            milliseconds, millions = score.microseconds / 1000, score.instructions / 1e6
            lines.append(f"| {score.name} | {milliseconds:,.2f} | {score.score:,.2f} | {millions:,.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
