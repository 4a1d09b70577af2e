"""Guest programs on the virtual board: built once, run, their reports read."""

from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from k210kit.board.board import Board

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "tests/board/guests"
BUILD = ROOT / "build/guests"
COMPILER = "riscv64-unknown-elf-gcc"
DONE = re.compile(rb"done (\d+) failed (\d+)\r\n")
SECONDS = 5.0
"""Virtual time that a guest may take, unless its test says otherwise."""


@dataclass
class Report:
    """What a guest left behind."""

    output: str
    failures: list[str]
    checks: int
    retired: tuple[int, int]
    now: int
    registers: list[list[int]] = field(repr=False)


def build_guests() -> Path:
    """Build all guests (once a session); returns their directory."""
    configured = subprocess.run(["cmake", "-S", SOURCES, "-B", BUILD], capture_output=True, text=True)
    assert configured.returncode == 0, configured.stderr
    built = subprocess.run(["cmake", "--build", BUILD, "--parallel"], capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    return BUILD


@pytest.fixture(scope="session")
def guests() -> Path:
    for tool in (COMPILER, "cmake"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    lock = ROOT / "build" / "guests.lock"
    lock.parent.mkdir(exist_ok=True)
    # pytest-xdist's workers build one at a time.
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        return build_guests()


@pytest.fixture(scope="session")
def micropython_firmware() -> Path:
    """Our firmware; built when it is not there (`make test` has built it)."""
    firmware = ROOT / "build/firmware.elf"
    lock = ROOT / "build/firmware.lock"
    lock.parent.mkdir(exist_ok=True)
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if not firmware.exists():
            if shutil.which(COMPILER) is None:
                pytest.skip(f"{COMPILER} is not installed")
            built = subprocess.run(["make", "firmware"], cwd=ROOT, capture_output=True, text=True)
            assert built.returncode == 0, built.stdout + built.stderr
    return firmware


def finish(board: Board, seconds: float) -> Report:
    """Run a guest to its last line, for so much virtual time at most."""
    found = None
    while found is None and board.now < seconds:
        board.run(0.01)  # always the same steps, so that two runs end at the same instruction
        found = DONE.search(board.output)
    output = board.output.decode(errors="replace").replace("\r\n", "\n")
    assert found, f"the guest did not finish within {seconds} virtual seconds; its output: {output[-2000:]}"
    engines = board.machine.engines
    registers = [
        [engine.pc, *(engine.x(index) for index in range(32)), *(engine.f(index) for index in range(32))]
        for engine in engines
    ]
    failures = [line for line in output.splitlines() if line.startswith("FAIL")]
    return Report(output, failures, int(found[1]), board.retired, board.machine.clock.now, registers)


def when(board: Board, text: str, action: Callable[[], Any]) -> None:
    """Do something outside the chip, once, when the console has shown `text`."""
    seen = bytearray()
    wanted = text.encode()

    def heard(data: bytes) -> None:
        found = wanted in seen
        seen.extend(data)
        if not found and wanted in seen:
            action()

    board.line.listen(heard)


Prepare = Callable[[Board], Any]
Run = Callable[..., Report]


@pytest.fixture
def run_guest(guests: Path) -> Run:
    """Run a guest by name: `prepare(board)` attaches parts; all other arguments are Board's."""

    def run(name: str, prepare: Prepare | None = None, seconds: float = SECONDS, **options: Any) -> Report:
        with Board(guests / f"{name}.elf", **options) as board:
            if prepare is not None:
                prepare(board)
            report = finish(board, seconds)
        assert not report.failures, "\n".join(report.failures)
        assert report.checks > 0
        return report

    return run


@pytest.fixture
def run_both(run_guest: Run) -> Run:
    """As run_guest, in the C run loop and in the Python one, which have to agree to the last bit."""

    def run(name: str, prepare: Prepare | None = None, **options: Any) -> Report:
        pure = run_guest(name, prepare, pure=True, **options)
        fast = run_guest(name, prepare, **options)
        assert fast.output == pure.output
        assert fast.retired == pure.retired
        assert fast.now == pure.now
        assert fast.registers == pure.registers
        return fast

    return run
