"""The panel shows what the datasheet's commands say, in whatever pieces the bytes arrive."""

from __future__ import annotations

import random
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from k210kit.board.core.line import Line
from k210kit.board.parts.lcd_panel import LcdPanel
from k210kit.errors import K210Error

RED, GREEN, BLUE = 0xF800, 0x07E0, 0x001F


class Driver:
    """Commands and data as firmware sends them over eight lines."""

    def __init__(self, panel: LcdPanel) -> None:
        self.panel = panel
        panel.select(True)

    def command(self, code: int, *parameters: int) -> None:
        self.panel.dc.set(False)
        self.panel.send(bytes([code]), 8)
        if parameters:
            self.data(bytes(parameters))

    def data(self, data: bytes) -> None:
        self.panel.dc.set(True)
        self.panel.send(data, 8)

    def window(self, x0: int, y0: int, x1: int, y1: int) -> None:
        self.command(0x2A, x0 >> 8, x0 & 255, x1 >> 8, x1 & 255)
        self.command(0x2B, y0 >> 8, y0 & 255, y1 >> 8, y1 & 255)
        self.command(0x2C)

    def pixels(self, *colours: int) -> None:
        self.data(b"".join(colour.to_bytes(2, "big") for colour in colours))

    def read(self, code: int, count: int, lines: int = 8) -> bytes:
        self.command(code)
        self.panel.dc.set(True)
        return self.panel.receive(count, lines)


def started(madctl: int = 0xA0, **options: object) -> Driver:
    options.setdefault("upright", 0xA0)
    driver = Driver(LcdPanel(Line("dc", True), Line("rst", True), **options))  # type: ignore[arg-type]
    driver.command(0x01)
    driver.command(0x11)
    driver.command(0x3A, 0x55)
    driver.command(0x36, madctl)
    driver.command(0x29)
    return driver


def fill(driver: Driver, colour: int) -> None:
    driver.window(0, 0, 319, 239)
    driver.data(colour.to_bytes(2, "big") * (320 * 240))


def test_a_frame_appears_as_it_was_drawn() -> None:
    driver = started()
    frame = np.random.default_rng(1).integers(0, 1 << 16, (240, 320), np.uint16)
    driver.window(0, 0, 319, 239)
    driver.data(frame.astype(">u2").tobytes())
    picture = np.asarray(driver.panel.image())
    assert picture.shape == (240, 320, 3)
    assert np.array_equal(picture[:, :, 0] >> 3, frame >> 11)
    assert np.array_equal(picture[:, :, 1] >> 2, frame >> 5 & 63)
    assert np.array_equal(picture[:, :, 2] >> 3, frame & 31)


@pytest.mark.parametrize("madctl", range(0, 0x100, 0x20))
def test_madctl_places_the_first_pixel_as_the_datasheet_says(madctl: int) -> None:
    driver = started(madctl, upright=0)
    last = (319, 239) if madctl & 0x20 else (239, 319)
    driver.window(0, 0, *last)
    driver.pixels(0xFFFF, RED)
    picture = driver.panel.image()
    row, column = 319 if madctl & 0x80 else 0, 239 if madctl & 0x40 else 0
    assert picture.getpixel((column, row)) == (255, 255, 255)
    if madctl & 0x20:
        row += -1 if madctl & 0x80 else 1
    else:
        column += -1 if madctl & 0x40 else 1
    assert picture.getpixel((column, row)) == (255, 0, 0)


def test_the_window_wraps_and_goes_on() -> None:
    driver = started()
    driver.window(10, 20, 12, 21)
    driver.pixels(RED, GREEN, BLUE, RED, GREEN, BLUE, 0xFFFF)
    picture = driver.panel.image()
    assert picture.getpixel((10, 20)) == (255, 255, 255)
    assert picture.getpixel((11, 21)) == (0, 255, 0)
    driver.command(0x3C)
    driver.pixels(BLUE)
    assert driver.panel.image().getpixel((11, 20)) == (0, 0, 255)


def test_pixels_outside_the_memory_are_counted_but_not_stored() -> None:
    driver = started()
    driver.window(318, 0, 321, 1)
    driver.pixels(RED, GREEN, BLUE, BLUE, GREEN, RED)
    picture = driver.panel.image()
    assert [picture.getpixel((318, y)) for y in (0, 1)] == [(255, 0, 0), (0, 255, 0)]
    assert [picture.getpixel((319, y)) for y in (0, 1)] == [(0, 255, 0), (255, 0, 0)]


def test_a_window_with_its_end_before_its_start_is_ignored() -> None:
    driver = started()
    driver.command(0x2A, 0, 5, 0, 9)
    driver.command(0x2A, 0, 9, 0, 5)
    driver.command(0x2C)
    driver.pixels(RED)
    assert driver.panel.image().getpixel((5, 0)) == (255, 0, 0)


def test_colour_formats() -> None:
    driver = started()
    driver.command(0x3A, 0x53)
    driver.window(0, 0, 319, 239)
    driver.data(bytes([0xF0, 0x08, 0x00]))
    assert [driver.panel.image().getpixel((x, 0)) for x in (0, 1)] == [(255, 0, 0), (136, 0, 0)]
    driver.command(0x3A, 0x66)
    driver.window(0, 0, 319, 239)
    driver.data(bytes([0x04, 0xFC, 0x80, 0xFF, 0x03, 0x00]))
    assert [driver.panel.image().getpixel((x, 0)) for x in (0, 1)] == [(4, 255, 130), (255, 0, 0)]


def test_inversion_and_the_kind_of_glass() -> None:
    for ips in (False, True):
        driver = started(ips=ips)
        fill(driver, RED)
        assert driver.panel.image().getpixel((0, 0)) == ((0, 255, 255) if ips else (255, 0, 0))
        driver.command(0x21)
        assert driver.panel.image().getpixel((0, 0)) == ((255, 0, 0) if ips else (0, 255, 255))
        driver.command(0x20)
        assert driver.panel.image().getpixel((0, 0)) == ((0, 255, 255) if ips else (255, 0, 0))


def test_bgr_bit_swaps_at_once_unless_the_glass_is_bgr() -> None:
    for bgr in (False, True):
        driver = started(bgr=bgr)
        fill(driver, RED)
        plain = driver.panel.image().getpixel((7, 7))
        driver.command(0x36, 0xA8)
        swapped = driver.panel.image().getpixel((7, 7))
        assert (plain, swapped) == (((0, 0, 255), (255, 0, 0)) if bgr else ((255, 0, 0), (0, 0, 255)))


def test_sleep_display_off_and_reset_show_black() -> None:
    driver = started()
    fill(driver, 0xFFFF)
    for off, on in ((0x28, 0x29), (0x10, 0x11)):
        driver.command(off)
        assert driver.panel.image().getpixel((3, 3)) == (0, 0, 0)
        driver.command(on)
        assert driver.panel.image().getpixel((3, 3)) == (255, 255, 255)
    driver.panel.rst.set(False)  # type: ignore[union-attr]
    driver.command(0x11)
    driver.command(0x29)
    assert not driver.panel.visible
    driver.panel.rst.set(True)  # type: ignore[union-attr]
    assert driver.read(0x0B, 2) == b"\x00\x00" and driver.read(0x0C, 2) == b"\x00\x66"


def test_scrolling_moves_the_rows_of_the_memory() -> None:
    driver = started(0x00, upright=0x00)
    for row in range(320):
        driver.window(0, row, 239, row)
        driver.pixels(*[row % 32] * 240)
    blue = [driver.panel.image().getpixel((0, y))[2] >> 3 for y in range(320)]
    driver.command(0x33, 0, 16, 1, 0, 0, 48)  # 16 fixed, 256 moving, 48 fixed
    driver.command(0x37, 0, 20)
    moved = [driver.panel.image().getpixel((0, y))[2] >> 3 for y in range(320)]
    assert moved == blue[:16] + blue[20:272] + blue[16:20] + blue[272:]


def test_idle_and_partial_mode() -> None:
    driver = started(0x00, upright=0x00)
    driver.window(0, 0, 239, 319)
    driver.data(b"\x84\x10" * (240 * 320))
    driver.command(0x39)
    assert driver.panel.image().getpixel((0, 0)) == (255, 255, 255)
    driver.command(0x38)
    driver.command(0x30, 0, 10, 0, 19)
    driver.command(0x12)
    rows = [driver.panel.image().getpixel((0, y)) != (0, 0, 0) for y in range(320)]
    assert rows == [False] * 10 + [True] * 10 + [False] * 300


def test_reads() -> None:
    driver = started()
    assert driver.read(0x04, 4) == b"\x00\x85\x85\x52"
    assert driver.read(0x04, 4, lines=1) == bytes([0x42, 0xC2, 0xA9, 0x00])  # a dummy clock shifts by one bit
    assert driver.read(0xDA, 1, lines=1) == b"\x85"
    assert driver.read(0x0A, 2)[1] == 0x1C
    driver.window(0, 0, 319, 239)
    driver.pixels(RED, GREEN)
    assert driver.read(0x2E, 7) == b"\x00\xfc\x00\x00\x00\xfc\x00"
    driver.command(0x0B)
    driver.panel.dc.set(True)
    assert driver.panel.exchange(b"\x00") == b"\xa0"


def test_glass_over_a_part_of_the_memory() -> None:
    driver = started(glass=(80, 0, 240, 240))
    driver.window(80, 0, 80, 0)
    driver.pixels(GREEN)
    picture = driver.panel.image()
    assert picture.size == (240, 240) and picture.getpixel((0, 0)) == (0, 255, 0)


def test_save(tmp_path) -> None:
    driver = started()
    fill(driver, BLUE)
    driver.panel.save(tmp_path / "panel.png")
    with Image.open(tmp_path / "panel.png") as picture:
        assert picture.size == (320, 240) and picture.getpixel((5, 5)) == (0, 0, 255)
    with pytest.raises(K210Error, match="cannot write"):
        driver.panel.save(tmp_path / "none" / "panel.png")
    with pytest.raises(K210Error, match="cannot write"):
        driver.panel.save(tmp_path / "panel.unknown")


def test_a_deselected_panel_listens_to_nothing() -> None:
    driver = started()
    fill(driver, RED)
    driver.panel.select(False)
    fill(driver, BLUE)
    driver.panel.select(True)
    assert driver.panel.image().getpixel((9, 9)) == (255, 0, 0)


def test_a_frame_takes_a_few_milliseconds() -> None:
    driver = started()
    data = bytes(320 * 240 * 2)
    best = 1.0
    for _ in range(5):
        driver.window(0, 0, 319, 239)
        begin = time.perf_counter()
        driver.data(data)
        best = min(best, time.perf_counter() - begin)
    assert best < 0.01


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 7),
    st.sampled_from([0x53, 0x55, 0x66]),
    st.tuples(st.integers(0, 330), st.integers(0, 330), st.integers(0, 12), st.integers(0, 12)),
    st.lists(st.binary(max_size=90), max_size=12),
)
def test_chunking_changes_nothing(turn: int, colmod: int, area: tuple[int, int, int, int], parts: list[bytes]) -> None:
    x, y, width, height = area
    memories = []
    for chunks in ([b"".join(parts)], parts, [bytes([b]) for b in b"".join(parts)]):
        driver = started(turn << 5)
        driver.command(0x3A, colmod)
        driver.window(x, y, x + width, y + height)
        for chunk in chunks:
            driver.data(chunk)
        memories.append(driver.panel.gram)
    assert np.array_equal(memories[0], memories[2])
    assert np.array_equal(memories[0], memories[1])


def test_any_bytes_are_taken() -> None:
    rng = random.Random(3)
    driver = started()
    for _ in range(10_000):
        action = rng.randrange(8)
        if action == 0:
            driver.panel.select(rng.random() < 0.9)
        elif action == 1:
            assert len(driver.panel.receive(n := rng.randrange(70), rng.choice([1, 4, 8]))) == n
        elif action == 2:
            assert len(driver.panel.exchange(data := rng.randbytes(rng.randrange(9)))) == len(data)
        elif action == 3:
            driver.data(rng.randbytes(rng.randrange(300)))
        elif action == 4:
            driver.window(*(rng.randrange(65536) for _ in range(4)))
        else:
            driver.command(rng.randrange(256), *rng.randbytes(rng.randrange(7)))
        if rng.randrange(100) == 0:
            assert driver.panel.image().size == (320, 240)
