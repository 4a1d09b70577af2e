"""SLIP and the two protocols on it, in both directions: what is sent comes back, whatever the damage around it."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k210kit.flasher import rom, slip, stub_frames

frames = st.binary(min_size=1, max_size=300)
# Bytes that mean something to SLIP, more often than chance has them.
special = st.lists(st.sampled_from([0xC0, 0xDB, 0xDC, 0xDD, 0x00]), min_size=1, max_size=40).map(bytes)


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [*pieces, data]


@given(st.lists(frames | special, max_size=6), st.lists(st.integers(0, 40), max_size=20))
def test_frames_come_back_however_the_line_cuts_them(sent, sizes):
    decoder, seen = slip.Decoder(), []
    for piece in cut(b"".join(map(slip.encode, sent)), sizes):
        seen += decoder.feed(piece)
    assert seen == sent
    assert decoder.damaged == 0


@given(special)
def test_an_encoded_frame_has_no_end_within(data):
    encoded = slip.encode(data)
    assert encoded[:1] == encoded[-1:] == b"\xc0"
    assert b"\xc0" not in encoded[1:-1]


@given(st.binary(max_size=200), frames)
def test_after_any_garbage_a_frame_is_found(garbage, sent):
    decoder = slip.Decoder()
    decoder.feed(garbage)
    assert decoder.feed(slip.encode(sent))[-1] == sent


@given(frames, frames)
def test_a_lost_end_costs_only_its_frames(first, second):
    decoder = slip.Decoder()
    seen = decoder.feed(slip.encode(first)[:-1] + slip.encode(second))
    assert seen == [first, second]


def test_wrong_escapes_and_endless_frames_are_counted_and_left_out():
    decoder = slip.Decoder()
    assert decoder.feed(b"\xc0ab\xdbx\xc0") == []
    assert decoder.damaged == 1
    for _ in range(10):
        assert decoder.feed(bytes(slip.LONGEST)) == []
    assert decoder.feed(b"\xc0") == []
    assert decoder.damaged == 2
    assert decoder.feed(b"\xc0ab\xc0") == [b"ab"]
    decoder.feed(b"half")
    decoder.clear()
    assert decoder.feed(b"\xc0ab\xc0") == [b"ab"]


# ---- The ROM


@given(st.sampled_from([rom.WRITE, rom.BOOT]), st.integers(0, 2**32 - 1), st.binary(max_size=1024))
def test_a_rom_request_is_what_the_facts_say(operation, address, data):
    (frame,) = slip.Decoder().feed(slip.encode(rom.request(operation, address, data)))
    assert frame[:4] == bytes((operation, 0, 0, 0))
    assert int.from_bytes(frame[4:8], "little") == zlib.crc32(frame[8:])
    assert int.from_bytes(frame[8:12], "little") == address
    assert int.from_bytes(frame[12:16], "little") == len(data)
    assert frame[16:] == data


def test_the_greeting_is_that_of_the_usual_client():
    assert b"\xc0\xc2" + bytes(12) + b"\xc0" == rom.GREETING


# ---- The stub

operations = st.integers(1, 0x7E)
numbers = st.integers(0, 255)


@given(operations, numbers, st.binary(max_size=300))
def test_a_stub_request_comes_back(operation, number, body):
    assert stub_frames.parse_request(stub_frames.request(operation, number, body)) == (operation, number, body)


@given(operations, numbers, st.integers(0, 10), st.binary(max_size=300))
def test_a_stub_reply_comes_back(operation, number, status, body):
    frame = stub_frames.reply(operation, number, status, body)
    assert stub_frames.parse_reply(frame) == stub_frames.Reply(operation, number, status, body)


@given(operations, numbers, st.binary(max_size=300), st.data())
def test_a_frame_with_a_flipped_bit_a_byte_too_few_or_too_many_is_damaged(operation, number, body, data):
    frame = bytearray(stub_frames.request(operation, number, body))
    at = data.draw(st.integers(0, len(frame) - 1))
    kind = data.draw(st.sampled_from(["flip", "drop", "double"]))
    before = bytes(frame)
    if kind == "flip":
        frame[at] ^= 1 << data.draw(st.integers(0, 7))
    elif kind == "drop":
        del frame[at]
    else:
        frame.insert(at, frame[at])
    if bytes(frame) != before:
        assert stub_frames.parse_request(bytes(frame)) is None


@given(st.binary(max_size=40))
def test_no_bytes_upset_the_parsers(frame):
    stub_frames.parse_request(frame)
    stub_frames.parse_reply(frame)


def test_a_request_is_no_reply_and_the_notice_of_damage_is_one():
    assert stub_frames.parse_reply(stub_frames.request(stub_frames.HELLO, 1, b"K210")) is None
    notice = stub_frames.parse_reply(stub_frames.reply(stub_frames.DAMAGED_FRAME, 0, stub_frames.DAMAGED))
    assert notice == stub_frames.Reply(stub_frames.DAMAGED_FRAME, 0, stub_frames.DAMAGED, b"")


@given(st.binary(max_size=2000) | st.integers(0, 5000).map(bytes))
def test_deflated_data_come_back(data):
    flag, packed = stub_frames.deflate(data)
    assert len(packed) <= len(data)
    assert (stub_frames.inflate(packed, len(data)) if flag else packed) == data


@given(st.binary(max_size=100), st.integers(0, 200))
def test_damaged_deflate_is_refused_not_believed(packed, size):
    try:
        assert len(stub_frames.inflate(packed, size)) == size
    except ValueError as error:
        assert str(error)


def test_deflate_of_another_length_is_refused():
    _, packed = stub_frames.deflate(bytes(1000))
    for size in (999, 1001, 0):
        with pytest.raises(ValueError):
            stub_frames.inflate(packed, size)
    with pytest.raises(ValueError):
        stub_frames.inflate(packed[:-1], 1000)
