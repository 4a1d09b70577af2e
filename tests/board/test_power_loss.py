"""The board's power fails while it writes to /flash; what is found afterwards is each file's old or new content."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from device_script import FIRMWARE, run_script

from k210kit.board.board import Board

PAGE, SECTOR = 256, 4096
NAMES = "abc"
MAIN = (Path(__file__).parent / "power_loss_main.py").read_text()


class Files:
    """The versions that each file may have, from what the board says it does."""

    def __init__(self) -> None:
        self.allowed = {name: {0} for name in NAMES}

    def hear(self, output: str) -> int:
        """Take the lines of one life of the board, check what it found; returns how many it replaced."""
        replaced = 0
        lines = output.split("\r\n")
        for line in lines[:-1]:  # the last one was cut off
            words = line.split()
            if words[:1] == ["found"]:
                for name, version in zip(NAMES, map(int, words[1:]), strict=True):
                    assert version in self.allowed[name], (name, version, self.allowed[name])
                    self.allowed[name] = {version}
            elif words[:1] == ["start"]:
                self.allowed[words[1]].add(int(words[2]))
            elif words[:1] == ["end"]:
                self.allowed[words[1]] = {int(words[2])}
                replaced += 1
            else:
                assert "Error" not in line, output
        return replaced


def cut(board: Board, rng: random.Random) -> int:
    """Let power fail within half a second from now; returns how many bytes were being written."""
    board.run(rng.uniform(0.0, 0.4))
    wanted = rng.choice((None, PAGE, SECTOR))
    end = board.now + 0.3
    while wanted is not None and board.flash_chip.under_way != wanted and board.now < end:
        board.run(0.0002)
    board.run(rng.uniform(0.0, 0.0005 if wanted == PAGE else 0.04))
    torn = board.flash_chip.under_way
    board.power_cycle()
    return torn


def lose_power(cuts: int, seed: int, scrambled: bool) -> None:
    if not FIRMWARE.exists():
        pytest.skip("build/firmware.bin is not there: make firmware")
    rng = random.Random(seed)
    files = Files()
    torn: list[int] = []
    replaced = 0
    with Board(FIRMWARE) as board:
        board.run_until(">>> ")
        store = "with open('/flash/kept', 'w') as file: file.write('kept' * 500)"
        store += f"\nwith open('/flash/main.py', 'w') as file: file.write({MAIN!r})"
        run_script(board, store.encode())
        board.flash_chip.torn = random.Random(seed) if scrambled else None
        board.power_cycle()
        board.output.clear()
        for _ in range(cuts):
            torn.append(cut(board, rng))
            replaced += files.hear(board.output.decode(errors="replace"))
            board.output.clear()
        board.run_until("found")
        board.run_until("\r\n")
    print(f"{cuts} cuts: {torn.count(PAGE)} programs and {torn.count(SECTOR)} erases torn, {replaced} files replaced")
    assert torn.count(PAGE) >= cuts // 8
    assert torn.count(SECTOR) >= cuts // 8
    assert replaced >= cuts // 2


@pytest.mark.parametrize("scrambled", [False, True])
def test_some_cuts(scrambled: bool) -> None:
    lose_power(8, seed=1, scrambled=scrambled)


@pytest.mark.slow
def test_many_cuts() -> None:
    lose_power(200, seed=2, scrambled=True)


def test_cut_while_the_file_system_is_made() -> None:
    if not FIRMWARE.exists():
        pytest.skip("build/firmware.bin is not there: make firmware")
    rng = random.Random(3)
    with Board(FIRMWARE) as board:
        board.flash_chip.torn = random.Random(3)
        for _ in range(6):
            board.run(rng.uniform(0.002, 0.1))
            board.power_cycle()
        board.output.clear()
        board.run_until(">>> ")
        stored = b"with open('/flash/x', 'w') as file: print(file.write('x' * 5000))"
        assert run_script(board, stored) == "5000\n"
