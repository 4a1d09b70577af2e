"""What a virtual camera looks at: a photo, a folder of photos, a file with several pictures, or arrays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from k210kit.errors import K210Error

if TYPE_CHECKING:
    from PIL import Image

PHOTOS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm")
Box = tuple[float, float, float, float]
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


class CameraSource:
    """Pictures in turn, one for each frame that is taken; after the last comes the first again.

    `source` is an image file (an animation gives its pictures one by one), a folder (its image files by name), or one
    or several uint8 arrays (height, width, 3). Raises K210Error when there is no picture, or one cannot be read.
    """

    def __init__(self, source: str | Path | NDArray[Any] | Sequence[NDArray[Any]]) -> None:
        self._pictures = _pictures(source)
        self._next = 0
        self._image: tuple[int, Image.Image] | None = None
        self._scaled: tuple[object, NDArray[Any]] | None = None

    def __len__(self) -> int:
        return len(self._pictures)

    def take(self, width: int, height: int, box: Box = WHOLE) -> NDArray[Any]:
        """The next picture, filling width x height pixels: uint8 (height, width, 3), RGB.

        What is too wide or too high is cut off on both sides; `box` is the part of the rest that is wanted (left, top,
        right, bottom as fractions). A picture of just that size comes unchanged, others through a Lanczos filter.
        """
        number = self._next
        self._next = (number + 1) % len(self._pictures)
        key = number, width, height, box
        if self._scaled is None or self._scaled[0] != key:
            self._scaled = key, _fill(self._load(number), width, height, box)
        return self._scaled[1]

    def _load(self, number: int) -> Image.Image:
        if self._image is None or self._image[0] != number:
            self._image = number, _open(self._pictures[number])
        return self._image[1]


def _pictures(source: str | Path | NDArray[Any] | Sequence[NDArray[Any]]) -> list[tuple[Any, int]]:
    """(file or array, number of the picture in it) for each picture."""
    if not isinstance(source, str | Path):
        arrays: list[Any] = [source] if getattr(source, "ndim", 0) == 3 else list(source)
        for array in arrays:
            if getattr(array, "ndim", 0) != 3 or array.shape[2] != 3 or str(array.dtype) != "uint8":
                raise K210Error("a camera's picture as an array has to be uint8 of shape (height, width, 3)")
        if not arrays:
            raise K210Error("the camera got no picture")
        return [(array, 0) for array in arrays]
    path = Path(source)
    if not path.is_dir():
        return [(path, number) for number in range(_count(path))]
    found = [
        (file, number)
        for file in sorted(path.iterdir())
        if file.suffix.lower() in PHOTOS and file.is_file()
        for number in range(_count(file))
    ]
    if not found:
        raise K210Error(f"--camera {path}: there is no picture in this folder ({' '.join(PHOTOS)})")
    return found


def _count(path: Path) -> int:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return int(getattr(image, "n_frames", 1))
    except UnidentifiedImageError:
        raise K210Error(f"--camera {path}: this is no picture ({' '.join(PHOTOS)} are read)") from None
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise K210Error(f"--camera {path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _open(picture: tuple[Any, int]) -> Image.Image:
    from PIL import Image, ImageOps

    source, number = picture
    if not isinstance(source, Path):
        return Image.fromarray(source)
    try:
        with Image.open(source) as image:
            image.seek(number)
            return ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise K210Error(f"--camera {source}: picture {number} cannot be read: {error}") from None


def _fill(image: Image.Image, width: int, height: int, box: Box) -> NDArray[Any]:
    import numpy as np
    from PIL import Image

    left, top, right, bottom = box
    # The whole view has the shape of which the box, at the output's size, is a part.
    across, down = width / (right - left), height / (bottom - top)
    scale = min(image.width / across, image.height / down)
    across, down = across * scale, down * scale
    x, y = (image.width - across) / 2, (image.height - down) / 2
    part = (x + left * across, y + top * down, x + right * across, y + bottom * down)
    bounds = (0.0, 0.0, float(image.width), float(image.height))
    whole = all(abs(a - b) < 1e-6 for a, b in zip(part, bounds, strict=True))
    if whole and image.size == (width, height):
        return np.asarray(image)
    limited = (max(part[0], 0.0), max(part[1], 0.0), min(part[2], bounds[2]), min(part[3], bounds[3]))
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS, limited))
