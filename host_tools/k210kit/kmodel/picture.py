"""An image file to the bytes that a model takes, and how places in the model's input lie in the picture."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from k210kit.errors import K210Error

Bytes = npt.NDArray[np.uint8]
Size = tuple[int, int]
"""Width, height."""
RGB565 = (31, 63, 31)
"""Largest values of red, green and blue in a camera's pixel."""


def load(path: str | Path) -> Image.Image:
    """The picture as RGB. Raises K210Error when the file cannot be read or is no picture."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                return image.convert("RGB")
    except Image.DecompressionBombError:
        raise K210Error(f"{path} has too many pixels to be opened; make it smaller first") from None
    except FileNotFoundError:
        raise K210Error(f"cannot read {path}: no such file") from None
    except IsADirectoryError:
        raise K210Error(f"cannot read {path}: it is a folder") from None
    except Exception as error:  # Pillow's decoders raise what they like for damaged files.
        raise K210Error(f"cannot read {path} as a picture ({error}); give a BMP, JPEG or PNG file") from None


def fitted(size: Size, most: Size) -> Size:
    """The largest width and height of the proportions of `size` that fit into `most`; as c_modules/image/fit.c."""
    (width, height), (most_width, most_height) = size, most
    if width * most_height >= height * most_width:
        return most_width, max(1, (height * most_width + width // 2) // width)
    return max(1, (width * most_height + height // 2) // height), most_height


def scale(picture: Image.Image, net: Size) -> float:
    """How many pixels of the picture a pixel of the model's input is; the picture stands in its upper left corner."""
    width, height = fitted(picture.size, net)
    return picture.width / width if width == net[0] else picture.height / height


def planes(picture: Image.Image, shape: tuple[int, ...], *, camera: bool = False) -> Bytes:
    """The picture as the model's input of `shape` (channels, height, width): red, green, blue, or grey for one channel.

    It is scaled, in its proportions, to the largest size that fits and stands in the upper left corner; the rest is 0.
    So do the vendor's examples with 320x240 camera frames in an input of 320x256. The board does it, to the byte.
    `camera` reduces the colours to RGB565 and back, as a camera's frame gives them. Raises K210Error for other
    numbers of channels.
    """
    channels, height, width = shape
    if channels not in (1, 3):
        raise K210Error(f"the model takes {channels} channels; a picture gives 3, or 1 in grey")
    frame = np.asarray(picture)
    if channels == 1:
        # As stb_image, which reads pictures on the board.
        frame = (frame @ np.array([77, 150, 29]) >> 8).astype(np.uint8)[..., None]
    frame = resized(frame, fitted(picture.size, (width, height)))
    if camera and channels == 3:
        frame = through_rgb565(frame)
    out = np.zeros(shape, np.uint8)
    out[:, : frame.shape[0], : frame.shape[1]] = frame.transpose(2, 0, 1)
    return out


def resized(frame: Bytes, size: Size) -> Bytes:
    """Pixels (height, width, channels) at another width and height: each is the mean, rounded half up, of the area that
    it covers."""
    height, width = frame.shape[:2]
    if (width, height) == size:
        return frame
    rows = _shared(frame, size[1])
    sums = _shared(rows.transpose(1, 0, 2), size[0]).transpose(1, 0, 2).astype(np.int64)
    return ((sums + width * height // 2) // (width * height)).astype(np.uint8)


def _shared(cells: npt.NDArray[Any], target: int) -> npt.NDArray[np.float64]:
    """The cells along the first axis shared out among `target` ones, by how much of each these cover, in units of
    1 / target: whole numbers, which floats of 64 bits hold."""
    length = len(cells)
    out = np.empty((target, *cells.shape[1:]))
    for place in range(target):
        low = place * length
        edges = np.arange(low // target, (low + length - 1) // target + 2) * target
        cover = np.minimum(edges[1:], low + length) - np.maximum(edges[:-1], low)
        part = cells[edges[0] // target : edges[-1] // target]
        out[place] = np.tensordot(cover.astype(np.float64), part.astype(np.float64), 1)
    return out


def through_rgb565(frame: Bytes) -> Bytes:
    """Pixels (height, width, 3) as they come back from 5, 6 and 5 bits, rounded to the nearest byte."""
    out = np.empty_like(frame)
    for channel, most in enumerate(RGB565):
        few = frame[..., channel] // (256 // (most + 1))
        # In whole numbers: floor(few * 255 / most + 1/2).
        out[..., channel] = (few.astype(np.int32) * 510 + most) // (2 * most)
    return out
