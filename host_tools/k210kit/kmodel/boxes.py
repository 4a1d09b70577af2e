"""Draws detections into a picture."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable

from PIL import Image, ImageDraw, ImageFont

Box = tuple[float, float, float, float]
GOLDEN = 0.618034
"""Steps of this fraction of a circle give hues that stay apart, however many."""


def colour(cls: int) -> tuple[int, int, int]:
    """A bright colour for a class; neighbours differ clearly."""
    red, green, blue = colorsys.hsv_to_rgb((0.33 + cls * GOLDEN) % 1, 0.9, 1)
    return round(255 * red), round(255 * green), round(255 * blue)


def draw(picture: Image.Image, found: Iterable[tuple[Box, int, str]]) -> Image.Image:
    """A copy with a box and its text for each (left, top, right, bottom), class, text."""
    out = picture.convert("RGB").copy()
    pen = ImageDraw.Draw(out)
    thick = max(2, out.width // 200)
    font = ImageFont.load_default(max(11, out.width // 40))
    for box, cls, text in found:
        _draw(pen, out.size, box, colour(cls), text, thick, font)
    return out


def _draw(
    pen: ImageDraw.ImageDraw,
    size: tuple[int, int],
    box: Box,
    paint: tuple[int, int, int],
    text: str,
    thick: int,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> None:
    left, right = sorted(min(max(0.0, x), size[0] - 1) for x in (box[0], box[2]))
    top, bottom = sorted(min(max(0.0, y), size[1] - 1) for y in (box[1], box[3]))
    pen.rectangle((left, top, right, bottom), outline=paint, width=thick)
    if not text:
        return
    _, _, wide, high = pen.textbbox((0, 0), text, font=font)
    wide, high = wide + 4, high + 3
    # Above the box, or just inside when there is no room; never cut at the right.
    x = max(0.0, min(left, size[0] - wide))
    y = top - high if top >= high else top
    pen.rectangle((x, y, x + wide, y + high), fill=paint)
    dark = 0.3 * paint[0] + 0.6 * paint[1] + 0.1 * paint[2] > 110
    pen.text((x + 2, y + 1), text, fill="black" if dark else "white", font=font)
