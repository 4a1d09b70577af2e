"""Real-time clock: calendar, alarm and tick interrupt.

Layout: Kendryte standalone SDK, drivers/include/rtc.h; use: drivers/rtc.c. There is no register to acknowledge an
interrupt, so the line gives a pulse, which the interrupt controller must latch. Not known from any source: that the
calendar stands still outside "running" mode (taken from the SDK's name for it), whether the counter runs from 1 up
(programs in the field read it as rising microseconds) and that the alarm repeats every second while it matches.
"""

from __future__ import annotations

import datetime
import logging

from k210kit.board.core.clock import Clock, Event, duration, ticks
from k210kit.board.core.clocks import ClockSignal
from k210kit.board.core.device import Device
from k210kit.board.core.line import Line
from k210kit.board.core.registers import WORD_MASK, Field, Register

log = logging.getLogger("k210kit.board")

DATE = [Field("week", 0, 3), Field("day", 8, 5), Field("month", 16, 4), Field("year", 20, 12)]
TIME = [Field("second", 10, 6), Field("minute", 16, 6), Field("hour", 24, 5)]
DATE_MASK = sum(field.mask for field in DATE)
TIME_MASK = sum(field.mask for field in TIME)
MASK_BITS = {"second": 1, "minute": 2, "hour": 3, "week": 4, "day": 5, "month": 6, "year": 7}
READ_ENABLE, WRITE_ENABLE = 1, 2
TICK_ENABLE, ALARM_ENABLE = 1, 2
SMALLEST_GAP_PS = 10_000_000
"""Interrupts closer than 10 us (a second counter set to a few clocks) are thinned out."""
_CYCLE_DAYS = 146_097  # Days in the 400 years after which the calendar repeats.


def is_leap(year: int) -> bool:
    """Whether the Gregorian `year` has 366 days."""
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _days_in(year: int, month: int) -> int:
    if month == 2:
        return 29 if is_leap(year) else 28
    return 30 if month in (4, 6, 9, 11) else 31


def later_date(year: int, month: int, day: int, days: int) -> tuple[int, int, int]:
    """(year, month, day) `days` later; a date that does not exist ends with its month."""
    if days and not (1 <= month <= 12 and 1 <= day <= _days_in(year, month)):
        days -= 1
        day, month = 1, month + 1
        if month > 12:
            year, month = year + 1, 1
    if not days:
        return year, month, day
    base = year % 400 + 2000
    cycles, ordinal = divmod(datetime.date(base, month, day).toordinal() + days - 1, _CYCLE_DAYS)
    end = datetime.date.fromordinal(ordinal + 1)
    return year - base + cycles * 400 + end.year, end.month, end.day


class Rtc(Device):
    """The clock, counting `clk` (26 MHz); `irq` pulses for ticks and alarms."""

    date = Register(0x00, DATE)
    time = Register(0x04, TIME)
    alarm_date = Register(0x08, DATE, writable=DATE_MASK)
    alarm_time = Register(0x0C, TIME, writable=TIME_MASK)
    initial_count = Register(0x10, doc="clocks in a second")
    current_count = Register(0x14, doc="1 up to initial_count")
    interrupt_ctrl = Register(
        0x18,
        [Field("tick_enable", 0), Field("alarm_enable", 1), Field("tick_mode", 2, 2), Field("alarm_mask", 24, 8)],
        writable=0xFF00_000F,
    )
    register_ctrl = Register(
        0x1C,
        [
            Field("read_enable", 0),
            Field("write_enable", 1),
            Field("timer_mask", 13, 8),
            Field("alarm_mask", 21, 8),
            Field("initial_count_mask", 29),
            Field("interrupt_mask", 30),
        ],
        writable=0x7FFF_E003,
    )
    reserved = Register(0x20, count=2)
    extended = Register(0x28, [Field("century", 0, 5), Field("leap_year", 5)])

    def __init__(self, name: str, clock: Clock, *, irq: Line | None = None, clk: ClockSignal | None = None) -> None:
        self.irq = irq or Line(f"{name}.irq")
        self.clk = clk or ClockSignal(name)
        self._hz = self.clk.hz
        self._event: Event | None = None
        self._anchor = self._used = 0
        self._kept: dict[str, int] = {}
        super().__init__(name, clock)
        self.clk.listen(self._clock_changed)

    def reset(self) -> None:
        """All zero and paused."""
        super().reset()
        if self._event is not None:
            self._event.cancel()
        self._event = None
        self.irq.set(False)
        self._count, self._second_of_day, self._week = 1, 0, 0
        self._year = self._month = self._day = 0
        self._running = False
        self._anchor, self._used = self.clock.now, 0
        self._kept = dict.fromkeys(("alarm_date", "alarm_time", "initial_count", "interrupt_ctrl"), 0)

    # Time ------------------------------------------------------------------------------------------------------

    def _sync(self) -> None:
        """Bring count and calendar up to now."""
        if not self._running:
            return
        passed = ticks(self.clock.now - self._anchor, self._hz) - self._used
        self._used += passed
        self._count += passed
        clocks = self.initial_count
        if clocks and self._count > clocks:
            seconds, rest = divmod(self._count - 1, clocks)
            self._count = rest + 1
            self._advance(seconds)
        self._count &= WORD_MASK

    def _advance(self, seconds: int) -> None:
        days, self._second_of_day = divmod(self._second_of_day + seconds, 86_400)
        if days:
            self._week = (self._week + days) % 7
            self._year, self._month, self._day = later_date(self._year, self._month, self._day, days)
            self._year %= 3200

    def _rearm(self) -> None:
        """Take up counting from here, and await the next second if an interrupt could follow."""
        self._running = bool(self.register_ctrl & READ_ENABLE) and self._hz > 0
        self._anchor, self._used = self.clock.now, 0
        self._schedule()

    def _schedule(self) -> None:
        if self._event is not None:
            self._event.cancel()
            self._event = None
        clocks = self.initial_count
        if self._running and clocks and self.interrupt_ctrl & (TICK_ENABLE | ALARM_ENABLE):
            due = self._anchor + duration(self._used + max(1, clocks - self._count + 1), self._hz)
            self._event = self.clock.at(max(due, self.clock.now + SMALLEST_GAP_PS), self._second)

    def _second(self) -> None:
        self._event = None
        self._sync()
        ctrl = self.interrupt_ctrl
        tick_due = self._second_of_day % (1, 60, 3_600, 86_400)[ctrl >> 2 & 3] == 0
        if (ctrl & TICK_ENABLE and tick_due) or (ctrl & ALARM_ENABLE and self._alarm_matches(ctrl >> 24)):
            self.irq.set(True)
            self.irq.set(False)
        self._schedule()

    def _alarm_matches(self, mask: int) -> bool:
        now, alarm = (self._date_value(), self._time_value()), (self.alarm_date, self.alarm_time)
        compared = mask & 0xFE
        for fields, value, wanted in zip((DATE, TIME), now, alarm, strict=True):
            for field in fields:
                if compared >> MASK_BITS[field.name] & 1 and field.get(value) != field.get(wanted):
                    return False
        return bool(compared)

    def _clock_changed(self, hz: int) -> None:
        self._sync()
        self._hz = hz
        self._rearm()

    # Registers -------------------------------------------------------------------------------------------------

    def _date_value(self) -> int:
        return self._week & 7 | self._day << 8 | self._month << 16 | self._year % 100 << 20

    def _time_value(self) -> int:
        minutes, second = divmod(self._second_of_day, 60)
        hour, minute = divmod(minutes, 60)
        return second << 10 | minute << 16 | hour << 24

    @date.on_read
    def _date_read(self) -> int:
        self._sync()
        self.date = self._date_value()
        return int(self.date)

    @time.on_read
    def _time_read(self) -> int:
        self._sync()
        self.time = self._time_value()
        return int(self.time)

    @extended.on_read
    def _extended_read(self) -> int:
        self._sync()
        self.extended = self._year // 100 | is_leap(self._year) << 5
        return int(self.extended)

    @current_count.on_read
    def _current_count_read(self) -> int:
        self._sync()
        return self._count

    def _let_through(self, fields: list[Field], old: int, new: int, mask_low: int) -> int:
        """`old` with those fields from `new` that the mode and the mask at `mask_low` of register_ctrl open."""
        if self.register_ctrl & WRITE_ENABLE:
            for field in fields:
                if self.register_ctrl >> mask_low + MASK_BITS[field.name] & 1:
                    old = field.put(old, field.get(new))
        return old

    @date.on_write
    def _date_written(self, written: int) -> None:
        self._sync()
        value = self._let_through(DATE, self._date_value(), written, 13)
        self._week, self._day, self._month = value & 7, value >> 8 & 31, value >> 16 & 15
        self._year = self._year // 100 * 100 + (value >> 20) % 100
        self._schedule()

    @time.on_write
    def _time_written(self, written: int) -> None:
        self._sync()
        value = self._let_through(TIME, self._time_value(), written, 13)
        self._second_of_day = (value >> 24) * 3_600 + (value >> 16 & 63) * 60 + (value >> 10 & 63)
        self._second_of_day = min(self._second_of_day, 86_399)

    @extended.on_write
    def _extended_written(self, written: int) -> None:
        self._sync()
        opened = self.register_ctrl & WRITE_ENABLE and self.register_ctrl >> 13 + MASK_BITS["year"] & 1
        if opened:
            self._year = (written & 31) * 100 + self._year % 100

    @alarm_date.on_write
    def _alarm_date_written(self, written: int) -> None:
        self.alarm_date = self._kept["alarm_date"] = self._let_through(DATE, self._kept["alarm_date"], written, 21)

    @alarm_time.on_write
    def _alarm_time_written(self, written: int) -> None:
        self.alarm_time = self._kept["alarm_time"] = self._let_through(TIME, self._kept["alarm_time"], written, 21)

    def _open(self, mask_bit: int) -> bool:
        return bool(self.register_ctrl & WRITE_ENABLE and self.register_ctrl >> mask_bit & 1)

    @initial_count.on_write
    def _initial_count_written(self, written: int) -> None:
        self.initial_count = self._kept["initial_count"]
        self._sync()
        if self._open(29):
            self._kept["initial_count"] = written
        self.initial_count = self._kept["initial_count"]
        self._schedule()

    @current_count.on_write
    def _current_count_written(self, written: int) -> None:
        self._sync()
        if self.register_ctrl & WRITE_ENABLE:
            self._count = written
        self._schedule()

    @interrupt_ctrl.on_write
    def _interrupt_ctrl_written(self, written: int) -> None:
        if self._open(30):
            self._kept["interrupt_ctrl"] = self.interrupt_ctrl
        self.interrupt_ctrl = self._kept["interrupt_ctrl"]
        self._sync()
        self._schedule()

    @register_ctrl.on_write
    def _register_ctrl_written(self, written: int) -> None:
        self._sync()
        self._rearm()
