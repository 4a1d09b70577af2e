"""Timers, driven as the SDK's timer.c and pwm.c drive them."""

import random

import pytest

from k210kit.board.core.clock import Clock
from k210kit.board.core.clocks import ClockSignal
from k210kit.board.core.line import Line
from k210kit.board.devices.timer import Timer

LOAD, VALUE, CONTROL, EOI, STATUS = 0x00, 0x04, 0x08, 0x0C, 0x10
ALL_STATUS, ALL_EOI, RAW, LOAD2 = 0xA0, 0xA4, 0xA8, 0xB0
US = 10**6  # At 1 MHz a clock takes a microsecond.


class Bench:
    def __init__(self, *, outputs: bool = False, hz: int = 1_000_000) -> None:
        self.clock, self.a, self.b = Clock(), Line(), Line()
        self.clk = ClockSignal("timer", hz)
        self.outputs = [Line() for _ in range(4)] if outputs else []
        self.timer = Timer("timer0", self.clock, irq_a=self.a, irq_b=self.b, clk=self.clk, outputs=self.outputs)

    def put(self, channel: int, register: int, value: int) -> None:
        self.timer.write(channel * 0x14 + register, 4, value)

    def get(self, channel: int, register: int) -> int:
        return self.timer.read(channel * 0x14 + register, 4)

    def start(self, channel: int, count: int, control: int = 3) -> None:
        self.put(channel, LOAD, count)
        self.put(channel, CONTROL, control)

    def us(self, microseconds: int) -> None:
        self.clock.advance(microseconds * US)


@pytest.mark.parametrize("channel", range(4))
def test_user_mode_interrupts_every_count_plus_one_on_the_line_of_its_pair(channel: int) -> None:
    bench = Bench()
    mine, other = (bench.a, bench.b) if channel < 2 else (bench.b, bench.a)
    bench.start(channel, 99)
    for _ in range(3):
        bench.us(99)
        assert not mine.level
        bench.us(1)
        assert mine.level and not other.level
        assert bench.timer.read(ALL_STATUS, 4) == 1 << channel
        assert bench.get(channel, STATUS) == 1
        assert bench.get(channel, EOI) == 0
        assert not mine.level and bench.timer.read(ALL_STATUS, 4) == 0


def test_common_eoi_clears_all_channels() -> None:
    bench = Bench()
    for channel in range(4):
        bench.start(channel, 9)
    bench.us(10)
    assert bench.timer.read(ALL_STATUS, 4) == 0xF
    bench.timer.write(ALL_EOI, 4, bench.timer.read(ALL_EOI, 4))
    assert bench.timer.read(ALL_STATUS, 4) == bench.timer.read(RAW, 4) == 0
    assert not bench.a.level and not bench.b.level


def test_masked_interrupt_shows_only_in_the_raw_status() -> None:
    bench = Bench()
    bench.start(1, 9, control=7)
    bench.us(10)
    assert bench.timer.read(RAW, 4) == 2
    assert bench.timer.read(ALL_STATUS, 4) == 0 and not bench.a.level
    bench.put(1, CONTROL, 3)
    assert bench.a.level


def test_single_shot_as_the_sdk_does_it_fires_once() -> None:
    bench = Bench()
    bench.start(0, 9)
    bench.us(10)
    bench.put(0, CONTROL, 4)
    bench.get(0, EOI)
    bench.us(1000)
    assert not bench.a.level and bench.timer.read(RAW, 4) == 0


def test_counter_counts_down_through_zero_and_reloads() -> None:
    bench = Bench()
    bench.start(0, 3, control=7)
    seen = []
    for _ in range(9):
        seen.append(bench.get(0, VALUE))
        bench.us(1)
    assert seen == [3, 2, 1, 0, 3, 2, 1, 0, 3]
    bench.us(4_000_001)
    assert bench.get(0, VALUE) == 1


def test_free_running_mode_wraps_to_all_ones() -> None:
    bench = Bench()
    bench.start(0, 2, control=5)
    bench.us(3)
    assert bench.get(0, VALUE) == 0xFFFFFFFF
    bench.us(5)
    assert bench.get(0, VALUE) == 0xFFFFFFFA


def test_new_load_count_waits_for_the_reload() -> None:
    bench = Bench()
    bench.start(0, 9)
    bench.us(4)
    bench.put(0, LOAD, 99)
    assert bench.get(0, VALUE) == 5
    bench.us(6)
    assert bench.a.level and bench.get(0, VALUE) == 99


def test_clock_change_and_gating_keep_the_count() -> None:
    bench = Bench()
    bench.start(0, 99)
    bench.us(50)
    bench.clk.set(0)
    bench.us(1_000_000)
    assert bench.get(0, VALUE) == 49
    bench.clk.set(2_000_000)
    bench.us(24)
    assert bench.get(0, VALUE) == 1 and not bench.a.level
    bench.us(1)
    assert bench.a.level


def test_no_drift_with_a_period_that_is_no_whole_number_of_picoseconds() -> None:
    bench = Bench(hz=26_000_000)
    bench.start(0, 25_999)
    for millisecond in range(1, 500):
        bench.clock.run_due(millisecond * 10**9)
        assert bench.a.level
        bench.get(0, EOI)
    assert not bench.a.level


def edges(bench: Bench, channel: int) -> list[tuple[int, bool]]:
    seen: list[tuple[int, bool]] = []
    bench.outputs[channel].listen(lambda level: seen.append((bench.clock.now // US, level)))
    return seen


def test_pwm_is_low_for_load_count_and_high_for_load_count2() -> None:
    bench = Bench(outputs=True)
    seen = edges(bench, 2)
    bench.timer.write(LOAD2 + 8, 4, 24)
    bench.start(2, 74, control=0xF)
    bench.us(250)
    assert seen == [(75, True), (100, False), (175, True), (200, False)]
    assert bench.timer.waveform(2) == (75, 25, 1_000_000)
    bench.us(30)
    bench.put(2, CONTROL, 4)
    assert not bench.outputs[2].level and bench.timer.waveform(2) is None
    assert not bench.b.level


def test_without_pwm_the_output_toggles_at_every_expiry() -> None:
    bench = Bench(outputs=True)
    seen = edges(bench, 0)
    bench.start(0, 9, control=7)
    bench.us(35)
    assert seen == [(10, True), (20, False), (30, True)]


def test_changing_the_duty_takes_effect_at_the_next_phase() -> None:
    bench = Bench(outputs=True)
    seen = edges(bench, 0)
    bench.timer.write(LOAD2, 4, 49)
    bench.start(0, 49, control=0xF)
    bench.us(60)
    bench.timer.write(LOAD2, 4, 9)
    bench.put(0, LOAD, 89)
    bench.us(240)
    assert seen == [(50, True), (100, False), (190, True), (200, False), (290, True), (300, False)]


def test_a_short_phase_of_a_long_period_is_driven() -> None:
    bench = Bench(outputs=True)
    seen = edges(bench, 0)
    bench.timer.write(LOAD2, 4, 0)
    bench.start(0, 98, control=0xF)
    bench.us(250)
    assert seen == [(99, True), (100, False), (199, True), (200, False)]


def test_very_short_periods_cost_no_events() -> None:
    bench = Bench(outputs=True, hz=26_000_000)
    seen = edges(bench, 0)
    bench.timer.write(LOAD2, 4, 0)
    bench.start(0, 0, control=0xF)
    bench.start(1, 0, control=3)
    ran = 0
    while (due := bench.clock.next_time()) is not None and due < 10**12:
        bench.clock.run_due(due)
        ran += 1
        assert ran < 10
    assert seen == [] and bench.timer.waveform(0) == (1, 1, 26_000_000)
    assert bench.a.level


def test_reset_stops_everything() -> None:
    bench = Bench(outputs=True)
    bench.start(0, 9)
    bench.us(15)
    bench.timer.reset()
    assert not bench.a.level and not bench.outputs[0].level
    bench.us(100)
    assert not bench.a.level and bench.get(0, LOAD) == 0
    assert bench.clock.next_time() is None


def test_survives_random_accesses() -> None:
    bench, random_ = Bench(outputs=True), random.Random(4)
    for _ in range(10_000):
        offset, size = random_.randrange(0, 0xC4), random_.choice([1, 2, 4, 8])
        offset -= offset % size
        if random_.random() < 0.5:
            bench.timer.write(offset, size, random_.getrandbits(random_.choice([4, 8, 8 * size])) & (1 << 8 * size) - 1)
        else:
            assert 0 <= bench.timer.read(offset, size) < 1 << 8 * size
        bench.clock.advance(random_.randrange(10**7))
        if random_.random() < 0.01:
            bench.clk.set(random_.choice([0, 1, 1_000_000, 26_000_000]))
    bench.timer.reset()
    bench.clk.set(1_000_000)
    bench.start(3, 9)
    bench.us(10)
    assert bench.b.level
