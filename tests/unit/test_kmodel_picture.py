"""Pictures into a model and boxes into a picture."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from k210kit.errors import K210Error
from k210kit.kmodel import boxes, picture


@pytest.mark.parametrize("suffix", ["bmp", "png"])
def test_a_picture_of_the_right_size_goes_in_as_it_is(tmp_path: Path, suffix: str) -> None:
    frame = np.random.default_rng(1).integers(0, 256, (24, 32, 3), np.uint8)
    Image.fromarray(frame).save(tmp_path / f"p.{suffix}")
    photo = picture.load(tmp_path / f"p.{suffix}")
    assert (picture.planes(photo, (3, 24, 32)) == frame.transpose(2, 0, 1)).all()
    assert picture.scale(photo, (32, 24)) == 1


def test_a_lower_picture_stands_at_the_top(tmp_path: Path) -> None:
    frame = np.random.default_rng(1).integers(1, 256, (240, 320, 3), np.uint8)
    planes = picture.planes(Image.fromarray(frame), (3, 256, 320))
    assert (planes[:, :240] == frame.transpose(2, 0, 1)).all() and not planes[:, 240:].any()


def test_camera_colours() -> None:
    frame = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    planes = picture.planes(Image.fromarray(frame), (3, 16, 16), camera=True).reshape(3, 256)
    for channel, bits in enumerate((5, 6, 5)):
        few = np.arange(256) >> (8 - bits)
        most = (1 << bits) - 1
        wanted = [round(Fraction(int(v) * 255, most)) for v in few]  # never a tie: most is odd
        assert planes[channel].tolist() == wanted


def by_area(frame: np.ndarray, width: int, height: int) -> np.ndarray:
    """The mean of the area that each pixel covers, by the definition."""
    rows, columns, channels = frame.shape
    out = np.zeros((height, width, channels), np.uint8)
    for y, x, c in np.ndindex(out.shape):
        total = Fraction(0)
        for row in range(rows):
            down = min(Fraction(y + 1, height), Fraction(row + 1, rows)) - max(Fraction(y, height), Fraction(row, rows))
            for column in range(columns):
                across = min(Fraction(x + 1, width), Fraction(column + 1, columns)) - max(
                    Fraction(x, width), Fraction(column, columns)
                )
                if down > 0 and across > 0:
                    total += int(frame[row, column, c]) * down * across
        out[y, x, c] = (total * width * height + Fraction(1, 2)) // 1
    return out


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 7), st.integers(1, 7), st.integers(1, 7), st.integers(1, 7), st.integers(0, 99))
def test_scaling_takes_the_mean_of_the_area(width: int, height: int, wide: int, high: int, seed: int) -> None:
    frame = np.random.default_rng(seed).integers(0, 256, (height, width, 2), np.uint8)
    assert (picture.resized(frame, (wide, high)) == by_area(frame, wide, high)).all()


def test_grey_models_and_others() -> None:
    photo = Image.new("RGB", (4, 4), (255, 0, 0))
    assert (picture.planes(photo, (1, 4, 4)) == 76).all()
    with pytest.raises(K210Error, match="takes 2 channels"):
        picture.planes(photo, (2, 4, 4))


def test_files_that_are_no_pictures(tmp_path: Path) -> None:
    text = tmp_path / "text.png"
    text.write_text("no picture")
    cut = tmp_path / "cut.png"
    Image.new("RGB", (64, 64), "red").save(cut)
    cut.write_bytes(cut.read_bytes()[:60])
    for path, words in ((text, "as a picture"), (cut, "as a picture"), (tmp_path / "x", "no such file")):
        with pytest.raises(K210Error, match=words):
            picture.load(path)
    with pytest.raises(K210Error, match="it is a folder"):
        picture.load(tmp_path)


def test_boxes_are_drawn_where_they_are() -> None:
    photo = Image.new("RGB", (200, 100), "black")
    out = boxes.draw(photo, [((50, 40, 150, 90), 3, "")])
    pixels = np.asarray(out).astype(int)
    paint = np.array(boxes.colour(3))
    for y, x in ((40, 100), (90, 100), (60, 50), (60, 150)):
        assert (pixels[y, x] == paint).all()
    assert not pixels[60, 100].any() and not pixels[30, 100].any()
    assert not np.asarray(photo).any()


def test_labels_stay_in_the_picture_and_can_be_read() -> None:
    photo = Image.new("RGB", (120, 60), "white")
    for box in ((0, 0, 20, 20), (100, 40, 119, 59), (-50, -50, 500, 500), (30, 30, 10, 10)):
        pixels = np.asarray(boxes.draw(photo, [(box, 1, "person 0.97")])).astype(int)
        paint = np.array(boxes.colour(1))
        painted = (pixels == paint).all(2)
        # The label's ground is painted, and text of another colour stands on it.
        assert painted.sum() > 300
        rows, columns = np.nonzero(painted)
        inner = pixels[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        contrast = np.abs(inner - paint).sum(2)
        assert (contrast > 200).sum() > 50


def test_classes_have_colours_of_their_own() -> None:
    colours = [np.array(boxes.colour(n)) for n in range(20)]
    distances = [np.abs(a - b).sum() for i, a in enumerate(colours) for b in colours[:i]]
    assert min(distances) >= 20
    assert min(np.abs(a - b).sum() for a, b in itertools.pairwise(colours)) > 150
