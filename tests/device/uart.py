# machine.UART. Wires: UART1 (tx 10, rx 11) and UART2 (tx 12, rx 13) crossed over, UART3's own tx 14 to its rx 15.
import asyncio
import select
import time

from machine import UART


def raises(kind, function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except kind as error:
        return str(error)
    raise AssertionError(kind)


one = UART(1, 115200, tx=10, rx=11)
two = UART(2, 115200, tx=12, rx=13)
three = UART(3, baudrate=9600, bits=7, parity=0, stop=2, tx=14, rx=15, timeout=50)
assert "baudrate=9600, bits=7, parity=0, stop=2, tx=14, rx=15" in str(three), three

# Both ways, nothing invented, all lengths.
assert one.read() is None and one.any() == 0 and one.readline() is None
assert one.write(b"hello\nworld") == 11
assert one.flush() is None and one.txdone()
time.sleep_ms(2)
assert two.any() == 11
assert two.readline() == b"hello\n" and two.read(2) == b"wo" and two.read() == b"rld"
every = bytes(range(256))
two.write(every)
two.flush()
time.sleep_ms(2)
buffer = bytearray(200)
assert one.readinto(buffer) == 200 and buffer == every[:200]
assert one.readinto(buffer, 10) == 10 and one.read() == every[210:]
print("data")

# write() and flush() take the line's time; writing does not wait while there is room.
for rate in (2400, 38400, 1000000):
    one.init(rate)
    start = time.ticks_us()
    one.write(b"x" * 20)
    written = time.ticks_diff(time.ticks_us(), start)
    one.flush()
    sent = time.ticks_diff(time.ticks_us(), start)
    wanted = 20 * 10 * 1000000 // rate
    assert written < max(wanted // 2, 300), (rate, written)
    assert wanted - 200 <= sent < wanted + 500, (rate, sent, wanted)
    assert one.txdone()
print("time")

# A slower listener hears nonsense; with the same settings it understands again.
time.sleep_ms(20)
two.read()
two.init(1000000, parity=1)
one.init(1000000, parity=1)
one.write(b"odd")
time.sleep_ms(2)
assert two.read() == b"odd"
three.write(bytes([0x55, 0xFF, 0x00]))
assert three.read(3) == bytes([0x55, 0x7F, 0x00])  # seven bits
print("formats")

# Time-outs: the first character's, then the one between characters.
start = time.ticks_ms()
assert three.read(1) is None
assert 45 <= time.ticks_diff(time.ticks_ms(), start) <= 60
three.init(timeout=0, timeout_char=10)
three.write(b"ab")
time.sleep_ms(2)
start = time.ticks_ms()
assert three.read(5) == b"ab"  # the second was on its way
assert 8 <= time.ticks_diff(time.ticks_ms(), start) <= 25
print("timeouts")

# Buffers: a big one takes all, a small one what fits and 16 in the FIFO; then it goes on.
one = UART(1, 115200, tx=10, rx=11, rxbuf=1000)
two = UART(2, 115200, tx=12, rx=13, txbuf=1000, timeout=100)
data = bytes(i * 7 & 255 for i in range(1000))
start = time.ticks_ms()
assert two.write(data) == 1000
assert time.ticks_diff(time.ticks_ms(), start) < 20
two.flush()
time.sleep_ms(2)
assert one.any() == 1000 and one.read() == data
one.write(data)  # more than its 256 of txbuf
one.flush()
time.sleep_ms(2)
heard = two.read()
assert heard == data[: len(heard)] and 256 <= len(heard) <= 256 + 16, len(heard)
one.write(b"more")
time.sleep_ms(2)
assert two.read() == b"more"
print("buffers")

# Interrupts.
calls = []


def note(uart):
    calls.append((uart.irq().flags(), uart.read(1)))


irq = two.irq(note, UART.IRQ_RX)
assert irq.trigger() == UART.IRQ_RX
for byte in b"abc":
    one.write(bytes([byte]))
    time.sleep_ms(1)
assert calls == [(UART.IRQ_RX, b"a"), (UART.IRQ_RX, b"b"), (UART.IRQ_RX, b"c")], calls
calls.clear()
two.irq(lambda uart: calls.append((uart.irq().flags(), uart.read())), UART.IRQ_RXIDLE)
one.write(b"a line of text")
time.sleep_ms(5)
assert calls == [(UART.IRQ_RXIDLE, b"a line of text")], calls
calls.clear()
two.irq(note, UART.IRQ_BREAK)
one.write(b"1")
one.flush()
one.sendbreak()
time.sleep_ms(2)
one.write(b"2")
time.sleep_ms(2)
assert calls == [(UART.IRQ_BREAK, b"1")], calls
assert two.read() == b"2"  # a break is no character
two.irq(None)
calls.clear()
one.sendbreak()
one.write(b"x")
time.sleep_ms(2)
assert calls == [] and two.read() == b"x"
one.irq(lambda uart: calls.append(uart.irq().flags()), UART.IRQ_TXIDLE)
calls.clear()
one.write(b"y")
time.sleep_ms(2)
assert calls == [UART.IRQ_TXIDLE], calls
one.irq(None)
two.irq(calls.append, UART.IRQ_RX, hard=True)
calls.clear()
one.write(b"z")
time.sleep_ms(1)
assert calls and calls[0] is two
two.irq(None)
two.read()
print("interrupts")

# select and asyncio.
poll = select.poll()
poll.register(two, select.POLLIN)
assert poll.poll(5) == []
one.write(b"!")
start = time.ticks_ms()
assert poll.poll(1000) == [(two, select.POLLIN)]
assert time.ticks_diff(time.ticks_ms(), start) < 20
poll.modify(two, select.POLLIN | select.POLLOUT)
assert poll.poll(0) == [(two, select.POLLIN | select.POLLOUT)]
two.read()


async def talk():
    reader, writer = asyncio.StreamReader(two), asyncio.StreamWriter(one)

    async def say():
        await asyncio.sleep_ms(5)
        writer.write(b"line 1\nline 2\n")
        await writer.drain()

    task = asyncio.create_task(say())
    lines = [await reader.readline(), await reader.readline()]
    await task
    return lines


assert asyncio.run(talk()) == [b"line 1\n", b"line 2\n"]
print("streams")

# Mistakes.
assert raises(ValueError, UART, 0) == "there is no UART(0), only 1 to 3"
assert raises(ValueError, UART, 4) == "there is no UART(4), only 1 to 3"
assert "baudrate" in raises(ValueError, one.init, 0)
assert "baudrate" in raises(ValueError, one.init, 100000000)
assert "bits 9" in raises(ValueError, one.init, bits=9)
assert "stop 3" in raises(ValueError, one.init, stop=3)
raises(ValueError, one.init, tx=48)
raises(ValueError, one.irq, 5)
assert "unsupported" in raises(ValueError, one.irq, print, 0x100)
assert "baudrate=115200" in str(one)  # a refused init() changes nothing
assert UART(1) is one
one.deinit()
assert raises(OSError, one.write, b"x") == "UART(1) is off"
raises(OSError, one.any)
one.init(115200)
one.write(b"back")
time.sleep_ms(2)
assert two.read() == b"back"
print("done")
