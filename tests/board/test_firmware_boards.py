"""Our firmware for each board that it is data for: built, booted on that board, its pins by name."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from device_script import ROOT, run_script

from k210kit.board import profiles
from k210kit.board.board import Board

BOARDS = sorted(path.parent.name for path in (ROOT / "micropython_port/boards").glob("*/pins.csv"))


def pins(board: str) -> dict[str, int]:
    lines = (ROOT / "micropython_port/boards" / board / "pins.csv").read_text().splitlines()
    return {name: int(pad) for name, pad in (line.split(",") for line in lines if not line.startswith("#"))}


def test_boards() -> None:
    assert {"canmv", "maix_bit", "maix_dock", "maixduino"} <= set(BOARDS)


@pytest.mark.parametrize("board", BOARDS)
def test_pads_are_those_of_the_virtual_board(board: str) -> None:
    names, profile = pins(board), profiles.find(board)
    assert (names["CONSOLE_RX"], names["CONSOLE_TX"]) == (profile.console_rx, profile.console_tx)
    assert names["BOOT_KEY"] == profile.buttons["boot"]
    sd, lcd = profile.sd, profile.lcd
    assert [names[f"SD_{wire}"] for wire in ("SCLK", "CS", "MOSI", "MISO")] == [sd.sclk, sd.cs, sd.mosi, sd.miso]
    expected = [lcd.sclk, lcd.cs, profile.lcd_dc, profile.lcd_reset]
    assert [names[f"LCD_{wire}"] for wire in ("SCLK", "CS", "DC", "RST")] == expected


@pytest.mark.slow
@pytest.mark.parametrize("board", BOARDS)
def test_board(board: str, tmp_path: Path) -> None:
    source = ROOT / "build/micropython-1.25.0"
    if not source.exists() or shutil.which("riscv64-unknown-elf-gcc") is None:
        pytest.skip("needs what make firmware fetches and installs")
    command = ["make", "-C", ROOT, "firmware", f"BOARD={board}", f"BUILD={tmp_path}", f"MICROPYTHON_DIR={source}"]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr[-3000:]
    config = (ROOT / "micropython_port/boards" / board / "mpconfigboard.h").read_text()
    name = config.split('MICROPY_HW_BOARD_NAME "')[1].split('"')[0]
    with Board(tmp_path / "firmware.bin", board=board) as machine:
        banner = machine.run_until(">>> ").decode()
        assert f"; {name} with K210\r\n" in banner, banner
        for pin, pad in pins(board).items():
            script = f"from machine import Pin\nassert Pin.board.{pin} is Pin({pin!r}) is Pin({pad})"
            run_script(machine, script.encode())
        listed = run_script(machine, b"print([n for n in dir(Pin.board) if n[0] != '_'])")
        assert sorted(pins(board)) == sorted(eval(listed))
