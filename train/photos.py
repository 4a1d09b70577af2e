"""Annotated photos of one's own as training data, read and scaled as `k210 kmodel eval` and the board do it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.progress import track

from k210kit.errors import K210Error
from k210kit.kmodel import dataset, picture

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


def training(folder: Path, width: int, height: int) -> tuple[Bytes, Floats, tuple[str, ...]]:
    """Pictures (count, 3, height, width), boxes (count, most, 5) and labels of a folder.

    A box is class, left, top, right, bottom in pixels of the scaled picture; class -1 where there is none. Raises
    K210Error when the folder holds no pictures with boxes, or a file cannot be read.
    """
    data = dataset.boxed(folder)
    most = max((len(things) for things in data.truths), default=0)
    if most == 0:
        raise K210Error(f"{folder} has {len(data.pictures)} pictures and not one thing in them; annotate some first")
    pictures = np.empty((len(data.pictures), 3, height, width), np.uint8)
    boxes = np.full((len(data.pictures), most, 5), -1, np.float32)
    for place, path in enumerate(track(data.pictures, "reading")):
        photo = picture.load(path)
        pictures[place] = picture.planes(photo, (3, height, width))
        scale = picture.scale(photo, (width, height))
        for which, thing in enumerate(data.truths[place]):
            boxes[place, which] = (thing.cls, *(side / scale for side in thing.box))
    return pictures, boxes, _labels(data)


def _labels(data: dataset.Boxed) -> tuple[str, ...]:
    """Those of the folder, or numbers where it has none. Raises K210Error when it has too few."""
    count = 1 + max(thing.cls for things in data.truths for thing in things)
    labels = data.labels or tuple(f"class {number}" for number in range(count))
    if count > len(labels):
        raise K210Error(f"class {count - 1} is annotated, but there are only {len(labels)} names: {', '.join(labels)}")
    return labels
