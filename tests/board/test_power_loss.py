"""Power cut at any instant while files are written to /flash: it mounts again, and every file is old or new."""

from __future__ import annotations

import random
import re

import pytest
from device_script import FIRMWARE, run_script

from k210kit.board.board import Board
from k210kit.board.parts.nor_flash import PAGE

PROMPT = ">>> "
FILES = range(4)
WRITER = b"""
import os
made = %d
while True:
    made += 1
    name = "file%%d" %% (made %% 4)
    size = (made * 977) %% 9000
    line = b"%%d %%d;" %% (made, size)
    with open("new", "wb") as f:
        f.write((line * (size // len(line) + 1))[:size] + b"end of %%d" %% made)
    os.rename("new", name)
    print("made", made)
"""
# The file as its own first words say it has to be, or empty when it is not there.
READER = b"""
import os
for number in range(4):
    try:
        with open("file%d" % number, "rb") as f:
            data = f.read()
    except OSError as error:
        assert error.errno == 2, error
        print(number, 0)
        continue
    made = int(data[data.rindex(b"end of ") + 7:])
    size = made * 977 % 9000
    line = b"%d %d;" % (made, size)
    assert data == (line * (size // len(line) + 1))[:size] + b"end of %d" % made, (number, made)
    print(number, made)
"""


def read_files(board: Board) -> dict[int, int]:
    """Which version each file is of, 0 for none; fails when one is neither."""
    lines = run_script(board, READER).split()
    return dict(zip(map(int, lines[::2]), map(int, lines[1::2]), strict=True))


def expected(made: int) -> dict[int, int]:
    """The files after so many were made."""
    return {
        number: max((n for n in range(max(made - 3, 1), made + 1) if n % 4 == number), default=0) for number in FILES
    }


def write_until_cut(board: Board, made: int, seconds: float) -> int:
    """Let the writer run for so long and cut the power; returns how many files it says it has made."""
    board.send(b"\x01")
    board.run_until("raw REPL; CTRL-B to exit\r\n>")
    board.send(WRITER % made + b"\x04")
    board.run_until("OK")
    board.run(seconds)
    said = [int(number) for number in re.findall(rb"made (\d+)\r\n", bytes(board.output))]
    board.output.clear()
    board.flash_chip.power_cut()
    board.power_up()
    return said[-1] if said else made


def check_cuts(instants: int, seed: int) -> tuple[int, int]:
    """Cut the power so often; returns how many programs and erases that hit."""
    if not FIRMWARE.exists():
        pytest.skip("build/firmware.bin is not there: make firmware")
    choose = random.Random(seed)
    programs = erases = made = 0
    with Board(FIRMWARE) as board:
        board.run_until(PROMPT)
        for _ in range(instants):
            broken: list[int] = []
            original = board.flash_chip._break_off

            def note(operation, remaining, broken=broken, original=original):
                broken.append(len(operation.old))
                original(operation, remaining)

            board.flash_chip._break_off = note
            said = write_until_cut(board, made, choose.uniform(0.02, 0.6))
            board.flash_chip._break_off = original
            programs += broken == [PAGE]
            erases += any(size > PAGE for size in broken)
            shown = board.run_until(PROMPT)
            assert shown.startswith(b"MicroPython"), shown
            found = read_files(board)
            # What it said it had made is there; what it was at may be.
            assert found in [expected(said), expected(said + 1)], (said, found)
            made = max(found.values())
    return programs, erases


def test_power_loss() -> None:
    programs, erases = check_cuts(12, 1)
    assert programs > 0
    assert erases > 0


@pytest.mark.slow
def test_power_loss_often() -> None:
    programs, erases = check_cuts(200, 2)
    assert programs > 10
    assert erases > 10


def test_power_loss_while_formatting() -> None:
    """At the very first start, when the file system is made."""
    if not FIRMWARE.exists():
        pytest.skip("build/firmware.bin is not there: make firmware")
    with Board(FIRMWARE) as board:
        for cut in range(8, 110, 6):
            board.flash_chip.load(0x200000, b"\xff" * 0x100000)
            board.power_up()
            board.run(cut / 1000)
            board.output.clear()
            board.flash_chip.power_cut()
            board.power_up()
            assert board.run_until(PROMPT).startswith(b"MicroPython")
            assert run_script(board, b"import os; print(os.getcwd(), os.listdir())") == "/flash []\n"
