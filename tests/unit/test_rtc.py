"""Real-time clock, driven as the SDK's rtc.c drives it."""

import datetime
import random

import pytest

from k210kit.board.core.clock import Clock
from k210kit.board.core.clocks import ClockSignal
from k210kit.board.core.line import Line
from k210kit.board.devices.rtc import Rtc, later_date

DATE, TIME, ALARM_DATE, ALARM_TIME, INITIAL, CURRENT, INTERRUPT, CONTROL, EXTENDED = (
    0x00, 0x04, 0x08, 0x0C, 0x10, 0x14, 0x18, 0x1C, 0x28,
)  # fmt: skip
PAUSE, RUNNING, SETTING = 0, 1, 2
SECOND_PS = 10**12
HZ = 26_000_000


class Bench:
    """The steps of the SDK's rtc.c."""

    def __init__(self) -> None:
        self.clock, self.irq = Clock(), Line()
        self.clk = ClockSignal("rtc", HZ)
        self.rtc = Rtc("rtc", self.clock, irq=self.irq, clk=self.clk)
        self.pulses: list[int] = []
        self.irq.listen(self.heard)
        self.mode_bits = 0
        self.unprotect()
        self.set(INITIAL, HZ)
        self.set(CURRENT, 1)

    def heard(self, level: bool) -> None:
        if level:
            self.pulses.append(self.clock.now)

    def unprotect(self) -> None:
        self.mode_bits = 0xFE << 13 | 0xFE << 21 | 1 << 29 | 1 << 30
        self.rtc.write(CONTROL, 4, self.mode_bits)

    def mode(self, mode: int) -> None:
        self.rtc.write(CONTROL, 4, self.rtc.read(CONTROL, 4) & ~3 | mode)

    def set(self, register: int, value: int) -> None:
        self.mode(SETTING)
        self.rtc.write(register, 4, value)
        self.mode(RUNNING)

    def set_time(self, moment: datetime.datetime) -> None:
        self.mode(SETTING)
        self.rtc.write(DATE, 4, self.date_word(moment))
        self.rtc.write(TIME, 4, self.time_word(moment))
        self.rtc.write(EXTENDED, 4, moment.year // 100)
        self.mode(RUNNING)

    def set_alarm(self, moment: datetime.datetime) -> None:
        self.set(ALARM_DATE, self.date_word(moment))
        self.set(ALARM_TIME, self.time_word(moment))

    @staticmethod
    def date_word(moment: datetime.datetime) -> int:
        return moment.isoweekday() % 7 | moment.day << 8 | moment.month << 16 | moment.year % 100 << 20

    @staticmethod
    def time_word(moment: datetime.datetime) -> int:
        return moment.second << 10 | moment.minute << 16 | moment.hour << 24

    def get_time(self) -> datetime.datetime:
        date, time = self.rtc.read(DATE, 4), self.rtc.read(TIME, 4)
        century = self.rtc.read(EXTENDED, 4) & 31
        moment = datetime.datetime(
            century * 100 + (date >> 20), date >> 16 & 15, date >> 8 & 31, time >> 24, time >> 16 & 63, time >> 10 & 63
        )
        assert date & 7 == moment.isoweekday() % 7
        return moment

    def interrupts(self, *, tick: bool = False, mode: int = 0, alarm: bool = False, mask: int = 0) -> None:
        self.set(INTERRUPT, tick | alarm << 1 | mode << 2 | mask << 24)

    def seconds(self, seconds: float) -> None:
        self.clock.advance(round(seconds * SECOND_PS))


START = datetime.datetime(2018, 9, 12, 23, 30, 50)


def test_counts_the_seconds_of_the_vendor_demo() -> None:
    bench = Bench()
    bench.set_time(START)
    assert bench.get_time() == START
    bench.seconds(0.99)
    assert bench.get_time() == START
    bench.seconds(0.02)
    assert bench.get_time() == START + datetime.timedelta(seconds=1)


@pytest.mark.parametrize(
    "moment",
    [
        datetime.datetime(2019, 2, 28, 23, 59, 59),
        datetime.datetime(2020, 2, 28, 23, 59, 59),
        datetime.datetime(2000, 2, 29, 23, 59, 59),
        datetime.datetime(2100, 2, 28, 23, 59, 59),
        datetime.datetime(1999, 12, 31, 23, 59, 59),
        datetime.datetime(2024, 4, 30, 23, 59, 59),
    ],
)
def test_calendar_turns_over(moment: datetime.datetime) -> None:
    bench = Bench()
    bench.set_time(moment)
    bench.seconds(1)
    assert bench.get_time() == moment + datetime.timedelta(seconds=1)
    assert bench.rtc.read(EXTENDED, 4) >> 5 & 1 == (bench.get_time().year % 4 == 0 and bench.get_time().year != 2100)


def test_long_spans_need_no_events() -> None:
    bench = Bench()
    bench.set_time(START)
    bench.seconds(3 * 365 * 86_400)
    assert bench.get_time() == START + datetime.timedelta(days=3 * 365)
    assert bench.clock.next_time() is None


def test_dates_that_do_not_exist_end_with_their_month() -> None:
    assert later_date(2021, 2, 31, 1) == (2021, 3, 1)
    assert later_date(2021, 0, 0, 1) == (2021, 1, 1)
    assert later_date(2021, 13, 5, 2) == (2022, 1, 2)
    assert later_date(2021, 13, 5, 0) == (2021, 13, 5)
    assert later_date(2399, 12, 31, 1) == (2400, 1, 1)


def test_current_count_runs_from_one_to_a_second() -> None:
    bench = Bench()
    bench.set(CURRENT, 1)
    bench.seconds(0.5)
    assert bench.rtc.read(CURRENT, 4) == 1 + HZ // 2
    bench.seconds(0.5)
    assert bench.rtc.read(CURRENT, 4) == 1
    assert bench.rtc.read(INITIAL, 4) == HZ


def test_tick_pulses_every_second_without_drift() -> None:
    bench = Bench()
    bench.set_time(START)
    bench.interrupts(tick=True)
    bench.seconds(10.5)
    assert len(bench.pulses) == 10 and not bench.irq.level
    assert all(later - earlier == SECOND_PS for earlier, later in zip(bench.pulses, bench.pulses[1:], strict=False))
    bench.interrupts()
    bench.seconds(10)
    assert len(bench.pulses) == 10


@pytest.mark.parametrize(("mode", "moment"), [(1, (0, 0, 30)), (2, (4, 59, 30)), (3, (23, 59, 30))])
def test_tick_modes_wait_for_the_minute_hour_or_day(mode: int, moment: tuple[int, int, int]) -> None:
    bench = Bench()
    bench.set_time(datetime.datetime(2021, 5, 5, *moment))
    bench.interrupts(tick=True, mode=mode)
    bench.seconds(29.9)
    assert bench.pulses == []
    bench.seconds(1)
    assert len(bench.pulses) == 1


def test_alarm_compares_the_fields_of_its_mask() -> None:
    bench = Bench()
    bench.set_time(START)
    bench.set_alarm(datetime.datetime(2018, 9, 12, 23, 31, 5))
    bench.interrupts(alarm=True, mask=1 << 1 | 1 << 2 | 1 << 3 | 1 << 7)
    bench.seconds(14.9)
    assert bench.pulses == []
    bench.seconds(0.2)
    assert len(bench.pulses) == 1
    bench.seconds(3600)
    assert len(bench.pulses) == 1
    bench.interrupts(alarm=True, mask=1 << 1)
    bench.seconds(120)
    assert len(bench.pulses) == 3


def test_alarm_without_a_mask_never_fires() -> None:
    bench = Bench()
    bench.interrupts(alarm=True)
    bench.seconds(120)
    assert bench.pulses == []


def test_protection_and_mode_keep_values() -> None:
    bench = Bench()
    bench.set_time(START)
    bench.set_alarm(START)
    bench.rtc.write(DATE, 4, 0)  # running: not writable
    bench.rtc.write(ALARM_TIME, 4, 0)
    bench.rtc.write(INITIAL, 4, 5)
    bench.rtc.write(INTERRUPT, 4, 1)
    bench.rtc.write(CONTROL, 4, RUNNING)  # all masks shut
    for register in (DATE, TIME, ALARM_DATE, ALARM_TIME, INITIAL, INTERRUPT, EXTENDED):
        bench.set(register, 0x11111111)
    assert bench.get_time() == START
    assert bench.rtc.read(ALARM_TIME, 4) == bench.time_word(START)
    assert bench.rtc.read(ALARM_DATE, 4) == bench.date_word(START)
    assert bench.rtc.read(INITIAL, 4) == HZ and bench.rtc.read(INTERRUPT, 4) == 0


def test_pause_and_a_gated_clock_stop_the_time() -> None:
    bench = Bench()
    bench.set_time(START)
    bench.mode(PAUSE)
    bench.seconds(100)
    bench.mode(RUNNING)
    bench.clk.set(0)
    bench.seconds(100)
    bench.clk.set(HZ)
    assert bench.get_time() == START
    bench.seconds(1)
    assert bench.get_time() == START + datetime.timedelta(seconds=1)


def test_a_second_of_one_clock_does_not_flood_with_interrupts() -> None:
    bench = Bench()
    bench.interrupts(tick=True)
    bench.set(INITIAL, 1)
    bench.seconds(0.001)
    assert 10 < len(bench.pulses) <= 100


def test_survives_random_accesses() -> None:
    bench, random_ = Bench(), random.Random(5)
    for _ in range(10_000):
        offset, size = random_.randrange(0, 0x2C), random_.choice([1, 2, 4, 8])
        offset -= offset % size
        if random_.random() < 0.2:
            bench.rtc.write(CONTROL, 4, random_.getrandbits(32))
        elif random_.random() < 0.5:
            bench.rtc.write(offset, size, random_.getrandbits(random_.choice([8, 8 * size])) & (1 << 8 * size) - 1)
        else:
            assert 0 <= bench.rtc.read(offset, size) < 1 << 8 * size
        bench.clock.advance(random_.randrange(10**8))
        if random_.random() < 0.01:
            bench.clk.set(random_.choice([0, 1, HZ]))
    bench.rtc.reset()
    bench.clk.set(HZ)
    assert bench.rtc.read(DATE, 4) == bench.rtc.read(TIME, 4) == 0 and not bench.irq.level
    bench.unprotect()
    bench.set(INITIAL, HZ)
    bench.set_time(START)
    assert bench.get_time() == START
