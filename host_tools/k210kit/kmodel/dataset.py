"""Pictures with the right answers beside them.

For detectors, a folder with pictures and either

* `boxes.json`: {"labels": [NAME, ...], "pictures": {FILE: [[NAME, LEFT, TOP, RIGHT, BOTTOM], ...], ...}}, in pixels; or
* for each picture a text file of the same name, in this folder or in one named `labels` beside or in it, as YOLO's
  tools write: a line for each thing with class number, centre x, centre y, width and height as parts of the picture.
  `classes.txt` holds the names, where there is one.

For classifiers, a folder that holds one folder for each class, in the order of their names.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from k210kit.errors import K210Error
from k210kit.kmodel.precision import Truth

PICTURES = (".png", ".jpg", ".jpeg", ".bmp")


@dataclass(frozen=True)
class Boxed:
    """Pictures with the things in each."""

    pictures: tuple[Path, ...]
    truths: tuple[tuple[Truth, ...], ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Classed:
    """Pictures with the class of each."""

    pictures: tuple[Path, ...]
    classes: tuple[int, ...]
    labels: tuple[str, ...]


def boxed(folder: str | Path, labels: Sequence[str] = ()) -> Boxed:
    """A folder for detectors. `labels`, if given, are the model's, in whose order the classes are numbered.

    Raises K210Error when there is none, or something in it cannot be meant.
    """
    folder = _folder(folder)
    if (folder / "boxes.json").is_file():
        return _from_json(folder / "boxes.json", labels)
    return _from_lines(folder, labels)


def _folder(folder: str | Path) -> Path:
    folder = Path(folder)
    if not folder.is_dir():
        raise K210Error(f"{folder} is no folder; give one with pictures and boxes.json, or one with a folder a class")
    return folder


def _from_json(path: Path, labels: Sequence[str]) -> Boxed:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        names = list(labels or content["labels"])
        listed = sorted(content["pictures"].items())
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise K210Error(f'{path} is not {{"labels": [...], "pictures": {{...}}}}: {error!r}') from None
    pictures, truths = [], []
    for name, things in listed:
        picture = path.parent / name
        if not picture.is_file():
            raise K210Error(f"{path} names {name}, which is not there")
        pictures.append(picture)
        truths.append(tuple(_truth(thing, names, f"{path}: {name}") for thing in things))
    if not pictures:
        raise K210Error(f"{path} names no picture")
    return Boxed(tuple(pictures), tuple(truths), tuple(names))


def _truth(thing: Any, names: list[str], where: str) -> Truth:
    try:
        name, left, top, right, bottom = thing
        box = float(left), float(top), float(right), float(bottom)
    except (TypeError, ValueError):
        raise K210Error(f"{where}: {thing} is not [NAME, LEFT, TOP, RIGHT, BOTTOM]") from None
    if name not in names:
        raise K210Error(f"{where}: {name} is none of the labels {', '.join(names)}")
    if box[2] <= box[0] or box[3] <= box[1]:
        raise K210Error(f"{where}: {thing} has no area: right and bottom must be above left and top")
    return Truth(names.index(name), box)


def _from_lines(folder: Path, labels: Sequence[str]) -> Boxed:
    places = (folder, folder / "labels", folder.parent / "labels")
    pictures, truths = [], []
    for picture in pictures_in(folder):
        lines = next((file for place in places if (file := place / f"{picture.stem}.txt").is_file()), None)
        if lines is None:
            continue
        with Image.open(picture) as image:
            size = image.size
        pictures.append(picture)
        truths.append(tuple(_yolo_line(line, size, lines) for line in _lines(lines)))
    if not pictures:
        raise K210Error(f"{folder} holds no boxes.json and no picture with a text file of its name")
    names = next((_lines(file) for place in places if (file := place / "classes.txt").is_file()), [])
    return Boxed(tuple(pictures), tuple(truths), tuple(labels or names))


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise K210Error(f"cannot read {path}: {error}") from None


def _yolo_line(line: str, size: tuple[int, int], path: Path) -> Truth:
    try:
        cls, x, y, w, h = line.split()
        number, numbers = int(cls), [float(part) for part in (x, y, w, h)]
    except ValueError:
        raise K210Error(f"{path}: {line!r} is not: class x y width height") from None
    if number < 0 or numbers[2] <= 0 or numbers[3] <= 0:
        raise K210Error(f"{path}: {line!r} has a class below 0 or no area")
    middle, half = (numbers[0] * size[0], numbers[1] * size[1]), (numbers[2] * size[0] / 2, numbers[3] * size[1] / 2)
    return Truth(number, (middle[0] - half[0], middle[1] - half[1], middle[0] + half[0], middle[1] + half[1]))


def by_folder(folder: str | Path) -> Classed:
    """A folder for classifiers. Raises K210Error when it has no folders with pictures."""
    folder = _folder(folder)
    labels = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    pictures, classes = [], []
    for cls, name in enumerate(labels):
        for picture in pictures_in(folder / name):
            pictures.append(picture)
            classes.append(cls)
    if not pictures:
        raise K210Error(f"{folder} holds no folders with pictures: give one that has a folder for each class")
    return Classed(tuple(pictures), tuple(classes), tuple(labels))


def pictures_in(folder: Path) -> list[Path]:
    """The pictures in a folder, by their names."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)
