"""An image file to the bytes that a model takes, and places in the model's input back to the picture."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from k210kit.errors import K210Error

Bytes = npt.NDArray[np.uint8]
RGB565 = (31, 63, 31)
"""Largest values of red, green and blue in a camera's pixel."""


@dataclass(frozen=True)
class Fit:
    """How the picture lies in the model's input: a pixel there is `across` by `down` pixels of the picture."""

    across: float
    down: float


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


def planes(picture: Image.Image, shape: tuple[int, ...], *, camera: bool = False) -> tuple[Bytes, Fit]:
    """The picture as the model's input of `shape` (channels, height, width): red, green, blue, or grey for one channel.

    A picture as wide as the input and lower stands at its top, the rows below are 0, as the vendor's examples
    do with 320x240 camera frames in an input of 320x256. Any other size is scaled to the input's. `camera` reduces the
    colours to RGB565 and back, as a camera's frame gives them. Raises K210Error for other numbers of channels.
    """
    channels, height, width = shape
    if channels not in (1, 3):
        raise K210Error(f"the model takes {channels} channels; a picture gives 3, or 1 in grey")
    placed = picture.width == width and picture.height <= height
    fit = Fit(1.0, 1.0) if placed else Fit(picture.width / width, picture.height / height)
    if not placed:
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    frame = np.asarray(picture)
    if camera:
        frame = through_rgb565(frame)
    if channels == 1:
        frame = np.asarray(Image.fromarray(frame).convert("L"))[..., None]
    out = np.zeros(shape, np.uint8)
    out[:, : frame.shape[0]] = frame.transpose(2, 0, 1)
    return out, fit


def through_rgb565(frame: Bytes) -> Bytes:
    """Pixels (height, width, 3) as they come back from 5, 6 and 5 bits, rounded to the nearest byte."""
    out = np.empty_like(frame)
    for channel, most in enumerate(RGB565):
        few = frame[..., channel] // (256 // (most + 1))
        # In whole numbers: floor(few * 255 / most + 1/2).
        out[..., channel] = (few.astype(np.int32) * 510 + most) // (2 * most)
    return out
