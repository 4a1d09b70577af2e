# The clock: setting, running, the other clocks that come from it, errors.
import time

from machine import RTC


def raises(kind, call, *args):
    try:
        call(*args)
    except kind as error:
        return str(error)
    raise AssertionError("no %s" % kind.__name__)


rtc = RTC()
assert rtc.datetime()[0] >= 2000
rtc.datetime((2024, 2, 28, 0, 23, 59, 58, 500_000))
year, month, day, weekday, hour, minute, second, us = rtc.datetime()
# The weekday is worked out: a Wednesday.
assert (year, month, day, weekday, hour, minute, second) == (2024, 2, 28, 2, 23, 59, 58), rtc.datetime()
assert 500_000 <= us < 520_000, us
time.sleep(2)
assert rtc.datetime()[:7] == (2024, 2, 29, 3, 0, 0, 0), rtc.datetime()
assert time.localtime() == (2024, 2, 29, 0, 0, 0, 3, 60), time.localtime()
assert time.time() == 1_709_164_800, time.time()
assert time.gmtime(time.time()) == time.localtime()
# Nanoseconds and microseconds go with ticks.
begin, ticks = time.time_ns(), time.ticks_us()
time.sleep_ms(1300)
passed, by_ticks = (time.time_ns() - begin) // 1000, time.ticks_diff(time.ticks_us(), ticks)
assert abs(passed - by_ticks) < 500, (passed, by_ticks)
last = 0
for _ in range(300):
    now = time.time_ns()
    assert now >= last
    last = now
# A year that is no leap year, a century that is one, the end of the year.
for before, after in (
    ((2023, 2, 28), (2023, 3, 1)),
    ((2000, 2, 28), (2000, 2, 29)),
    ((2099, 12, 31), (2100, 1, 1)),
    ((2100, 2, 28), (2100, 3, 1)),
):
    rtc.datetime(before + (0, 23, 59, 59, 900_000))
    time.sleep_ms(200)
    assert rtc.datetime()[:3] == after, rtc.datetime()
rtc.init((2031, 7, 4, 12, 34, 56, 0, None))
assert rtc.datetime()[:7] == (2031, 7, 4, 4, 12, 34, 56), rtc.datetime()
for position, bad in ((0, 1969), (1, 0), (1, 13), (2, 31), (4, 24), (5, 60), (6, 60), (7, 1_000_000), (6, -1)):
    fields = [2023, 6, 1, 0, 1, 2, 3, 4]
    fields[position] = bad
    assert str(bad) in raises(ValueError, rtc.datetime, fields), fields
raises(ValueError, rtc.datetime, (2023, 1, 1))
raises(TypeError, rtc.datetime, 5)
print("done")
