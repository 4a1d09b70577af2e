"""SHA-256 engine, driven as the SDK's sha256.c drives it."""

import hashlib
import random

import numpy as np
import pytest

from k210kit.board.core.clock import Clock
from k210kit.board.core.clocks import ClockSignal
from k210kit.board.core.dma import DmaRequest
from k210kit.board.devices.sha256 import _INITIAL, Sha256, compress, digest_of_blocks

DATA, NUM, FUNCTION_0, FUNCTION_1 = 0x20, 0x28, 0x2C, 0x34
BIG = 1 << 16


def padded(message: bytes) -> bytes:
    zeros = -(len(message) + 9) % 64
    return message + b"\x80" + bytes(zeros) + (8 * len(message)).to_bytes(8, "big")


def digest(sha: Sha256) -> bytes:
    return b"".join(sha.read(4 * (7 - i), 4).to_bytes(4, "little") for i in range(8))


def start(sha: Sha256, size: int, dma: int = 0) -> None:
    sha.write(NUM, 2, (size + 64 + 8) // 64)
    sha.write(FUNCTION_1, 4, dma)
    sha.write(FUNCTION_0, 4, sha.read(FUNCTION_0, 4) | BIG)
    sha.write(FUNCTION_0, 4, sha.read(FUNCTION_0, 4) | 1)


def hash_by_cpu(sha: Sha256, clock: Clock, message: bytes) -> bytes:
    start(sha, len(message))
    data = padded(message)
    for i in range(0, len(data), 4):
        assert not sha.read(FUNCTION_1, 4) >> 8 & 1
        assert not sha.read(FUNCTION_0, 4) & 1
        sha.write(DATA, 4, int.from_bytes(data[i : i + 4], "little"))
    clock.advance(10**8)
    assert sha.read(FUNCTION_0, 4) & 1
    return digest(sha)


@pytest.mark.parametrize("size", [0, 1, 3, 55, 56, 57, 63, 64, 65, 119, 120, 1000])
def test_matches_the_standard_for_every_padding_case(size: int) -> None:
    clock = Clock()
    sha = Sha256("sha", clock)
    message = bytes(range(256)) * 4
    assert hash_by_cpu(sha, clock, message[:size]) == hashlib.sha256(message[:size]).digest()


def test_count_may_be_corrected_after_the_start() -> None:
    clock = Clock()
    sha = Sha256("sha", clock)
    start(sha, 64)
    assert sha.read(NUM, 4) == 2
    sha.write(NUM, 2, 1)
    data = padded(b"abc")
    for i in range(0, 64, 4):
        sha.write(DATA, 4, int.from_bytes(data[i : i + 4], "little"))
    clock.advance(10**8)
    assert sha.read(FUNCTION_0, 4) & 1
    assert digest(sha) == hashlib.sha256(b"abc").digest()


def test_vendor_demo_digests() -> None:
    clock = Clock()
    sha = Sha256("sha", clock)
    abc = hash_by_cpu(sha, clock, b"abc")
    assert abc.hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    sha.reset()
    ten = hash_by_cpu(sha, clock, b"abcdefghij" * 6)
    assert ten.hex() == "58beb6bb9b80b212c3dbc1c1020c696fbfa3aad8e8a4ef4d385e9b0732fc5d98"


def test_compression_function_agrees_with_hashlib() -> None:
    state = _INITIAL
    for i in range(0, 192, 64):
        state = compress(state, padded(b"q" * 150)[i : i + 64])
    assert b"".join(w.to_bytes(4, "big") for w in state) == hashlib.sha256(b"q" * 150).digest()


@pytest.mark.parametrize("position", [3, 4, 55, 62, 63])
def test_blocks_that_are_not_padded_as_the_standard_says_are_compressed_as_they_are(position: int) -> None:
    block = bytearray(padded(b"abc"))
    block[position] ^= 1
    wanted = b"".join(word.to_bytes(4, "big") for word in compress(_INITIAL, bytes(block)))
    assert digest_of_blocks(bytes(block)) == wanted


def test_little_endian_setting_takes_words_as_numbers() -> None:
    clock = Clock()
    sha = Sha256("sha", clock)
    sha.write(NUM, 4, 1)
    sha.write(FUNCTION_0, 4, 1)
    data = padded(b"abc")
    for i in range(0, 64, 4):
        sha.write(DATA, 4, int.from_bytes(data[i : i + 4], "big"))
    clock.advance(10**8)
    words = [sha.read(4 * (7 - i), 4).to_bytes(4, "big") for i in range(8)]
    assert b"".join(words) == hashlib.sha256(b"abc").digest()


def test_dma_fed_in_two_transfers_takes_a_clock_a_round() -> None:
    clock, dma = Clock(), DmaRequest(21, "SHA_RX")
    sha = Sha256("sha", clock, dma=dma, clk=ClockSignal("sha", 1_000_000))
    message = bytes(i * 7 & 0xFF for i in range(1000))
    words = np.frombuffer(padded(message), "<u4").astype(np.uint32)
    position = 0

    def feed(limit: int) -> None:
        def source(count: int) -> np.ndarray:
            nonlocal position
            taken = words[position : min(position + count, limit)]
            position += len(taken)
            return taken

        dma.source = source
        dma.on_armed()

    start(sha, len(message), dma=1)
    feed(37)
    assert position == 37
    feed(len(words))
    assert position == len(words)
    assert not sha.read(FUNCTION_0, 4) & 1
    clock.advance(16 * 64 * 10**6 - 1)
    assert not sha.read(FUNCTION_0, 4) & 1
    clock.advance(1)
    assert sha.read(FUNCTION_0, 4) & 1
    assert sha.read(NUM, 4) >> 16 == 16
    assert digest(sha) == hashlib.sha256(message).digest()


def test_reset_forgets_a_message_half_given() -> None:
    clock = Clock()
    sha = Sha256("sha", clock)
    start(sha, 3)
    sha.write(DATA, 4, 0x12345678)
    sha.reset()
    assert hash_by_cpu(sha, clock, b"abc") == hashlib.sha256(b"abc").digest()


def test_survives_random_accesses() -> None:
    clock, random_ = Clock(), random.Random(1)
    sha = Sha256("sha", clock)
    for _ in range(10_000):
        offset, size = random_.randrange(0, 0x40), random_.choice([1, 2, 4, 8])
        offset -= offset % size
        if random_.random() < 0.5:
            value = random_.getrandbits(8 * size) if offset != NUM else random_.randrange(3)
            sha.write(offset, size, value)
        else:
            assert 0 <= sha.read(offset, size) < 1 << 8 * size
        clock.advance(random_.randrange(10**7))
    sha.reset()
    assert hash_by_cpu(sha, clock, b"abc") == hashlib.sha256(b"abc").digest()
