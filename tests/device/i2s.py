# machine.I2S: a loudspeaker on I2S0's data line 0, which tells what it heard to the test; a microphone on I2S1's: left
# counts by three from -500 on, right stays 0x1234 (in the upper 16 bits of 32).
import asyncio
import struct
import time

from machine import I2S, Pin


def raises(kind, function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except kind as error:
        return error
    raise AssertionError(kind)


OUT = {"sck": 35, "ws": Pin(33), "sd": Pin(34), "mode": I2S.TX}
IN = {"sck": Pin(18), "ws": 19, "sd": 20, "mode": I2S.RX}

# Blocking: takes the line's time; the buffer hides the rest.
out = I2S(0, bits=16, format=I2S.STEREO, rate=44100, ibuf=8000, **OUT)
data = struct.pack("<4000h", *(i * (1 - 2 * (i & 1)) for i in range(4000)))
out.write(data)
start = time.ticks_us()
for _ in range(10):
    assert out.write(data) == 8000
took = time.ticks_diff(time.ticks_us(), start)
wanted = 10 * 2000 * 1000000 // 44100
assert abs(took - wanted) < wanted // 50 + 3000, (took, wanted)
time.sleep_ms(60)
print("blocking")

# Mono: on both sides; 32 bits.
out.init(bits=32, format=I2S.MONO, rate=16000, ibuf=4000, **OUT)
out.write(struct.pack("<500i", *(i << 20 for i in range(1, 501))))
time.sleep_ms(50)
print("mono")

# Non-blocking: the callback comes when all has been taken, long before that write() returns.
done = []
out.init(bits=16, format=I2S.STEREO, rate=32000, ibuf=1000, **OUT)
out.irq(lambda i2s: done.append(i2s))
start = time.ticks_us()
assert out.write(data) == 8000
assert time.ticks_diff(time.ticks_us(), start) < 1000 and not done
while not done:
    assert time.ticks_diff(time.ticks_us(), start) < 200000
took = time.ticks_diff(time.ticks_us(), start)
wanted = (8000 - 1000) // 4 * 1000000 // 32000
assert done == [out] and abs(took - wanted) < 12000, (took, wanted)
time.sleep_ms(60)
print("non-blocking")


# asyncio: others run meanwhile.
async def play():
    out.init(bits=16, format=I2S.STEREO, rate=32000, ibuf=1000, **OUT)
    turns = 0

    async def count():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep_ms(1)

    task = asyncio.create_task(count())
    writer = asyncio.StreamWriter(out)
    writer.out_buf = data  # write() would be the blocking one, until drain() has polled
    await writer.drain()
    task.cancel()
    return turns


assert asyncio.run(play()) > 20
time.sleep_ms(60)
out.deinit()
print("asyncio")

# A buffer that is smaller than the block of a larger one: no gaps.
out.init(bits=16, format=I2S.STEREO, rate=16000, ibuf=200, **OUT)
for _ in range(3):
    out.write(data)
time.sleep_ms(20)
out.deinit()
print("small buffer")

# Receiving: every frame, in order.
heard = I2S(1, bits=32, format=I2S.STEREO, rate=16000, ibuf=8000, **IN)
samples = bytearray(4000)
last = None
for _ in range(10):
    assert heard.readinto(samples) == 4000
    for left, right in zip(*[iter(struct.unpack("<1000i", samples))] * 2):
        left >>= 16
        assert right == 0x1234 << 16 and (last is None or left == last + 3), (last, left, right)
        last = left
heard.init(bits=16, format=I2S.MONO, rate=8000, ibuf=2000, **IN)
start = time.ticks_us()
heard.readinto(samples)
heard.readinto(samples)
took = time.ticks_diff(time.ticks_us(), start)
assert abs(took - 4000 * 1000000 // 8000) < 30000, took
values = struct.unpack("<2000h", samples)
assert all((b - a) & 0xFFFF == 3 for a, b in zip(values, values[1:]))
done.clear()
heard.irq(done.append)
heard.readinto(samples)
time.sleep_ms(300)
assert done == [heard]
values = struct.unpack("<2000h", samples)
heard.irq(None)
print("receiving")

# Both at once.
out.init(bits=16, format=I2S.STEREO, rate=8000, ibuf=4000, **OUT)
for _ in range(3):
    heard.readinto(samples)
    out.write(samples)
heard.deinit()
out.deinit()
print("both")

# shift() and mistakes.
two = bytearray(struct.pack("<2h", -100, 100))
I2S.shift(buf=two, bits=16, shift=1)
assert struct.unpack("<2h", two) == (-200, 200)
right = {"bits": 16, "format": I2S.STEREO, "rate": 16000, "ibuf": 1000}
assert str(raises(ValueError, I2S, 3, **right, **OUT)) == "there is no I2S(3), only 0 to 2"
for wrong in ({"bits": 24}, {"rate": 100}, {"rate": 1000000}, {"ibuf": 0}, {"format": 5}, {"mode": 9}, {"sck": 48}):
    settings = dict(OUT)
    settings.update(right)
    settings.update(wrong)
    raises(ValueError, I2S, 0, **settings)
out = I2S(0, **right, **OUT)
assert raises(OSError, out.readinto, bytearray(4)).errno == 1
assert raises(OSError, heard.readinto, bytearray(3)).errno == 22  # no whole frame
assert "rate=16000" in str(out)
out.deinit()
print("done")
