"""The drivers of the serial buses, by guests that use them as any program would."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import Run, when

from k210kit.board.board import Board
from k210kit.board.parts.i2c_bus import Eeprom24C02, I2cPart


def test_uart(run_both: Run) -> None:
    def prepare(board: Board) -> None:
        for first, second in ((10, 13), (12, 11), (14, 15)):
            board.wiring.jumper(first, second)

    run_both("drv_uart", prepare)


class Refusing(I2cPart):
    """Acknowledges its address and no data."""

    address = 0x29

    def write(self, byte: int) -> bool:
        return False


class Holding(Eeprom24C02):
    """A memory that can hold the clock."""

    holds = False

    def read(self) -> int | None:
        return None if self.holds else super().read()


SCL, SDA = 10, 11


def test_i2c(run_both: Run) -> None:
    def prepare(board: Board) -> None:
        pads = board.machine.fpioa.pads
        memory = Holding(board.machine.clock, content=bytes(range(256)))
        board.attach_i2c(memory, SCL, SDA)
        board.attach_i2c(Refusing(), SCL, SDA)
        board.wire(SCL, 12)
        board.wire(SDA, 13)

        def hold_clock(on: bool) -> None:
            memory.holds = on
            pads[SCL].drive(False if on else None, "stuck")

        def hold_data() -> None:
            clocks = iter(range(5))

            def count(level: bool) -> None:
                if not level and next(clocks, None) == 4:
                    pads[SDA].drive(None, "stuck")

            pads[SDA].drive(False, "stuck")
            pads[SCL].line.listen(count)

        when(board, "hold the clock\r\n", lambda: hold_clock(True))
        when(board, "let it go\r\n", lambda: hold_clock(False))
        when(board, "hold the data\r\n", hold_data)

    run_both("drv_i2c", prepare)


class Microphone:
    """Counts frames: the left side by three from below zero on, the right one stays."""

    def __init__(self) -> None:
        self.passed = 0

    def frames(self, count: int, rate: float) -> np.ndarray:
        left = (np.arange(count) + self.passed) * 3 - 500
        self.passed += count
        return np.stack((left << 16, np.full(count, 0x1234 << 16)), 1).astype(np.int32)

    def skip(self, count: int, rate: float) -> None:
        self.passed += count


class Loudspeaker:
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[np.ndarray] = []
        self.rate = 0.0

    def push(self, frames: np.ndarray, rate: float) -> None:
        self.heard.append(frames)
        self.rate = rate

    def silence(self, count: int, rate: float) -> None:
        """Nothing to be heard."""


def test_i2s(run_both: Run) -> None:
    ears: list[Loudspeaker] = []

    def prepare(board: Board) -> None:
        ears[:] = Loudspeaker(), Loudspeaker()
        board.audio_in(Microphone(), i2s=0, channel=1)
        board.machine.i2s[1].outputs[0], board.machine.i2s[2].outputs[2] = ears

    run_both("drv_i2s", prepare)
    wide, narrow = (np.concatenate(ear.heard) for ear in ears)
    assert ears[0].rate == pytest.approx(44_100, rel=0.005)
    assert (wide[:, 0] >> 16).tolist() == [i * 40 for i in range(700)]
    assert (wide[:, 1] >> 16).tolist() == [-i * 40 for i in range(700)]
    samples = [0x912200 + i - (1 << 24) for i in range(50)]
    assert (narrow[:, 0] >> 8).tolist() == [*samples, 0x111111]
    assert (narrow[:, 1] >> 8).tolist() == [0] * 50 + [0x222222]
