# machine.SDCard and /sd. The board has a card of 16 MiB with a FAT file system and a file HELLO.TXT.
import errno
import os
import sys

import machine


def raises(kind, call, *words):
    try:
        call()
    except kind as error:
        for word in words:
            assert word in str(error), error
        return error
    raise AssertionError("nothing was raised")


assert os.getcwd() == "/sd" and "/sd/lib" in sys.path and "/flash" in sys.path
with open("hello.txt") as f:
    assert f.read() == "hello, card\n"
pattern = bytes((i * 13 + (i >> 8)) & 0xFF for i in range(50_000))
with open("/sd/new.bin", "wb") as f:
    f.write(pattern)
    f.write(pattern)
with open("/sd/new.bin", "rb") as f:
    assert f.read() == pattern + pattern
os.mkdir("/sd/lib")
with open("/sd/lib/sd_test_module.py", "w") as f:
    f.write("answer = 43\n")
sd_test_module = __import__("sd_test_module")

assert sd_test_module.answer == 43
print("files OK")

card = machine.SDCard()
capacity, block = card.info()
assert block == 512 and card.ioctl(5, 0) == 512
assert card.ioctl(4, 0) * 512 == capacity >= 16 * 1024 * 1024, capacity
last = card.ioctl(4, 0) - 200
many = bytes((i * 5 + (i >> 9)) & 0xFF for i in range(150 * 512))
assert card.writeblocks(last, many) == 0
back = bytearray(len(many))
assert card.readblocks(last, back) == 0 and back == many
one = bytearray(512)
assert card.readblocks(last + 149, one) == 0 and one == many[-512:]
raises(ValueError, lambda: card.readblocks(last + 200, one), "1 blocks")
raises(ValueError, lambda: card.readblocks(-1, one))
raises(ValueError, lambda: card.readblocks(0, bytearray(100)), "100")
print("blocks OK")

raises(ValueError, lambda: machine.SDCard(2), "2")
raises(ValueError, lambda: machine.SDCard(freq=100), "100")
slow = machine.SDCard(freq=1_000_000)
assert slow.readblocks(last + 149, one) == 0 and one == many[-512:]
slow.deinit()
raises(OSError, lambda: slow.readblocks(0, one), "deinit")
# On other pads nothing answers.
error = raises(OSError, lambda: machine.SDCard(0, sck=6, mosi=7, miso=8, cs=9))
assert error.errno == errno.ENODEV, error
# The mounted card is none the worse for that.
with open("/sd/new.bin", "rb") as f:
    assert f.read(len(pattern)) == pattern
by_spi0 = machine.SDCard(0)
assert by_spi0.readblocks(last + 149, one) == 0 and one == many[-512:]
print("done")
