"""Pictures in numbers: an array of training pictures, and folders of test pictures as `k210 kmodel eval` reads them.

Both are drawn once, in parallel, and kept in the build folder under a name that tells the drawing programs' hash.
"""

from __future__ import annotations

import hashlib
import json
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import draw_signs
import numpy as np
import numpy.typing as npt
import scenes
from rich.progress import track

MOST = 4
"""So many things are in a picture at most."""
PIECE = 20

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


def programs_hash() -> str:
    """Eight digits that change with the programs that draw."""
    text = "".join(Path(module.__file__).read_text() for module in (draw_signs, scenes))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def training(folder: Path, count: int, jobs: int, skip: int = 0) -> tuple[Bytes, Floats]:
    """Pictures (count, 3, height, width), mapped from a file, and boxes (count, MOST, 5).

    A box is class, left, top, right, bottom in pixels; class -1 where there is none. `skip` leaves out so many first.
    """
    name = f"train-{programs_hash()}-{skip}-{count}"
    pictures, boxes = folder / f"{name}.npy", folder / f"{name}-boxes.npy"
    if not boxes.exists():
        folder.mkdir(parents=True, exist_ok=True)
        shape = (count, 3, scenes.HEIGHT, scenes.WIDTH)
        out = np.lib.format.open_memmap(pictures, "w+", np.uint8, shape)
        found = np.full((count, MOST, 5), -1, np.float32)
        pieces = [range(at, min(at + PIECE, count)) for at in range(0, count, PIECE)]
        with ProcessPoolExecutor(jobs) as pool:
            work = pool.map(_piece, [range(skip + piece.start, skip + piece.stop) for piece in pieces])
            for piece, (drawn, things) in track(zip(pieces, work, strict=True), "drawing", len(pieces)):
                out[piece.start : piece.stop], found[piece.start : piece.stop] = drawn, things
        out.flush()
        np.save(boxes, found)
    return np.load(pictures, mmap_mode="r"), np.load(boxes)


def _piece(numbers: range) -> tuple[Bytes, Floats]:
    pictures = np.empty((len(numbers), 3, scenes.HEIGHT, scenes.WIDTH), np.uint8)
    boxes = np.full((len(numbers), MOST, 5), -1, np.float32)
    for place, number in enumerate(numbers):
        picture, things = scenes.scene("train", number)
        pictures[place] = np.asarray(picture).transpose(2, 0, 1)
        for which, thing in enumerate(things):
            boxes[place, which] = (thing.cls, *thing.box)
    return pictures, boxes


def write_folder(folder: Path, split: str, numbers: list[int]) -> None:
    """PNG files and boxes.json; what is there already stays."""
    if (folder / "boxes.json").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    boxes = {}
    for number in numbers:
        picture, things = scenes.scene(split, number)
        name = f"{split}{number:03}.png"
        picture.save(folder / name, optimize=True)
        boxes[name] = [[scenes.LABELS[thing.cls], *map(int, thing.box)] for thing in things]
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(listed)}" for name, listed in boxes.items())
    text = f'{{\n"labels": {json.dumps(list(scenes.LABELS))},\n"pictures": {{\n{lines}\n}}\n}}\n'
    (folder / "boxes.json").write_text(text)


def jobs() -> int:
    """Processes to use."""
    return int(os.environ.get("JOBS") or os.cpu_count() or 1)
