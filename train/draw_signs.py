"""One road sign, drawn flat with Pillow: nothing comes from photos or fonts.

Every sign is drawn on a square canvas whose coordinates run from -1 to 1, x to the right and y down. What a sign does
not cover stays transparent. Colours, digits, arrows and borders vary with the random generator that is handed in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw

SIZE = 256
"""Pixels of a canvas's side."""

Point = tuple[float, float]
Colour = tuple[int, int, int]
Random = np.random.Generator

RED, BLUE, WHITE, BLACK, GREY, GREEN, AMBER = (
    (190, 25, 35), (20, 70, 165), (238, 238, 234), (25, 25, 28), (95, 98, 100), (30, 190, 90), (245, 170, 25),
)  # fmt: skip

# Glyphs as strokes on a field 2 wide and 3 high, y down.
GLYPHS: dict[str, list[list[Point]]] = {
    "0": [[(0, 0.5), (0.5, 0), (1.5, 0), (2, 0.5), (2, 2.5), (1.5, 3), (0.5, 3), (0, 2.5), (0, 0.5)]],
    "1": [[(0.4, 0.7), (1.2, 0), (1.2, 3)]],
    "2": [[(0, 0.6), (0.5, 0), (1.5, 0), (2, 0.6), (2, 1.1), (0, 3), (2, 3)]],
    "3": [[(0, 0.3), (0.6, 0), (1.4, 0), (2, 0.5), (2, 1), (1.4, 1.4), (0.8, 1.4)],
          [(1.4, 1.4), (2, 1.9), (2, 2.5), (1.4, 3), (0.6, 3), (0, 2.7)]],
    "4": [[(1.5, 3), (1.5, 0), (0, 2.1), (2, 2.1)]],
    "5": [[(1.9, 0), (0.2, 0), (0.1, 1.4), (0.8, 1.1), (1.4, 1.1), (2, 1.6), (2, 2.5), (1.4, 3), (0.6, 3), (0, 2.6)]],
    "6": [[(1.8, 0.2), (1.2, 0), (0.6, 0.1), (0, 1), (0, 2.4), (0.6, 3), (1.4, 3), (2, 2.4), (2, 1.9), (1.4, 1.4),
           (0.6, 1.4), (0, 1.9)]],
    "7": [[(0, 0), (2, 0), (0.8, 3)]],
    "8": [[(0.6, 1.4), (0.1, 1), (0.1, 0.5), (0.6, 0), (1.4, 0), (1.9, 0.5), (1.9, 1), (1.4, 1.4), (0.6, 1.4), (0, 1.9),
           (0, 2.5), (0.6, 3), (1.4, 3), (2, 2.5), (2, 1.9), (1.4, 1.4)]],
    "9": [[(0.2, 2.8), (0.8, 3), (1.4, 2.9), (2, 2), (2, 0.6), (1.4, 0), (0.6, 0), (0, 0.6), (0, 1.1), (0.6, 1.6),
           (1.4, 1.6), (2, 1.1)]],
    "S": [[(1.9, 0.3), (1.4, 0), (0.6, 0), (0.1, 0.4), (0.1, 1), (0.6, 1.4), (1.4, 1.6), (1.9, 2), (1.9, 2.6), (1.4, 3),
           (0.6, 3), (0.1, 2.7)]],
    "T": [[(0, 0), (2, 0)], [(1, 0), (1, 3)]],
    "P": [[(0.2, 3), (0.2, 0), (1.4, 0), (2, 0.5), (2, 1.2), (1.4, 1.7), (0.2, 1.7)]],
}  # fmt: skip
GLYPHS["O"] = GLYPHS["0"]


class Canvas:
    """A transparent square to draw on."""

    def __init__(self) -> None:
        self.image = Image.new("RGBA", (SIZE, SIZE))
        self._draw = ImageDraw.Draw(self.image)

    @staticmethod
    def _at(point: Point) -> Point:
        return (point[0] + 1) * SIZE / 2, (point[1] + 1) * SIZE / 2

    def polygon(self, points: Sequence[Point], colour: Colour) -> None:
        """A filled polygon."""
        self._draw.polygon([self._at(point) for point in points], fill=(*colour, 255))

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour, round_by: float = 0.0) -> None:
        """A filled rectangle with rounded corners."""
        corners = (*self._at((left, top)), *self._at((right, bottom)))
        self._draw.rounded_rectangle(corners, round_by * SIZE / 2, fill=(*colour, 255))

    def disc(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """A filled circle."""
        corners = (*self._at((x - radius, y - radius)), *self._at((x + radius, y + radius)))
        self._draw.ellipse(corners, fill=(*colour, 255))

    def line(self, points: Sequence[Point], width: float, colour: Colour) -> None:
        """A polyline with round joints and ends."""
        places = [self._at(point) for point in points]
        self._draw.line(places, fill=(*colour, 255), width=max(1, round(width * SIZE / 2)))
        for x, y in points:
            self.disc(x, y, width / 2, colour)

    def text(self, text: str, middle: Point, height: float, width: float, stroke: float, colour: Colour) -> None:
        """Glyphs side by side in a field of this height and width."""
        each = width / (len(text) + 0.35 * (len(text) - 1))
        for place, character in enumerate(text):
            left = middle[0] - width / 2 + place * each * 1.35
            for points in GLYPHS[character]:
                self.line(
                    [(left + x / 2 * each, middle[1] + (y / 3 - 0.5) * height) for x, y in points], stroke, colour
                )


def regular(corners: int, radius: float, turn: float) -> list[Point]:
    """Corners of a regular polygon, the first one `turn` degrees clockwise from the right."""
    angles = [math.radians(turn + 360 * i / corners) for i in range(corners)]
    return [(radius * math.cos(angle), radius * math.sin(angle)) for angle in angles]


def varied(colour: Colour, random: Random) -> Colour:
    """A colour as another maker, or years in the sun, would have it."""
    values = np.array(colour) * random.uniform(0.85, 1.1) + random.uniform(-14, 14, 3)
    faded = values + (170 - values) * random.choice([0.0, random.uniform(0, 0.3)])
    return tuple(int(value) for value in np.clip(faded, 0, 255))  # type: ignore[return-value]


def stop(canvas: Canvas, random: Random) -> None:
    """A red octagon with a white border and STOP."""
    white = varied(WHITE, random)
    canvas.polygon(regular(8, 1.0, 22.5), white)
    canvas.polygon(regular(8, random.uniform(0.88, 0.95), 22.5), varied(RED, random))
    canvas.text("STOP", (0, 0), random.uniform(0.5, 0.66), 1.3, random.uniform(0.09, 0.13), white)


def give_way(canvas: Canvas, random: Random) -> None:
    """A white triangle that points down, with a red border."""
    # As wide as the canvas and in its middle.
    triangle = np.array([(-1.0, -0.87), (1.0, -0.87), (0.0, 0.87)])
    middle = triangle.mean(0)
    canvas.polygon([tuple(p) for p in triangle], varied(RED, random))
    inner = middle + (triangle - middle) * random.uniform(0.55, 0.68)
    canvas.polygon([tuple(p) for p in inner], varied(random.choice([WHITE, WHITE, (240, 215, 60)]), random))


def speed_limit(canvas: Canvas, random: Random) -> None:
    """A white disc with a red ring and a number."""
    canvas.disc(0, 0, 1.0, varied(RED, random))
    canvas.disc(0, 0, random.uniform(0.72, 0.82), varied(WHITE, random))
    text = str(random.choice([5, 10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120, 130]))
    width = {1: 0.4, 2: random.uniform(0.78, 0.95), 3: 1.08}[len(text)]
    canvas.text(text, (0, 0), random.uniform(0.62, 0.78), width, random.uniform(0.11, 0.16), varied(BLACK, random))


def no_entry(canvas: Canvas, random: Random) -> None:
    """A red disc with a white bar."""
    white = varied(WHITE, random)
    if random.random() < 0.5:
        canvas.disc(0, 0, 1.0, white)
    canvas.disc(0, 0, random.uniform(0.92, 1.0), varied(RED, random))
    half = random.uniform(0.66, 0.76), random.uniform(0.14, 0.2)
    canvas.box(-half[0], -half[1], half[0], half[1], white)


def one_way(canvas: Canvas, random: Random) -> None:
    """A blue board, wider than high, with a white arrow to the left or the right."""
    high = random.uniform(0.4, 0.6)
    white = varied(WHITE, random)
    canvas.box(-1, -high, 1, high, white, 0.06)
    canvas.box(-0.96, 0.04 - high, 0.96, high - 0.04, varied(BLUE, random), 0.05)
    way = random.choice([-1, 1])
    shaft, head, start = high * random.uniform(0.2, 0.3), high * random.uniform(0.55, 0.72), random.uniform(0.1, 0.3)
    points = [(-0.75, -shaft), (start, -shaft), (start, -head), (0.8, 0), (start, head), (start, shaft), (-0.75, shaft)]
    canvas.polygon([(way * x, y) for x, y in points], white)


def crossing(canvas: Canvas, random: Random) -> None:
    """A blue square with a white triangle, in which somebody walks over stripes."""
    white, black = varied(WHITE, random), varied(BLACK, random)
    canvas.box(-0.97, -0.97, 0.97, 0.97, white, 0.08)
    canvas.box(-0.92, -0.92, 0.92, 0.92, varied(BLUE, random), 0.07)
    canvas.polygon([(0, -0.82), (0.84, 0.7), (-0.84, 0.7)], white)
    way, pen = random.choice([-1, 1]), random.uniform(0.1, 0.14)

    def stroke(*points: Point) -> None:
        canvas.line([(way * x, y) for x, y in points], pen, black)

    canvas.disc(way * 0.04, -0.36, 0.1, black)
    stroke((0, -0.18), (-0.05, 0.14), (0.16, 0.36), (0.18, 0.52))
    stroke((-0.05, 0.14), (-0.2, 0.52))
    stroke((-0.24, 0.1), (-0.02, -0.14), (0.24, 0.08))
    for x in (-0.55, -0.3, -0.02, 0.28, 0.53):
        canvas.box(x - 0.07, 0.58, x + 0.07, 0.67, black)


def parking(canvas: Canvas, random: Random) -> None:
    """A blue square with a white P."""
    white = varied(WHITE, random)
    high = random.uniform(0.95, 1.0)
    wide = high * random.uniform(0.8, 1.0)
    canvas.box(-wide, -high, wide, high, white, 0.1)
    canvas.box(0.05 - wide, 0.05 - high, wide - 0.05, high - 0.05, varied(BLUE, random), 0.08)
    canvas.text("P", (0, 0), random.uniform(0.95, 1.2), random.uniform(0.6, 0.75), random.uniform(0.2, 0.28), white)


def roundabout(canvas: Canvas, random: Random) -> None:
    """A blue disc with three white arrows in a circle."""
    white = varied(WHITE, random)
    canvas.disc(0, 0, 1.0, white)
    canvas.disc(0, 0, 0.95, varied(BLUE, random))
    radius, pen, turn = random.uniform(0.48, 0.56), random.uniform(0.15, 0.2), random.uniform(0, 120)
    way = random.choice([-1, 1])
    for third in range(3):
        base = turn + 120 * third

        def at(angle: float, distance: float, base: float = base) -> Point:
            angle = math.radians(base + way * angle)
            return distance * math.cos(angle), distance * math.sin(angle)

        canvas.line([at(angle, radius) for angle in range(8, 70, 6)], pen, white)
        canvas.polygon([at(66, radius - 0.24), at(108, radius), at(66, radius + 0.24)], white)


def traffic_light(canvas: Canvas, random: Random) -> None:
    """A dark upright box with three lamps, of which one or two shine."""
    wide = random.uniform(0.36, 0.46)
    if random.random() < 0.4:
        canvas.box(-wide, -1, wide, 1, varied(WHITE, random), 0.08)
        wide_in, high_in = wide - 0.05, 0.95
    else:
        wide_in, high_in = wide, 1.0
    canvas.box(-wide_in, -high_in, wide_in, high_in, varied(random.choice([BLACK, BLACK, GREY]), random), 0.1)
    shining = [(True, False, False), (True, True, False), (False, False, True), (False, True, False)][
        random.integers(4)
    ]
    radius = wide_in * random.uniform(0.6, 0.75)
    for y, colour, on in zip((-0.6, 0.0, 0.6), ((235, 40, 35), AMBER, GREEN), shining, strict=True):
        lamp = varied(colour, random)
        canvas.disc(0, y, radius, lamp if on else tuple(int(part * 0.28) for part in lamp))
        if on:
            canvas.disc(0, y, radius * 0.5, tuple(min(255, part + 60) for part in lamp))


SIGNS: dict[str, Callable[[Canvas, Random], None]] = {
    sign.__name__: sign
    for sign in (stop, give_way, speed_limit, no_entry, one_way, crossing, parking, roundabout, traffic_light)
}
LABELS = tuple(SIGNS)
"""The classes, in the order of their numbers."""


def draw(name: str, random: Random) -> Image.Image:
    """A sign as RGBA, SIZE x SIZE."""
    canvas = Canvas()
    SIGNS[name](canvas, random)
    return canvas.image
