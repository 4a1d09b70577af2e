"""The mask ROM's download mode: what it takes, what it refuses and why, and that nothing makes it deaf for good.

What is expected: laanwj's annotations of a ROM dump, the PyPI client kflash 1.1.6.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rom_client import (
    BAD_CHECKSUM,
    BAD_COMMAND,
    BAD_LENGTH,
    BAUD,
    BOOT,
    DEBUG,
    ECHO,
    GREETING,
    NOP,
    OK,
    READ,
    WRITE,
    Rom,
    request,
    slip,
    unslip,
)

from k210kit.board.board import Board, GuestCrash
from k210kit.board.rom import BOOT_PIN_LOW
from k210kit.images.header import wrap

RAM = 0x8000_0000
PROGRAM = struct.pack(
    "<14I",
    0xF140_2573,  # csrr a0, mhartid
    0x0055_1593,  # slli a1, a0, 5
    0x0000_1617,  # auipc a2, 1
    0x00B6_0633,  # add a2, a2, a1
    0x0026_3023,  # sd sp, 0(a2)
    0x0036_3423,  # sd gp, 8(a2)
    0x0046_3823,  # sd tp, 16(a2)
    0x3040_26F3,  # csrr a3, mie
    0x00D6_3C23,  # sd a3, 24(a2)
    0x0005_1063,  # hart 1 stays: bnez a0, .
    0x0200_0637,  # lui a2, 0x2000
    0x0010_0693,  # li a3, 1
    0x00D6_2223,  # sw a3, 4(a2): wakes hart 1
    0x0000_8067,  # ret
)
"""Each hart leaves its pointers at RAM + 0x1008 + 32 * hart; hart 0 calls hart 1 and returns to the ROM."""
LEFT = RAM + 0x1008

many = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def shared() -> Iterator[Rom]:
    with Board() as board:
        yield Rom(board)


@pytest.fixture
def rom(shared: Rom) -> Rom:
    """In download mode, at its start."""
    shared.start()
    return shared


# ---- Ways in


def test_boot_pin_decides_at_reset() -> None:
    with Board(wrap(b"\x6f\x00\x00\x00")) as board:  # j .
        board.run(0.001)
        assert board.boot_problem == ""
        board.press("boot")
        board.run(0.001)
        assert board.machine.engines[0].pc == RAM
        board.reset()
        board.run(0.001)
        assert board.boot_problem == BOOT_PIN_LOW
        board.release("boot")  # no longer looked at
        assert board.machine.engines[0].pc >> 16 == 0x8800
        board.reset()
        board.run(0.001)
        assert board.boot_problem == ""


def test_a_damaged_payload_leads_to_download_mode() -> None:
    image = bytearray(wrap(bytes(range(256))))
    image[77] ^= 1
    with Board(flash={0: bytes(image)}) as board:
        board.run(0.001)
        assert "SHA-256" in str(board.boot_problem)
        rom = Rom.__new__(Rom)
        rom.board = board
        assert rom.greets()


def test_an_impossible_length_is_told_and_ends_it() -> None:
    with Board() as board:
        assert b"boot failed with exit code 233" in board.run_until("vendor.", 0.1)
        rom = Rom.__new__(Rom)
        rom.board = board
        assert rom.send(GREETING) == b""


# ---- What it takes


def test_greeting(rom: Rom) -> None:
    assert rom.send(GREETING) == bytes((0xC0, NOP, OK, 0xC0))


def test_a_reply_is_on_the_wire_at_the_baud_rate(rom: Rom) -> None:
    before = rom.board.traffic
    assert rom.greets()
    cost = rom.board.traffic.since(before)
    assert (cost.to_board, cost.from_board) == (len(GREETING), 4)
    assert cost.seconds == pytest.approx((len(GREETING) + 4) * 10 / 115_200, rel=0.05)


@many
@given(data=st.binary(max_size=1024), address=st.integers(RAM, RAM + 0x10_0000))
def test_what_is_written_is_there_and_reads_back(rom: Rom, data: bytes, address: int) -> None:
    """Any bytes, through SLIP in both directions; all lengths, any alignment."""
    assert rom.ask(request(WRITE, address, data)) == bytes((WRITE, OK))
    assert rom.memory(address, len(data)) == data
    assert rom.ask(request(READ, address, length=len(data))) == bytes((READ, OK)) + data


@many
@given(data=st.lists(st.sampled_from([0xC0, 0xDB, 0xDC, 0xDD]), min_size=1, max_size=64).map(bytes))
def test_escapes_of_all_kinds(rom: Rom, data: bytes) -> None:
    assert rom.ask(request(WRITE, RAM, data)) == bytes((WRITE, OK))
    assert rom.ask(request(READ, RAM, length=len(data))) == bytes((READ, OK)) + data


def test_code_that_ran_is_replaced(rom: Rom) -> None:
    for value in (1, 2):
        # li a0, value; auipc a2, 1; sw a0, 0(a2); ret
        code = struct.pack("<IIII", value << 20 | 0x513, 0x0000_1617, 0x00A6_2023, 0x8067)
        assert rom.ask(request(WRITE, RAM, code)) == bytes((WRITE, OK))
        assert rom.ask(request(BOOT, RAM)) == bytes((BOOT, OK))
        assert rom.memory(RAM + 0x1004, 4) == struct.pack("<I", value)


def test_state_of_the_harts_at_boot(rom: Rom) -> None:
    rom.ask(request(WRITE, RAM + 0x1000, bytes(128)))
    rom.ask(request(WRITE, RAM, PROGRAM))
    assert rom.ask(request(BOOT, RAM)) == bytes((BOOT, OK))  # it returned
    rom.board.run(0.001)
    stack, pointer, thread, enabled = struct.unpack("<4Q", rom.memory(LEFT, 32))
    assert 0x805F_E000 < stack < 0x8060_0000 and stack % 16 == 0
    assert (pointer, thread, enabled) == (0x805F_C800, 0x8060_0000, 0)
    # Hart 1 slept in the ROM until the program called it.
    assert struct.unpack("<4Q", rom.memory(LEFT + 32, 32)) == (0x805F_E000, 0x805F_C800, 0x805F_E000, 8)


def test_baud(rom: Rom) -> None:
    raw = slip(request(BAUD, 0, struct.pack("<I", 1_500_000)))
    rom.board.line.baud = 115_200
    heard = rom.send(raw)  # the reply comes at the new rate
    assert bytes((0xC0, BAUD, OK, 0xC0)) not in heard
    rom.board.line.baud = 1_500_000
    assert rom.greets()
    data = random.Random(3).randbytes(1024)
    before = rom.board.now
    assert rom.ask(request(WRITE, RAM, data)) == bytes((WRITE, OK))
    assert rom.memory(RAM, 1024) == data
    assert rom.board.now - before < 0.01


# ---- What it refuses


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (request(WRITE, RAM, b"abcd", crc=0), BAD_CHECKSUM),
        (request(WRITE, RAM, b"abcd", length=5), BAD_CHECKSUM),
        (request(WRITE, RAM, b"abcd")[:-1] + b"e", BAD_CHECKSUM),
        (request(BAUD, 0, b"\x00"), BAD_LENGTH),
        (request(BAUD, 0, bytes(8)), BAD_LENGTH),
        (request(READ, RAM, length=1025), BAD_LENGTH),
        (request(READ, RAM, length=4, crc=1), BAD_CHECKSUM),
        (request(0xD2), BAD_COMMAND),
        (request(0xC7), BAD_COMMAND),
        (request(0x00), BAD_COMMAND),
        (request(0xFF, RAM, bytes(1000)), BAD_COMMAND),
        (request(0x01C2), BAD_COMMAND),  # the upper byte counts
        (b"", BAD_COMMAND),
        (b"\xc3\x01", BAD_COMMAND),
    ],
)
def test_refusals(rom: Rom, payload: bytes, reason: int) -> None:
    rom.ask(request(WRITE, RAM, bytes(16)))
    rom.ask(request(0xEE))  # so both buffers hold something else
    rom.ask(request(0xEE))
    op = payload[0] if payload else 0xEE
    assert rom.ask(payload) == bytes((op, reason))
    assert rom.memory(RAM, 16) == bytes(16)
    assert rom.greets()


def test_named_commands_are_refused_in_strict_mode() -> None:
    """They have names in every client and no handler in the ROM; see mask_rom/download.c."""
    with Board() as board:
        rom = Rom(board)
        assert rom.ask(request(ECHO)) == bytes((ECHO, OK))
        assert rom.ask(request(DEBUG)) == bytes((DEBUG, OK))
    with Board(strict="all") as board:
        rom = Rom(board)
        for op in (ECHO, READ, DEBUG):
            assert rom.ask(request(op, RAM, length=4)) == bytes((op, BAD_COMMAND))
        assert rom.ask(request(WRITE, RAM, b"1")) == bytes((WRITE, OK))
        assert not board.machine.strict.report()


@pytest.mark.parametrize("size", [0x410, 0x411, 0x412, 0x900, 5000])
def test_a_frame_that_is_too_long(rom: Rom, size: int) -> None:
    """Each 0x411 bytes are refused on the spot, with the name of the echo; what is left counts as a frame."""
    refused = size // 0x411
    replies = unslip(rom.send(slip(b"\xee" * size), refused + 1, 1.0))
    assert replies == [bytes((ECHO, BAD_LENGTH))] * refused + [bytes((0xEE, BAD_COMMAND))]
    assert rom.greets()


def test_a_length_beyond_all_memory_stops_the_rom_until_a_reset(rom: Rom) -> None:
    rom.send(slip(request(WRITE, RAM, b"x", length=0xFFFF_FF00)))
    rom.board.run(2.0)
    assert b"Cause 0x0000000000000005" in rom.board.output
    assert rom.board.crash is None  # of the ROM, not of a guest
    assert not rom.greets()
    rom.start()
    assert rom.greets()


# ---- Noise


def speaks(rom: Rom) -> bool:
    """Whether it answers a greeting, be it that the last 0xC0 has opened a frame."""
    return any(bytes((0xC0, NOP, OK, 0xC0)) in rom.send(raw, 100, 0.01) for raw in (GREETING, b"\xc0" + GREETING))


@pytest.mark.parametrize("seed", range(20))
def test_random_bytes_do_no_harm(rom: Rom, seed: int) -> None:
    source = random.Random(seed)
    noise = bytes(source.choice((0xC0, 0xDB, 0xDC, 0xC2, source.randrange(256))) for _ in range(source.randrange(1500)))
    rom.send(noise, 1000, len(noise) / 11_520 + 0.01)
    assert speaks(rom)


@many
@given(cut=st.integers(0, 20), noise=st.binary(max_size=40).filter(lambda b: not {0xC3, 0xC5, 0xC6} & {*b}))
def test_half_a_frame_and_noise(rom: Rom, cut: int, noise: bytes) -> None:
    whole = slip(request(NOP, 0, b"\xc0\xdb"))
    rom.send(whole[:cut] + noise, 100, 0.02)
    assert speaks(rom)


@pytest.mark.parametrize(
    ("raw", "payload"),
    [
        (b"\xdb\xdc", b"\xc0"),
        (b"\xdb\x00\x01\xc1\xdd", b"\xdb"),  # waits for the second half, whatever comes first
        (b"\xdb\xdb\xdd", b"\xdb"),
        (b"\xdc\xdd", b"\xdc\xdd"),
    ],
)
def test_odd_escapes(rom: Rom, raw: bytes, payload: bytes) -> None:
    head = request(WRITE, RAM, payload)[: -len(payload)]
    assert unslip(rom.send(slip(head)[:-1] + raw + b"\xc0")) == [bytes((WRITE, OK))]
    assert rom.memory(RAM, len(payload)) == payload


def test_bytes_between_frames_are_not_looked_at(rom: Rom) -> None:
    assert unslip(rom.send(b"any\x00thing\xdb" + GREETING)) == [bytes((NOP, OK))]


@pytest.mark.parametrize("baud", [300, 9600, 57_600, 230_400, 921_600, 2_000_000])
def test_another_baud_rate_is_noise(rom: Rom, baud: int) -> None:
    rom.board.line.baud = baud
    heard = rom.send(GREETING * 8, 100, 8 * len(GREETING) * 10 / baud + 0.01)
    assert bytes((0xC0, NOP, OK, 0xC0)) not in heard
    rom.board.line.baud = 115_200
    rom.board.run(0.01)
    assert speaks(rom)


def test_what_arrives_during_a_long_crc_is_lost() -> None:
    """The receiver has eight bytes of FIFO and no interrupt: who does not wait for a reply may be missed."""
    with Board() as board:
        rom = Rom(board)
        rom.send(slip(request(BAUD, 0, struct.pack("<I", 3_000_000))))
        board.line.baud = 3_000_000
        frame = slip(request(WRITE, RAM, bytes(1024)))
        assert len(unslip(rom.send(frame + GREETING, 2, 0.05))) == 1


# ---- Resets


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(after=st.integers(0, 100_000), size=st.integers(0, 1024))
def test_reset_at_any_moment(rom: Rom, after: int, size: int) -> None:
    rom.board.send(slip(request(WRITE, RAM, bytes(size))))
    rom.board.run(after / 1e6)
    rom.board.enter_download_mode()
    rom.board.line.purge(to_board=True)  # all but the character on the wire
    assert speaks(rom)


def test_power_failure(rom: Rom) -> None:
    rom.board.send(slip(request(WRITE, RAM, bytes(1000))))
    rom.board.run(0.04)
    rom.board.power_cycle()
    rom.board.run(0.001)
    rom.start()
    assert rom.greets()


def test_a_crashed_program_leaves_with_a_reset(rom: Rom) -> None:
    rom.ask(request(WRITE, RAM, bytes(4)))  # an illegal instruction
    with pytest.raises(GuestCrash):
        rom.send(slip(request(BOOT, RAM)), 1, 0.5)
    rom.board.enter_download_mode()
    assert rom.greets()


# ---- Both run loops


def test_both_run_loops_agree() -> None:
    def session(pure: bool) -> tuple[bytes, tuple[int, int], int]:
        with Board(pure=pure) as board:
            rom = Rom(board)
            heard = bytearray()
            board.line.listen(heard.extend)
            rom.greets()
            rom.ask(request(WRITE, RAM, b"\xc0\xdb"))
            rom.ask(request(READ, RAM, length=2))
            rom.ask(request(WRITE, RAM, PROGRAM))
            rom.ask(request(BOOT, RAM))
            board.run(0.01)
            return bytes(heard), board.retired, board.machine.clock.now

    assert session(pure=True) == session(pure=False)
