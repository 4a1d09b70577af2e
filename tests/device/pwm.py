# PWM, as a pin that is wired to it sees it: pad 10 to pad 11.
import time

from machine import PWM, Pin, time_pulse_us


def raises(kind, call, *args, **kw):
    try:
        call(*args, **kw)
    except kind as error:
        return str(error)
    raise AssertionError("no %s" % kind.__name__)


seen = Pin(11, Pin.IN)


def check(high, low):
    # A first pulse may be a part of one.
    for level, expected in ((1, high), (0, low)):
        time_pulse_us(seen, level)
        us = time_pulse_us(seen, level)
        assert abs(us - expected) <= 3, (level, us, expected)


def check_steady(level):
    for _ in range(20):
        assert seen() == level
        time.sleep_us(77)


pwm = PWM(Pin(10), freq=1000, duty_u16=32768)
check(500, 500)
assert (pwm.freq(), pwm.duty_ns()) == (1000, 500_000)
assert abs(pwm.duty_u16() - 32768) <= 3
pwm.duty_u16(16384)
check(250, 750)
# Another frequency keeps the duty.
pwm.freq(500)
check(500, 1500)
assert abs(pwm.duty_u16() - 16384) <= 3
pwm.duty_ns(300_000)
check(300, 1700)
pwm.freq(1000)
check(300, 700)
for duty, level in ((0, 0), (65535, 1), (0, 0)):
    pwm.duty_u16(duty)
    assert pwm.duty_u16() == duty
    check_steady(level)
pwm.duty_ns(2_000_000)
check_steady(1)
pwm.duty_u16(32768)
check(500, 500)
pwm.init(invert=True, duty_u16=16384)
check(750, 250)
pwm.duty_u16(0)
check_steady(1)
pwm.duty_u16(65535)
check_steady(0)
# The same pad is the same PWM.
assert PWM(10, freq=2000, duty_u16=13107, invert=False) is pwm
check(100, 400)
print(pwm)
print("waveforms OK")

# A pad that was given to a pin stays that pin's.
out = Pin(10, Pin.OUT, value=0)
pwm.duty_u16(65535)
check_steady(0)
pwm = PWM(10, freq=1000, duty_u16=65535)
check_steady(1)
pwm.deinit()
pwm.deinit()
raises(ValueError, pwm.freq, 100)
pwm.init(freq=1000, duty_u16=32768)
check(500, 500)
pwm.deinit()
print("life OK")

# Each has its own frequency.
pads = (10, 12, 14, 15, 17, 18, 19, 20, 21, 22, 23, 24)
pwms = [PWM(pad, freq=100 * (index + 1), duty_u16=32768) for index, pad in enumerate(pads)]
assert all(abs(p.freq() - 100 * (index + 1)) <= 1 for index, p in enumerate(pwms))
for index in (0, 1):
    us = time_pulse_us(Pin(pads[index] + 1), 1, 100_000) and time_pulse_us(Pin(pads[index] + 1), 1, 100_000)
    assert abs(us - 5000 // (index + 1)) <= 3, us
assert "all 12 timer channels" in raises(OSError, PWM, 25)
for p in pwms:
    p.deinit()
raises(ValueError, PWM, 10, freq=0)
assert "6500000" in raises(ValueError, PWM, 10, freq=6_500_001)
raises(ValueError, PWM, 10, freq=1000, duty_u16=65536)
raises(ValueError, PWM, 10, freq=1000, duty_u16=1, duty_ns=1)
raises(ValueError, PWM, 48)
print("many and errors OK")
print("done")
