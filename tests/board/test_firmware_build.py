"""`make firmware`: the same bytes from any folder, and C modules of one's own (here MicroPython's example)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from device_script import run_script

from k210kit.board.board import Board

ROOT = Path(__file__).resolve().parents[2]
MICROPYTHON = ROOT / "build/micropython-1.25.0"

pytestmark = pytest.mark.slow


def build(source: Path, folder: Path, *options: str) -> Path:
    """Build the firmware as the Makefile does; returns the image."""
    if shutil.which("riscv64-unknown-elf-gcc") is None or not MICROPYTHON.exists():
        pytest.skip("the compiler or MicroPython's source is not there: make firmware")
    definitions = [f"-DMICROPY_DIR={MICROPYTHON}", "-DMICROPY_BOARD=maix_bit", *options]
    environment = {"PATH": "/usr/bin:/bin", "SOURCE_DATE_EPOCH": "1700000000", "MICROPY_GIT_TAG": "v1.25.0"}
    for command in (
        ["cmake", "-S", source / "micropython_port", "-B", folder, *definitions],
        ["cmake", "--build", folder, "--parallel", "2"],
    ):
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder / "firmware.bin"


def test_two_builds_are_equal(tmp_path: Path) -> None:
    copy = tmp_path / "somewhere else" / "sources"
    copy.mkdir(parents=True)
    for folder in ("c_modules", "firmware", "micropython_port"):
        shutil.copytree(ROOT / folder, copy / folder)
    here, there = build(ROOT, tmp_path / "one"), build(copy, tmp_path / "another" / "two")
    assert here.read_bytes() == there.read_bytes()


def test_user_c_modules_join(tmp_path: Path) -> None:
    image = build(ROOT, tmp_path, f"-DUSER_C_MODULES={MICROPYTHON}/examples/usercmodule/cexample/micropython.cmake")
    with Board(image) as board:
        board.run_until(">>> ")
        assert run_script(board, b"import cexample; print(cexample.add_ints(40, 2))") == "42\n"
