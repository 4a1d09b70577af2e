"""machine.UART, I2C and I2S in our MicroPython."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from device_script import FIRMWARE, run_script, script
from test_drivers_serial import Loudspeaker, Microphone, Refusing

from k210kit.board.board import Board
from k210kit.board.parts.i2c_bus import Eeprom24C02


@pytest.fixture
def board() -> Iterator[Board]:
    """A board with our firmware at its prompt, that traps what the chip's documentation does not cover."""
    if not FIRMWARE.exists():
        pytest.skip("build/firmware.bin is not there: make firmware")
    with Board(FIRMWARE, strict="all") as board:
        board.run_until(">>> ")
        yield board
        assert board.machine.strict is not None
        assert not board.machine.strict.faults, board.machine.strict.report()


def run(board: Board, name: str) -> None:
    assert run_script(board, script(name)).endswith("done\n")


def test_uart(board: Board) -> None:
    for first, second in ((10, 13), (12, 11), (14, 15)):
        board.wire(first, second)
    run(board, "uart")


def test_i2c(board: Board) -> None:
    board.attach_i2c(Eeprom24C02(board.machine.clock), 10, 11)
    board.attach_i2c(Refusing(), 10, 11)
    run(board, "i2c")


def test_i2s(board: Board) -> None:
    ear = Loudspeaker()
    board.machine.i2s[0].outputs[0] = ear
    board.audio_in(Microphone(), i2s=1)
    run(board, "i2s")
    heard = np.concatenate(ear.heard)
    sounding = heard[heard.any(axis=1)] >> 16
    even, odd = np.arange(0, 4000, 2), -np.arange(1, 4000, 2)
    stereo = np.stack((even, odd), 1)
    assert np.array_equal(sounding[:22000], np.tile(stereo, (11, 1)))
    mono = np.arange(1, 501)[:, None].repeat(2, 1) << 4
    assert np.array_equal(sounding[22000:22500], mono)
    assert np.array_equal(sounding[22500:26500], np.tile(stereo, (2, 1)))
    assert np.array_equal(sounding[26500:32500], np.tile(stereo, (3, 1)))
    ends = np.flatnonzero(heard[:, 0] == 3998 << 16)
    assert (np.diff(ends)[:10] == 2000).all() and (np.diff(ends)[-2:] == 2000).all()  # no silence between


ACTIVE = b"""
from machine import mem32
print(hex(mem32[0x0c002000]), hex(mem32[0x0c002004]), hex(mem32[0x50000018]))  # PLIC's enables; the DMAC's channels
"""
START = b"""
from machine import I2C, I2S, UART
uart = UART(1, 9600, tx=10, rx=11)
uart.irq(print, UART.IRQ_RX)
uart.write(b"x" * 200)
i2c = I2C(0, scl=12, sda=13)
sound = I2S(0, sck=35, ws=33, sd=34, mode=I2S.TX, bits=16, format=I2S.STEREO, rate=16000, ibuf=4000)
sound.irq(print)
sound.write(bytes(8000))
"""


def test_soft_reset_stops_them(board: Board) -> None:
    before = run_script(board, ACTIVE)
    assert run_script(board, START + ACTIVE) != before
    board.send(b"\x04")
    board.run_until("soft reboot")
    board.run_until(">>> ")
    board.run(0.1)
    assert run_script(board, ACTIVE) == before
    run_script(board, START)  # all is free again
