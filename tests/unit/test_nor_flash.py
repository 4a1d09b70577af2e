"""The NOR flash against the W25Q128 data sheet."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k210kit.board.core.clock import PS_PER_SECOND, Clock
from k210kit.board.parts.nor_flash import NorFlash
from k210kit.errors import K210Error

MS = PS_PER_SECOND // 1000
US = MS // 1000


@pytest.fixture
def flash():
    return NorFlash(Clock())


def command(flash, *sent, answer=0):
    flash.select(True)
    flash.send(bytes(sent))
    data = flash.receive(answer) if answer else b""
    flash.select(False)
    return data


def status(flash, code=0x05):
    return command(flash, code, answer=1)[0]


def wait(flash):
    for _ in range(1_000_000):
        if not status(flash) & 1:
            return
        flash.clock.advance(MS)
    raise AssertionError("busy for ever")


def address(offset):
    return offset.to_bytes(3, "big")


def program(flash, offset, data, settle=True):
    command(flash, 0x06)
    command(flash, 0x02, *address(offset), *data)
    if settle:
        wait(flash)


def erase(flash, code, offset):
    command(flash, 0x06)
    command(flash, code, *address(offset))


def read(flash, offset, count):
    return command(flash, 0x03, *address(offset), answer=count)


def test_identity_commands(flash):
    assert command(flash, 0x9F, answer=3) == bytes.fromhex("ef4018")
    assert command(flash, 0x90, 0, 0, 0, answer=4) == bytes.fromhex("ef17ef17")
    assert command(flash, 0x90, 0, 0, 1, answer=2) == bytes.fromhex("17ef")
    assert command(flash, 0xAB, 0, 0, 0, answer=1) == b"\x17"
    assert command(flash, 0x4B, 0, 0, 0, 0, answer=8) == flash.unique_id
    assert command(flash, 0x5A, 0, 0, 0, 0, answer=4) == b"SFDP"
    table = command(flash, 0x5A, 0, 0, 0x80, 0, answer=8)
    assert int.from_bytes(table[4:8], "little") == flash.size * 8 - 1


def test_other_identity():
    other = NorFlash(Clock(), size=8 << 20, jedec=(0xC8, 0x40, 0x17))
    assert command(other, 0x90, 0, 0, 0, answer=2) == bytes((0xC8, 0x16))
    assert command(other, 0x9F, answer=3) == bytes((0xC8, 0x40, 0x17))


def test_full_duplex_exchange_answers_after_the_command(flash):
    flash.select(True)
    assert flash.exchange(b"\x9f\x00\x00\x00") == b"\xff\xef\x40\x18"
    flash.select(False)


def test_program_needs_write_enable_and_takes_its_time(flash):
    command(flash, 0x02, *address(0x1000), 1, 2, 3)
    assert read(flash, 0x1000, 3) == b"\xff\xff\xff"
    program(flash, 0x1000, b"\x12\x34", settle=False)
    assert status(flash) == 0x03
    assert read(flash, 0x1000, 2) == b"\xff\xff", "a busy chip does not answer reads"
    flash.clock.advance(700 * US)
    assert status(flash) == 0x00
    assert read(flash, 0x1000, 2) == b"\x12\x34"


def test_programming_only_clears_bits(flash):
    program(flash, 0, b"\xf0")
    program(flash, 0, b"\x3c")
    assert read(flash, 0, 1) == b"\x30"


def test_program_wraps_in_its_page(flash):
    program(flash, 0x2FE, b"abcd")
    assert read(flash, 0x2FE, 4) == b"ab\xff\xff"
    assert read(flash, 0x200, 3) == b"cd\xff"


def test_more_than_a_page_keeps_the_last_256_bytes(flash):
    data = bytes(range(256)) + b"\x01\x02"
    program(flash, 0x10, data)
    assert read(flash, 0x10, 2) == b"\x01\x02"
    assert read(flash, 0x12, 4) == bytes((2, 3, 4, 5))


@pytest.mark.parametrize(("code", "size", "ms"), [(0x20, 4096, 45), (0x52, 32768, 120), (0xD8, 65536, 150)])
def test_erases(flash, code, size, ms):
    flash.load(0, bytes(3 * 65536))
    erase(flash, code, 65536 + 5)
    flash.clock.advance(ms * MS - 1)
    assert status(flash) == 3
    flash.clock.advance(1)
    assert status(flash) == 0
    assert flash.data[65536 - 1] == 0
    assert flash.data[65536 : 65536 + size] == b"\xff" * size
    assert flash.data[65536 + size] == 0


@pytest.mark.parametrize("code", [0xC7, 0x60])
def test_chip_erase(flash, code):
    flash.load(0x123456, b"\0")
    command(flash, 0x06)
    command(flash, code)
    assert status(flash) == 3
    flash.clock.advance(40 * PS_PER_SECOND)
    assert status(flash) == 0
    assert flash.data[0x123456] == 0xFF


def test_write_disable(flash):
    command(flash, 0x06)
    assert status(flash) == 2
    command(flash, 0x04)
    assert status(flash) == 0


def test_read_wraps_at_the_end_of_the_chip(flash):
    flash.load(flash.size - 2, b"yz")
    flash.load(0, b"ab")
    assert read(flash, flash.size - 2, 4) == b"yzab"


def quad_enable(flash):
    command(flash, 0x06)
    command(flash, 0x01, 0x00, 0x02)
    wait(flash)


def test_multi_line_reads(flash):
    flash.load(0x1234, b"kendryte")

    def fast(code, address_lines, lines, mode=None, dummy=0):
        flash.select(True)
        flash.send(bytes((code,)))
        flash.send(address(0x1234) + (bytes((mode,)) if mode is not None else b""), address_lines)
        if dummy:
            flash.dummy(dummy)
        data = flash.receive(8, lines)
        flash.select(False)
        return data

    assert fast(0x0B, 1, 1, dummy=8) == b"kendryte"
    assert fast(0x3B, 1, 2, dummy=8) == b"kendryte"
    assert fast(0xBB, 2, 2, mode=0) == b"kendryte"
    assert fast(0x6B, 1, 4, dummy=8) == b"\xff" * 8, "without QE the quad commands are not there"
    quad_enable(flash)
    assert status(flash, 0x35) == 0x02
    assert fast(0x6B, 1, 4, dummy=8) == b"kendryte"
    assert fast(0xEB, 4, 4, mode=0, dummy=4) == b"kendryte"
    assert fast(0x6B, 1, 1, dummy=8) == b"\xff" * 8, "four-line data read on one line is noise"
    assert fast(0x0B, 1, 1, dummy=0) == b"\xffkendryt", "too few dummy cycles"


def test_fast_read_with_a_dummy_byte_sent(flash):
    flash.load(0x40, b"data")
    assert command(flash, 0x0B, 0, 0, 0x40, 0xFF, answer=4) == b"data"


def test_continuous_read_mode(flash):
    quad_enable(flash)
    flash.load(0x100, b"abcd")
    flash.select(True)
    flash.send(b"\xeb")
    flash.send(b"\x00\x01\x00\xa0", 4)
    flash.dummy(4)
    assert flash.receive(2, 4) == b"ab"
    flash.select(False)
    flash.select(True)
    flash.send(b"\x00\x01\x02\x00", 4)
    flash.dummy(4)
    assert flash.receive(2, 4) == b"cd"
    flash.select(False)
    assert command(flash, 0x9F, answer=1) == b"\xef"


def test_quad_program(flash):
    quad_enable(flash)
    command(flash, 0x06)
    flash.select(True)
    flash.send(b"\x32")
    flash.send(b"\x00\x20\x00")
    flash.send(b"quad", 4)
    flash.select(False)
    wait(flash)
    assert read(flash, 0x2000, 4) == b"quad"


def test_status_registers_and_power(flash):
    quad_enable(flash)
    command(flash, 0x50)
    command(flash, 0x31, 0x00)
    assert status(flash) & 1 == 0, "volatile writes take no time"
    assert status(flash, 0x35) == 0x00
    flash.power_cut()
    assert status(flash, 0x35) == 0x02
    command(flash, 0x31, 0x00)
    assert status(flash, 0x35) == 0x02, "no write enable, no write"
    command(flash, 0x06)
    command(flash, 0x11, 0xFF)
    wait(flash)
    assert status(flash, 0x15) == 0xE4


def test_reset_sequence(flash):
    command(flash, 0x06)
    command(flash, 0x99)
    assert status(flash) == 2, "99 alone does nothing"
    command(flash, 0x66)
    command(flash, 0x99)
    assert status(flash) == 0
    command(flash, 0x06)
    command(flash, 0x66)
    command(flash, 0x04)
    command(flash, 0x99)
    command(flash, 0x06)
    assert status(flash) == 2, "another command in between disarms the reset"


def test_power_down(flash):
    command(flash, 0xB9)
    assert command(flash, 0x9F, answer=3) == b"\xff\xff\xff"
    command(flash, 0xAB)
    flash.clock.advance(3 * US)
    assert command(flash, 0x9F, answer=1) == b"\xef"


def test_suspend_and_resume(flash):
    flash.load(0, bytes(8192))
    erase(flash, 0x20, 0)
    flash.clock.advance(10 * MS)
    command(flash, 0x75)
    flash.clock.advance(20 * US)
    assert status(flash) & 1 == 0
    assert status(flash, 0x35) & 0x80
    assert read(flash, 4096, 1) == b"\0"
    flash.clock.advance(1000 * MS)
    command(flash, 0x7A)
    assert status(flash) & 1
    flash.clock.advance(34 * MS)
    assert status(flash) & 1
    flash.clock.advance(1 * MS)
    assert status(flash) == 0
    assert status(flash, 0x35) & 0x80 == 0


@pytest.mark.parametrize(
    ("first", "second", "offset", "kept"),
    [
        (0x04, 0, 0xFC0000, True), (0x04, 0, 0xFBF000, False), (0x24, 0, 0x03F000, True), (0x24, 0, 0x040000, False),
        (0x1C, 0, 0x000000, True), (0x44, 0, 0xFFF000, True), (0x44, 0, 0xFFE000, False), (0x04, 0x40, 0xFC0000, False),
        (0x04, 0x40, 0x000000, True),
    ],
)  # fmt: skip
def test_block_protection(flash, first, second, offset, kept):
    command(flash, 0x06)
    command(flash, 0x01, first, second)
    wait(flash)
    program(flash, offset, b"\0")
    assert (read(flash, offset, 1) == b"\xff") is kept


def test_power_cut_leaves_an_erase_partly_done(flash):
    flash.load(0, bytes(4096))
    erase(flash, 0x20, 0)
    flash.clock.advance(45 * MS // 2)
    flash.power_cut()
    assert flash.data[:2048] == b"\xff" * 2048
    assert flash.data[2048:4096] == bytes(2048)
    assert status(flash) == 0


def test_power_cut_breaks_off_a_suspended_erase(flash):
    flash.load(0, bytes(4096))
    erase(flash, 0x20, 0)
    flash.clock.advance(45 * MS // 4)
    command(flash, 0x75)
    flash.clock.advance(1000 * MS)
    flash.power_cut()
    assert flash.data[:1024] == b"\xff" * 1024
    assert flash.data[1024:4096] == bytes(3072)
    assert status(flash, 0x35) == 0


def test_torn_bits_lie_between_old_and_new(flash):
    flash.torn = random.Random(1)
    program(flash, 0x1000, bytes(256), settle=False)
    flash.clock.advance(MS // 10)
    assert flash.under_way == 256
    flash.power_cut()
    torn = bytes(flash.data[0x1000:0x1100])
    assert torn[:32] == bytes(32)  # a seventh of the time has passed
    assert 0 < sum(byte == 0xFF for byte in torn) < 224
    assert flash.under_way == 0
    flash.load(0x1000, b"\xff" * 128 + bytes(128))
    for seed in range(10):
        flash.torn = random.Random(seed)
        program(flash, 0x1000, b"\x0f" * 256, settle=False)
        flash.power_cut()
        assert all(byte & 0x0F == 0x0F for byte in flash.data[0x1000:0x1080])
        assert flash.data[0x1080:0x1100] == bytes(128)


def test_torn_erase_leaves_anything_in_its_sector_only(flash):
    flash.torn = random.Random(1)
    flash.load(0, b"\x0f" * 3 * 4096)
    erase(flash, 0x20, 4096)
    flash.clock.advance(20 * MS)
    flash.power_cut()
    torn = bytes(flash.data[4096:8192])
    assert len(set(torn)) > 4
    assert flash.data[:4096] == flash.data[8192:12288] == b"\x0f" * 4096


def test_load_checks_the_range(flash):
    with pytest.raises(K210Error, match="0x1000001"):
        flash.load(flash.size - 1, b"ab")
    with pytest.raises(K210Error):
        flash.load(-1, b"a")
    flash.load(flash.size - 2, b"ab")


def test_image_file_is_made_and_kept(tmp_path):
    path = tmp_path / "flash.bin"
    flash = NorFlash(Clock(), image=path)
    assert path.stat().st_size == 16 << 20
    program(flash, 0x3000, b"kept")
    flash.load(0x5000, b"loaded")
    flash.close()
    again = NorFlash(Clock(), image=path)
    assert read(again, 0x3000, 5) == b"kept\xff"
    erase(again, 0x20, 0x3000)
    again.close()
    assert path.read_bytes()[0x3000:0x3004] == b"\xff" * 4
    assert path.read_bytes()[0x5000:0x5006] == b"loaded"


def test_image_of_wrong_size_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "flash.bin"
    path.write_bytes(b"precious")
    with pytest.raises(K210Error, match=r"8 bytes.*16777216"):
        NorFlash(Clock(), image=path)
    assert path.read_bytes() == b"precious"


def test_image_that_cannot_be_made(tmp_path):
    with pytest.raises(K210Error, match="cannot be used"):
        NorFlash(Clock(), image=tmp_path / "no such directory" / "flash.bin")


def test_full_disk_while_creating_leaves_nothing(tmp_path, monkeypatch):
    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(K210Error, match="No space left"):
        NorFlash(Clock(), image=tmp_path / "flash.bin")
    assert list(tmp_path.iterdir()) == []


def test_full_disk_while_writing(tmp_path, monkeypatch):
    flash = NorFlash(Clock(), size=1 << 20, jedec=(0xEF, 0x40, 0x14), image=tmp_path / "flash.bin")

    def full(fd, data, offset):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.pwrite", full)
    with pytest.raises(K210Error, match=r"256 bytes at offset 0x100 .*No space left"):
        program(flash, 0x100, b"x")


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("program"), st.integers(0, 0x3FFF), st.binary(min_size=1, max_size=300)),
        st.tuples(st.just("erase"), st.integers(0, 0x3FFF), st.just(b"")),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(OPERATIONS)
def test_contents_follow_a_plain_model(operations):
    flash = NorFlash(Clock(), size=1 << 20, jedec=(0xEF, 0x40, 0x14))
    model = bytearray(b"\xff" * 0x4000)
    for kind, offset, data in operations:
        if kind == "erase":
            erase(flash, 0x20, offset)
            model[offset & ~0xFFF : (offset & ~0xFFF) + 4096] = b"\xff" * 4096
        else:
            page = bytearray(b"\xff" * 256)
            for step, byte in enumerate(data):  # the page buffer: later bytes replace earlier ones
                page[(offset + step) % 256] = byte
            program(flash, offset, data, settle=False)
            for step in range(256):
                model[(offset & ~0xFF) + step] &= page[step]
        wait(flash)
    assert read(flash, 0, 0x4000) == bytes(model)


def test_nonsense_never_raises():
    rng = random.Random(1)
    flash = NorFlash(Clock(), size=1 << 20, jedec=(0xEF, 0x40, 0x14))
    for _ in range(10_000):
        kind = rng.randrange(7)
        data = bytes(rng.choice((rng.randrange(256), 6, 2, 0x20, 0xEB, 0x75, 0x7A)) for _ in range(rng.randrange(9)))
        lines = rng.choice((1, 1, 1, 2, 4, 8))
        if kind == 0:
            flash.select(rng.random() < 0.5)
        elif kind == 1:
            flash.send(data, lines)
        elif kind == 2:
            assert len(flash.receive(len(data), lines)) == len(data)
        elif kind == 3:
            assert len(flash.exchange(data)) == len(data)
        elif kind == 4:
            flash.dummy(rng.randrange(40))
        elif kind == 5:
            flash.clock.advance(rng.randrange(100 * MS))
        else:
            flash.select(False)
            flash.select(True)
