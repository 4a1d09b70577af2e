"""`k210 kmodel eval`: folders of pictures with answers, classifiers and detectors on them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from k210kit.cli import main
from k210kit.errors import K210Error
from k210kit.kmodel import dataset, evaluate
from k210kit.kmodel.precision import Truth
from k210kit.kmodel.yolo2 import Yolo2

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "models"
sys.path.insert(0, str(ROOT / "tests/c"))
from kmodel_writer import CONVOLUTION, DEQUANTIZE, KmodelWriter, floats, identity_convolution, words  # noqa: E402

SIGNS = json.loads((MODELS / "signs.json").read_text())
YOLO = Yolo2(tuple(SIGNS["anchors"]), len(SIGNS["labels"]), evaluate.LEAST, SIGNS["nms"])


def picture(path: Path, bright: int = 0, size: tuple[int, int] = (16, 4)) -> Path:
    """A black picture of which one pixel is white."""
    pixels = np.zeros((size[1], size[0]), np.uint8)
    pixels.flat[bright] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(scope="module")
def brightest(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model whose 64 outputs are a grey picture's pixels: its class is where the picture is brightest."""
    writer = KmodelWriter(64 * 5, [(64, 256)])
    writer.add(CONVOLUTION, identity_convolution(1, 4, 16, main_memory=0))
    path = tmp_path_factory.mktemp("model") / "brightest.kmodel"
    path.write_bytes(writer.add(DEQUANTIZE, words(1, 0, 64, 64) + floats(1, 0)).build())
    return str(path)


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    """Three classes; of six pictures one has the wrong folder: its choices are 2, then 0, then 1."""
    for number, (folder, bright) in enumerate([("a", 0), ("a", 0), ("b", 1), ("c", 2), ("c", 2), ("b", 2)]):
        picture(tmp_path / folder / f"{number}.png", bright)
    (tmp_path / "a" / "notes.txt").write_text("no picture")
    return tmp_path


@pytest.mark.parametrize("jobs", (1, 2))
def test_a_classifier(brightest: str, classes: Path, jobs: int) -> None:
    data = dataset.by_folder(classes)
    assert data.labels == ("a", "b", "c")
    done: list[int] = []
    result = evaluate.accuracy(evaluate.Task(brightest), data, 2, jobs, done.append)
    assert result == evaluate.Accuracy(5 / 6, 5 / 6, 2, ((2, 2, 2), (2, 1, 1), (2, 2, 2)))
    assert done == [1, 2, 3, 4, 5, 6]
    assert evaluate.accuracy(evaluate.Task(brightest), data, 3, jobs).among == 1


def test_a_classifier_on_the_command_line(brightest: str, classes: Path) -> None:
    result = CliRunner().invoke(main, ["kmodel", "eval", brightest, str(classes), "--top", "3", "--jobs", "1"])
    assert result.exit_code == 0, result.output
    assert [line.split() for line in result.output.splitlines()[1:]] == [
        ["a", "2", "1.0000", "1.0000"],
        ["b", "2", "0.5000", "1.0000"],
        ["c", "2", "1.0000", "1.0000"],
        ["all", "6", "0.8333", "1.0000"],
    ]


def test_too_many_folders_for_the_model(brightest: str, tmp_path: Path) -> None:
    for number in range(65):
        picture(tmp_path / f"{number:03}" / "a.png")
    with pytest.raises(K210Error, match="64 classes apart, the folders are 65"):
        evaluate.accuracy(evaluate.Task(brightest), dataset.by_folder(tmp_path))


def test_boxes_in_json(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    picture(tmp_path / "b.png")
    content = {"labels": ["x", "y"], "pictures": {"b.png": [["y", 1, 2, 3.5, 4]], "a.png": []}}
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    data = dataset.boxed(tmp_path)
    assert [path.name for path in data.pictures] == ["a.png", "b.png"]
    assert data.truths == ((), (Truth(1, (1.0, 2.0, 3.5, 4.0)),))
    # Numbered as the model has them.
    assert dataset.boxed(tmp_path, ["y", "z", "x"]).truths[1][0].cls == 0


@pytest.mark.parametrize(
    ("content", "message"),
    (
        ("{", "boxes.json is not"),
        ("[1]", "boxes.json is not"),
        ('{"labels": ["x"], "pictures": {}}', "names no picture"),
        ('{"labels": ["x"], "pictures": {"c.png": []}}', "names c.png, which is not there"),
        ('{"labels": ["x"], "pictures": {"a.png": [["x", 1, 2]]}}', "is not .NAME, LEFT, TOP"),
        ('{"labels": ["x"], "pictures": {"a.png": [["q", 1, 2, 3, 4]]}}', "q is none of the labels x"),
        ('{"labels": ["x"], "pictures": {"a.png": [["x", 3, 2, 1, 4]]}}', "has no area"),
    ),
)
def test_boxes_that_cannot_be_meant(tmp_path: Path, content: str, message: str) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "boxes.json").write_text(content)
    with pytest.raises(K210Error, match=message):
        dataset.boxed(tmp_path)


@pytest.mark.parametrize("place", (".", "labels", "../labels"))
def test_boxes_in_yolo_form(tmp_path: Path, place: str) -> None:
    folder = tmp_path / "images"
    picture(folder / "a.png", size=(200, 100))
    picture(folder / "unknown.png")
    lines = folder / place
    lines.mkdir(exist_ok=True)
    (lines / "a.txt").write_text("2 0.5 0.5 0.1 0.2\n\n0 0.25 0.5 0.5 1\n")
    (lines / "classes.txt").write_text("p\nq\nr\n")
    data = dataset.boxed(folder)
    assert [path.name for path in data.pictures] == ["a.png"]
    assert data.labels == ("p", "q", "r")
    assert data.truths == ((Truth(2, (90.0, 40.0, 110.0, 60.0)), Truth(0, (0.0, 0.0, 100.0, 100.0))),)


@pytest.mark.parametrize("line", ("0 0.5 0.5 0.1", "x 0.5 0.5 0.1 0.1", "-1 0.5 0.5 0.1 0.1", "0 0.5 0.5 0 0.1"))
def test_yolo_lines_that_cannot_be_meant(tmp_path: Path, line: str) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text(line)
    with pytest.raises(K210Error, match=r"a\.txt"):
        dataset.boxed(tmp_path)


def test_folders_without_pictures(tmp_path: Path) -> None:
    with pytest.raises(K210Error, match="no folders with pictures"):
        dataset.by_folder(tmp_path)
    with pytest.raises(K210Error, match=r"no boxes\.json"):
        dataset.boxed(tmp_path)
    with pytest.raises(K210Error, match="is no folder"):
        dataset.boxed(tmp_path / "missing")


def test_a_class_that_the_model_does_not_know(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("9 0.5 0.5 0.1 0.1")
    with pytest.raises(K210Error, match="holds class 9, the model knows 9, from 0"):
        evaluate.precision(evaluate.Task(str(MODELS / "signs.kmodel"), YOLO), dataset.boxed(tmp_path))


def test_our_detector_on_its_own_pictures() -> None:
    data = dataset.boxed(MODELS / "signs_test", SIGNS["labels"])
    one, two = (evaluate.precision(evaluate.Task(str(MODELS / "signs.kmodel"), YOLO), data, jobs) for jobs in (1, 2))
    assert one == two
    assert one.voc >= 0.9
    pytest.importorskip("onnxruntime")
    floats_ = evaluate.precision(evaluate.Task(str(MODELS / "signs.onnx"), YOLO), data)
    assert abs(floats_.voc - one.voc) <= 0.1
    # They are close, and yet two models.
    assert floats_ != one


def test_boxes_are_in_pixels_of_the_picture(tmp_path: Path) -> None:
    """Pictures twice as large, answers too: nearly the same precision."""
    data = json.loads((MODELS / "signs_test/boxes.json").read_text())
    for name, things in data["pictures"].items():
        with Image.open(MODELS / "signs_test" / name) as image:
            image.resize((640, 480), Image.Resampling.NEAREST).save(tmp_path / name)
        data["pictures"][name] = [[thing[0], *(2 * edge for edge in thing[1:])] for thing in things]
    (tmp_path / "boxes.json").write_text(json.dumps(data))
    task = evaluate.Task(str(MODELS / "signs.kmodel"), YOLO)
    large = evaluate.precision(task, dataset.boxed(tmp_path))
    # Scaled down again, each pixel is the mean of four equal ones: the same bytes.
    assert large == evaluate.precision(task, dataset.boxed(MODELS / "signs_test"))


def test_a_detector_on_the_command_line() -> None:
    anchors = "anchors=" + ",".join(map(str, SIGNS["anchors"]))
    words_ = [str(MODELS / "signs.kmodel"), str(MODELS / "signs_test"), "--yolo2", anchors]
    result = CliRunner().invoke(main, ["kmodel", "eval", *words_, "--jobs", "1"])
    assert result.exit_code == 0, result.output
    header, *rows = result.output.splitlines()
    assert header.split() == ["class", "things", "AP@0.5", "AP@0.5:0.95"]
    assert rows[-1].split()[0] == "mean"
    assert float(rows[-1].split()[2]) >= 0.9


@pytest.mark.parametrize(
    ("words_", "message"),
    (
        (["a.kmodel"], "not 1"),
        (["a.kmodel", "folder", "--std", "0"], "--std 0"),
        (["missing.kmodel", str(MODELS / "signs_test"), "--yolo2", "anchors=1,1"], "missing.kmodel"),
        (["missing.kmodel", "folder"], "folder is no folder"),
        (["missing.onnx", "folder", "--yolo2", "anchors=1,1"], "missing.onnx"),
    ),
)
def test_refused_command_lines(words_: list[str], message: str) -> None:
    result = CliRunner().invoke(main, ["kmodel", "eval", *words_])
    assert result.exit_code != 0
    assert message in (result.output + str(result.exception))
