"""Every device, driven by guest programs; the parts around the chip are attached and looked at here."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
from conftest import Run, when

from k210kit.board.board import Board
from k210kit.board.parts.audio import WavSource
from k210kit.board.parts.i2c_bus import Eeprom24C02


@pytest.mark.parametrize("name", ["plic", "sysctl", "dmac", "crypto"])
def test_alone(run_both: Run, name: str) -> None:
    run_both(name)


def test_gpio(run_both: Run) -> None:
    def prepare(board: Board) -> None:
        pads = board.machine.fpioa.pads
        pads[10].line.listen(lambda level: pads[11].drive(level, "wire"))
        when(board, "press boot", lambda: board.press("boot"))

    run_both("gpio", prepare)


def test_uart(run_both: Run) -> None:
    def prepare(board: Board) -> None:
        for tx_pad in (10, 12, 14):
            board.wiring.jumper(tx_pad, tx_pad + 1)
        when(board, "type\r\n", lambda: board.send(b"abc"))
        when(board, "type much\r\n", lambda: board.send(b"0123456789"))

    run_both("uart", prepare)


def test_flash(run_both: Run) -> None:
    index = np.arange(4096)
    pattern = (index * 5 + index // 256).astype(np.uint8).tobytes()
    boards: list[Board] = []
    run_both("flash", boards.append, flash={0x200000: pattern})
    chip = boards[-1].flash_chip
    assert chip.data[0x300000] == 0x5A & 0xF0
    assert chip.data[0x300001:0x3000FF] == bytes(i ^ 0x5A for i in range(1, 255))
    assert chip.data[0x300100] == 0xFF


def test_timers(run_both: Run) -> None:
    def prepare(board: Board) -> None:
        pads = board.machine.fpioa.pads
        pads[10].line.listen(lambda level: pads[11].drive(level, "wire"))

    run_both("timers", prepare)


def test_i2c(run_both: Run) -> None:
    parts: list[Eeprom24C02] = []

    def prepare(board: Board) -> None:
        parts.append(Eeprom24C02(board.machine.clock, content=bytes(range(256))))
        board.machine.i2c_parts.append((parts[-1], 10, 11))

    run_both("i2c", prepare)
    assert parts[-1].memory[0x40:0x44] == b"K210"


def test_i2s(run_both: Run, tmp_path: Path) -> None:
    rate = 25391
    frames = np.stack((np.arange(2000) * 3, np.full(2000, 0x1234)), 1).astype("<i2")
    with wave.open(str(tmp_path / "in.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(frames.tobytes())
    played: list[np.ndarray] = []  # by the last run

    class Sink:
        def push(self, frames: np.ndarray, rate: float) -> None:
            played.append(frames)

        def silence(self, count: int, rate: float) -> None:
            pass

    def prepare(board: Board) -> None:
        played.clear()
        block = board.machine.devices["i2s0"]
        block.inputs[1] = WavSource(tmp_path / "in.wav")
        block.outputs[2] = Sink()

    run_both("i2s", prepare)
    heard = np.concatenate(played) >> 16
    assert heard[:, 0].tolist() == [i * 16 for i in range(256)]
    assert heard[:, 1].tolist() == [-i * 16 for i in range(256)]


def test_sd_card(run_both: Run, tmp_path: Path) -> None:
    (tmp_path / "hello.txt").write_text("Greetings from the card\n")
    run_both("sd", sd=tmp_path)


def test_lcd(run_both: Run) -> None:
    boards: list[Board] = []
    run_both("lcd", boards.append)
    picture = np.asarray(boards[-1].lcd.image())
    assert picture.shape == (240, 320, 3)
    assert np.all(picture[:30, :40] == (0, 255, 0))
    assert np.all(picture[210:, 280:] == (0, 0, 255))
    rest = picture.copy()
    rest[:30, :40] = rest[210:, 280:] = (255, 0, 0)
    assert np.all(rest == (255, 0, 0))
