"""OTP, driven as the vendor's otp.c drives it."""

import random

import pytest

from k210kit.board.core.clock import Clock
from k210kit.board.devices.otp import AES_KEY, Otp
from k210kit.errors import K210Error

CEB, TEST_MODE, MODE, DATA_FINISH, BISR_FAIL, LAST, DATA, IN_DATA, ADDRESS = 0, 4, 8, 0x10, 0x14, 0x20, 0x24, 0x2C, 0x30
ACCEPTED, ADDRESS_FLAG, BISR_FINISH, KEY_RESULT, KEY_WORD, WRONG = 0x38, 0x3C, 0x48, 0x4C, 0x50, 0x60
BLANK_FINISH, CPU_CTRL, READEN, CEB_CPU, ADR_CPU, DAT_CPU, READY = 0x70, 0x78, 0x88, 0xA0, 0xA4, 0xA8, 0xAC
BLOCK_LOW, FUNCTION_LOW = 0xB4, 0xBC


def read_bytes(otp: Otp, address: int, length: int) -> bytes | None:
    for register in (MODE, WRONG, CEB):
        otp.write(register, 4, 0)
    out = bytearray()
    for i in range(length):
        assert otp.read(ADDRESS_FLAG, 4)
        if i == length - 1:
            otp.write(LAST, 4, 1)
        otp.write(ADDRESS, 4, 8 * (address + i))
        assert otp.read(READY, 4)
        if otp.read(WRONG, 4):
            return None
        out.append(otp.read(DATA, 4))
    return bytes(out)


def write_bytes(otp: Otp, address: int, data: bytes) -> bool:
    otp.write(MODE, 4, 1)
    for register in (ACCEPTED, WRONG, CEB):
        otp.write(register, 4, 0)
    bits = [byte >> bit & 1 for byte in data for bit in range(8)]
    for i, bit in enumerate(bits):
        last = i == len(bits) - 1
        if not bit and not last:
            continue
        assert otp.read(ADDRESS_FLAG, 4)
        otp.write(ADDRESS, 4, 8 * address + i)
        otp.write(IN_DATA, 4, bit)
        if last:
            otp.write(LAST, 4, 1)
        otp.write(DATA_FINISH, 4, 1)
        if otp.read(WRONG, 4):
            return False
        assert otp.read(ACCEPTED, 4) == 2
        otp.write(ACCEPTED, 4, 0)
    return test(otp, 0x30, BISR_FINISH) == 1


def test(otp: Otp, number: int, result: int) -> int:
    otp.write(MODE, 4, 2)
    otp.write(TEST_MODE, 4, number)
    otp.write(result, 4, 0)
    otp.write(CEB, 4, 0)
    return otp.read(result, 4)


test.__test__ = False  # type: ignore[attr-defined]


def test_reads_its_contents() -> None:
    otp = Otp("otp", Clock(), contents=b"ROXM\x04\x00" + bytes(range(1, 9)))
    assert read_bytes(otp, 0, 8) == b"ROXM\x04\x00\x01\x02"
    assert read_bytes(otp, 0x3D90, 3) == bytes(3)
    assert otp.read(ADDRESS_FLAG, 4) == 0


def test_bits_are_programmed_once_and_survive_reset() -> None:
    otp = Otp("otp", Clock())
    assert write_bytes(otp, 0x100, b"\x0f\x80")
    assert write_bytes(otp, 0x100, b"\xf1\x00")
    otp.reset()
    assert read_bytes(otp, 0x100, 2) == b"\xff\x80"


def test_protected_blocks_refuse_writing() -> None:
    otp = Otp("otp", Clock())
    assert write_bytes(otp, 0x3FD0, b"\x0c")  # block 1
    assert otp.read(BLOCK_LOW, 4) == 2
    assert not write_bytes(otp, 0x400, b"\x01")
    assert write_bytes(otp, 0x3FF, b"\x01") and write_bytes(otp, 0x800, b"\x01")
    assert read_bytes(otp, 0x400, 1) == b"\0"


def test_key_is_compared_but_not_read() -> None:
    otp = Otp("otp", Clock())
    key = bytes(range(16, 32))
    assert write_bytes(otp, AES_KEY, key)
    assert read_bytes(otp, AES_KEY, 1) is None
    for given, result in ((key, 2), (bytes(16), 1)):
        otp.write(KEY_RESULT, 4, 0)
        for i in range(0, 16, 4):
            otp.write(KEY_WORD, 4, int.from_bytes(given[i : i + 4], "big"))
        assert otp.read(KEY_RESULT, 4) == result
    assert write_bytes(otp, 0x3FE0, b"\xf0")  # disable writing and comparing
    assert otp.read(FUNCTION_LOW, 4) == 0b1100
    for _ in range(4):
        otp.write(KEY_WORD, 4, 0)
    assert otp.read(KEY_RESULT, 4) == 3
    assert not write_bytes(otp, AES_KEY, b"\xff")


def test_blank_check() -> None:
    otp = Otp("otp", Clock())
    assert test(otp, 0x24, BLANK_FINISH) == 1 and otp.read(BISR_FAIL, 4) == 0
    write_bytes(otp, 5, b"\x01")
    assert test(otp, 0x24, BLANK_FINISH) == 1 and otp.read(BISR_FAIL, 4) == 1


def test_bypass_read() -> None:
    otp = Otp("otp", Clock(), contents=b"abc")
    otp.write(CPU_CTRL, 4, 0xCAAC)
    otp.write(CEB_CPU, 4, 0)
    otp.write(ADR_CPU, 4, 16)
    otp.write(READEN, 4, 1)
    assert otp.read(DAT_CPU, 4) == ord("c")


def test_too_long_contents_are_refused_with_the_numbers() -> None:
    with pytest.raises(K210Error, match=r"16385 bytes.*16384"):
        Otp("otp", Clock(), contents=bytes(16385))


def test_survives_random_accesses() -> None:
    otp, random_ = Otp("otp", Clock()), random.Random(7)
    for _ in range(10_000):
        offset, size = random_.randrange(0, 0xC8), random_.choice([1, 2, 4, 8])
        offset -= offset % size
        if random_.random() < 0.6:
            otp.write(offset, size, random_.getrandbits(random_.choice([2, 8 * size])) & (1 << 8 * size) - 1)
        else:
            assert 0 <= otp.read(offset, size) < 1 << 8 * size
    otp.reset()
    assert read_bytes(otp, 0, 4) == bytes(otp.array[:4])
