# What is made of pins in software: Signal, SoftSPI, SoftI2C, pulses. Wires between pads 10 and 11, and 12 and 13.
import time

from machine import Pin, Signal, SoftI2C, SoftSPI, time_pulse_us

out, inp = Pin(10, Pin.OUT, value=0), Pin(11, Pin.IN)
lamp, key = Signal(out, invert=True), Signal(inp)
lamp.on()
assert (lamp(), key(), inp()) == (1, 0, 0)
lamp.off()
assert (lamp.value(), key.value(), inp()) == (0, 1, 1)
assert Signal(11, Pin.IN, invert=True).value() == 0
out(0)

# Pulses.
assert time_pulse_us(inp, 1, 500) == -2
out(1)
assert time_pulse_us(inp, 1, 500) == -1
out(0)

# SPI with its output wired to its input, in all modes and both orders.
data = bytes(range(0, 256, 5))
for polarity in (0, 1):
    for phase in (0, 1):
        spi = SoftSPI(baudrate=500_000, polarity=polarity, phase=phase, sck=Pin(14), mosi=Pin(10), miso=Pin(11))
        back = bytearray(len(data))
        spi.write_readinto(data, back)
        assert back == data, (polarity, phase, back)
        assert Pin(14)() == polarity
        assert spi.read(3, 0x5A) == b"\x5a\x5a\x5a"
        spi.deinit()

# I2C without anybody there, and with a line held down.
bus = SoftI2C(scl=Pin(12), sda=Pin(14), freq=100_000, timeout=1000)
holder = Pin(13, Pin.IN, Pin.PULL_UP)
Pin(12).init(pull=Pin.PULL_UP)
Pin(14).init(pull=Pin.PULL_UP)
assert bus.scan() == []
try:
    bus.writeto(0x42, b"x")
    raise AssertionError("somebody acknowledged")
except OSError as error:
    assert error.errno == 19 or error.errno == 5, error
holder.init(Pin.OPEN_DRAIN, value=0)
begin = time.ticks_us()
try:
    bus.writeto(0x42, b"x")
    raise AssertionError("the clock is held down")
except OSError as error:
    assert error.errno in (110, 116, 19, 5), error
assert time.ticks_diff(time.ticks_us(), begin) < 50_000
print("done")
