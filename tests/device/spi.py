# machine.SPI with pads 21 and 22 wired together (mosi to miso).
import time

from machine import SPI, Pin, SoftSPI


def raises(kind, call, *words):
    try:
        call()
    except kind as error:
        for word in words:
            assert word in str(error), error
        return error
    raise AssertionError("nothing was raised")


pattern = bytes((i * 7 + (i >> 8)) & 0xFF for i in range(10_001))
for bus in 0, 1:
    spi = SPI(bus, 10_000_000, sck=20, mosi=21, miso=22)
    for length in 1, 2, 7, 32, 63, 64, 65, 66, 67, 68, 1000, 10_001:
        back = bytearray(length)
        spi.write_readinto(pattern[:length], back)
        assert back == pattern[:length], (bus, length)
    assert spi.read(5, 0xA5) == b"\xa5" * 5
    same = bytearray(pattern[:300])
    spi.write_readinto(same, same)
    assert same == pattern[:300]
    spi.readinto(same, 0x5A)
    assert same == b"\x5a" * 300
    spi.write(pattern)
    spi.write(b"")
    for polarity in 0, 1:
        for phase in 0, 1:
            spi.init(polarity=polarity, phase=phase)
            back = bytearray(200)
            spi.write_readinto(pattern[:200], back)
            assert back == pattern[:200], (polarity, phase)
    spi.init(firstbit=SPI.LSB)
    back = bytearray(600)
    spi.write_readinto(pattern[:600], back)
    assert back == pattern[:600]
    spi.init(firstbit=SPI.MSB, bits=16)
    spi.write_readinto(pattern[:600], back)
    assert back == pattern[:600]
    raises(ValueError, lambda: spi.write(b"abc"), "3 bytes", "bits=16")
    spi.init(bits=32, baudrate=1_000_000)
    spi.write_readinto(pattern[:600], back)
    assert back == pattern[:600]
    # A rate that is not above what was asked, and is kept: 8,000 bits.
    spi = SPI(bus, 1_000_000, sck=20, mosi=21, miso=22)
    start = time.ticks_us()
    spi.write(pattern[:1000])
    took = time.ticks_diff(time.ticks_us(), start)
    assert 8_000 <= took < 8_800, took
    spi.deinit()
    raises(OSError, lambda: spi.write(b"x"), "deinit")
print("transfers OK")

raises(ValueError, lambda: SPI(2), "SPI(2)")
raises(ValueError, lambda: SPI(0, bits=3, sck=20), "bits=3")
raises(ValueError, lambda: SPI(0, baudrate=0, sck=20), "baudrate=0")
raises(ValueError, lambda: SPI(0, polarity=2, sck=20))
raises(ValueError, lambda: SPI(0), "sck")
raises(ValueError, lambda: SPI(0, sck=48), "48")
text = repr(SPI(0, 5_000_000, sck=20, mosi=21, miso=22))
assert text.startswith("SPI(0, baudrate=") and text.endswith("sck=20, mosi=21, miso=22)"), text
assert 4_000_000 < int(text[len("SPI(0, baudrate=") :].split(",")[0]) <= 5_000_000, text
print("arguments OK")

soft = SoftSPI(baudrate=500_000, sck=Pin(20), mosi=Pin(21), miso=Pin(22))
back = bytearray(20)
soft.write_readinto(pattern[:20], back)
assert back == pattern[:20]
print("done")
