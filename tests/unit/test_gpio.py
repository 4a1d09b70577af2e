"""The eight-pin GPIO block."""

from __future__ import annotations

import random

import pytest

from k210kit.board.core.clock import Clock
from k210kit.board.core.pads import PinBank
from k210kit.board.devices.gpio import Gpio

DR, DDR, INTEN, MASK, TYPE, POLARITY, STATUS, RAW, EOI, EXT, BOTH = (
    0x00, 0x04, 0x30, 0x34, 0x38, 0x3C, 0x40, 0x44, 0x4C, 0x50, 0x68,
)  # fmt: skip


@pytest.fixture
def pins() -> PinBank:
    return PinBank.unconnected(8)


@pytest.fixture
def gpio(pins: PinBank) -> Gpio:
    return Gpio("gpio", Clock(), pins=pins)


def test_output(gpio: Gpio, pins: PinBank) -> None:
    gpio.write(DDR, 4, 0x81)
    gpio.write(DR, 4, 0xFFFF_FF80)
    assert gpio.read(DR, 4) == 0x80
    assert pins.enables[0].level and pins.enables[7].level and not pins.enables[3].level
    assert pins.outputs[7].level and not pins.outputs[0].level
    assert gpio.read(EXT, 4) == 0x80


def test_input(gpio: Gpio, pins: PinBank) -> None:
    pins.inputs[2].set(True)
    assert gpio.read(EXT, 4) == 4
    gpio.write(DDR, 4, 4)
    assert gpio.read(EXT, 4) == 0


@pytest.mark.parametrize("rising", [True, False])
def test_edge_interrupt_is_kept_until_cleared(gpio: Gpio, pins: PinBank, rising: bool) -> None:
    pins.inputs[5].set(not rising)
    gpio.write(TYPE, 4, 0x20)
    gpio.write(POLARITY, 4, 0x20 * rising)
    gpio.write(INTEN, 4, 0x20)
    assert not gpio.irq.level
    pins.inputs[5].set(rising)
    pins.inputs[5].set(not rising)
    assert gpio.irq.level and gpio.read(STATUS, 4) == 0x20
    gpio.write(MASK, 4, 0x20)
    assert not gpio.irq.level and gpio.read(STATUS, 4) == 0 and gpio.read(RAW, 4) == 0x20
    gpio.write(MASK, 4, 0)
    gpio.write(EOI, 4, 0x20)
    assert not gpio.irq.level and gpio.read(RAW, 4) == 0


def test_both_edges(gpio: Gpio, pins: PinBank) -> None:
    gpio.write(TYPE, 4, 1)
    gpio.write(BOTH, 4, 1)
    gpio.write(INTEN, 4, 1)
    for level in (True, False):
        pins.inputs[0].set(level)
        assert gpio.irq.level
        gpio.write(EOI, 4, 1)
        assert not gpio.irq.level


def test_level_interrupt_follows_the_pin(gpio: Gpio, pins: PinBank) -> None:
    pins.inputs[1].set(True)
    gpio.write(INTEN, 4, 2)
    assert not gpio.irq.level
    pins.inputs[1].set(False)
    gpio.write(EOI, 4, 2)
    assert gpio.irq.level
    gpio.write(DDR, 4, 2)
    assert not gpio.irq.level


def test_fuzz(gpio: Gpio, pins: PinBank) -> None:
    chance = random.Random(3)
    for _ in range(10_000):
        offset = chance.randrange(0x80)
        size = chance.choice([s for s in (1, 2, 4, 8) if offset % s == 0])
        kind = chance.randrange(3)
        if kind == 0:
            gpio.read(offset, size)
        elif kind == 1:
            chance.choice(pins.inputs).set(chance.random() < 0.5)
        else:
            gpio.write(offset, size, chance.getrandbits(8 * size))
        assert gpio.irq.level == bool(gpio.read(STATUS, 4))
    gpio.reset()
    assert not gpio.irq.level
