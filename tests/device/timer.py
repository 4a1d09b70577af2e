# Timers: hardware and virtual, periodic and one-shot, soft and hard.
import gc
import time

from machine import PWM, Timer


def raises(kind, call, *args, **kw):
    try:
        call(*args, **kw)
    except kind as error:
        return str(error)
    raise AssertionError("no %s" % kind.__name__)


calls = []


def note(timer):
    calls.append((timer, time.ticks_us()))


def periods():
    times = [when for _, when in calls]
    return [time.ticks_diff(later, sooner) for sooner, later in zip(times, times[1:])]


# Periodic.
for number in (0, 5, 11, -1):
    calls.clear()
    timer = Timer(number, period=10, callback=note)
    time.sleep_ms(105)
    timer.deinit()
    assert [who for who, _ in calls] == [timer] * 10, calls
    # A virtual timer counts whole milliseconds of a clock that has begun one.
    assert all(abs(period - 10_000) < 100 for period in periods()), periods()
    time.sleep_ms(25)
    assert len(calls) == 10
calls.clear()
timer = Timer(3)
timer.init(mode=Timer.PERIODIC, freq=2500, callback=note)
time.sleep_ms(10)
timer.deinit()
assert 24 <= len(calls) <= 25, len(calls)
assert all(abs(period - 400) < 40 for period in periods()), periods()
# freq goes before period; -1 is none.
calls.clear()
timer.init(freq=200, period=1, callback=note)
time.sleep_ms(21)
timer.init(freq=-1, period=50, callback=note)
time.sleep_ms(51)
timer.deinit()
assert len(calls) == 5, len(calls)
print("periodic OK")

# Hard: the interrupt itself calls.
stamps = [0] * 50
at = 0


def stamp(timer):
    global at
    if at < 50:
        stamps[at] = time.ticks_us()
        at += 1


timer = Timer(0, freq=1000, callback=stamp, hard=True)
time.sleep_ms(52)
timer.deinit()
assert at == 50, at
assert all(abs(time.ticks_diff(b, a) - 1000) <= 5 for a, b in zip(stamps, stamps[1:])), stamps


def fail(timer):
    global at
    at += 1
    raise ValueError("on purpose")


at = 0
timer = Timer(0, period=2, callback=fail, hard=True)
time.sleep_ms(11)
assert at == 1, at
timer.init(period=2, callback=stamp, hard=True)
time.sleep_ms(9)
timer.deinit()
assert at == 5, at
print("hard OK")

# One-shot.
for number in (2, -1):
    calls.clear()
    timer = Timer(number, mode=Timer.ONE_SHOT, period=20, callback=note)
    begin = time.ticks_us()
    time.sleep_ms(15)
    assert calls == []
    time.sleep_ms(50)
    assert len(calls) == 1
    assert abs(time.ticks_diff(calls[0][1], begin) - 20_000) < 1100, calls
    # Again, from its own callback.
    calls.clear()

    def again(timer):
        note(timer)
        if len(calls) < 3:
            timer.init(mode=Timer.ONE_SHOT, period=5, callback=again)

    timer.init(mode=Timer.ONE_SHOT, period=5, callback=again)
    time.sleep_ms(40)
    assert len(calls) == 3, len(calls)
    timer.deinit()
    timer.deinit()
print("one-shot OK")

# Twelve at once; the scheduler holds sixteen calls.
for numbers in (range(12), [-1] * 12):
    counts = {}

    def count(timer):
        counts[timer] = counts.get(timer, 0) + 1

    timers = [Timer(number, period=5 + index, callback=count) for index, number in enumerate(numbers)]
    time.sleep_ms(121)
    for timer in timers:
        timer.deinit()
    for index, timer in enumerate(timers):
        assert abs(counts[timer] - 121 // (5 + index)) <= 1, (timer, counts[timer])
timers.clear()
counts.clear()
print("many OK")

# Running ones are not garbage; others are.
left = 6


def stop_at_last(timer):
    global left
    left -= 1
    if left == 0:
        timer.deinit()


for number in (7, -1):
    left = 6
    Timer(number, period=3, callback=(lambda f: lambda timer: f(timer))(stop_at_last))
    for _ in range(10):
        time.sleep_ms(3)
        gc.collect()
        junk = [bytearray(64) for _ in range(100)]
    assert left == 0, left
del junk
gc.collect()
free = gc.mem_free()
for _ in range(50):
    timer = Timer(-1, period=1000, callback=count)
    timer.deinit()
del timer
gc.collect()
assert free - gc.mem_free() < 1000
print("garbage OK")

# More than the counter of a channel holds: 330 seconds.
calls.clear()
begin = time.ticks_ms()
timer = Timer(1, mode=Timer.ONE_SHOT, period=400_000, callback=note)
time.sleep(399)
assert calls == []
time.sleep(2)
assert len(calls) == 1 and abs(time.ticks_diff(calls[0][1] // 1000, begin) - 400_000) < 2, calls
print("long OK")

# Errors.
assert "Timer(12)" in raises(ValueError, Timer, 12)
raises(ValueError, Timer, -2)
assert "period=0" in raises(ValueError, Timer, 0, period=0, callback=note)
assert "freq=1e+06" in raises(ValueError, Timer, 0, freq=1_000_000, callback=note)
raises(ValueError, Timer, 0, freq=0, callback=note)
raises(ValueError, Timer, 0, freq=-5, callback=note)
raises(ValueError, Timer, 0, mode=7, period=1)
raises(ValueError, Timer, -1, period=1, callback=note, hard=True)
raises(TypeError, Timer, "x")
# Timers and PWM share channels.
pwm = PWM(10, freq=1000, duty_u16=100)
assert "a PWM" in raises(ValueError, Timer, 11)
pwm.deinit()
Timer(11, mode=Timer.ONE_SHOT, period=1000).deinit()
assert repr(Timer(4)) == "Timer(4)"
timer = Timer(4, period=7)
assert repr(timer) == "Timer(4, mode=PERIODIC, period=7.0)", timer
time.sleep_ms(20)
timer.deinit()
print("errors OK")
print("done")
