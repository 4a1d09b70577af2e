"""Pads and their multiplexer."""

from __future__ import annotations

import random

import pytest

from k210kit.board.core.clock import Clock
from k210kit.board.core.pads import Pad
from k210kit.board.devices import fpioa as f
from k210kit.board.devices.fpioa import Fpioa
from k210kit.board.parts.button import Button

GPIO_MODE = 0x0090_1F00  # what the SDK writes for GPIO functions, without ch_sel


@pytest.fixture
def fpioa() -> Fpioa:
    return Fpioa("fpioa", Clock())


def route(fpioa: Fpioa, pad: int, function: int, mode: int = GPIO_MODE) -> None:
    fpioa.write(pad * 4, 4, mode | function)


def test_pad_settles_between_drivers_and_pulls() -> None:
    pad = Pad(3)
    assert not pad.line.level
    pad.chip_pull(True)
    assert pad.line.level
    pad.board_pull(False)
    assert not pad.line.level
    pad.chip_drive(True)
    assert pad.line.level
    pad.drive(False, "a")
    pad.drive(True, "b")
    assert not pad.line.level
    pad.drive(None, "a")
    assert pad.line.level
    pad.chip_drive(None)
    pad.drive(None, "b")
    assert not pad.line.level


def test_default_functions_after_reset(fpioa: Fpioa) -> None:
    assert [fpioa.function_of(pad) for pad in (0, 3, 4, 5, 6, 8, 16, 47)] == [0, 3, 18, 19, 120, 56, 24, 55]
    assert fpioa.read(4 * 4, 4) & 0x00FF_FFFF == 0x90_0012
    route(fpioa, 4, f.UART_RX[2])
    fpioa.reset()
    assert fpioa.pad_of(f.UARTHS_RX) == 4
    assert fpioa.pad_of(f.UART_RX[2]) is None


def test_output_reaches_every_pad_of_its_function(fpioa: Fpioa) -> None:
    out = fpioa.output(f.UART_TX[0])
    for pad in (10, 30):
        route(fpioa, pad, f.UART_TX[0], f.OE)
    out.set(True)
    assert fpioa.pads[10].line.level and fpioa.pads[30].line.level
    assert fpioa.read(40, 4) >> 31 == 1
    route(fpioa, 10, f.RESV0, 0)
    assert not fpioa.pads[10].line.level and not fpioa.pads[10].driven_by_chip
    assert fpioa.pad_of(f.UART_TX[0]) == 30


def test_output_bits(fpioa: Fpioa) -> None:
    out, enable = fpioa.output(f.GPIO0), fpioa.output_enable(f.GPIO0)
    pad = fpioa.pads[20]
    table = []
    for mode in (f.OE, f.OE | f.OE_INV, f.OE | f.DO_INV, f.OE | f.DO_SEL, f.OE | f.DO_SEL | f.DO_INV, 0):
        route(fpioa, 20, f.GPIO0, mode)
        row = []
        for oe, do in ((0, 0), (0, 1), (1, 0), (1, 1)):
            enable.set(bool(oe))
            out.set(bool(do))
            row.append(int(pad.line.level) if pad.driven_by_chip else None)
        table.append(row)
    assert table == [
        [None, None, 0, 1],
        [0, 1, None, None],
        [None, None, 1, 0],
        [None, None, 1, 1],
        [None, None, 0, 0],
        [None] * 4,
    ]


def test_undriven_function_leaves_pad_alone(fpioa: Fpioa) -> None:
    route(fpioa, 25, f.SPI0_SCLK, f.OE)
    fpioa.pads[25].drive(True)
    assert fpioa.pads[25].line.level and not fpioa.pads[25].driven_by_chip


def test_input_bits_and_tie(fpioa: Fpioa) -> None:
    line = fpioa.input(f.GPIOHS0 + 5)
    heard: list[bool] = []
    line.listen(heard.append)
    route(fpioa, 21, f.RESV0, 0)
    route(fpioa, 40, f.GPIOHS0 + 5, f.IE)
    fpioa.pads[40].drive(True)
    assert line.level
    route(fpioa, 40, f.GPIOHS0 + 5, f.IE | f.DI_INV)
    assert not line.level and fpioa.read(160, 4) >> 31 == 1
    route(fpioa, 40, f.GPIOHS0 + 5, 0)
    assert not line.level
    fpioa.write(0xE0, 4, 1 << 29)
    fpioa.write(0xC0, 4, 1 << 29)
    assert line.level
    fpioa.write(0xE0, 4, 0)
    assert not line.level
    fpioa.write(0xC0, 4, 0)
    route(fpioa, 40, f.GPIOHS0 + 5, f.IE)
    assert line.level and heard == [True, False, True, False, True]


def test_lowest_pad_feeds_the_function(fpioa: Fpioa) -> None:
    line = fpioa.input(f.UART_RX[0])
    route(fpioa, 12, f.UART_RX[0], f.IE)
    route(fpioa, 11, f.UART_RX[0], f.IE)
    fpioa.pads[12].drive(True)
    assert not line.level
    fpioa.pads[11].drive(True)
    assert line.level


def test_pulls(fpioa: Fpioa) -> None:
    route(fpioa, 7, f.RESV0, f.PU)
    assert fpioa.pads[7].line.level and fpioa.read(28, 4) == 0x8001_0078
    route(fpioa, 7, f.RESV0, f.PD)
    assert not fpioa.pads[7].line.level
    route(fpioa, 7, f.RESV0, f.PD | f.PU)
    assert not fpioa.pads[7].line.level


def test_read_only_and_narrow_writes(fpioa: Fpioa) -> None:
    fpioa.write(28, 4, 0xFFFF_FFFF)
    assert fpioa.read(28, 4) & 0x7FFF_FFFF == 0x00FB_FFFF
    fpioa.write(28, 1, f.GPIO0)
    assert fpioa.function_of(7) == f.GPIO0 and fpioa.pad_of(f.GPIO0) == 7


def test_button() -> None:
    pad = Pad(16)
    button = Button(pad)
    assert pad.line.level and not button.pressed
    button.press()
    assert not pad.line.level and button.pressed
    button.release()
    assert pad.line.level
    high = Button(Pad(1), active_high=True)
    high.press()
    assert high.pad.line.level
    high.release()
    assert not high.pad.line.level


def test_fuzz() -> None:
    chance = random.Random(1)
    fpioa = Fpioa("fpioa", Clock())
    lines = [fpioa.bank(f.GPIOHS0, 32), fpioa.bank(f.GPIO0, 8)]
    for _ in range(10_000):
        offset = chance.choice([chance.randrange(0x100), chance.randrange(48) * 4])
        size = chance.choice([s for s in (1, 2, 4, 8) if offset % s == 0])
        kind = chance.randrange(4)
        if kind == 0:
            fpioa.read(offset, size)
        elif kind == 1:
            fpioa.pads[chance.randrange(48)].drive(chance.choice([None, True, False]), chance.randrange(2))
        elif kind == 2:
            bank = chance.choice(lines)
            chance.choice([*bank.outputs, *bank.enables]).set(chance.random() < 0.5)
        else:
            fpioa.write(offset, size, chance.getrandbits(8 * size))
    for pad in range(48):
        assert fpioa.read(4 * pad, 4) >> 31 == fpioa.pads[pad].line.level
        function = fpioa.function_of(pad)
        assert fpioa.pad_of(function) == min(p for p in range(48) if fpioa.function_of(p) == function)
