# machine.I2C and machine.SoftI2C: a 24C02 memory and a part that refuses data at 0x29, on SCL 10 and SDA 11.
import time

from machine import I2C, Pin, SoftI2C

MEMORY, REFUSING, NOBODY = 0x50, 0x29, 0x33
ENODEV, EIO = 19, 5


def raises(kind, function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except kind as error:
        return error
    raise AssertionError(kind)


def stored():
    time.sleep_ms(6)  # the memory's write cycle


def check(i2c):
    assert i2c.scan() == [REFUSING, MEMORY], i2c.scan()

    # Memory operations.
    i2c.writeto_mem(MEMORY, 0x20, b"abcdef")
    stored()
    assert i2c.readfrom_mem(MEMORY, 0x20, 6) == b"abcdef"
    buffer = bytearray(4)
    assert i2c.readfrom_mem_into(MEMORY, 0x22, buffer) is None and buffer == b"cdef"
    i2c.readfrom_mem(MEMORY, 0, 256)

    # Plain ones; the number of acknowledged bytes is told.
    assert i2c.writeto(MEMORY, b"\x20") == 1
    assert i2c.readfrom(MEMORY, 3) == b"abc"
    i2c.readfrom_into(MEMORY, buffer)
    assert buffer[:3] == b"def"
    assert i2c.writeto(MEMORY, b"") == 0
    assert i2c.writevto(MEMORY, (b"\x40", b"12", bytearray(b"34"))) == 5
    stored()
    # Without a STOP between them.
    assert i2c.writeto(MEMORY, b"\x41", False) == 1
    assert i2c.readfrom(MEMORY, 2) == b"23"

    # Errors.
    assert raises(OSError, i2c.writeto, NOBODY, b"x").errno == ENODEV
    assert raises(OSError, i2c.writeto, NOBODY, b"").errno == ENODEV
    assert raises(OSError, i2c.readfrom, NOBODY, 1).errno == ENODEV
    if isinstance(i2c, SoftI2C):  # tells it by the number only
        assert i2c.writeto(REFUSING, b"xy") == 0
    else:
        assert raises(OSError, i2c.writeto, REFUSING, b"xy").errno == EIO
        assert raises(OSError, i2c.readfrom_mem, REFUSING, 0, 1).errno == EIO
    assert i2c.readfrom_mem(MEMORY, 0x20, 6) == b"abcdef"  # the bus is free again


for number in range(3):
    i2c = I2C(number, scl=Pin(10), sda=11, freq=100000)
    check(i2c)
    print(i2c)
    i2c.init(scl=10, sda=11, freq=400000)
    check(i2c)
    if number == 0:
        # 256 bytes and their addresses, 9 bits each.
        start = time.ticks_us()
        i2c.readfrom_mem(MEMORY, 0, 256)
        took = time.ticks_diff(time.ticks_us(), start)
        assert 259 * 9 * 10 // 4 <= took < 259 * 9 * 10 // 4 * 13 // 10, took

assert str(raises(ValueError, I2C, 3)) == "there is no I2C(3), only 0 to 2"
assert "freq 5000000" in str(raises(ValueError, I2C, 0, scl=10, sda=11, freq=5000000))
assert "both pad 10" in str(raises(ValueError, I2C, 0, scl=10, sda=10))
raises(ValueError, I2C, 0, scl=48, sda=10)
raises(ValueError, I2C, 0, scl=10, sda=11, timeout=-1)
assert I2C(2) is i2c
raises(ValueError, i2c.writeto, MEMORY, bytes(100), False)

i2c = SoftI2C(scl=Pin(10), sda=Pin(11), freq=100000)
check(i2c)
# Its primitives.
i2c.start()
assert i2c.write(b"\xa0\x20") == 2
i2c.start()
assert i2c.write(b"\xa1") == 1
buffer = bytearray(3)
i2c.readinto(buffer)
i2c.stop()
assert buffer == b"abc"

# The pads go back to a controller.
check(I2C(0, scl=10, sda=11))
print("done")
