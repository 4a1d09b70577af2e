"""Watchdog, driven as the SDK's wdt.c drives it."""

import random

from k210kit.board.core.clock import Clock
from k210kit.board.core.clocks import ClockSignal
from k210kit.board.core.line import Line
from k210kit.board.devices.wdt import Wdt

CR, TORR, CCVR, CRR, STAT, EOI = 0, 4, 8, 0xC, 0x10, 0x14
MS = 10**9
TIMEOUT_MS = (1 << 16 + 4) / 13_000  # top 4 at 13 MHz: 80.66 ms


class Bench:
    def __init__(self) -> None:
        self.clock, self.irq = Clock(), Line()
        self.clk = ClockSignal("wdt", 13_000_000)
        self.resets: list[int] = []
        self.wdt = Wdt("wdt0", self.clock, irq=self.irq, clk=self.clk, on_reset=self.bite)

    def bite(self) -> None:
        self.resets.append(self.clock.now)

    def start(self, *, interrupt: bool = True, top: int = 4) -> None:
        self.wdt.write(CR, 4, 2 if interrupt else 0)
        self.wdt.write(TORR, 4, top << 4 | top)
        self.wdt.write(CRR, 4, 0x76)
        self.wdt.write(CR, 4, self.wdt.read(CR, 4) | 1)

    def advance_ms(self, ms: float) -> None:
        self.clock.advance(round(ms * MS))


def test_interrupt_first_then_reset() -> None:
    bench = Bench()
    bench.start()
    bench.advance_ms(TIMEOUT_MS - 0.001)
    assert not bench.irq.level
    bench.advance_ms(0.002)
    assert bench.irq.level and bench.wdt.read(STAT, 4) == 1
    bench.advance_ms(TIMEOUT_MS - 0.01)
    assert not bench.resets
    bench.advance_ms(0.02)
    assert len(bench.resets) == 1
    bench.advance_ms(1000)
    assert len(bench.resets) == 1


def test_reading_eoi_clears_the_interrupt_and_prevents_the_reset() -> None:
    bench = Bench()
    bench.start()
    for _ in range(3):
        bench.advance_ms(TIMEOUT_MS + 0.001)
        assert bench.irq.level
        bench.wdt.write(EOI, 4, bench.wdt.read(EOI, 4))
        assert not bench.irq.level and bench.wdt.read(STAT, 4) == 0
    assert not bench.resets


def test_reset_mode_bites_at_once() -> None:
    bench = Bench()
    bench.start(interrupt=False)
    bench.advance_ms(TIMEOUT_MS + 0.001)
    assert len(bench.resets) == 1 and not bench.irq.level


def test_feeding_restarts_only_with_the_key() -> None:
    bench = Bench()
    bench.start(interrupt=False)
    for _ in range(10):
        bench.advance_ms(TIMEOUT_MS * 0.9)
        bench.wdt.write(CRR, 4, 0x76)
    assert not bench.resets
    bench.advance_ms(TIMEOUT_MS * 0.9)
    bench.wdt.write(CRR, 4, 0x75)
    bench.advance_ms(TIMEOUT_MS * 0.2)
    assert len(bench.resets) == 1


def test_feeding_clears_a_pending_interrupt() -> None:
    bench = Bench()
    bench.start()
    bench.advance_ms(TIMEOUT_MS + 1)
    bench.wdt.write(CRR, 4, 0x76)
    assert not bench.irq.level
    bench.advance_ms(TIMEOUT_MS - 1)
    assert not bench.irq.level


def test_enable_bit_sticks_until_reset() -> None:
    bench = Bench()
    bench.start(interrupt=False)
    bench.wdt.write(CR, 4, 0)
    assert bench.wdt.read(CR, 4) & 1
    bench.wdt.reset()
    assert bench.wdt.read(CR, 4) == 0
    bench.advance_ms(TIMEOUT_MS * 4)
    assert not bench.resets


def test_counter_and_gated_clock() -> None:
    bench = Bench()
    bench.start()
    bench.clock.advance(13 * 10**6)  # 13 us: 169 clocks
    assert bench.wdt.read(CCVR, 4) == (1 << 20) - 169
    bench.clk.set(0)
    bench.advance_ms(10_000)
    assert bench.wdt.read(CCVR, 4) == (1 << 20) - 169
    bench.clk.set(1_000_000)
    bench.clock.advance(10**6)
    assert bench.wdt.read(CCVR, 4) == (1 << 20) - 170


def test_new_range_applies_from_the_next_feed() -> None:
    bench = Bench()
    bench.start(interrupt=False)
    bench.wdt.write(TORR, 4, 0x55)
    assert bench.wdt.read(CCVR, 4) == 1 << 20
    bench.wdt.write(CRR, 4, 0x76)
    assert bench.wdt.read(CCVR, 4) == 1 << 21


def test_linux_sees_fixed_timeouts_and_the_type() -> None:
    bench = Bench()
    assert bench.wdt.read(0xF4, 4) >> 6 & 1
    assert bench.wdt.read(0xFC, 4) == 0x44570120


def test_survives_random_accesses() -> None:
    bench, random_ = Bench(), random.Random(3)
    for _ in range(10_000):
        offset, size = random_.randrange(0, 0x100), random_.choice([1, 2, 4, 8])
        offset -= offset % size
        if random_.random() < 0.5:
            bench.wdt.write(offset, size, random_.getrandbits(8 * size))
        else:
            assert 0 <= bench.wdt.read(offset, size) < 1 << 8 * size
        bench.clock.advance(random_.randrange(10**9))
        if random_.random() < 0.01:
            bench.clk.set(random_.choice([0, 1, 13_000_000]))
        if random_.random() < 0.01:
            bench.wdt.reset()
    bench.wdt.reset()
    bench.clk.set(13_000_000)
    bench.resets.clear()
    bench.start(interrupt=False)
    bench.advance_ms(TIMEOUT_MS + 1)
    assert len(bench.resets) == 1
