"""Jumper wires between pads, I2C moved by hand, and clocks that a deselected SPI part counts."""

from __future__ import annotations

import random

from k210kit.board.core.clock import Clock
from k210kit.board.core.clocks import ClockSignal
from k210kit.board.core.pads import Pad
from k210kit.board.devices.i2c import I2c
from k210kit.board.parts.i2c_bus import Eeprom24C02, I2cPart
from k210kit.board.parts.i2c_wires import I2cWires
from k210kit.board.parts.spi_bus import SPI0_PINS, PadWiring, Socket
from k210kit.board.parts.spi_part import SpiPart

QUARTER = 2_500_000  # picoseconds: 100 kHz


def test_joined_pads_have_one_level():
    one, two, three = Pad(1), Pad(2), Pad(3)
    assert not one.joined(two) and one.joined(one)
    one.join(two)
    two.join(three)
    assert one.joined(three)
    levels = []
    three.line.listen(levels.append)
    one.chip_drive(True)
    assert [pad.line.level for pad in (one, two, three)] == [True] * 3
    two.drive(False, "part")
    assert not one.line.level  # any low wins
    two.drive(None, "part")
    one.chip_drive(None)
    assert levels == [True, False, True, False]
    three.chip_pull(True)
    assert one.line.level
    two.board_pull(False)
    assert not one.line.level  # the board's resistor is the stronger one


class Master:
    """Bit-banging, open drain."""

    def __init__(self, part: I2cPart, clock: Clock) -> None:
        self.clock, self.sclk, self.sda = clock, Pad(10), Pad(11)
        self.wires = I2cWires(clock, self.sclk, self.sda, lambda: [part])

    def pull(self, pad: Pad, level: int) -> None:
        pad.chip_drive(None if level else False)
        self.clock.advance(QUARTER)

    def bit(self, level: int) -> int:
        self.pull(self.sda, level)
        self.pull(self.sclk, 1)
        while not self.sclk.line.level:
            self.clock.advance(QUARTER)
        seen = int(self.sda.line.level)
        self.pull(self.sclk, 0)
        return seen

    def start(self) -> None:
        self.pull(self.sda, 1)
        self.pull(self.sclk, 1)
        self.pull(self.sda, 0)
        self.pull(self.sclk, 0)

    def stop(self) -> None:
        self.pull(self.sda, 0)
        self.pull(self.sclk, 1)
        self.pull(self.sda, 1)

    def write(self, byte: int) -> bool:
        for place in range(7, -1, -1):
            self.bit(byte >> place & 1)
        return not self.bit(1)

    def read(self, acknowledge: bool) -> int:
        value = 0
        for _ in range(8):
            value = value << 1 | self.bit(1)
        self.bit(not acknowledge)
        return value


def test_memory_behind_moved_wires():
    clock = Clock()
    part = Eeprom24C02(clock)
    master = Master(part, clock)
    assert master.sclk.line.level and master.sda.line.level
    master.start()
    assert not master.write(0x51 << 1)  # nobody there
    master.stop()
    master.start()
    assert [master.write(byte) for byte in (0xA0, 0x10, 0xDE, 0xAD)] == [True] * 4
    master.stop()
    assert part.memory[0x10:0x12] == b"\xde\xad"
    master.start()
    assert not master.write(0xA0)  # it is storing
    master.stop()
    clock.advance(5 * 10**9)
    master.start()
    assert master.write(0xA0) and master.write(0x0F)
    master.start()
    assert master.write(0xA1)
    assert [master.read(True), master.read(True), master.read(False)] == [0xFF, 0xDE, 0xAD]
    master.stop()
    assert master.sda.line.level


def test_a_controller_as_slave_stretches_the_clock():
    clock = Clock()
    slave = I2c("i2c0", clock, clk=ClockSignal("i2c0", 100_000_000))
    slave.write(0x00, 4, 0)  # slave
    slave.write(0x08, 4, 0x32)
    slave.write(0x6C, 4, 1)
    master = Master(slave.port, clock)
    master.start()
    assert master.write(0x64) and master.write(0x5A)
    assert slave.read(0x10, 4) == 0x5A
    master.start()
    assert master.write(0x65)
    assert slave.read(0x34, 4) & 1 << 5  # RD_REQ
    assert not master.sclk.line.level
    master.pull(master.sclk, 1)
    clock.advance(10**8)
    assert not master.sclk.line.level  # held until there is something to send
    master.pull(master.sclk, 0)
    slave.write(0x10, 4, 0xC3)
    clock.advance(10**7)
    assert master.read(False) == 0xC3
    master.stop()


def test_nonsense_on_the_wires_never_raises():
    chance, clock = random.Random(5), Clock()
    slave = I2c("i2c0", clock)
    slave.write(0x00, 4, 0)
    slave.write(0x08, 4, 0x2A)
    slave.write(0x6C, 4, 1)
    master = Master(slave.port, clock)
    for step in range(10_000):
        pad = chance.choice((master.sclk, master.sda))
        pad.chip_drive(chance.choice((None, False, True)))
        clock.advance(chance.randrange(1, 10**6))
        if step % 1000 == 500:
            slave.write(0x6C, 4, chance.randrange(2))


class Routing:
    """An FPIOA with fixed routes."""

    def __init__(self, routes: dict[int, int]) -> None:
        self.routes, self.pads = routes, [Pad(number) for number in range(48)]

    def pad_of(self, function: int) -> int | None:
        return next((pad for pad, routed in self.routes.items() if routed == function), None)

    def function_of(self, pad: int) -> int:
        return self.routes.get(pad, 255)


class Counting(SpiPart):
    minds_idle_clocks = True

    def __init__(self) -> None:
        self.selected, self.clocks = False, []

    def select(self, selected: bool) -> None:
        self.selected = selected

    def exchange(self, data: bytes) -> bytes:
        self.clocks.append((self.selected, len(data)))
        return b"\x55" * len(data)


def test_clocks_reach_a_deselected_part_that_minds_them():
    routing = Routing({1: SPI0_PINS.sclk, 2: SPI0_PINS.data0, 3: SPI0_PINS.data0 + 1, 4: SPI0_PINS.select0 + 3})
    wiring = PadWiring(routing)
    bus = wiring.bus(SPI0_PINS)
    part = Counting()
    routing.pads[5].drive(True)  # its select is a GPIO, high
    wiring.attach(Socket(part, 1, mosi=2, miso=3, cs=5))
    bus.begin(8, 400_000)
    bus.send(b"\xff" * 10)
    assert bus.exchange(b"\x00") == b"\xff" and bus.receive(2) == b"\xff\xff"
    bus.end()
    assert part.clocks == [(False, 10), (False, 1), (False, 2)]
    routing.pads[5].drive(False)
    bus.begin(8, 400_000)
    assert bus.exchange(b"\x00") == b"\x55"
    bus.end()
    assert part.clocks[3:] == [(True, 1)]
