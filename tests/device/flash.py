# k210.Flash and the file system on it. The board's flash chip is empty but for the firmware.
import errno
import os
import time

import k210
import machine
import vfs

BLOCK = 4096
START = 0x800000


def raises(kind, call, *words):
    try:
        call()
    except kind as error:
        for word in words:
            assert word in str(error), error
        return error
    raise AssertionError("nothing was raised")


# Ranges.
area = k210.Flash()
assert repr(area) == "Flash(start=0x200000, len=0x100000)", area
assert area.ioctl(4, 0) == 256 and area.ioctl(5, 0) == BLOCK
rest = k210.Flash(start=START)
assert rest.ioctl(4, 0) == (16 * 1024 * 1024 - START) // BLOCK
raises(ValueError, lambda: k210.Flash(start=0x1000000), "0x1000000")
raises(ValueError, lambda: k210.Flash(start=0xFFF000, len=0x2000), "0xfff000", "0x2000")
raises(ValueError, lambda: k210.Flash(start=0x800100), "0x800100", "4096")
raises(ValueError, lambda: k210.Flash(start=-4096))
raises(ValueError, lambda: k210.Flash(len=0))
print("ranges OK")

# Blocks.
some = k210.Flash(start=START, len=4 * BLOCK)
pattern = bytes((i * 7 + (i >> 8)) & 0xFF for i in range(2 * BLOCK))
assert some.writeblocks(1, pattern) == 0
back = bytearray(2 * BLOCK)
assert some.readblocks(1, back) == 0 and back == pattern
assert some.writeblocks(1, bytes(BLOCK)) == 0
some.readblocks(1, back)
assert back == bytes(BLOCK) + pattern[BLOCK:]
# With offset: bits go from 1 to 0 only, until the block is erased.
assert some.ioctl(6, 1) == 0
some.readblocks(1, back)
assert back == b"\xff" * BLOCK + pattern[BLOCK:]
assert some.writeblocks(1, b"\xf0" * 300, 100) == 0
assert some.writeblocks(1, b"\x3c", 101) == 0
part = bytearray(302)
assert some.readblocks(1, part, 99) == 0
assert part == b"\xff\xf0\x30" + b"\xf0" * 298 + b"\xff", part
some.read(BLOCK + 99, part)
assert part[2] == 0x30
odd = bytearray(7)
some.read(2 * BLOCK + 3, odd)
assert odd == pattern[BLOCK + 3 : BLOCK + 10]
raises(ValueError, lambda: some.readblocks(3, back), "8192", "12288")
raises(ValueError, lambda: some.writeblocks(4, b"x", 0), "16384")
raises(ValueError, lambda: some.read(-1, odd))
raises(ValueError, lambda: some.ioctl(6, 4))
print("blocks OK")

# The firmware.
low = k210.Flash(start=0)
head = bytearray(5)
low.read(0, head)
assert head[0] in (0, 2) and 100_000 < int.from_bytes(head[1:], "little") < 2_000_000, head
raises(ValueError, lambda: low.writeblocks(0, bytes(BLOCK)), "firmware")
raises(ValueError, lambda: low.ioctl(6, (int.from_bytes(head[1:], "little") + 36) // BLOCK), "firmware")
assert low.ioctl(6, (int.from_bytes(head[1:], "little") + 37) // BLOCK + 1) == 0
whole = k210.Flash(whole=True)
assert whole.ioctl(4, 0) * BLOCK == 16 * 1024 * 1024
# Writing what is there changes nothing.
first = bytearray(BLOCK)
whole.readblocks(0, first)
assert whole.writeblocks(0, first) == 0
print("firmware OK")

# The file system.
assert "flash" in os.listdir("/") and os.getcwd() == "/flash"
assert os.statvfs("/flash")[2] == 256
with open("/flash/data", "wb") as f:
    for _ in range(10):
        f.write(pattern)
with open("/flash/data", "rb") as f:
    for _ in range(10):
        assert f.read(len(pattern)) == pattern
with open("/flash/data", "rb") as f:
    assert raises(OSError, lambda: f.write(b"something else")).errno == errno.EBADF
    assert f.read(len(pattern)) == pattern
with open("/flash/data", "ab") as f:
    assert raises(OSError, lambda: f.read(1)).errno == errno.EBADF
with open("/flash/data", "r+b") as f:
    assert f.read(1) == pattern[:1] and f.write(pattern[1:2]) == 1
with open("/flash/data", "rb") as f:
    assert f.read(len(pattern)) == pattern
assert os.stat("/flash/data")[6] == 10 * len(pattern)
os.mkdir("/flash/lib")
with open("/flash/lib/flash_test_module.py", "w") as f:
    f.write("answer = 42\n")
flash_test_module = __import__("flash_test_module")

assert flash_test_module.answer == 42
os.rename("data", "lib/other")
assert sorted(os.listdir("lib")) == ["flash_test_module.py", "other"]
raises(OSError, lambda: open("data")).errno == errno.ENOENT
# Another one, in a range of its own.
other = k210.Flash(start=START, len=16 * BLOCK)
vfs.VfsLfs2.mkfs(other, progsize=256)
vfs.mount(vfs.VfsLfs2(other, progsize=256), "/other")
with open("/other/x", "w") as f:
    f.write("there")
vfs.umount("/other")
vfs.mount(vfs.VfsLfs2(k210.Flash(start=START, len=16 * BLOCK), progsize=256), "/other")
assert open("/other/x").read() == "there"
full = raises(OSError, lambda: open("/other/y", "wb").write(bytes(17 * BLOCK)))
assert full.errno == 28, full
vfs.umount("/other")
print("files OK")

# Erasing takes time, in which the board sleeps; the clock goes on.
start = time.ticks_us()
some.ioctl(6, 0)
assert 40_000 < time.ticks_diff(time.ticks_us(), start) < 400_000
assert len(machine.unique_id()) == 8
print("unique id", machine.unique_id().hex())
print("done")
