"""UARTHS: timing, FIFOs, watermarks; and the serial line behind the pads."""

from __future__ import annotations

import random

import pytest

from k210kit.board.core.clock import Clock
from k210kit.board.core.clocks import ClockSignal
from k210kit.board.core.serial import FORMAT_8N1, SerialFormat, SerialPort, resample
from k210kit.board.devices.fpioa import UARTHS_RX, UARTHS_TX, Fpioa
from k210kit.board.devices.uarths import Uarths
from k210kit.board.parts.serial_line import SerialLine, SerialWiring

TXDATA, RXDATA, TXCTRL, RXCTRL, IE, IP, DIV = range(0, 0x1C, 4)
HZ = 400_000_000
DIVISOR = HZ // 115_200 - 1
CHARACTER = 10 * (DIVISOR + 1) * 10**12 // HZ
FLAG = 1 << 31


class Bench:
    """A UARTHS on an FPIOA with a line on pads 4 and 5."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.fpioa = Fpioa("fpioa", self.clock)
        self.wiring = SerialWiring(self.fpioa)
        self.clk = ClockSignal("cpu", HZ)
        port = self.wiring.connect(SerialPort("uarths", UARTHS_TX, UARTHS_RX))
        self.uart = Uarths("uarths", self.clock, clk=self.clk, port=port)
        self.line = SerialLine(self.clock, self.wiring)

    def start(self) -> Bench:
        """As the SDK's uarths_init does."""
        self.uart.write(DIV, 4, DIVISOR)
        self.uart.write(TXCTRL, 4, 1)
        self.uart.write(RXCTRL, 4, 1)
        self.uart.write(IE, 4, 2)
        return self


@pytest.fixture
def bench() -> Bench:
    return Bench().start()


def test_a_character_takes_its_time(bench: Bench) -> None:
    bench.uart.write(TXDATA, 4, ord("A"))
    bench.clock.advance(CHARACTER - 1000)
    assert bench.line.take() == b""
    bench.clock.advance(2000)
    assert bench.line.take() == b"A"
    assert bench.clock.next_time() is None


def test_full_flag_and_order(bench: Bench) -> None:
    for byte in range(8):
        bench.uart.write(TXDATA, 4, byte)
        assert bench.uart.read(TXDATA, 4) == 0  # one is in the shift register
    bench.uart.write(TXDATA, 4, 8)
    assert bench.uart.read(TXDATA, 4) == FLAG
    bench.uart.write(TXDATA, 4, 99)  # lost
    bench.clock.advance(CHARACTER + 1000)
    assert bench.uart.read(TXDATA, 4) == 0
    bench.uart.write(TXDATA, 4, 9)
    assert bench.uart.read(TXDATA, 4) == FLAG
    bench.clock.advance(20 * CHARACTER)
    assert bench.line.take() == bytes(range(10))
    assert bench.clock.next_time() is None


def test_events_are_few(bench: Bench) -> None:
    """At most one a character while the firmware keeps the FIFO full, as the vendor's putchar does."""
    count = 0
    sent = 0
    while sent < 100:
        while not bench.uart.read(TXDATA, 4) & FLAG and sent < 100:
            bench.uart.write(TXDATA, 4, sent)
            sent += 1
        due = bench.clock.next_time()
        assert due is not None
        bench.clock.run_due(due)
        count += 1
    while (due := bench.clock.next_time()) is not None:
        bench.clock.run_due(due)
        count += 1
    assert bench.line.take() == bytes(range(100))
    assert count <= 101
    assert abs(bench.clock.now - 100 * CHARACTER) < 1000 * 100


def test_transmit_watermark(bench: Bench) -> None:
    bench.uart.write(IE, 4, 1)
    assert not bench.uart.irq.level  # less than 0 characters: never
    bench.uart.write(TXCTRL, 4, 1 | 2 << 16)
    assert bench.uart.irq.level and bench.uart.read(IP, 4) == 1
    for byte in range(4):
        bench.uart.write(TXDATA, 4, byte)
    assert not bench.uart.irq.level  # three wait
    bench.clock.advance(CHARACTER + 1000)
    assert not bench.uart.irq.level
    bench.clock.advance(CHARACTER)
    assert bench.uart.irq.level


def test_disabled_transmitter_keeps_characters(bench: Bench) -> None:
    bench.uart.write(TXCTRL, 4, 0)
    bench.uart.write(TXDATA, 4, ord("x"))
    bench.clock.advance(5 * CHARACTER)
    assert bench.line.take() == b"" and bench.clock.next_time() is None
    bench.uart.write(TXCTRL, 4, 1)
    bench.clock.advance(CHARACTER + 1000)
    assert bench.line.take() == b"x"


def test_two_stop_bits_and_clock_change(bench: Bench) -> None:
    bench.uart.write(TXCTRL, 4, 3)
    bench.uart.write(TXDATA, 4, 1)
    bench.clock.advance(CHARACTER * 11 // 10 - 5000)
    assert bench.line.take() == b""
    bench.clock.advance(10_000)
    assert bench.line.take() == b"\x01"
    bench.uart.write(TXDATA, 4, 2)
    bench.clk.set(HZ // 2)
    bench.clock.advance(CHARACTER * 11 // 10 + 5000)
    assert bench.line.take() == b""
    bench.clock.advance(CHARACTER * 11 // 10 + 5000)
    assert bench.line.take() == b"\x02"
    bench.uart.write(TXDATA, 4, 3)
    bench.clk.set(0)
    bench.clock.advance(100 * CHARACTER)
    assert bench.line.take() == b""
    bench.clk.set(HZ)
    bench.clock.advance(2 * CHARACTER)
    assert bench.line.take() == b"\x03"


def test_reception_is_paced_and_interrupts(bench: Bench) -> None:
    bench.line.send(b"hi")
    assert bench.uart.read(RXDATA, 4) == FLAG and not bench.uart.irq.level
    bench.clock.advance(CHARACTER + 1000)
    assert bench.uart.irq.level and bench.uart.read(IP, 4) == 2
    assert bench.uart.read(RXDATA, 4) == ord("h")
    assert not bench.uart.irq.level and bench.uart.read(RXDATA, 4) == FLAG
    bench.clock.advance(CHARACTER)
    assert bench.uart.read(RXDATA, 4) == ord("i")
    assert bench.clock.next_time() is None


def test_receive_watermark_and_overflow(bench: Bench) -> None:
    bench.uart.write(RXCTRL, 4, 1 | 3 << 16)
    bench.line.send(bytes(range(12)))
    bench.clock.advance(3 * CHARACTER + 1000)
    assert not bench.uart.irq.level
    bench.clock.advance(CHARACTER)
    assert bench.uart.irq.level
    bench.clock.advance(20 * CHARACTER)
    got = [bench.uart.read(RXDATA, 4) for _ in range(9)]
    assert got == [*range(8), FLAG]


def test_nothing_is_heard_while_off_or_unrouted(bench: Bench) -> None:
    bench.uart.write(RXCTRL, 4, 0)
    bench.line.send(b"a")
    bench.clock.advance(2 * CHARACTER)
    bench.uart.write(RXCTRL, 4, 1)
    bench.fpioa.write(4 * 4, 4, 120)
    bench.line.send(b"b")
    bench.clock.advance(10 * CHARACTER)
    assert bench.line.pending == 0 and bench.uart.read(RXDATA, 4) == FLAG


def test_output_needs_the_pad(bench: Bench) -> None:
    assert bench.fpioa.pads[5].line.level  # idle
    bench.fpioa.write(5 * 4, 4, 120)
    bench.uart.write(TXDATA, 4, ord("A"))
    bench.clock.advance(2 * CHARACTER)
    assert bench.line.take() == b""


def test_wrong_rate_is_garbage(bench: Bench) -> None:
    bench.line.baud = 9600.0
    bench.line.send(b"U")
    bench.clock.advance(20 * CHARACTER)
    assert bench.uart.read(RXDATA, 4) == 0  # one long start bit
    bench.uart.write(TXDATA, 4, 0)
    bench.clock.advance(2 * CHARACTER)
    assert bench.line.take() != b"\0"
    bench.line.baud = 115_200 * 1.04
    bench.line.send(b"U")
    bench.clock.advance(2 * CHARACTER)
    assert bench.uart.read(RXDATA, 4) == ord("U")


def test_resample() -> None:
    plain, even = FORMAT_8N1, SerialFormat(8, "E", 2)
    for byte in range(256):
        same = resample(byte, even, even, 1.0)
        assert same is not None and not same.flawed and same.byte == byte
        odd = resample(byte, even, SerialFormat(8, "O", 2), 1.0)
        assert odd is not None and odd.parity_error and odd.byte == byte
    slow = resample(0xFF, plain, plain, 4.0)  # sender four times as fast: the start bit is missed
    assert slow is None
    fast = resample(0x00, plain, plain, 0.1)
    assert fast is not None and fast.framing_error
    assert SerialFormat(5, "N", 3).half_bits == 15


def test_jumper_between_pads() -> None:
    bench = Bench()
    bench.wiring.jumper(5, 4)
    bench.start()
    for byte in b"loopback!":
        bench.uart.write(TXDATA, 4, byte)
    got = bytearray()
    for _ in range(12):
        bench.clock.advance(CHARACTER)
        while not (value := bench.uart.read(RXDATA, 4)) & FLAG:
            got.append(value)
    assert got == b"loopback!"


def test_reset_forgets(bench: Bench) -> None:
    bench.line.send(b"a")
    bench.clock.advance(2 * CHARACTER)
    bench.uart.write(TXDATA, 4, 1)
    bench.uart.reset()
    assert bench.uart.read(RXDATA, 4) == FLAG and not bench.uart.irq.level
    assert bench.clock.next_time() is None


def test_fuzz(bench: Bench) -> None:
    chance = random.Random(4)
    for _ in range(10_000):
        offset = chance.randrange(0x24)
        size = chance.choice([s for s in (1, 2, 4, 8) if offset % s == 0])
        kind = chance.randrange(6)
        if kind == 0:
            bench.line.send(bytes([chance.randrange(256)]))
        elif kind == 1:
            bench.clk.set(chance.choice([0, 1, 26_000_000, HZ]))
        elif kind == 2:
            bench.uart.read(offset, size)
        else:
            bench.uart.write(offset, size, chance.getrandbits(8 * size))
        bench.clock.advance(chance.choice([0, 1000, CHARACTER]))
    bench.uart.reset()
    assert not bench.uart.irq.level
