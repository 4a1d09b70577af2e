"""The firmware's memcpy(), memmove(), memset() and memcmp() at every alignment, length and overlap."""

from __future__ import annotations

import ctypes as c
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

ROOM = 400
PLACES, LENGTHS = st.integers(0, 160), st.integers(0, 200)


@pytest.fixture(scope="module")
def library(c_build: Path) -> c.CDLL:
    library = c.CDLL(str(c_build / "libmemory.so"))
    for name in ("memcpy", "memmove", "memset"):
        getattr(library, f"k210_{name}").restype = c.c_void_p
    return library


def filled(seed: int = 0) -> c.Array[c.c_char]:
    return c.create_string_buffer(bytes((i * 7 + i // 13 + seed) & 0xFF for i in range(ROOM)), ROOM)


@settings(max_examples=1500, deadline=None)
@given(to=PLACES, start=PLACES, count=LENGTHS)
def test_moving(library: c.CDLL, to: int, start: int, count: int) -> None:
    """Within one buffer, so that the places often overlap."""
    buffer = filled()
    wanted = bytearray(buffer.raw)
    wanted[to : to + count] = wanted[start : start + count]
    address = c.addressof(buffer)
    returned = library.k210_memmove(c.c_void_p(address + to), c.c_void_p(address + start), c.c_size_t(count))
    assert buffer.raw == wanted and returned == address + to


@settings(max_examples=800, deadline=None)
@given(to=PLACES, start=PLACES, count=LENGTHS)
def test_copying(library: c.CDLL, to: int, start: int, count: int) -> None:
    source, target = filled(), filled(100)
    wanted = bytearray(target.raw)
    wanted[to : to + count] = source.raw[start : start + count]
    place = c.addressof(target) + to
    returned = library.k210_memcpy(c.c_void_p(place), c.c_void_p(c.addressof(source) + start), c.c_size_t(count))
    assert target.raw == wanted and returned == place


@settings(max_examples=500, deadline=None)
@given(to=PLACES, value=st.integers(-300, 300), count=LENGTHS)
def test_setting(library: c.CDLL, to: int, value: int, count: int) -> None:
    buffer = filled()
    wanted = bytearray(buffer.raw)
    wanted[to : to + count] = bytes([value & 0xFF]) * count
    returned = library.k210_memset(c.c_void_p(c.addressof(buffer) + to), value, c.c_size_t(count))
    assert buffer.raw == wanted and returned == c.addressof(buffer) + to


@settings(max_examples=800, deadline=None)
@given(a=PLACES, b=PLACES, count=LENGTHS, changed=st.one_of(st.none(), LENGTHS), by=st.integers(1, 255))
def test_comparing(library: c.CDLL, a: int, b: int, count: int, changed: int | None, by: int) -> None:
    first, second = filled(), filled()
    second[b : b + count] = first.raw[a : a + count]
    if changed is not None and changed < count:
        second[b + changed] = (second.raw[b + changed] + by) & 0xFF
    left, right = first.raw[a : a + count], second.raw[b : b + count]
    places = (c.c_void_p(c.addressof(first) + a), c.c_void_p(c.addressof(second) + b))
    found = library.k210_memcmp(*places, c.c_size_t(count))
    assert (found > 0) - (found < 0) == (left > right) - (left < right)
