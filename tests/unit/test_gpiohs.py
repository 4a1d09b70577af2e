"""GPIOHS: values, edges, levels, and the way through the FPIOA."""

from __future__ import annotations

import random

import pytest

from k210kit.board.core.clock import Clock
from k210kit.board.core.line import Line
from k210kit.board.core.pads import PinBank
from k210kit.board.devices.fpioa import GPIOHS0, Fpioa
from k210kit.board.devices.gpiohs import Gpiohs

INPUT_VAL, INPUT_EN, OUTPUT_EN, OUTPUT_VAL, OUTPUT_XOR = 0x00, 0x04, 0x08, 0x0C, 0x40
RISE, FALL, HIGH, LOW = 0x18, 0x20, 0x28, 0x30


@pytest.fixture
def pins() -> PinBank:
    return PinBank.unconnected(32)


@pytest.fixture
def gpiohs(pins: PinBank) -> Gpiohs:
    return Gpiohs("gpiohs", Clock(), pins=pins)


def test_output_and_xor(gpiohs: Gpiohs, pins: PinBank) -> None:
    gpiohs.write(OUTPUT_EN, 4, 0x8000_0001)
    gpiohs.write(OUTPUT_VAL, 4, 1)
    assert pins.enables[0].level and pins.enables[31].level and not pins.enables[1].level
    assert pins.outputs[0].level and not pins.outputs[31].level
    gpiohs.write(OUTPUT_XOR, 4, 0x8000_0001)
    assert not pins.outputs[0].level and pins.outputs[31].level
    gpiohs.reset()
    assert not pins.outputs[31].level and not pins.enables[0].level


def test_input_needs_enable(gpiohs: Gpiohs, pins: PinBank) -> None:
    pins.inputs[4].set(True)
    assert gpiohs.read(INPUT_VAL, 4) == 0
    gpiohs.write(INPUT_EN, 4, 0x10)
    assert gpiohs.read(INPUT_VAL, 4) == 0x10
    gpiohs.write(INPUT_VAL, 4, 0)
    assert gpiohs.read(INPUT_VAL, 4) == 0x10


@pytest.mark.parametrize(("base", "edge", "other"), [(RISE, True, False), (FALL, False, True)])
def test_edges(gpiohs: Gpiohs, pins: PinBank, base: int, edge: bool, other: bool) -> None:
    gpiohs.write(INPUT_EN, 4, 2)
    pins.inputs[1].set(other)
    gpiohs.write(base + 4, 4, 2)
    gpiohs.write(base, 4, 2)
    assert not gpiohs.irqs[1].level
    pins.inputs[1].set(edge)
    assert gpiohs.irqs[1].level and not gpiohs.irqs[0].level
    pins.inputs[1].set(other)
    assert gpiohs.irqs[1].level and gpiohs.read(base + 4, 4) == 2
    gpiohs.write(base + 4, 4, 2)
    assert not gpiohs.irqs[1].level


@pytest.mark.parametrize(("base", "level"), [(HIGH, True), (LOW, False)])
def test_levels_come_back_until_gone(gpiohs: Gpiohs, pins: PinBank, base: int, level: bool) -> None:
    gpiohs.write(INPUT_EN, 4, 1 << 31)
    pins.inputs[31].set(not level)
    gpiohs.write(base + 4, 4, 0xFFFF_FFFF)
    gpiohs.write(base, 4, 1 << 31)
    assert not gpiohs.irqs[31].level
    pins.inputs[31].set(level)
    gpiohs.write(base + 4, 4, 1 << 31)
    assert gpiohs.irqs[31].level
    pins.inputs[31].set(not level)
    assert gpiohs.irqs[31].level
    gpiohs.write(base + 4, 4, 1 << 31)
    assert not gpiohs.irqs[31].level


def test_the_vendors_interrupt_routine(gpiohs: Gpiohs, pins: PinBank) -> None:
    """It masks, clears and unmasks; the line falls and the next edge raises it again."""
    gpiohs.write(INPUT_EN, 4, 1)
    gpiohs.write(RISE, 4, 1)
    levels: list[bool] = []
    gpiohs.irqs[0].listen(levels.append)
    for _ in range(2):
        pins.inputs[0].set(True)
        gpiohs.write(RISE, 4, 0)
        gpiohs.write(RISE + 4, 4, 1)
        gpiohs.write(RISE, 4, 1)
        pins.inputs[0].set(False)
    assert levels == [True, False, True, False]


def test_through_the_fpioa() -> None:
    clock = Clock()
    fpioa = Fpioa("fpioa", clock)
    gpiohs = Gpiohs("gpiohs", clock, pins=fpioa.bank(GPIOHS0, 32), irqs=[Line() for _ in range(32)])
    for pad, pin in ((20, 3), (21, 9)):
        for other in range(48):
            if other != pad and fpioa.function_of(other) == GPIOHS0 + pin:
                fpioa.write(other * 4, 4, 120)
        fpioa.write(pad * 4, 4, 0x0090_1F00 | GPIOHS0 + pin)
    fpioa.pads[20].line.listen(lambda level: fpioa.pads[21].drive(level))  # a jumper
    gpiohs.write(OUTPUT_EN, 4, 1 << 3)
    gpiohs.write(INPUT_EN, 4, 1 << 9)
    gpiohs.write(OUTPUT_VAL, 4, 1 << 3)
    assert gpiohs.read(INPUT_VAL, 4) == 1 << 9
    gpiohs.write(OUTPUT_VAL, 4, 0)
    assert gpiohs.read(INPUT_VAL, 4) == 0


def test_fuzz(gpiohs: Gpiohs, pins: PinBank) -> None:
    chance = random.Random(2)
    for _ in range(10_000):
        offset = chance.randrange(0x60)
        size = chance.choice([s for s in (1, 2, 4, 8) if offset % s == 0])
        kind = chance.randrange(3)
        if kind == 0:
            gpiohs.read(offset, size)
        elif kind == 1:
            chance.choice(pins.inputs).set(chance.random() < 0.5)
        else:
            gpiohs.write(offset, size, chance.getrandbits(8 * size))
    raised = sum(line.level << pin for pin, line in enumerate(gpiohs.irqs))
    expected = 0
    for base in (RISE, FALL, HIGH, LOW):
        expected |= gpiohs.read(base, 4) & gpiohs.read(base + 4, 4)
    assert raised == expected
    gpiohs.reset()
    assert not any(line.level for line in gpiohs.irqs)
