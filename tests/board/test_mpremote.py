"""Stock mpremote against our firmware, over a pseudo-terminal and over RFC 2217."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial
from live_board import live_board, mpremote

pytest.importorskip("mpremote", reason="mpremote is not installed: pip install -e .[test]")


@pytest.fixture(scope="module", params=("pty", "rfc2217"))
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    with live_board(request.param) as where:
        yield where


def test_exec_and_its_error(address: str) -> None:
    assert mpremote(address, "exec", "print(6 * 7)") == "42\n"
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        mpremote(address, "exec", "1 / 0")
    assert mpremote(address, "eval", "2 ** 100") == f"{2**100}\n"


def test_run_a_script(address: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    # Longer than any buffer of the board.
    script.write_text("total = 0\n" + "".join(f"total += {n}  # {'x' * 60}\n" for n in range(200)) + "print(total)\n")
    assert mpremote(address, "run", script) == f"{sum(range(200))}\n"


def test_resume_keeps_what_was_there(address: str) -> None:
    mpremote(address, "exec", "kept = 'still here'")
    assert mpremote(address, "resume", "exec", "print(kept)") == "still here\n"
    mpremote(address, "soft-reset")
    with pytest.raises(AssertionError, match="NameError"):
        mpremote(address, "resume", "exec", "print(kept)")


def test_mount_a_folder(address: str, tmp_path: Path) -> None:
    (tmp_path / "visitor.py").write_text("import os\nprint('from the host', os.getcwd())\n")
    (tmp_path / "data.bin").write_bytes(bytes(range(256)) * 8)
    program = (
        "import visitor; d = open('data.bin', 'rb').read(); print(len(d), sum(d)); open('new', 'w').write('board')"
    )
    printed = mpremote(address, "mount", tmp_path, "exec", program)
    assert "from the host /remote\n2048 261120\n" in printed
    assert (tmp_path / "new").read_text() == "board"


def read_until(port: serial.Serial, text: bytes, seconds: float = 20) -> bytes:
    seen, end = b"", time.monotonic() + seconds
    while text not in seen:
        assert time.monotonic() < end, f"no {text!r}; there was {seen[-500:]!r}"
        seen += port.read(max(1, port.in_waiting))
    return seen


@pytest.mark.parametrize("busy", ("while True: pass", "for i in range(10**12): [0] * 100"))
def test_ctrl_c_ends_a_busy_loop(address: str, busy: str) -> None:
    with serial.serial_for_url(address, baudrate=115200, timeout=0.05) as port:
        port.write(b"\r\x03\x02")
        read_until(port, b">>> ")
        port.write(b"print('in ' + 'it')\r\x05" + busy.encode() + b"\r\x04")
        read_until(port, b"in it\r\n")
        time.sleep(0.5)
        port.write(b"\x03")
        read_until(port, b"KeyboardInterrupt: \r\n>>> ")
    assert mpremote(address, "exec", "print('goes on')") == "goes on\n"


def copy_both_ways(address: str, tmp_path: Path, size: int) -> None:
    sent, back = tmp_path / "sent.bin", tmp_path / "back.bin"
    sent.write_bytes(random.Random(size).randbytes(size))
    mpremote(address, "cp", sent, ":/flash/copied.bin", seconds=1800)
    assert f"{size} copied.bin" in mpremote(address, "ls", ":/flash")
    mpremote(address, "cp", ":/flash/copied.bin", back, seconds=1800)
    assert back.read_bytes() == sent.read_bytes()
    mpremote(address, "rm", ":/flash/copied.bin")
    assert "copied.bin" not in mpremote(address, "ls", ":/flash")


def test_cp_both_ways(address: str, tmp_path: Path) -> None:
    copy_both_ways(address, tmp_path, 16 << 10)


@pytest.mark.slow
def test_cp_of_a_megabyte_both_ways(address: str, tmp_path: Path) -> None:
    """mpremote sends three characters for a byte; the board serves each character's interrupt one by one."""
    copy_both_ways(address, tmp_path, 1_000_000)


def test_df(address: str) -> None:
    lines = [line.split() for line in mpremote(address, "df").splitlines()]
    assert any(line[-1] == "/flash" and int(line[1]) > 900_000 for line in lines[1:]), lines
