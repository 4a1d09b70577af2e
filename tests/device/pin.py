# Pins: levels, modes, pulls, names, errors, interrupts. Wires between pads 10 and 11, and 12 and 13.
import gc
import time

import micropython
from machine import Pin

micropython.alloc_emergency_exception_buf(100)


def raises(kind, call, *args, **kw):
    try:
        call(*args, **kw)
    except kind as error:
        return str(error)
    raise AssertionError("no %s" % kind.__name__)


# Levels.
out, inp = Pin(10, Pin.OUT, value=0), Pin(11, Pin.IN)
for level in (0, 1, 1, 0, True, False):
    out.value(level)
    assert inp.value() == inp() == out.value() == level
    assert type(inp()) is int
out.on()
assert inp() == 1
out.off()
assert inp() == 0
out.high()
assert inp() == 1
out.low()
assert inp() == 0
for level in (1, 0, 1):
    out.toggle()
    assert inp() == level
out(0)
assert inp() == 0
out.init(value=1)
assert inp() == 1
# The value of an input takes effect when it becomes an output.
out.init(Pin.IN)
out.value(0)
out.init(Pin.OUT)
assert inp() == 0
print("levels OK")

# Pulls, on pads that nothing drives.
pulled = Pin(20, Pin.IN, Pin.PULL_UP)
assert pulled() == 1
pulled.init(Pin.IN, Pin.PULL_DOWN)
assert pulled() == 0
pulled.init(pull=Pin.PULL_UP)
assert pulled() == 1
assert repr(pulled) == "Pin(20, mode=IN, pull=PULL_UP)", pulled
pulled.init(Pin.IN, None)
assert repr(pulled) == "Pin(20, mode=IN)", pulled
print("pulls OK")

# Open drain: one wire, two that pull it down.
one, two = Pin(12, Pin.OPEN_DRAIN, Pin.PULL_UP, value=1), Pin(13, Pin.OPEN_DRAIN, Pin.PULL_UP, value=1)
for first, second in ((1, 1), (0, 1), (1, 0), (0, 0), (1, 1)):
    one(first)
    two(second)
    assert one() == two() == (first & second), (first, second)
one.toggle()
assert (one(), two()) == (0, 0)
one.toggle()
assert (one(), two()) == (1, 1)
assert repr(one) == "Pin(12, mode=OPEN_DRAIN, pull=PULL_UP)", one
print("open drain OK")

# Names.
assert Pin("IO10") is Pin(10) is out is Pin(out)
assert Pin("BOOT_KEY") is Pin.board.BOOT_KEY is Pin(16)
assert "pad 48 is not between 0 and 47" in raises(ValueError, Pin, 48)
raises(ValueError, Pin, -1)
for name in ("nope", "IO48", "IO", "IO1x", "IO0001", ""):
    assert '"%s"' % name in raises(ValueError, Pin, name)
raises(TypeError, Pin, 1.5)
raises(TypeError, Pin, None)
raises(ValueError, Pin, 10, 77)
raises(ValueError, Pin, 10, Pin.OUT, 5)
raises(ValueError, Pin, 10, Pin.OUT, drive=8)
raises(ValueError, Pin, 10, Pin.ALT, alt=256)
# Not a pin yet: its level can be read, not set.
assert Pin(21).value() in (0, 1)
Pin(21, Pin.ALT, alt=120)
assert "Pin(21)" in raises(ValueError, Pin(21).on)
assert repr(Pin(21)) == "Pin(21, mode=ALT, alt=120)", Pin(21)
print("names and errors OK")

# Interrupts.
seen = []


def note(pin):
    seen.append((pin, pin.irq().flags()))


def pulse(times=1):
    for _ in range(times):
        out(1)
        time.sleep_us(50)
        out(0)
        time.sleep_us(50)


out.init(Pin.OUT, value=0)
for trigger, flags in (
    (Pin.IRQ_RISING, [Pin.IRQ_RISING]),
    (Pin.IRQ_FALLING, [Pin.IRQ_FALLING]),
    (Pin.IRQ_RISING | Pin.IRQ_FALLING, [Pin.IRQ_RISING, Pin.IRQ_FALLING]),
):
    for hard in (False, True):
        seen.clear()
        irq = inp.irq(lambda pin: note(pin) if not hard else None, trigger)
        pulse(3)
        if not hard:
            assert seen == [(inp, flag) for flag in flags] * 3, seen
        count = 0

        def hard_note(pin):
            global count, last
            count += 1
            last = pin

        if hard:
            inp.irq(hard_note, trigger, hard=True)
            pulse(3)
            assert count == 3 * len(flags) and last is inp, count
        assert irq.trigger() == trigger

# Soft handlers wait for the scheduler; hard ones do not.
order = []
inp.irq(lambda pin: order.append("soft"), Pin.IRQ_RISING)
out(1)
out(0)
time.sleep_ms(1)
assert order == ["soft"]
count = 0
inp.irq(hard_note, Pin.IRQ_RISING, hard=True)
out(1)
at_once = count
out(0)
assert at_once == 1
# The handler is kept although nobody else keeps it.
inp.irq((lambda box: lambda pin: box.append(1))(seen), Pin.IRQ_RISING)
seen.clear()
for _ in range(20):
    gc.collect()
    junk = [bytearray(64) for _ in range(200)]
pulse(2)
assert seen == [1, 1], seen
# No handler, no interrupts; the default trigger is both edges.
inp.irq(None)
pulse()
assert len(seen) == 2
inp.irq(note)
assert inp.irq().trigger() == Pin.IRQ_RISING | Pin.IRQ_FALLING
seen.clear()
pulse()
assert len(seen) == 2
inp.irq().trigger(Pin.IRQ_RISING)
pulse()
assert len(seen) == 3
print("edges OK")

# A level interrupts again and again, until it is gone: soft and hard.
runs = 0


def until_low(pin):
    global runs
    runs += 1
    if runs == 5:
        out(0)


for hard in (False, True):
    runs = 0
    inp.irq(until_low, Pin.IRQ_HIGH_LEVEL, hard=hard)
    assert runs == 0
    out(1)
    time.sleep_ms(2)
    assert runs == 5, runs
    if not hard:
        # A soft one leaves time for the program, so that it can end it.
        out(1)
        time.sleep_ms(1)
        assert runs > 5
    inp.irq(None)
    out(0)
# One that nobody can end any more, as the pad was given to something else.
out(1)
inp.irq(hard_note, Pin.IRQ_LOW_LEVEL, hard=True)
before = count
Pin(11, Pin.ALT, alt=120)
time.sleep_ms(1)
assert count - before < 1000
inp.init(Pin.IN)
inp.irq(None)
out(0)
print("levels as interrupts OK")


# A hard handler that fails is called no more; a soft one is.
def fail(pin):
    global count
    count += 1
    raise ValueError("on purpose")


for hard, expected in ((True, 1), (False, 3)):
    count = 0
    inp.irq(fail, Pin.IRQ_RISING, hard=hard)
    pulse(3)
    time.sleep_ms(1)
    assert count == expected, count
inp.irq(None)


# And one that sleeps while everybody sleeps leaves the interpreter usable.
def sleepy(pin):
    global count
    time.sleep_us(50)
    count += 1


count = 0
inp.irq(sleepy, Pin.IRQ_RISING, hard=True)
for _ in range(3):
    out(1)
    time.sleep_ms(1)
    out(0)
assert count == 3
inp.irq(None)
raises(ValueError, inp.irq, note, 64)
raises(ValueError, inp.irq, note, Pin.IRQ_RISING, priority=0)
raises(ValueError, inp.irq, note, Pin.IRQ_RISING, priority=8)
raises(ValueError, inp.irq, note, Pin.IRQ_RISING, wake=1)
print("handlers that misbehave OK")

# 32 channels of GPIOHS and 8 of GPIO; the eight on pads of their own, which interrupts move to one of the 32.
pads = [pad for pad in range(48) if pad not in (4, 5, 10, 11, 12, 13, 20)]
pins = [Pin(pad, Pin.IN, Pin.PULL_UP) for pad in pads[:35]]
assert all(pin() for pin in pins[4:])
message = raises(OSError, Pin, pads[35], Pin.IN)
assert message == "all 40 GPIO channels are in use: none is left for pad %d" % pads[35], message
for pin in pins:
    pin.init(Pin.IN, Pin.PULL_DOWN)
    assert pin() == 0 or pin is Pin.board.BOOT_KEY  # which has a resistor to the supply
raises(OSError, lambda: [pin.irq(note) for pin in pins])
# One that gets another function makes room.
pins[0].init(Pin.ALT, alt=120)
assert Pin(pads[35], Pin.IN, Pin.PULL_UP)() == 1
print("channels OK")
print("done")
