"""Scaling and AI planes in C against the host's, to the byte."""

from __future__ import annotations

import ctypes as c
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k210kit.kmodel.picture import fitted, resized, through_rgb565

SIDES = st.integers(1, 40)


@pytest.fixture(scope="module")
def library(c_build: Path) -> c.CDLL:
    return c.CDLL(str(c_build / "libpictures.so"))


def address(array: np.ndarray) -> c.c_void_p:
    return c.c_void_p(array.ctypes.data)


@settings(max_examples=200, deadline=None)
@given(size=st.tuples(st.integers(1, 70000), st.integers(1, 70000)), most=st.tuples(SIDES, SIDES))
def test_size_that_fits(library: c.CDLL, size: tuple[int, int], most: tuple[int, int]) -> None:
    width, height = c.c_uint32(), c.c_uint32()
    library.fit_size(*size, *most, c.byref(width), c.byref(height))
    assert (width.value, height.value) == fitted(size, most)
    assert 1 <= width.value <= most[0] and 1 <= height.value <= most[1]
    assert width.value == most[0] or height.value == most[1]


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), size=st.tuples(SIDES, SIDES), target=st.tuples(SIDES, SIDES))
def test_scaling(library: c.CDLL, seed: int, size: tuple[int, int], target: tuple[int, int]) -> None:
    frame = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    columns = np.zeros(size[0], np.uint64)
    stride = target[0] + 3
    out = np.full((3, target[1], stride), 0xAA, np.uint8)
    for channel in range(3):
        source = c.c_void_p(frame.ctypes.data + channel)
        library.fit_scale(
            source, *size, 3, c.c_size_t(size[0] * 3), address(out[channel]), *target, c.c_size_t(stride),
            address(columns),
        )  # fmt: skip
    assert np.array_equal(out[:, :, : target[0]].transpose(1, 2, 0), resized(frame, target))
    assert (out[:, :, target[0] :] == 0xAA).all()


def test_a_constant_stays_one(library: c.CDLL) -> None:
    for value in (0, 1, 254, 255):
        assert (resized(np.full((37, 53, 1), value, np.uint8), (32, 23)) == value).all()


@pytest.mark.parametrize("pixels", [65536, 1, 7, 8, 9, 1001])
def test_ai_planes(library: c.CDLL, pixels: int) -> None:
    """Every value of RGB565, and counts that fill no whole units."""
    colours = np.arange(pixels, dtype=np.uint16)
    planes = np.full(pixels * 3 + 8, 0xAA, np.uint8)
    library.ai_plane_from_rgb565(address(colours), c.c_size_t(pixels), address(planes))
    red, green, blue = colours >> 11, colours >> 5 & 63, colours & 31
    wanted = [np.floor(v.astype(int) * 255 / most + 0.5) for v, most in ((red, 31), (green, 63), (blue, 31))]
    assert np.array_equal(planes[: pixels * 3].reshape(3, -1), wanted)
    assert (planes[pixels * 3 :] == 0xAA).all()
    back = np.zeros(pixels, np.uint16)
    library.ai_plane_to_rgb565(address(planes), c.c_size_t(pixels), address(back))
    assert np.array_equal(back, colours)


def test_the_camera_s_colours_are_the_board_s(library: c.CDLL) -> None:
    frame = np.random.default_rng(3).integers(0, 256, (16, 16, 3), np.uint8)
    colours = (frame >> np.array([3, 2, 3])).astype(np.uint16) @ np.array([1 << 11, 1 << 5, 1], np.uint16)
    planes = np.zeros((3, 16, 16), np.uint8)
    library.ai_plane_from_rgb565(address(np.ascontiguousarray(colours, np.uint16)), c.c_size_t(256), address(planes))
    assert np.array_equal(planes.transpose(1, 2, 0), through_rgb565(frame))
