"""The flash stub's deflate and inflate against zlib, under the address and undefined behaviour sanitizers."""

from __future__ import annotations

import random
import struct
import subprocess
import zlib
from collections.abc import Sequence
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ROOM = 20_000


def run(build: Path, what: str, room: int, records: Sequence[bytes], before: int = 0) -> list[bytes | None]:
    """What comes out of each; None where it says that it cannot. `before` bytes of each are a dictionary."""
    fed = b"".join(struct.pack("<I", len(record)) + record for record in records)
    done = subprocess.run([build / "deflate_exerciser", what, str(room), str(before)], input=fed, capture_output=True)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    results: list[bytes | None] = []
    at = 0
    for _ in records:
        (length,) = struct.unpack_from("<i", done.stdout, at)
        at += 4
        results.append(None if length < 0 else done.stdout[at : at + length])
        at += max(length, 0)
    assert at == len(done.stdout)
    return results


def packed(data: bytes, level: int, strategy: int = zlib.Z_DEFAULT_STRATEGY, memory: int = 8) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, -15, memory, strategy)
    return packer.compress(data) + packer.flush()


def by_zlib(data: bytes) -> bytes | None:
    """What zlib makes of it; None when it is damaged, not whole, or comes to more than ROOM."""
    unpacker = zlib.decompressobj(-15)
    try:
        result = unpacker.decompress(data, ROOM + 1)
    except zlib.error:
        return None
    return result if unpacker.eof and len(result) <= ROOM else None


def text(rng: random.Random, size: int) -> bytes:
    """Something with repetitions near and far."""
    parts: list[bytes] = []
    while sum(map(len, parts)) < size:
        again = rng.choice(parts) if parts and rng.random() < 0.5 else rng.randbytes(rng.randrange(1, 60))
        parts.append(again * rng.choice((1, 1, 1, 300)))
    return b"".join(parts)[:size]


def test_inflate_of_all_that_zlib_makes(c_build: Path) -> None:
    rng = random.Random(1)
    plain, streams = [], []
    for size in (0, 1, 2, 3, 100, 5000, ROOM):
        for data in (text(rng, size), bytes(size), rng.randbytes(size), b"\xff" * size):
            for level in (0, 1, 6, 9):
                for strategy in range(5):
                    plain.append(data)
                    streams.append(packed(data, level, strategy, rng.randrange(1, 10)))
    assert run(c_build, "inflate", ROOM, streams) == plain


def test_inflate_has_no_more_room_than_it_is_given(c_build: Path) -> None:
    data = text(random.Random(2), 5000)
    streams = [packed(data, level) for level in (0, 1, 9)] + [packed(bytes(5000), 9)]
    assert run(c_build, "inflate", 4999, streams) == [None] * 4
    assert run(c_build, "inflate", 0, [packed(b"", 9), packed(b"a", 9)]) == [b"", None]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_damaged_streams(c_build: Path, seed: int) -> None:
    """What zlib takes comes out the same; the rest does no harm. (A set of codes that is not complete is let pass.)"""
    rng = random.Random(seed)
    streams = []
    for _ in range(300):
        stream = bytearray(packed(text(rng, rng.randrange(3000)), rng.choice((0, 1, 9)), rng.randrange(5)))
        for _ in range(rng.randrange(1, 4)):
            stream[rng.randrange(min(len(stream), rng.choice((2, 40, 10_000))))] ^= 1 << rng.randrange(8)
        streams.append(bytes(stream[: rng.randrange(len(stream)) or None if rng.random() < 0.2 else None]))
    streams += [rng.randbytes(rng.randrange(200)) for _ in range(200)]
    for stream, result in zip(streams, run(c_build, "inflate", ROOM, streams), strict=True):
        expected = by_zlib(stream)
        assert expected is None or result == expected, stream.hex()


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_deflate(c_build: Path, seed: int) -> None:
    rng = random.Random(seed)
    plain = [text(rng, rng.choice((1, 2, 3, 4, 300, rng.randrange(65_537)))) for _ in range(20)] + [rng.randbytes(50)]
    for data, stream in zip(plain, run(c_build, "deflate", 80_000, plain), strict=True):
        assert stream is not None
        assert zlib.decompress(stream, -15) == data


def test_deflate_of_erased_flash_and_of_noise(c_build: Path) -> None:
    erased, lines, noise = (
        b"\xff" * 65_536,
        b"".join(b"line %d of a text\n" % n for n in range(4000)),
        random.Random(4).randbytes(65_536),
    )
    results = run(c_build, "deflate", 65_535, [erased, lines, noise])
    assert results[0] and len(results[0]) < 500
    assert results[1] and len(results[1]) < len(lines) / 3
    assert results[2] == b"", "no shorter than it was"


def test_inflate_with_a_dictionary(c_build: Path) -> None:
    """What lies before the output is referred to as far back as it reaches, and no further."""
    rng = random.Random(6)
    for before in (1, 8, 1000, 32_768):
        dictionary = text(rng, before)
        plain = [dictionary[rng.randrange(before) :][:9000] + text(rng, 3000) + dictionary[:500] for _ in range(20)]
        streams = []
        for data in plain:
            packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, dictionary)
            streams.append(dictionary + packer.compress(data) + packer.flush())
        assert run(c_build, "inflate", ROOM, streams, before) == plain
        # Without it the same streams refer to what is not there.
        alone = run(c_build, "inflate", ROOM, [stream[before:] for stream in streams])
        assert all(found is None or found != data for found, data in zip(alone, plain, strict=True)) or before < 8
