"""The usual flashing client, kflash 1.1.6 with its own RAM stub, on the virtual board."""

from __future__ import annotations

import hashlib
import json
import random
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from third_party import run_client

from k210kit.board.board import Board
from k210kit.images import header

kflash = pytest.importorskip("kflash", reason="kflash is not installed: pip install 'k210kit[guests]'")

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
FIRMWARE = ROOT / "build/firmware.bin"
MODEL = ROOT.parent / "shared/data/kmodels/mb-0.25.kmodel"
MODEL_AT = 0x300000
LOOP = b"\x6f\x00\x00\x00"
"""A program for quick rounds: j ."""


class Flashing:
    """What the client said, and what it ended with."""

    def __init__(self, patch: pytest.MonkeyPatch, board: Board, *words: object) -> None:
        self.said: list[str] = []
        with patch.context() as patched:
            # It prints by its class, whatever the instance was given.
            patched.setattr(kflash.KFlash, "print_callback", self._hear)
            self.ended = run_client(patch, board, kflash.KFlash().process, "kflash", *map(str, words))

    def _hear(self, *words: object, **_: object) -> None:
        self.said.append(" ".join(map(str, words)))

    def check(self) -> str:
        text = "\n".join(line for line in self.said if "%" not in line)
        assert self.ended is None, f"{self.ended}: {text}"
        assert "rebooting" in text
        return text


def model() -> bytes:
    return MODEL.read_bytes() if MODEL.exists() else random.Random(1).randbytes(245_104)


def boots(board: Board, seconds: float = 30.0) -> None:
    """Wait, on the host's clock, until the prompt is there."""
    end = time.monotonic() + seconds
    while not board.output.endswith(b">>> "):
        assert time.monotonic() < end, bytes(board.output[-500:])
        time.sleep(0.05)


def small(tmp_path: Path) -> tuple[Path, bytes]:
    """A program of a few bytes, and how it stands in the flash."""
    payload = LOOP + random.Random(2).randbytes(700)
    path = tmp_path / "small.bin"
    path.write_bytes(payload)
    return path, header.wrap(payload, header.FLAG_DIO)


def test_firmware_and_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In one package, as Maix users ship them; the board boots MicroPython afterwards."""
    if not FIRMWARE.exists():
        pytest.skip("build/firmware.bin is not there: make firmware")
    payload = FIRMWARE.read_bytes()
    package = tmp_path / "both.kfpkg"
    files: list[dict[str, Any]] = [
        {"address": 0, "bin": "firmware.bin", "sha256Prefix": True},
        {"address": MODEL_AT, "bin": "net.kmodel", "sha256Prefix": False},
    ]
    with zipfile.ZipFile(package, "w") as zipped:
        # The client takes the JSON apart line by line.
        zipped.writestr("flash-list.json", json.dumps({"version": "0.1.0", "files": files}, indent=1))
        zipped.writestr("firmware.bin", payload)
        zipped.writestr("net.kmodel", model())
    with Board(board="maix_dock") as board:
        Flashing(monkeypatch, board, "-B", "dan", "-b", 1_500_000, package).check()
        boots(board)
        written = header.wrap(payload, header.FLAG_DIO)
        assert board.flash_chip.data[: len(written)] == written
        assert hashlib.sha256(board.flash_chip.data[MODEL_AT : MODEL_AT + len(model())]).digest() == (
            hashlib.sha256(model()).digest()
        )
        assert board.boot_problem == ""


@pytest.mark.parametrize(
    ("circuit", "words"),
    [
        ("dan", ["-B", "dan", "-b", "115200"]),
        ("dan", ["-B", "bit", "-b", "2000000"]),
        ("dan", ["-B", "trainer", "-b", "1500000"]),  # FT2232: the ROM's own rate is raised
        ("kd233", ["-B", "kd233", "-b", "1500000"]),
        ("goE", ["-B", "goE", "-b", "1500000"]),
        ("goE", ["-B", "goE", "-b", "1500000", "--Slow"]),
        ("bit_mic", ["-B", "bit_mic", "-b", "921600"]),
        ("goD", ["-B", "goD", "-b", "115200"]),
        ("dan", ["-b", "1500000"]),  # finds the circuit itself
        ("kd233", ["-b", "1500000"]),
    ],
)
def test_boards_and_rates(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, circuit: str, words: list[str]) -> None:
    path, written = small(tmp_path)
    with Board(reset_circuit=circuit) as board:
        text = Flashing(monkeypatch, board, *words, path).check()
        assert board.flash_chip.data[: len(written)] == written
    assert ("FT2232" in text) == (words[1] in ("trainer", "goE") and "--Slow" not in words)


def test_erase(monkeypatch: pytest.MonkeyPatch) -> None:
    old = random.Random(5).randbytes(0x30000)
    with Board(flash={0: old}) as board:
        Flashing(monkeypatch, board, "-B", "dan", "-b", 1_500_000, "-A", "0x1000", "-L", "0x14000", "erase").check()
        wanted = old[:0x1000] + b"\xff" * 0x14000 + old[0x15000:]
        assert board.flash_chip.data[: len(old)] == wanted
        Flashing(monkeypatch, board, "-B", "dan", "-A", "0", "-L", "all", "erase").check()
        assert not any(byte != 0xFF for byte in board.flash_chip.data)


def test_erase_then_write_quad(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path, _ = small(tmp_path)
    with Board(flash={0x20000: b"old"}) as board:
        Flashing(monkeypatch, board, "-B", "dan", "-e", "-i", "qio", "-b", 1_500_000, path).check()
        written = header.wrap(path.read_bytes(), 0)
        assert board.flash_chip.data[: len(written)] == written
        assert board.flash_chip.data[0x20000:0x20003] == b"\xff\xff\xff"


def test_program_in_ram(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its stub: the ROM alone loads and starts our firmware."""
    if not FIRMWARE.exists():
        pytest.skip("build/firmware.bin is not there: make firmware")
    with Board(reset_circuit="goE") as board:
        run = Flashing(monkeypatch, board, "-B", "goE", "-b", 1_500_000, "-s", FIRMWARE)
        assert "Burn SRAM OK" in str(run.ended)
        boots(board)


def test_wrong_circuit_is_not_reached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path, _ = small(tmp_path)
    with Board(reset_circuit="none") as board:
        run = Flashing(monkeypatch, board, "-B", "dan", path)
        assert "Greeting fail" in str(run.ended)
        assert not any(byte != 0xFF for byte in board.flash_chip.data)
