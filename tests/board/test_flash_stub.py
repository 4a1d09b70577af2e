"""The flasher's RAM stub (firmware/flash_stub) on the virtual board, over its serial line."""

from __future__ import annotations

import hashlib
import random
import shutil
import struct
import subprocess
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from flash_stub_client import (
    BAUD,
    BLOCK,
    CHIP_SLOW,
    DAMAGED_OPERATION,
    DATA_DAMAGED,
    DONE,
    ERASE,
    FIRST_BAUD,
    FLASH,
    FRAME_DAMAGED,
    HASH,
    HELLO,
    NO_CHIP,
    NOT_AS_WRITTEN,
    OUTSIDE_CHIP,
    PROTECTED,
    READ,
    RESET,
    ROOT,
    SECTOR,
    STUB,
    UNKNOWN_OPERATION,
    WRITE,
    WRONG_ARGUMENT,
    Reply,
    Stub,
    deflate,
    escape,
    frame,
    unpack,
    write_body,
)  # fmt: skip
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from k210kit.board.parts.nor_flash import NorFlash

COMPILER = "riscv64-unknown-elf-gcc"
LARGEST = 16_384
ERASE_4K, ERASE_32K, ERASE_64K, ERASE_CHIP, PROGRAM = 0x20, 0x52, 0xD8, 0xC7, 0x02
BAUDS = (115_200, 460_800, 921_600, 1_500_000, 2_000_000, 3_000_000, 4_500_000)
DAMAGED = Reply(DAMAGED_OPERATION, 0, FRAME_DAMAGED, b"")


@pytest.fixture
def stub() -> Iterator[Stub]:
    with Stub() as stub:
        yield stub


@pytest.fixture
def fast(stub: Stub) -> Stub:
    """At the highest rate."""
    stub.set_baud(4_500_000)
    return stub


def count_commands(chip: NorFlash) -> Counter[int]:
    """From now on, the commands that the chip is given."""
    counts: Counter[int] = Counter()
    finish = chip._finish

    def counting(code: int) -> None:
        counts[code] += 1
        finish(code)

    chip._finish = counting  # type: ignore[method-assign]
    return counts


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def words(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}I", *values)


# ---- The image


def test_it_is_small() -> None:
    assert STUB.stat().st_size < LARGEST


def test_the_same_source_gives_the_same_bytes(tmp_path: Path) -> None:
    if shutil.which(COMPILER) is None or shutil.which("cmake") is None:
        pytest.skip("no RISC-V compiler")
    version = subprocess.run([COMPILER, "--version"], capture_output=True, text=True).stdout.splitlines()[0]
    built_by = (STUB.parent / "compiler.txt").read_text().strip()
    if version != built_by:
        pytest.skip(f"the compiler is {version}, the stub was built by {built_by}")
    for command in (["cmake", "-S", ROOT / "firmware/flash_stub", "-B", tmp_path], ["cmake", "--build", tmp_path]):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "flash_stub.bin").read_bytes() == STUB.read_bytes(), "make flash-stub"


# ---- Who is there


def test_hello(stub: Stub) -> None:
    version, longest, held, baud = struct.unpack("<HIBI", stub.done(HELLO, b"K210"))
    assert (version, held, baud) == (1, 2, FIRST_BAUD)
    assert longest >= 9 + BLOCK


def test_entered_by_the_mask_rom(stub: Stub) -> None:
    before, changes = bytes(stub.chip.data), stub.chip.changes
    stub.enter_by_rom()
    stub.done(HELLO, b"K210")
    stub.set_baud(2_000_000)
    assert stub.read(0, BLOCK) == before[:BLOCK]
    assert stub.chip.changes == changes, "nothing was written, no status register either"
    stub.write(0, noise(SECTOR))
    assert bytes(stub.chip.data) == noise(SECTOR) + before[SECTOR:]


def test_flash_id(stub: Stub) -> None:
    assert stub.done(FLASH, b"\0") == b"\xef\x60\x18" + words(16 << 20) + b"\0\x02\0"


@pytest.mark.parametrize(
    ("jedec", "size", "quad"),
    [
        ((0xC8, 0x40, 0x17), 8 << 20, True), ((0x0B, 0x40, 0x18), 16 << 20, True), ((0x85, 0x20, 0x16), 4 << 20, True),
        ((0x68, 0x40, 0x18), 16 << 20, True), ((0x5E, 0x40, 0x14), 1 << 20, True),
        ((0xC2, 0x20, 0x18), 16 << 20, False), ((0x20, 0x70, 0x19), 16 << 20, False),
    ],
)  # fmt: skip
def test_other_chips(stub: Stub, jedec: tuple[int, int, int], size: int, quad: bool) -> None:
    chip = stub.chip
    chip.jedec = bytes(jedec)
    chip.set_factory_quad(False)
    chip.load(0x1000, noise(SECTOR))
    counts = count_commands(chip)
    body = stub.done(FLASH, b"\0")
    assert body == bytes(jedec) + words(size) + (b"\0\x02\0" if quad else bytes(3))
    assert stub.read(0x1000, SECTOR) == noise(SECTOR)
    assert bool(counts[0xEB]) == quad
    assert bool(counts[0x35]) == quad, "0x35 means something else to other manufacturers' chips"
    assert chip._stored == [0, 0, 0], "nothing is changed for good"


@pytest.mark.parametrize("answer", [b"\xff\xff\xff", b"\0\0\0", b"\xef\x40\x00"])
def test_no_chip(stub: Stub, answer: bytes) -> None:
    stub.chip.jedec = answer
    requests = {
        FLASH: b"\0", READ: words(0, 16) + b"\0", HASH: words(0, 4096, 4096), ERASE: words(0, 4096),
        WRITE: write_body(0, bytes(SECTOR)),
    }  # fmt: skip
    for operation, body in requests.items():
        reply = stub.ask(operation, body)
        assert (reply.status, reply.body) == (NO_CHIP, answer)


def test_wrong_requests(stub: Stub) -> None:
    for operation in (0, 9, 0x42, 0x7E):
        assert stub.ask(operation).status == UNKNOWN_OPERATION
    wrong = [
        (HELLO, b"K211"), (HELLO, b""), (HELLO, b"K2100"), (BAUD, b""), (BAUD, bytes(5)), (BAUD, words(0)),
        (BAUD, words(1200)), (BAUD, words(50_000_000)), (FLASH, b""), (FLASH, bytes(2)), (RESET, b""),
        (READ, words(0, 1)), (READ, words(0, 0) + b"\0"), (READ, words(0, BLOCK + 1) + b"\0"),
        (READ, words(0, 16) + b"\2"), (READ, words(0, 16, 1)),
        (HASH, words(0, 4096)), (HASH, words(0, 0, 4096)), (HASH, words(0, 8192, 0)),
        (HASH, words(0, 8192, 100)), (HASH, words(0, 100, 99)), (ERASE, words(4096, 0)), (ERASE, words(100, 4096)),
        (ERASE, words(4096, 100)), (ERASE, words(0)), (WRITE, b""), (WRITE, words(0, 4096) + b"\3" + bytes(4096)),
        (WRITE, words(0, 4096) + b"\0" + bytes(4095)), (WRITE, words(0, 4096) + b"\0" + bytes(4097)),
        (WRITE, words(256, 4096) + b"\0" + bytes(4096)), (WRITE, words(0, 256) + b"\0" + bytes(256)),
        (WRITE, words(0, 0) + b"\0"), (WRITE, words(0, 2 * BLOCK) + b"\1" + deflate(bytes(2 * BLOCK))),
    ]  # fmt: skip
    for operation, body in wrong:
        assert stub.ask(operation, body).status == WRONG_ARGUMENT, (operation, body[:20])
    assert stub.chip.data.count(0xFF) == stub.chip.size


def test_outside_the_chip(stub: Stub) -> None:
    size = 16 << 20
    beyond = [
        (READ, words(size, 1) + b"\0"), (READ, words(size - 1, 2) + b"\0"), (READ, words(0xFFFFFFFF, 2) + b"\0"),
        (HASH, words(size - 4096, 8192, 4096)), (ERASE, words(size - 4096, 8192)), (ERASE, words(0xFFFFF000, 8192)),
        (WRITE, write_body(size, bytes(4096))), (WRITE, write_body(size - 4096, bytes(8192))),
    ]  # fmt: skip
    for operation, body in beyond:
        assert stub.ask(operation, body) == Reply(operation, stub._number, OUTSIDE_CHIP, words(size))
    assert stub.read(size - 1, 1) == b"\xff"
    assert stub.chip.data.count(0xFF) == size


# ---- The line


@pytest.mark.parametrize("baud", BAUDS)
def test_baud(stub: Stub, baud: int) -> None:
    actual = stub.set_baud(baud)
    assert abs(actual - baud) < baud * 0.02
    assert int.from_bytes(stub.done(HELLO, b"K210")[-4:], "little") == actual
    data = noise(SECTOR, baud)
    stub.write(0, data, deflated=False)
    assert stub.read(0, SECTOR) == data


def test_nothing_is_lost_at_full_speed_while_the_chip_works(fast: Stub) -> None:
    first, second, third = (noise(BLOCK, n) for n in range(3))
    fast.chip.data[: 3 * BLOCK] = bytes(3 * BLOCK)
    numbers = [fast.send(WRITE, write_body(n * BLOCK, data, deflated=False)) for n, data in enumerate((first, second))]
    assert fast.receive().number == numbers[0]
    numbers.append(fast.send(WRITE, write_body(2 * BLOCK, third, deflated=False)))
    replies = [fast.receive(), fast.receive()]
    assert [reply.number for reply in replies] == numbers[1:]
    assert all(reply.status == DONE for reply in replies)
    assert bytes(fast.chip.data[: 3 * BLOCK]) == first + second + third


def test_receiving_and_writing_go_on_at_once(fast: Stub) -> None:
    """Four blocks take hardly longer than the chip needs for them."""
    count = 4
    pages = count * BLOCK // 256
    began = fast.board.now
    waiting = 0
    for n in range(count):
        fast.send(WRITE, write_body(n * BLOCK, noise(BLOCK, n), deflated=False))
        waiting += 1
        if waiting == 2:
            assert fast.receive().status == DONE
            waiting -= 1
    assert fast.receive().status == DONE
    block = BLOCK * 10 / 4_500_000
    assert fast.board.now - began < block + pages * 0.0007 * 1.2 + count * 0.01


def test_baud_that_the_host_does_not_reach(stub: Stub) -> None:
    stub.done(BAUD, words(1_500_000))
    began = stub.board.now
    assert stub.silent(0.31)
    assert int.from_bytes(stub.done(HELLO, b"K210")[-4:], "little") == FIRST_BAUD
    assert stub.board.now - began < 0.4
    # One that arrives within the 300 ms keeps the new rate.
    stub.done(BAUD, words(1_500_000))
    stub.board.line.baud = 1_500_000
    stub.board.run(0.25)
    stub.done(HELLO, b"K210")
    stub.board.run(0.5)
    stub.done(HELLO, b"K210")


def test_only_damage_at_the_new_rate(stub: Stub) -> None:
    stub.done(BAUD, words(4_500_000))
    stub.board.line.baud = 4_500_000
    for _ in range(6):
        stub.board.send(escape(noise(50)))
        stub.board.run(0.05)
    assert list(stub.replies) == [DAMAGED]
    stub.board.run(0.05)
    stub.clear()
    stub.board.line.baud = FIRST_BAUD
    stub.done(HELLO, b"K210")


def test_damaged_frames(stub: Stub) -> None:
    good = frame(HELLO, b"K210", 7)
    flipped = bytearray(good)
    flipped[5] ^= 1
    bad = [
        bytes(flipped), good[:-3] + b"\xc0", good[:4] + b"\xc0", b"\xc0\x01\xc0", b"\xc0\xdb\xc0", b"\xc0\xdb\x01\xc0",
        b"\xc0" + good[1:5] + good[1:], escape(bytes(70_000)),
    ]  # fmt: skip
    for data in bad:
        stub.board.send(data)
        assert stub.receive(15) == DAMAGED, data[:20].hex()
        # Once until the next good frame.
        stub.board.send(bad[0])
        assert stub.silent()
        assert stub.ask(HELLO, b"K210").status == DONE


def test_frames_need_not_have_both_ends(stub: Stub) -> None:
    good = frame(HELLO, b"K210", 9)
    stub.board.send(good[1:])
    assert stub.receive().number == 9
    stub.board.send(good[:-1] + good)
    assert [stub.receive().number, stub.receive().number] == [9, 9]
    stub.board.send(b"\xc0" * 50)
    assert stub.silent()
    stub.board.send(b"boot> " + good)
    assert [stub.receive(), stub.receive().number] == [DAMAGED, 9]


def test_order_of_replies_and_damage(stub: Stub) -> None:
    stub.set_baud(1_500_000)
    damaged = bytearray(frame(FLASH, b"\0", 2))
    damaged[4] ^= 0x10
    stub.board.send(frame(HELLO, b"K210", 1) + damaged + frame(READ, words(0, 4) + b"\0", 3) + damaged)
    assert [stub.receive().number for _ in range(4)] == [1, 0, 3, 0]
    assert stub.silent()


def test_more_requests_than_it_holds(fast: Stub) -> None:
    """Those that it has no room for are as good as damaged, and nothing else is lost."""
    fast.chip.data[:BLOCK] = bytes(BLOCK)
    fast.send(ERASE, words(0, BLOCK), 1)
    for number in range(2, 20):
        fast.send(HELLO, b"K210", number)
    replies = [fast.receive()]
    fast.board.run(0.1)
    replies += fast.replies
    numbers = [reply.number for reply in replies]
    assert numbers[:3] == [1, 2, 3]
    assert replies[-1] == DAMAGED and replies.count(DAMAGED) == 1
    fast.replies.clear()
    assert fast.ask(HELLO, b"K210").status == DONE


DAMAGE = st.lists(
    st.tuples(st.sampled_from(("flip", "drop", "double", "insert", "cut")), st.floats(0, 1), st.integers(1, 255)),
    min_size=1,
    max_size=4,
)


def damage(data: bytes, faults: list[tuple[str, float, int]]) -> bytes:
    """`data` as a bad cable delivers it."""
    result = bytearray(data)
    for kind, where, value in faults:
        at = int(where * (len(result) - 1))
        if not result:
            break
        if kind == "flip":
            result[at] ^= value
        elif kind == "drop":
            del result[at]
        elif kind == "double":
            result.insert(at, result[at])
        elif kind == "insert":
            result.insert(at, value)
        else:
            del result[at:]
    return bytes(result)


@pytest.fixture(scope="module")
def shared() -> Iterator[Stub]:
    """One stub for all examples of a property."""
    with Stub() as stub:
        stub.set_baud(1_500_000)
        yield stub


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(faults=DAMAGE, size=st.sampled_from((SECTOR, 2 * SECTOR)), fill=st.binary(min_size=1, max_size=40))
@example(faults=[("drop", 1.0, 0)], size=SECTOR, fill=b"a")
def test_no_damage_gets_through(shared: Stub, faults: list[tuple[str, float, int]], size: int, fill: bytes) -> None:
    """A damaged write is done as it was meant or not at all, and the next good frame is understood."""
    wanted = (fill * size)[:size]
    before = bytes(shared.chip.data[:size])
    good = frame(WRITE, write_body(0, wanted), 77)
    shared.clear()
    shared.board.send(damage(good, faults))
    shared.board.run(0.3)
    replies = list(shared.replies)
    assert len(replies) <= 3
    assert all(reply == DAMAGED or (reply.number, reply.status) == (77, DONE) for reply in replies)
    after = bytes(shared.chip.data[:size])
    assert after == (wanted if any(reply.number == 77 for reply in replies) else before)
    shared.clear()
    # What a cut frame left behind ends with the next one's first byte.
    shared.send(HELLO, b"K210", 5)
    reply = shared.receive()
    if reply.number == 77:
        # All of it was there but the last byte.
        assert reply.status == DONE and bytes(shared.chip.data[:size]) == wanted
        reply = shared.receive()
    elif reply == DAMAGED:
        reply = shared.receive()
    assert (reply.number, reply.status) == (5, DONE)
    assert shared.silent(0.01)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(rubbish=st.lists(st.binary(max_size=60), max_size=6))
def test_rubbish_does_no_harm(shared: Stub, rubbish: list[bytes]) -> None:
    shared.clear()
    changes = shared.chip.changes
    for piece in rubbish:
        shared.board.send(escape(piece))
        shared.board.send(piece)
    shared.board.send(b"\xc0")
    shared.board.run(0.02)
    assert shared.replies.count(DAMAGED) == len(shared.replies) <= 1
    shared.clear()
    assert shared.ask(HELLO, b"K210").status == DONE
    assert shared.chip.changes == changes


# ---- Reading and hashing


@pytest.mark.parametrize("deflated", [False, True])
def test_read(fast: Stub, deflated: bool) -> None:
    text = b"".join(b"line %d of a text\r\n" % n for n in range(4000))
    fast.chip.load(0x20000, noise(BLOCK))
    fast.chip.load(0x40000, text[:BLOCK])
    for offset, count in ((0x20000, BLOCK), (0x40000, BLOCK), (0x40001, 777), (0x2FFF3, 1), (0x1FFFD, 6), (0, BLOCK)):
        assert fast.read(offset, count, deflated=deflated) == bytes(fast.chip.data[offset : offset + count])


def test_replies_leave_while_the_next_is_made(fast: Stub) -> None:
    fast.chip.load(0, noise(4 * BLOCK))
    began = fast.board.now
    for n in range(5):
        if n < 4:
            fast.send(READ, words(n * BLOCK, BLOCK) + b"\1")
        if n > 0:
            assert unpack(fast.receive().body, (n - 1) * BLOCK, BLOCK) == noise(4 * BLOCK)[(n - 1) * BLOCK : n * BLOCK]
    assert fast.board.now - began < 4 * BLOCK * 10 / 4_482_758 * 1.08


def test_read_deflates_where_that_helps(fast: Stub) -> None:
    erased = fast.done(READ, words(0, BLOCK) + b"\1")
    assert len(erased) < BLOCK / 100
    fast.chip.load(0, noise(BLOCK))
    assert len(fast.done(READ, words(0, BLOCK) + b"\1")) == 9 + BLOCK
    code = STUB.read_bytes()
    fast.chip.load(0, code)
    deflated = fast.done(READ, words(0, len(code)) + b"\1")
    assert unpack(deflated, 0, len(code)) == code
    assert len(deflated) < 0.95 * len(code)


def test_hash(fast: Stub) -> None:
    data = noise(300_000)
    fast.chip.load(0x10000, data)
    assert fast.hash(0x10000, len(data), len(data)) == hashlib.sha256(data).digest()
    assert fast.hash(0x10000, 1, 1) == hashlib.sha256(data[:1]).digest()
    assert fast.hash(0x10003, 9999, 9999) == hashlib.sha256(data[3:10_002]).digest()
    for piece in (4096, 65536):
        parts = (data[at : at + piece] for at in range(0, len(data), piece))
        assert fast.hash(0x10000, len(data), piece) == b"".join(hashlib.sha256(part).digest()[:8] for part in parts)
    assert fast.hash(0x10000, 1000, 4096) == hashlib.sha256(data[:1000]).digest(), "a piece that is the whole"


@pytest.mark.slow
def test_hash_of_more_than_the_engine_takes(fast: Stub) -> None:
    fast.chip.data[:] = noise(1 << 20) * 16
    size = (5 << 20) + 777
    assert fast.hash(0x777, size, size) == hashlib.sha256(fast.chip.data[0x777 : 0x777 + size]).digest()
    assert fast.progress and all(reply.operation == HASH for reply in fast.progress)


# ---- Writing and erasing


def test_write_only_what_differs(fast: Stub) -> None:
    data = bytearray(noise(BLOCK))
    counts = count_commands(fast.chip)
    erased, programmed, hashed = fast.write(BLOCK, bytes(data))
    assert (erased, programmed) == (0, 256)
    assert hashed == hashlib.sha256(data).digest()
    assert counts[PROGRAM] == 256
    counts.clear()
    assert fast.write(BLOCK, bytes(data)) == (0, 0, hashed)
    assert not counts[PROGRAM] and not counts[ERASE_4K] and not counts[0x06], "the same again changes nothing"
    data[5 * SECTOR + 300] ^= 0xFF
    data[9 * SECTOR] ^= 0xFF
    assert fast.write(BLOCK, bytes(data))[:2] == (2, 32)
    assert (counts[ERASE_4K], counts[ERASE_32K], counts[ERASE_64K], counts[PROGRAM]) == (2, 0, 0, 32)
    assert bytes(fast.chip.data[BLOCK : 2 * BLOCK]) == data
    assert fast.chip.data[:BLOCK] == b"\xff" * BLOCK and fast.chip.data[2 * BLOCK : 3 * BLOCK] == b"\xff" * BLOCK


def test_bits_are_cleared_without_erasing(fast: Stub) -> None:
    fast.write(0, b"\xf0" * SECTOR)
    counts = count_commands(fast.chip)
    wanted = bytearray(b"\xf0" * SECTOR)
    wanted[1000:1010] = b"\x80" * 10
    assert fast.write(0, bytes(wanted))[:2] == (0, 1)
    assert (counts[ERASE_4K], counts[PROGRAM]) == (0, 1)
    assert bytes(fast.chip.data[:SECTOR]) == wanted


def test_blank_pages_are_not_programmed(fast: Stub) -> None:
    fast.chip.data[:BLOCK] = bytes(BLOCK)
    wanted = bytearray(b"\xff" * BLOCK)
    wanted[256 * 7 : 256 * 8] = noise(256)
    assert fast.write(0, bytes(wanted))[:2] == (16, 1)
    assert fast.write(0, b"\xff" * BLOCK)[:2] == (1, 0)
    assert bytes(fast.chip.data[:BLOCK]) == b"\xff" * BLOCK


@pytest.mark.parametrize(
    ("offset", "size", "blocks"),
    [
        (0, 0x10000, (0, 0, 1)), (0x8000, 0x8000, (0, 1, 0)), (0x8000, 0x10000, (0, 2, 0)), (0x1000, 0x3000, (3, 0, 0)),
        (0x4000, 0x10000, (8, 1, 0)),
    ],
)  # fmt: skip
def test_the_largest_erase_that_fits(fast: Stub, offset: int, size: int, blocks: tuple[int, int, int]) -> None:
    """Blocks of 4, 32 and 64 KiB."""
    counts = count_commands(fast.chip)
    fast.chip.data[: 2 * BLOCK] = bytes(2 * BLOCK)
    assert fast.write(offset, noise(size))[0] == size // SECTOR
    assert (counts[ERASE_4K], counts[ERASE_32K], counts[ERASE_64K]) == blocks
    counts.clear()
    assert fast.done(ERASE, words(offset, size)) == words(size)
    assert (counts[ERASE_4K], counts[ERASE_32K], counts[ERASE_64K]) == blocks
    rest = fast.chip.data[:offset] + fast.chip.data[offset + size : 2 * BLOCK]
    assert not any(rest)
    assert fast.chip.data[offset : offset + size] == b"\xff" * size


def test_a_sector_that_stays_keeps_its_block_from_being_erased(fast: Stub) -> None:
    fast.chip.data[:BLOCK] = bytes(BLOCK)
    counts = count_commands(fast.chip)
    wanted = noise(7 * SECTOR) + bytes(SECTOR) + noise(8 * SECTOR)
    assert fast.write(0, wanted)[:2] == (15, 240)
    assert (counts[ERASE_4K], counts[ERASE_32K], counts[ERASE_64K]) == (7, 1, 0)
    assert bytes(fast.chip.data[:BLOCK]) == wanted


def test_erased_sectors_are_left_alone(fast: Stub) -> None:
    counts = count_commands(fast.chip)
    fast.chip.load(0x32000, b"\0")
    assert fast.done(ERASE, words(0x1000, 0x6F000)) == words(SECTOR)
    assert (counts[ERASE_4K], counts[ERASE_32K], counts[ERASE_64K], counts[ERASE_CHIP]) == (1, 0, 0, 0)
    assert fast.done(ERASE, words(0x1000, 0x6F000)) == words(0)


@pytest.fixture
def megabyte(fast: Stub) -> Stub:
    """A chip that says it has 1 MiB, for what looks at all of it."""
    fast.chip.jedec = bytes((0xEF, 0x40, 0x14))
    return fast


def test_erase_all(megabyte: Stub) -> None:
    megabyte.chip.load(0x23456, b"\0" * 0x20000)
    counts = count_commands(megabyte.chip)
    assert megabyte.done(ERASE, words(0, 0)) == words(0x21000)
    assert megabyte.chip.data.count(0xFF) == megabyte.chip.size
    assert not counts[ERASE_CHIP], "three blocks are faster one by one"


def test_erase_a_full_chip(megabyte: Stub) -> None:
    megabyte.chip.data[: 1 << 20] = bytes(1 << 20)
    counts = count_commands(megabyte.chip)
    assert megabyte.done(ERASE, words(0, 0), seconds=60) == words(1 << 20)
    assert megabyte.chip.data.count(0xFF) == megabyte.chip.size
    assert (counts[ERASE_CHIP], counts[ERASE_64K]) == (1, 0)
    assert len(megabyte.progress) > 70, "every half second"


def test_deflate_that_is_none(stub: Stub) -> None:
    good = deflate(noise(100) * 41)
    short, long = deflate(bytes(4095)), deflate(bytes(4097))
    for data in (good[:-5], short, long, b"", b"\xff" * 100, b"\x07" + good, bytes(20)):
        assert stub.ask(WRITE, words(0, SECTOR) + b"\1" + data).status == DATA_DAMAGED
    assert stub.chip.data.count(0xFF) == stub.chip.size


def part(data: bytes, at: int, dictionary: bytes, before: int | None = None, crc: int | None = None) -> bytes:
    """A part of a write that refers to what the chip holds at `at`."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, dictionary)
    packed = packer.compress(data) + packer.flush()
    length = len(dictionary) if before is None else before
    return words(len(data), at, length, zlib.crc32(data) if crc is None else crc, len(packed)) + packed


@pytest.mark.parametrize(("offset", "at", "before"), [(0x10000, 0x10000, 0x5000), (0x11000, 0xF008, 0x5000), (0, 8, 0)])
def test_data_that_refer_to_what_the_chip_holds(fast: Stub, offset: int, at: int, before: int) -> None:
    rng = random.Random(offset)
    old = rng.randbytes(0x20000)
    fast.chip.data[: len(old)] = old
    data = (old[at + 100 : at + 3000] + rng.randbytes(50) + old[at + 3000 :])[: 4 * SECTOR]
    dictionary, head = old[at : at + before], words(offset, len(data)) + b"\2"
    cut = 9000
    body = head + part(data[:cut], at, dictionary) + part(data[cut:], at, dictionary)
    assert before == 0 or len(body) < 4000
    # A checksum in the second part that is not right leaves all as it is.
    wrong = head + part(data[:cut], at, dictionary) + part(data[cut:], at, dictionary, crc=1)
    assert fast.ask(WRITE, wrong).status == DATA_DAMAGED
    assert fast.chip.data[: len(old)] == old
    fast.done(WRITE, body, seconds=20)
    assert fast.chip.data[: len(old)] == old[:offset] + data + old[offset + len(data) :]
    # Repeated, it finds the chip changed, says so and leaves it.
    changes = fast.chip.changes
    assert before == 0 or fast.ask(WRITE, body, seconds=20).status == DATA_DAMAGED
    assert fast.chip.changes == changes


def test_parts_and_dictionaries_that_cannot_be(stub: Stub) -> None:
    data, head = bytes(SECTOR), words(0, SECTOR) + b"\2"
    whole = part(data, 0, b"")
    bodies = (
        (part(data, 0, b"", before=4), WRONG_ARGUMENT),
        (part(data, 0, b"", before=0x8008), WRONG_ARGUMENT),
        (part(data, 0xFFFFF8, b"", before=16), OUTSIDE_CHIP),
        (part(data, 0xFFFFFFF8, b"", before=16), OUTSIDE_CHIP),
        (whole + b"\0", WRONG_ARGUMENT),
        (whole + whole, WRONG_ARGUMENT),
        (part(bytes(SECTOR + 1), 0, b""), WRONG_ARGUMENT),
        (part(bytes(SECTOR - 1), 0, b""), WRONG_ARGUMENT),
        (words(0, 0, 0, 0, 0) + whole, WRONG_ARGUMENT),
        (words(SECTOR, 0, 0, 0, 0xFFFFFFF0) + whole, WRONG_ARGUMENT),
        *((whole[:length], WRONG_ARGUMENT) for length in range(len(whole))),
    )
    for body, status in bodies:
        assert stub.ask(WRITE, head + body).status == status, body[:40]
    assert stub.ask(WRITE, words(0, 0x9000) + b"\2" + part(bytes(0x8001), 0, b"")).status == WRONG_ARGUMENT
    assert stub.ask(WRITE, words(0, SECTOR) + b"\3" + data).status == WRONG_ARGUMENT
    assert not stub.chip.changes


@pytest.mark.parametrize("level", range(10))
@pytest.mark.parametrize("strategy", range(5))
def test_every_kind_of_deflate(shared: Stub, level: int, strategy: int) -> None:
    import zlib

    rng = random.Random(level * 10 + strategy)
    data = b"".join(rng.choice((rng.randbytes(30), b"abc" * rng.randrange(200), bytes(500))) for _ in range(40))
    data = data.ljust(SECTOR * 4, b"\x11")[: SECTOR * 4]
    packer = zlib.compressobj(level, zlib.DEFLATED, -15, 9, strategy)
    packed = packer.compress(data[:5000]) + packer.flush(zlib.Z_FULL_FLUSH) + packer.compress(data[5000:])
    body = shared.done(WRITE, words(0x80000, len(data)) + b"\1" + packed + packer.flush())
    assert body[8:] == hashlib.sha256(data).digest()
    assert bytes(shared.chip.data[0x80000 : 0x80000 + len(data)]) == data


# ---- Chips that do not do as they are told


def test_protected_chip(megabyte: Stub) -> None:
    stub = megabyte
    stub.chip._stored[0] = 0x1C  # all blocks
    stub.chip.power_on()
    stub.chip.load(0, bytes(BLOCK))
    for operation, body in ((WRITE, write_body(0, b"\xaa" * SECTOR)), (ERASE, words(0, SECTOR)), (ERASE, words(0, 0))):
        reply = stub.ask(operation, body, 60)
        assert (reply.status, reply.body) == (PROTECTED, b"\x1c\x02\0")
    assert stub.write(0, bytes(SECTOR))[:2] == (0, 0), "what need not be written is no matter"


def test_bit_that_does_not_program(stub: Stub) -> None:
    chip = stub.chip
    program = chip._program

    def stuck() -> None:
        program()
        chip.data[0x1234] |= 0x10

    chip._program = stuck
    reply = stub.ask(WRITE, write_body(0x1000, bytes(SECTOR)))
    assert (reply.status, reply.body) == (NOT_AS_WRITTEN, words(0x1234))


@pytest.mark.parametrize("operation", [ERASE, WRITE])
def test_chip_that_does_not_finish(stub: Stub, operation: int) -> None:
    chip = stub.chip
    chip.load(0x2000, bytes(SECTOR))
    run = chip._run
    chip._run = lambda offset, old, delay, clears_enable=True: run(offset, old, 10**16, clears_enable)
    body = words(0, 4 * SECTOR) if operation == ERASE else write_body(0, noise(4 * SECTOR))
    began = stub.board.now
    reply = stub.ask(operation, body, 10)
    assert reply.status == CHIP_SLOW
    assert reply.body == words(0x2000)
    assert stub.board.now - began < 6
    assert len(stub.progress) >= 7
    assert all((at.operation, at.number) == (operation, reply.number) for at in stub.progress)
    # Looking for it again ends what it was doing.
    chip._run = run
    assert stub.ask(FLASH, b"\0").status == DONE
    data = noise(4 * SECTOR)
    stub.write(0, data)
    assert bytes(chip.data[: len(data)]) == data


def test_four_lines_that_do_not_work(stub: Stub) -> None:
    """A board whose third and fourth data line are not connected: one line serves."""
    chip = stub.chip
    receive = chip.receive

    def three_lines(count: int, lines: int = 1) -> bytes:
        data = receive(count, lines)
        return data if lines == 1 else bytes(byte | 0x88 for byte in data)

    chip.receive = three_lines
    chip.load(0, noise(SECTOR))
    stub.done(FLASH, b"\0")
    assert stub.read(0, SECTOR) == noise(SECTOR)
    # When there was nothing to see by at first, writing notices.
    chip.data[:SECTOR] = b"\xff" * SECTOR
    stub.done(FLASH, b"\0")
    data = noise(SECTOR, 5)
    assert stub.write(0x1000, data)[2] == hashlib.sha256(data).digest()
    assert stub.read(0x1000, SECTOR) == data


def test_progress(stub: Stub) -> None:
    """Erasing block by block says every half second how far it is."""
    stub.set_baud(1_500_000)
    stub.chip.load(0, bytes(16 * BLOCK))
    stub.done(ERASE, words(0, 16 * BLOCK), 10)
    steps = [struct.unpack("<II", reply.body) for reply in stub.progress]
    assert 3 <= len(steps) <= 6
    assert all(total == 16 * BLOCK for _, total in steps)
    assert [done for done, _ in steps] == sorted({done for done, _ in steps})


@pytest.mark.parametrize("seed", range(4))
def test_power_cut_while_writing(seed: int) -> None:
    rng = random.Random(seed)
    old, new = noise(BLOCK, seed), noise(BLOCK, seed + 100)
    with Stub() as stub:
        stub.set_baud(1_500_000)
        stub.chip.torn = rng
        stub.chip.load(BLOCK, old)
        stub.send(WRITE, write_body(BLOCK, new, deflated=False))
        stub.board.run(0.44 + rng.uniform(0, 0.35))
        assert not stub.replies
        stub.board.power_cycle()
        stub.reload()
        stub.set_baud(1_500_000)
        assert stub.write(BLOCK, new, deflated=False)[2] == hashlib.sha256(new).digest()
        assert bytes(stub.chip.data[BLOCK : 2 * BLOCK]) == new
        assert stub.write(BLOCK, new)[:2] == (0, 0)


# ---- The rest


def test_reset(stub: Stub) -> None:
    stub.set_baud(1_500_000)
    code = STUB.read_bytes()
    stub.write(0, b"\xaa" * SECTOR)
    assert stub.ask(RESET, b"\0").status == DONE
    stub.board.run(0.05)
    assert stub.board.boot_problem, "the ROM has looked at the flash and found no image"
    assert len(code) > 0


def test_both_run_loops_agree() -> None:
    def session(pure: bool) -> tuple[object, ...]:
        with Stub(pure=pure) as stub:
            stub.set_baud(2_000_000)
            stub.chip.load(0x2000, bytes(SECTOR))
            stub.write(0x1000, noise(100) * 81 + bytes(92))
            return stub.read(0x1000, 2 * SECTOR), stub.hash(0, BLOCK, SECTOR), stub.board.retired, stub.board.now

    assert session(True) == session(False)


def test_strict_mode_finds_nothing() -> None:
    with Stub(strict="all") as stub:
        stub.set_baud(4_500_000)
        stub.done(FLASH, b"\0")
        stub.chip.load(0, bytes(0x3000))
        stub.write(0, noise(2 * SECTOR), deflated=False)
        stub.write(0x1000, (noise(100) * 50)[:SECTOR])
        stub.hash(3, 9000, 9000)
        stub.hash(0, 0x3000, 4096)
        assert stub.read(0x1001, 777) == (noise(100) * 50)[1:778]
        stub.done(ERASE, words(0, BLOCK))
        strict = stub.board.machine.strict
        assert strict is not None
        assert not strict.faults and not strict.misaligned, "\n".join(strict.report())
