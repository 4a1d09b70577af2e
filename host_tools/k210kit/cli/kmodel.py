"""`k210 kmodel`: look into kernel models and run them on this machine."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from k210kit.cli.tables import show, show_facts
from k210kit.errors import K210Error

if TYPE_CHECKING:
    from k210kit.kmodel.model import Array
    from k210kit.kmodel.yolo2 import Yolo2

SETTINGS = ("anchors", "classes", "threshold", "nms", "labels")
SETTING = re.compile(rf"({'|'.join(SETTINGS)})=(.*)", re.DOTALL)
TOP = 5
"""So many values of an output are shown."""


@click.group("kmodel")
def command() -> None:
    """Look into a kernel model, or run it on this machine."""


@command.command()
@click.argument("file")
def info(file: str) -> None:
    """Show a model's layers, sizes, memory and estimated time."""
    from k210kit.kmodel import describe, load

    model = load(file)
    show_facts(describe.facts(model))
    print()
    show(describe.COLUMNS, [*describe.rows(model), describe.sum_row(model)], right=(0, 4, 5, 6))


@command.command()
@click.argument("words", nargs=-1, metavar="FILE IMAGE")
@click.option("--yolo2", "settings", multiple=True, metavar="KEY=VALUE...", help="The output holds boxes, see above.")
@click.option("--out", metavar="FILE.png", help="Write the picture with boxes and labels (needs --yolo2).")
@click.option("--camera", is_flag=True, help="Reduce the colours to RGB565, as a camera's frame has them.")
def run(words: tuple[str, ...], settings: tuple[str, ...], out: str | None, camera: bool) -> None:
    """Run a model on a picture, with the same arithmetic as the board's.

    IMAGE is a BMP, JPEG or PNG file, or an .npy file with the input's bytes or floats. A picture is
    scaled to the largest size that fits into the model's input and stands in its upper left corner.

    With --yolo2 the output is decoded as boxes: anchors=W,H,W,H,... in cells of the grid;
    classes=N (default: as the output's channels give it); threshold=0.5; nms=0.3;
    labels=NAME,NAME,... or a file with a name on each line. They follow one --yolo2, or have one each.
    """
    files = [word for word in words if not (settings and SETTING.fullmatch(word))]
    chosen = _settings([*settings, *(word for word in words if word not in files)])
    if len(files) != 2:
        raise K210Error(f"kmodel run takes a model and a picture, not {len(files)} files: k210 kmodel run FILE IMAGE")
    if out is not None and not settings:
        raise K210Error("--out needs --yolo2 anchors=..., which says how to find boxes in the output")
    file, image = files
    _run(file, image, chosen if settings else None, out, camera)


@command.command("eval")
@click.argument("words", nargs=-1, metavar="MODEL DATASET")
@click.option("--yolo2", "settings", multiple=True, metavar="KEY=VALUE...", help="Boxes, with the settings of `run`.")
@click.option(
    "--top",
    default=TOP,
    type=click.IntRange(1),
    show_default=True,
    help="Without boxes: the first so many choices also count.",
)
@click.option("--jobs", type=click.IntRange(1), help="Processes at a time (default: one a core).")
@click.option("--camera", is_flag=True, help="Reduce the colours to RGB565, as a camera's frame has them.")
@click.option("--mean", default=0.0, show_default=True, help="For .onnx models: they take (byte - mean) / std.")
@click.option("--std", default=255.0, show_default=True)
def evaluate(
    words: tuple[str, ...], settings: tuple[str, ...], top: int, jobs: int | None, camera: bool, mean: float, std: float
) -> None:
    """Measure how good a model is on pictures with known answers.

    With --yolo2 anchors=... labels=..., the mean average precision of the boxes, as VOC (overlap 0.5) and as COCO
    (0.50 to 0.95) count it. DATASET is a folder with pictures and boxes.json, which is {"labels": [...],
    "pictures": {"a.png": [["label", left, top, right, bottom], ...]}} in pixels, or with text files in YOLO's form.
    Boxes count down to threshold=0.01 unless given.

    Without it, how often a classifier is right; DATASET is a folder with a folder for each class.

    The arithmetic is the board's. An .onnx file as MODEL is run in floats, to compare with.
    """
    files = [word for word in words if not (settings and SETTING.fullmatch(word))]
    chosen = _settings([*settings, *(word for word in words if word not in files)])
    if len(files) != 2:
        raise K210Error(f"kmodel eval takes a model and a folder, not {len(files)}: k210 kmodel eval MODEL DATASET")
    if std == 0:
        raise K210Error("--std 0 cannot be: bytes are divided by it")
    _evaluate(files[0], files[1], chosen if settings else None, top, jobs, camera, (mean, std))


def _evaluate(
    file: str, folder: str, settings: dict[str, str] | None, top: int, jobs: int | None, camera: bool,
    scaling: tuple[float, float],
) -> None:  # fmt: skip
    import os

    from k210kit.cli import evaluation
    from k210kit.kmodel.evaluate import LEAST, Scaling, Task, output_shape

    jobs, scale = jobs or os.cpu_count() or 1, Scaling(*scaling)
    if settings is None:
        evaluation.classifier(Task(file, None, camera, scale), folder, top, jobs)
        return
    yolo = _yolo2({"threshold": str(LEAST), **settings}, output_shape(file))
    evaluation.detector(Task(file, yolo, camera, scale), folder, _labels(settings.get("labels", "")), jobs)


def _settings(words: Iterable[str]) -> dict[str, str]:
    """KEY=VALUE words as a table; one word may hold several with spaces between."""
    found: dict[str, str] = {}
    keys = "|".join(SETTINGS)
    for word in words:
        for part in re.split(rf"\s+(?=(?:{keys})=)", word.strip()):
            match = SETTING.fullmatch(part)
            if match is None:
                raise K210Error(f"--yolo2 {part}: give {', '.join(f'{key}=' for key in SETTINGS)} with their values")
            if match[1] in found:
                raise K210Error(f"--yolo2: {match[1]}= is given twice")
            found[match[1]] = match[2]
    return found


def _run(file: str, image: str, settings: dict[str, str] | None, out: str | None, camera: bool) -> None:
    from k210kit.kmodel import Runtime, load, picture

    model = load(file)
    photo = None
    if image.endswith(".npy"):
        data = _array(image)
    else:
        if model.takes_floats:
            raise K210Error(f"the model takes {model.input.shape[0]} floats, not a picture: give them in an .npy file")
        photo = picture.load(image)
        data = picture.planes(photo, model.input.shape, camera=camera)
    if settings is None:
        _show_outputs(Runtime(model).run(data))
        return
    if photo is None:
        raise K210Error(f"{image}: boxes are found in pictures; give a BMP, JPEG or PNG file")
    labels = _labels(settings.get("labels", ""))
    yolo = _yolo2(settings, model.outputs[0].shape)
    found = yolo.detect(Runtime(model).run(data)[0])
    net = model.input.shape[2], model.input.shape[1]
    _show_boxes(found, net, picture.scale(photo, net), photo, labels, out)


def _array(path: str) -> Array:
    import numpy as np

    try:
        return np.load(path, allow_pickle=False)
    except OSError as error:
        raise K210Error(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, EOFError) as error:
        raise K210Error(f"cannot read {path} as an array: {error}") from None


def _number(settings: dict[str, str], key: str, default: float, kind: type[float] = float) -> Any:
    text = settings.get(key)
    try:
        return default if text is None else kind(text)
    except ValueError:
        raise K210Error(f"--yolo2 {key}={text}: give a{' whole' if kind is int else ''} number") from None


def _yolo2(settings: dict[str, str], shape: tuple[int, ...]) -> Yolo2:
    from k210kit.kmodel.yolo2 import COORDINATES, Yolo2, parse_anchors

    if "anchors" not in settings:
        raise K210Error("--yolo2 needs anchors=W,H,W,H,..., the sizes that the model was trained with")
    anchors = parse_anchors(settings["anchors"])
    natural = shape[0] // max(1, len(anchors) // 2) - COORDINATES - 1
    classes = _number(settings, "classes", max(0, natural), int)
    return Yolo2(anchors, classes, _number(settings, "threshold", 0.5), _number(settings, "nms", 0.3))


def _labels(text: str) -> list[str]:
    """Names with commas between, or the lines of a file."""
    path = Path(text)
    if text and "," not in text and path.is_file():
        try:
            return path.read_text(encoding="utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise K210Error(f"cannot read labels from {text}: {error}") from None
    return [name.strip() for name in text.split(",")] if text else []


def _show_outputs(outputs: list[Array]) -> None:
    import numpy as np

    for number, output in enumerate(outputs):
        size = "x".join(map(str, output.shape))
        if not output.size:
            print(f"output {number}: empty")
            continue
        print(f"output {number}: {size} {output.dtype.name}, from {output.min():.6g} to {output.max():.6g}")
        order = np.argsort(-output.ravel().astype(float), kind="stable")[:TOP]
        places = (tuple(map(int, np.unravel_index(i, output.shape))) for i in order)
        rows = [(", ".join(map(str, at)), f"{output[at]:.6g}") for at in places]
        show(("at", "value"), rows, right=(1,))


def _show_boxes(
    found: list[Any], net: tuple[int, int], scale: float, photo: Any, labels: list[str], out: str | None
) -> None:
    from k210kit.kmodel import boxes
    from k210kit.kmodel.yolo2 import label

    rows, drawn = [], []
    for thing in found:
        left, top, right, bottom = thing.net_box(net)
        corners = (
            max(0.0, left * scale), max(0.0, top * scale),
            min(photo.width, right * scale), min(photo.height, bottom * scale),
        )  # fmt: skip
        name = label(labels, thing.cls)
        x, y = int(corners[0]), int(corners[1])
        rows.append((name, f"{thing.probability:.4f}", *map(str, (x, y, int(corners[2]) - x, int(corners[3]) - y))))
        drawn.append((corners, thing.cls, f"{name} {thing.probability:.2f}"))
    if rows:
        show(("class", "probability", "x", "y", "width", "height"), rows, right=range(1, 6))
    else:
        print("nothing found above the threshold")
    if out is not None:
        try:
            boxes.draw(photo, drawn).save(out)
        except (OSError, ValueError) as error:
            raise K210Error(f"cannot write {out}: {getattr(error, 'strerror', None) or error}") from None
