"""Whole pictures: streets, fields, walls and abstract patterns with signs in perspective, as a small camera sees them.

Picture `index` of a `split` is the same every time, in whatever order and by however many processes they are drawn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from draw_signs import GLYPHS, LABELS, SIGNS, SIZE, Canvas, draw, regular
from PIL import Image, ImageDraw, ImageFilter

WIDTH, HEIGHT = 320, 240
SEED = 2026
SPLITS = {"train": 0, "test": 1, "shown": 2}
SMALLEST, LARGEST = 24, 130
"""Pixels of a sign's longer side."""
FINER = 2
"""Signs are drawn so many times as fine as the picture, then averaged."""

Floats = npt.NDArray[np.float32]
Random = np.random.Generator
Corners = tuple[float, float, float, float]


@dataclass(frozen=True)
class Thing:
    """A sign in a picture: its class, and the corners of its box in pixels (left, top, right, bottom)."""

    cls: int
    box: Corners


def scene(split: str, index: int) -> tuple[Image.Image, list[Thing]]:
    """A picture of WIDTH x HEIGHT and the signs in it."""
    random = np.random.default_rng([SEED, SPLITS[split], index])
    picture = background(random)
    for _ in range(random.integers(0, 4)):
        place_decoy(picture, random)
    things: list[Thing] = []
    for _ in range(random.choice([0, 1, 2, 3, 4], p=[0.04, 0.3, 0.36, 0.2, 0.1])):
        thing = place_sign(picture, things, random)
        if thing is not None:
            things.append(thing)
    for thing in things:
        if random.random() < 0.15:
            occlude(picture, thing, random)
    return camera(picture, random), things


# Backgrounds


def background(random: Random) -> Image.Image:
    """A street or field three times in four, else a wall or a pattern."""
    kind = random.random()
    if kind < 0.6:
        picture = outdoors(random)
    elif kind < 0.8:
        picture = wall(random)
    else:
        picture = pattern(random)
    grain = clouds(random, random.integers(3, 9), random.uniform(4, 22))
    return _image(np.asarray(picture, np.float32) + grain[..., None])


def outdoors(random: Random) -> Image.Image:
    """Sky, horizon, ground, perhaps a road, buildings and trees."""
    horizon = int(random.uniform(0.3, 0.8) * HEIGHT)
    sky = random.choice([(120, 165, 220), (170, 185, 200), (200, 200, 205), (90, 100, 125), (235, 190, 150)])
    ground = random.choice([(95, 110, 60), (120, 115, 100), (100, 100, 102), (150, 135, 105), (60, 85, 45)])
    rows = np.linspace(0, 1, HEIGHT, dtype=np.float32)[:, None, None]
    below = np.arange(HEIGHT)[:, None, None] >= horizon
    light = np.where(below, 0.75 + 0.45 * rows, 1.15 - 0.3 * rows)
    base = np.where(below, np.array(ground), np.array(sky)) * light
    base = base + np.where(below, 0, np.maximum(clouds(random, 4, 45), 0)[..., None])
    base = base + np.where(below, random.normal(0, 12, (HEIGHT, WIDTH, 1)), 0)
    picture = _image(np.broadcast_to(base, (HEIGHT, WIDTH, 3)))
    pen = ImageDraw.Draw(picture)
    if random.random() < 0.6:
        road(pen, horizon, random)
    for _ in range(random.integers(0, 5)):
        building(pen, horizon, random)
    for _ in range(random.integers(0, 6)):
        tree(pen, horizon, random)
    return picture


def road(pen: ImageDraw.ImageDraw, horizon: int, random: Random) -> None:
    """A road to the horizon with its marks."""
    far, near = random.uniform(0.2, 0.8) * WIDTH, random.uniform(0.1, 0.9) * WIDTH
    half = random.uniform(0.4, 0.9) * WIDTH
    shade = int(random.uniform(60, 130))
    pen.polygon([(far - 3, horizon), (far + 3, horizon), (near + half, HEIGHT), (near - half, HEIGHT)], (shade,) * 3)
    for part in np.linspace(0.05, 1, 8) ** 2:
        y, next_y = horizon + part * (HEIGHT - horizon), horizon + part * 1.3 * (HEIGHT - horizon)
        x, next_x = far + part * (near - far), far + part * 1.3 * (near - far)
        pen.line([(x, y), (next_x, next_y)], (215, 215, 205), max(1, int(6 * part)))


def building(pen: ImageDraw.ImageDraw, horizon: int, random: Random) -> None:
    """A front with rows of windows."""
    width, height = random.uniform(30, 120), random.uniform(30, 170)
    left, top = random.uniform(-20, WIDTH), horizon - height
    shade = _colour(random, 60, 215)
    pen.rectangle([left, top, left + width, horizon + 4], shade)
    window = tuple(int(part * random.uniform(0.35, 0.7)) for part in shade)
    across, down = random.uniform(8, 18), random.uniform(9, 22)
    for y in np.arange(top + 5, horizon - down, down):
        for x in np.arange(left + 4, left + width - across * 0.6, across):
            pen.rectangle([x, y, x + across * 0.55, y + down * 0.55], window)


def tree(pen: ImageDraw.ImageDraw, horizon: int, random: Random) -> None:
    """A trunk and many leaves."""
    x, size = random.uniform(0, WIDTH), random.uniform(15, 60)
    foot = horizon + random.uniform(0, 20)
    pen.line([(x, foot), (x, foot - size)], (70, 55, 40), max(2, int(size / 9)))
    green = np.array([random.uniform(30, 110), random.uniform(70, 130), random.uniform(20, 60)])
    for _ in range(40):
        angle, away, leaf = random.uniform(0, 2 * math.pi), random.uniform(0, size * 0.6), random.uniform(2, size / 4)
        at_x, at_y = x + away * math.cos(angle), foot - size * 1.3 + away * math.sin(angle)
        colour = tuple(int(part) for part in np.clip(green * random.uniform(0.6, 1.3), 0, 255))
        pen.ellipse([at_x - leaf, at_y - leaf, at_x + leaf, at_y + leaf], colour)


def wall(random: Random) -> Image.Image:
    """Bricks, planks or plain plaster."""
    base = _colour(random, 50, 220)
    picture = Image.new("RGB", (WIDTH, HEIGHT), base)
    pen = ImageDraw.Draw(picture)
    if random.random() < 0.75:
        high, wide = random.uniform(6, 40), random.uniform(15, 160)
        joint = tuple(int(part * random.uniform(0.6, 1.2)) for part in base)
        for row, y in enumerate(np.arange(0, HEIGHT, high)):
            for x in np.arange(-wide * (row % 2) / 2, WIDTH, wide):
                tint = random.uniform(0.85, 1.15)
                pen.rectangle([x, y, x + wide, y + high], tuple(int(min(255, c * tint)) for c in base), joint)
    return picture


def pattern(random: Random) -> Image.Image:
    """A gradient with shapes and lines of any colour."""
    corners = np.stack([_colour(random, 0, 255) for _ in range(4)]).reshape(2, 2, 3).astype(np.uint8)
    picture = Image.fromarray(corners).resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
    pen = ImageDraw.Draw(picture)
    for _ in range(random.integers(3, 25)):
        x, y, w, h = random.uniform(-30, WIDTH), random.uniform(-30, HEIGHT), *random.uniform(4, 90, 2)
        colour = _colour(random, 0, 255)
        kind = random.integers(4)
        if kind == 0:
            pen.rectangle([x, y, x + w, y + h], colour)
        elif kind == 1:
            pen.ellipse([x, y, x + w, y + h], colour)
        elif kind == 2:
            pen.line([x, y, x + w * 3 - 120, y + h * 3 - 120], colour, int(random.integers(1, 8)))
        else:
            pen.polygon([(x + random.uniform(0, w), y + random.uniform(0, h)) for _ in range(3)], colour)
    return picture


def clouds(random: Random, octaves: int, strength: float) -> Floats:
    """Smooth noise of HEIGHT x WIDTH around 0."""
    total = np.zeros((HEIGHT, WIDTH), np.float32)
    for octave in range(1, min(octaves, 5) + 1):
        few = random.normal(0, strength / octave, (2 + 2**octave, 2 + 2**octave)).astype(np.float32)
        total += np.asarray(Image.fromarray(few).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))
    return total


# Things on them


def place_sign(picture: Image.Image, others: list[Thing], random: Random) -> Thing | None:
    """Paint a sign where none is yet; None when there was no room."""
    cls = int(random.integers(len(LABELS)))
    longer = math.exp(random.uniform(math.log(SMALLEST), math.log(LARGEST)))
    patch = projected(draw(LABELS[cls], random), longer, random)
    place = _room(patch, others, random)
    if place is None:
        return None
    if random.random() < 0.6:
        pole(picture, place[0] + patch.width / 2, place[1] + patch.height * 0.7, longer, random)
    _paint(picture, patch, place, random)
    left, top = place
    return Thing(cls, (float(left), float(top), float(left + patch.width), float(top + patch.height)))


def _room(patch: Image.Image, others: list[Thing], random: Random) -> tuple[int, int] | None:
    if patch.width > WIDTH or patch.height > HEIGHT:
        return None
    for _ in range(20):
        left, top = int(random.integers(WIDTH - patch.width + 1)), int(random.integers(HEIGHT - patch.height + 1))
        if all(
            left + patch.width < box[0] or left > box[2] or top + patch.height < box[1] or top > box[3]
            for box in (other.box for other in others)
        ):
            return left, top
    return None


def projected(sign: Image.Image, longer: float, random: Random) -> Image.Image:
    """The sign turned in space and cut to what it covers; its longer side is `longer` pixels."""
    yaw, pitch, roll = np.radians([random.normal(0, 20), random.normal(0, 9), random.normal(0, 6)])
    yaw, pitch = np.clip(yaw, -0.9, 0.9), np.clip(pitch, -0.4, 0.4)
    turn = _rotation(roll, 2) @ _rotation(pitch, 0) @ _rotation(yaw, 1)
    alpha = np.asarray(sign)[..., 3] > 127
    rows, columns = np.flatnonzero(alpha.any(1)), np.flatnonzero(alpha.any(0))
    left, top, right, bottom = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    flat = np.array([(left, top), (right, top), (right, bottom), (left, bottom)], float)
    space = np.column_stack([flat / SIZE * 2 - 1, np.zeros(4)]) @ turn.T
    seen = space[:, :2] / (1 + space[:, 2:] / random.uniform(3, 8))
    seen -= seen.min(0)
    seen *= longer * FINER / seen.max()
    width, height = (math.ceil(side) for side in seen.max(0))
    patch = sign.transform(
        (width, height), Image.Transform.PERSPECTIVE, _homography(seen, flat), Image.Resampling.BILINEAR
    )
    patch = patch.crop(patch.getchannel("A").point(lambda a: 255 * (a > 127)).getbbox())
    return patch.resize((max(1, round(patch.width / FINER)), max(1, round(patch.height / FINER))), Image.Resampling.BOX)


def _rotation(angle: float, axis: int) -> npt.NDArray[np.float64]:
    out = np.eye(3)
    one, other = (axis + 1) % 3, (axis + 2) % 3
    out[one, one] = out[other, other] = math.cos(angle)
    out[one, other], out[other, one] = -math.sin(angle), math.sin(angle)
    return out


def _homography(source: npt.NDArray[np.float64], target: npt.NDArray[np.float64]) -> list[float]:
    """Eight coefficients, as Pillow takes them, that carry four points to four."""
    rows, values = [], []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return list(np.linalg.solve(np.array(rows), np.array(values)))


def _paint(picture: Image.Image, patch: Image.Image, place: tuple[int, int], random: Random) -> None:
    """Paste a patch with light that falls across it."""
    pixels = np.asarray(patch, np.float32)
    slope = np.linspace(*random.uniform(-0.25, 0.25, 2), patch.width, dtype=np.float32)[None, :, None]
    light = random.uniform(0.55, 1.12) * (1 + slope)
    lit = np.concatenate([np.clip(pixels[..., :3] * light, 0, 255), pixels[..., 3:]], -1)
    image = Image.fromarray(lit.astype(np.uint8), "RGBA")
    picture.paste(image, place, image)


def pole(picture: Image.Image, x: float, y: float, longer: float, random: Random) -> None:
    """A post from the sign to the picture's end."""
    width = max(1, int(longer * random.uniform(0.05, 0.12)))
    shade = int(random.uniform(70, 200))
    ImageDraw.Draw(picture).line([(x, y), (x + random.uniform(-6, 6), HEIGHT)], (shade, shade, shade), width)


def place_decoy(picture: Image.Image, random: Random) -> None:
    """Something with a sign's shape or colours that is none: a plain disc, a board with letters, another triangle."""
    canvas = Canvas()
    colour = _colour(random, 0, 255)
    if random.random() < 0.5:
        colour = ((190, 25, 35), (20, 70, 165), (238, 238, 234), (240, 200, 50))[random.integers(4)]
    kind = random.integers(5)
    if kind == 0:
        canvas.disc(0, 0, 1, colour)
        if random.random() < 0.5:
            canvas.disc(0, 0, random.uniform(0.3, 0.85), _colour(random, 0, 255))
    elif kind == 1:
        high = random.uniform(0.3, 1)
        canvas.box(-1, -high, 1, high, colour, 0.05)
        for row in range(random.integers(0, 4)):
            text = "".join(random.choice(list(GLYPHS), random.integers(2, 6)))
            canvas.text(text, (0, -high + high * (0.35 + 0.45 * row)), high * 0.3, 1.5, 0.06, _colour(random, 0, 255))
    elif kind == 2:
        # The warning signs' triangle, which points up.
        canvas.polygon(regular(3, 1, -90), colour)
        canvas.polygon(regular(3, random.uniform(0.5, 0.8), -90), _colour(random, 120, 255))
    elif kind == 3:
        canvas.polygon(regular(int(random.integers(4, 9)), 1, random.uniform(0, 90)), colour)
    else:
        wide = random.uniform(0.2, 0.6)
        canvas.box(-wide, -1, wide, 1, colour, 0.05)
    longer = math.exp(random.uniform(math.log(SMALLEST), math.log(LARGEST)))
    patch = projected(canvas.image, longer, random)
    place = int(random.integers(-20, WIDTH)), int(random.integers(-20, HEIGHT))
    _paint(picture, patch, place, random)


def occlude(picture: Image.Image, thing: Thing, random: Random) -> None:
    """A branch, a post or a leaf before a part of a sign: a fifth of it at most."""
    left, top, right, bottom = thing.box
    width, height = right - left, bottom - top
    colour = _colour(random, 20, 150)
    pen = ImageDraw.Draw(picture)
    if random.random() < 0.5:
        x = random.uniform(left, right)
        pen.line([(x, top - 9), (x + random.uniform(-width, width) / 2, bottom + 9)], colour, max(1, int(width * 0.1)))
    else:
        x, y = random.choice([left, right]), random.choice([top, bottom])
        rx, ry = width * random.uniform(0.15, 0.35), height * random.uniform(0.15, 0.35)
        pen.ellipse([x - rx, y - ry, x + rx, y + ry], colour)


# The camera


def camera(picture: Image.Image, random: Random) -> Image.Image:
    """Out of focus or moved a little, in other light, with noise and often with the colours of RGB565."""
    if random.random() < 0.6:
        picture = picture.filter(ImageFilter.GaussianBlur(random.uniform(0.2, 1.2)))
    pixels = np.asarray(picture, np.float32)
    if random.random() < 0.2:
        steps = int(random.integers(2, 5))
        axis = int(random.integers(2))
        pixels = np.mean([np.roll(pixels, step, axis) for step in range(-(steps // 2), steps - steps // 2)], 0)
    light = random.uniform(0.5, 1.25) * random.uniform(0.9, 1.1, 3).astype(np.float32)
    pixels = 255 * np.clip(pixels * light / 255, 0, 1) ** random.uniform(0.8, 1.25)
    x, y = np.linspace(-1, 1, WIDTH, dtype=np.float32), np.linspace(-1, 1, HEIGHT, dtype=np.float32)[:, None]
    pixels = pixels * (1 - random.uniform(0, 0.25) * (x * x + y * y) / 2)[..., None] + random.uniform(-8, 15)
    pixels = pixels + random.standard_normal(pixels.shape, np.float32) * random.uniform(0, 9)
    bytes_ = np.clip(pixels, 0, 255).astype(np.uint8)
    if random.random() < 0.6:
        bytes_ = rgb565(bytes_)
    return Image.fromarray(bytes_)


def rgb565(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Colours in steps of 5, 6 and 5 bits."""
    few = pixels & np.array([0xF8, 0xFC, 0xF8], np.uint8)
    return few | few >> np.array([5, 6, 5], np.uint8)


def _colour(random: Random, low: int, high: int) -> tuple[int, int, int]:
    return tuple(int(part) for part in random.uniform(low, high, 3))  # type: ignore[return-value]


def _image(pixels: npt.NDArray[np.floating]) -> Image.Image:
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


assert set(SIGNS) == set(LABELS)
