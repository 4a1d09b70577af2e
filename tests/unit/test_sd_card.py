"""The SD card answers as the SD specification's SPI chapter says, however the bytes are chunked."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k210kit.board.parts.sd_card import BLOCK, SdCard, crc7, crc16, switch_status
from k210kit.errors import K210Error


def frame(index: int, argument: int = 0, crc: int | None = None) -> bytes:
    body = bytes([0x40 | index]) + argument.to_bytes(4, "big")
    return body + bytes([crc7(body) if crc is None else crc])


class Host:
    """A driver for the card that uses nothing but `exchange`."""

    def __init__(self, card: SdCard) -> None:
        self.card = card

    def command(self, index: int, argument: int = 0, more: int = 0, crc: int | None = None) -> bytes:
        """R1 and `more` bytes after it; leaves the card selected. Empty when nothing answers within 8 bytes."""
        self.card.select(True)
        assert len(self.card.exchange(frame(index, argument, crc))) == 6
        if index == 12:
            self.card.exchange(b"\xff")
        for _ in range(8):
            answer = self.card.exchange(b"\xff")
            if answer != b"\xff":
                return answer + self.card.exchange(b"\xff" * more)
        return b""

    def finish(self) -> None:
        self.card.select(False)
        self.card.exchange(b"\xff")

    def ask(self, index: int, argument: int = 0, more: int = 0, crc: int | None = None) -> bytes:
        answer = self.command(index, argument, more, crc)
        self.finish()
        return answer

    def data(self, size: int = BLOCK) -> bytes:
        for _ in range(16):
            token = self.card.exchange(b"\xff")
            if token != b"\xff":
                break
        if token != b"\xfe":
            return token
        block = self.card.exchange(b"\xff" * size)
        assert self.card.exchange(b"\xff\xff") == crc16(block)
        return block

    def put(self, block: bytes, token: int, crc: bytes | None = None) -> int:
        self.card.exchange(bytes([0xFF, token]))
        self.card.exchange(block + (crc16(block) if crc is None else crc))
        response = self.card.exchange(b"\xff")[0]
        assert self.card.exchange(b"\xff") == b"\x00"
        self.ready()
        return response & 0x1F

    def ready(self) -> None:
        for _ in range(64):
            if self.card.exchange(b"\xff") == b"\xff":
                return
        raise AssertionError("the card stays busy")

    def start(self) -> Host:
        self.card.exchange(b"\xff" * 10)
        assert self.ask(0) == b"\x01"
        assert self.ask(8, 0x1AA, 4) == b"\x01\x00\x00\x01\xaa"
        for _ in range(10):
            assert self.ask(55) == b"\x01"
            if self.ask(41, 0x4000_0000) == b"\x00":
                return self
        raise AssertionError("the card never gets ready")


def image(blocks: int = 2048) -> bytearray:
    return bytearray(random.Random(1).randbytes(blocks * BLOCK))


def ready_card(content: bytearray | None = None, **options: bool) -> tuple[Host, bytearray]:
    content = image() if content is None else content
    return Host(SdCard(content, **options)).start(), content


def test_crcs_match_the_published_examples() -> None:
    assert crc7(bytes.fromhex("4000000000")) == 0x95
    assert crc7(bytes.fromhex("48000001aa")) == 0x87
    assert crc7(bytes.fromhex("5100000000")) == 0x55
    assert crc16(b"\xff" * 512) == b"\x7f\xa1"


def test_a_card_needs_74_clocks_and_a_good_cmd0() -> None:
    host = Host(SdCard(image()))
    host.card.exchange(b"\xff" * 9)
    assert host.ask(0) == b""  # 72 clocks; the clock after the deselect makes it 80
    assert host.ask(8, 0x1AA, 4) == b""  # still in SD mode
    assert host.ask(0, crc=0x97) == b""
    assert host.ask(0) == b"\x01"


def test_initialisation_polls_and_reports_high_capacity() -> None:
    host = Host(SdCard(image()))
    host.card.exchange(b"\xff" * 10)
    host.ask(0)
    host.ask(8, 0x1AA, 4)
    assert host.ask(58, more=4) == bytes.fromhex("0100ff8000")
    answers = []
    for _ in range(4):
        assert host.ask(55)[0] in (0, 1)
        answers += host.ask(41, 0x4000_0000)
    assert answers == [1, 1, 0, 0]
    assert host.ask(58, more=4) == bytes.fromhex("00c0ff8000")


@pytest.mark.parametrize(("with_cmd8", "argument"), [(True, 0), (False, 0x4000_0000)])
def test_a_host_without_high_capacity_support_never_gets_ready(with_cmd8: bool, argument: int) -> None:
    host = Host(SdCard(image()))
    host.card.exchange(b"\xff" * 10)
    host.ask(0)
    if with_cmd8:
        host.ask(8, 0x1AA, 4)
    for _ in range(20):
        host.ask(55)
        assert host.ask(41, argument) == b"\x01"


def test_in_idle_state_data_commands_are_illegal() -> None:
    host = Host(SdCard(image()))
    host.card.exchange(b"\xff" * 10)
    host.ask(0)
    assert host.ask(17) == b"\x05"
    assert host.ask(9) == b"\x05"


def test_crc_rules() -> None:
    host, _ = ready_card()
    assert host.ask(13, more=1, crc=0x01) == b"\x00\x00"  # off after reset
    assert host.ask(8, 0x1AA, crc=0x01) == b"\x08"
    assert host.ask(0, crc=0x01) == b"\x08"
    assert host.ask(59, 1) == b"\x00"
    assert host.ask(16, 512, crc=0x01) == b"\x08"
    assert host.ask(16, 512) == b"\x00"
    assert host.command(24, 0) == b"\x00"
    assert host.put(bytes(BLOCK), 0xFE, crc=b"\x12\x34") == 0x0B
    host.finish()
    assert host.ask(59, 0) == b"\x00"
    assert host.command(24, 0) == b"\x00"
    assert host.put(bytes(BLOCK), 0xFE, crc=b"\x12\x34") == 0x05


def test_csd_tells_the_capacity() -> None:
    host, _ = ready_card(bytearray(5 * 1024 * 1024 + 1))
    assert host.command(9) == b"\x00"
    csd = host.data(16)
    assert csd[0] >> 6 == 1 and csd[15] == crc7(csd[:15])
    c_size = int.from_bytes(csd[7:10], "big") & 0x3FFFFF
    assert (c_size + 1) * 512 * 1024 == 5 * 1024 * 1024 + 512 * 1024
    assert csd[5] & 0xF == 9
    host.finish()
    assert host.command(10) == b"\x00"
    cid = host.data(16)
    assert cid[3:8] == b"K210V" and cid[15] == crc7(cid[:15])


def test_single_and_multiple_reads() -> None:
    host, content = ready_card()
    assert host.command(17, 7) == b"\x00"
    assert host.data() == content[7 * BLOCK : 8 * BLOCK]
    assert host.card.exchange(b"\xff" * 4) == b"\xff" * 4
    host.finish()
    assert host.command(18, 3) == b"\x00"
    for block in range(3, 9):
        assert host.data() == content[block * BLOCK : (block + 1) * BLOCK]
    assert host.command(12) == b"\x00"
    assert host.card.exchange(b"\xff") == b"\x00"
    host.ready()
    assert host.ask(13, more=1) == b"\x00\x00"


def test_cmd12_works_after_a_deselect_as_vendor_code_does_it() -> None:
    host, content = ready_card()
    host.command(18, 0)
    host.data()
    host.finish()
    assert host.ask(17, 0) == b"\x04"  # a card that sends data knows CMD0, CMD12 and CMD13 only
    assert host.ask(12) == b"\x00"
    host.command(17, 1)
    assert host.data() == content[BLOCK : 2 * BLOCK]


def test_single_and_multiple_writes() -> None:
    host, content = ready_card()
    block = bytes(range(256)) * 2
    assert host.command(24, 5) == b"\x00"
    assert host.put(block, 0xFE) == 0x05
    host.finish()
    assert content[5 * BLOCK : 6 * BLOCK] == block
    assert host.ask(55) == b"\x00"
    assert host.ask(23, 4) == b"\x00"
    assert host.command(25, 10) == b"\x00"
    for number in range(4):
        assert host.put(bytes([number]) * BLOCK, 0xFC) == 0x05
    host.card.exchange(b"\xfd")
    assert host.card.exchange(b"\xff\xff") == b"\xff\x00"
    host.ready()
    host.finish()
    for number in range(4):
        assert content[(10 + number) * BLOCK : (11 + number) * BLOCK] == bytes([number]) * BLOCK


def test_a_multiple_write_without_stop_token_ends_at_the_next_command() -> None:
    host, _ = ready_card()
    host.command(25, 20)
    host.put(b"\x55" * BLOCK, 0xFC)
    host.finish()
    assert host.command(17, 20) == b"\x00"
    assert host.data() == b"\x55" * BLOCK


def test_a_token_during_busy_is_not_seen() -> None:
    host, content = ready_card()
    before = bytes(content[31 * BLOCK : 32 * BLOCK])
    host.command(25, 30)
    host.card.exchange(b"\xfc" + b"\x11" * BLOCK + b"\xff\xff")
    assert host.card.exchange(b"\xff\xfc" + b"\xff" * 20)[0] & 0x1F == 5
    assert host.command(13, more=1) == b"\x00\x00"
    assert content[31 * BLOCK : 32 * BLOCK] == before


def test_out_of_range_addresses() -> None:
    host, content = ready_card()
    assert host.ask(17, 2048) == b"\x40"
    assert host.ask(13, more=1) == b"\x00\x80"
    assert host.ask(13, more=1) == b"\x00\x00"
    host.command(18, 2047)
    assert host.data() == content[-BLOCK:]
    assert host.data() == b"\x08"
    host.command(12)
    host.finish()
    host.command(25, 2047)
    assert host.put(bytes(BLOCK), 0xFC) == 0x05
    assert host.put(bytes(BLOCK), 0xFC) == 0x0D
    assert len(content) == 2048 * BLOCK


def test_erase() -> None:
    host, content = ready_card()
    before = bytes(content)
    assert host.ask(38) == b"\x10"
    assert host.ask(33, 5) == b"\x10"
    assert host.ask(32, 4) == b"\x00"
    assert host.ask(33, 6) == b"\x00"
    assert host.ask(16, 512) == b"\x02"  # leaves the sequence
    assert host.ask(38) == b"\x10"
    host.ask(32, 4)
    host.ask(33, 6)
    assert host.command(38) == b"\x00"
    host.ready()
    host.finish()
    assert content == before[: 4 * BLOCK] + bytes(3 * BLOCK) + before[7 * BLOCK :]


def test_other_commands() -> None:
    host, _ = ready_card()
    assert host.ask(23, 1) == b"\x04"
    assert host.ask(41, 0x4000_0000) == b"\x04"
    assert host.ask(63) == b"\x04"
    assert host.ask(16, 513) == b"\x40"
    host.ask(55)
    assert host.command(51) == b"\x00"
    assert host.data(8)[0] == 0x02
    host.finish()
    host.ask(55)
    assert host.command(13, more=1) == b"\x00\x00"
    assert len(host.data(64)) == 64
    host.finish()
    assert host.command(6, 0x00FF_FFF1) == b"\x00"
    assert host.data(64)[16] & 0xF == 1
    assert switch_status(0x00FF_FFF5)[16] & 0xF == 0xF


def test_deselect_releases_the_line() -> None:
    host, _ = ready_card()
    host.command(17, 0)
    host.card.select(False)
    assert host.card.exchange(b"\xff" * 600) == b"\xff" * 600


def test_a_read_only_card_refuses_writes() -> None:
    host, content = ready_card(read_only=True)
    before = bytes(content)
    host.command(24, 0)
    assert host.put(bytes(BLOCK), 0xFE) == 0x0D
    host.finish()
    assert host.ask(13, more=1) == b"\x00\x20"
    assert content == before


def test_an_image_file_is_written_at_once(tmp_path) -> None:
    path = tmp_path / "card.img"
    path.write_bytes(bytes(3 * BLOCK))
    card = SdCard(path)
    host = Host(card).start()
    host.command(24, 1)
    assert host.put(b"\xa5" * BLOCK, 0xFE) == 0x05
    host.finish()
    assert path.read_bytes() == bytes(BLOCK) + b"\xa5" * BLOCK + bytes(BLOCK)
    host.command(17, 1000)  # beyond the file, within the rounded capacity
    assert host.data() == bytes(BLOCK)
    card.close()


def test_bad_images_are_refused(tmp_path) -> None:
    with pytest.raises(K210Error, match="cannot open the SD image"):
        SdCard(tmp_path / "none.img")
    (tmp_path / "empty.img").write_bytes(b"")
    with pytest.raises(K210Error, match="0 bytes"):
        SdCard(tmp_path / "empty.img")
    with pytest.raises(K210Error, match="0 bytes"):
        SdCard(b"")


def session() -> bytes:
    """What a host sends, polling by fixed numbers of ones: reads, writes, an erase, an error."""
    ones = b"\xff" * 12
    block = bytes(range(256)) * 2
    return b"".join(
        [
            frame(0) + ones + frame(8, 0x1AA) + ones,
            (frame(55) + ones + frame(41, 0x4000_0000) + ones) * 4,
            frame(9) + b"\xff" * 30 + frame(17, 3) + b"\xff" * 530,
            frame(18, 5) + b"\xff" * 1700 + frame(12) + ones,
            frame(24, 9) + ones + b"\xfe" + block + crc16(block) + ones,
            frame(25, 11) + ones + (b"\xfc" + block + crc16(block) + ones) * 3 + b"\xfd" + ones,
            frame(32, 2) + ones + frame(33, 2) + ones + frame(38) + ones + frame(17, 99999) + ones,
        ]
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 700), st.sampled_from(["exchange", "send", "receive"])), min_size=1))
def test_chunking_changes_nothing(chunks: list[tuple[int, str]]) -> None:
    data = session()
    whole, whole_content = SdCard(first := image(64)), first
    parts, parts_content = SdCard(second := image(64)), second
    for card in (whole, parts):
        card.exchange(b"\xff" * 10)
        card.select(True)
    expected = whole.exchange(data)
    at, turn = 0, 0
    while at < len(data):
        size, way = chunks[turn % len(chunks)]
        piece = data[at : at + size]
        if way == "send":
            parts.send(piece)
        elif way == "receive" and piece.count(0xFF) == len(piece):
            assert parts.receive(len(piece)) == expected[at : at + size]
        else:
            assert parts.exchange(piece) == expected[at : at + size]
        at, turn = at + size, turn + 1
    assert parts_content == whole_content
    assert whole_content[9 * BLOCK : 10 * BLOCK] == bytes(range(256)) * 2
    assert whole_content[13 * BLOCK : 14 * BLOCK] == bytes(range(256)) * 2
    assert whole_content[2 * BLOCK : 3 * BLOCK] == bytes(BLOCK)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.builds(frame, st.integers(0, 63), st.integers(0, 2**32 - 1)),
            st.builds(frame, st.sampled_from([0, 8, 12, 17, 18, 24, 25, 32, 33, 38, 55]), st.integers(0, 70)),
            st.sampled_from([b"\xfe", b"\xfc", b"\xfd", b"\xff" * 520, None]),
        ),
        max_size=60,
    )
)
def test_any_bytes_are_taken(pieces: list[bytes | None]) -> None:
    host, content = ready_card(image(64))
    card = host.card
    card.store.erase = lambda position, size: size <= 512 * 1024  # type: ignore[method-assign]
    for piece in pieces:
        if piece is None:
            card.select(not card._selected)
        else:
            assert len(card.exchange(piece)) == len(piece)
    card.select(False)
    assert card.exchange(b"\xff") == b"\xff"
    assert len(content) <= 512 * 1024 + BLOCK
