# Timers, PWM and the time of day do not follow the CPU's frequency. Wire: 10-11.
import time

import machine
from machine import PWM, Pin, Timer, time_pulse_us

ticks = 0


def tick(timer):
    global ticks
    ticks += 1


usual = machine.freq()
pwm, pin = PWM(10, freq=1000, duty_u16=16384), Pin(11, Pin.IN)
for freq in (200_000_000, 480_000_000, usual):
    machine.freq(freq)
    assert abs(machine.freq() - freq) < freq // 50
    for id in (0, -1):
        ticks = 0
        start_ns, start_us = time.time_ns(), time.ticks_us()
        timer = Timer(id, period=10, callback=tick)
        time.sleep_ms(105)
        timer.deinit()
        assert ticks == 10, (freq, id, ticks)
        elapsed_us = time.ticks_diff(time.ticks_us(), start_us)
        assert 105_000 <= elapsed_us < 107_000, (freq, elapsed_us)
        assert abs((time.time_ns() - start_ns) // 1000 - elapsed_us) < 50
    width = max(time_pulse_us(pin, 1, 3000) for _ in range(3))
    assert abs(width - 250) <= 2, (freq, width)
pwm.deinit()
print("done")
