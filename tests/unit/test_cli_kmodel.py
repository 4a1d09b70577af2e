"""`k210 kmodel`: what it prints, writes and refuses."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import kmodel_host  # noqa: F401  (makes kmodel_writer known)
import kmodel_writer as w
import numpy as np
import pytest
from kmodel_layers import SHARED, golden
from PIL import Image

from k210kit.cli import main
from k210kit.kmodel import load
from k210kit.kmodel.boxes import colour

Run = Callable[..., tuple[int, str, str]]
VOC = SHARED / "kmodels/voc20_detect.kmodel"
needs_data = pytest.mark.skipif(not VOC.exists(), reason="../shared/data is not there")


@pytest.fixture
def k210(capfd: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process: (status, standard output, standard error)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(["kmodel", *(str(argument) for argument in arguments)])
        out, err = capfd.readouterr()
        assert isinstance(caught.value.code, int)
        return caught.value.code, out, err

    return run


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A model that gives its picture of 24 x 4 back, as floats: half of each byte, less 10."""
    writer = w.KmodelWriter(1440, [(288, 1152)])
    writer.add(w.CONVOLUTION, w.identity_convolution(3, 4, 24, main_memory=0))
    writer.add(w.DEQUANTIZE, w.words(1, 0, 288, 288) + w.floats(0.5, -10))
    path = tmp_path / "small.kmodel"
    path.write_bytes(writer.build())
    return path


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    frame = (np.arange(288) // 3).astype(np.uint8).reshape(4, 24, 3)
    frame[1, 5] = 250, 251, 252
    path = tmp_path / "photo.png"
    Image.fromarray(frame).save(path)
    return path


@needs_data
def test_info_of_a_published_model(k210: Run) -> None:
    status, out, err = k210("info", VOC)
    assert (status, err) == (0, "")
    for line in (
        "version               3, weights of 8 bits",
        "input                 3x256x320 bytes",
        "output                125x8x10 floats",
        "layers                31, 30 on the KPU",
        "multiply-accumulates  456,458,240",
        "memory on the board   1,586,936 bytes: model 1,536,936 + main memory 50,000 (of 6,291,456 for all)",
        "memory when streamed  583,276 bytes: one layer at a time from flash or card, at each run",
        "time on the KPU       about 26.1 ms at 400 MHz",
    ):
        assert line in out.splitlines()
    rows = {line.split()[0]: line for line in out.splitlines() if re.match(r" +\d", line)}
    assert len(rows) == 31
    assert re.search(r"0 +K210 convolution 3x3, pool 5 +3x256x320 +16x128x160 +35,389,440 +704 +0\.16", rows["0"])
    assert "K210 convolution 3x3 depthwise" in rows["1"]
    assert re.search(r"30 +dequantize +125x8x10 +125x8x10$", rows["30"])
    assert re.search(r"sum +456,458,240 +1,525,928 +26\.10", out)


def test_info_of_small_models(k210: Run, tmp_path: Path) -> None:
    for name, data in w.small_models().items():
        path = tmp_path / name
        path.write_bytes(data)
        status, out, _ = k210("info", path)
        assert status == 0
        assert len(re.findall(r"^ +\d+  ", out, re.MULTILINE)) == len(load(path).layers)
    assert "output 2              2 floats" in k210("info", tmp_path / "outputs")[1]


def test_run_shows_the_largest_values(k210: Run, small: Path, photo: Path) -> None:
    status, out, err = k210("run", small, photo)
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        "output 0: 3x4x24 float32, from -10 to 116",
        "at        value",
        "2, 1, 5     116",
        "1, 1, 5   115.5",
        "0, 1, 5     115",
        "0, 3, 23   37.5",
        "1, 3, 23   37.5",
    ]


def test_run_on_an_array(k210: Run, small: Path, tmp_path: Path) -> None:
    array = np.zeros((3, 4, 24), np.uint8)
    array[2, 3, 1] = 200
    np.save(tmp_path / "x.npy", array)
    assert "2, 3, 1     90\n" in k210("run", small, tmp_path / "x.npy")[1]
    path = tmp_path / "softmax"
    path.write_bytes(w.small_models()["softmax"])
    floats = np.zeros(w.FLOATS, np.float32)
    floats[23] = 50
    np.save(tmp_path / "floats.npy", floats)
    assert k210("run", path, tmp_path / "floats.npy")[1].splitlines()[:3] == [
        "output 0: 100 float32, from 1.92875e-22 to 1",
        "at        value",
        "3             1",
    ]  # fmt: skip


def voc(*more: str) -> tuple[object, ...]:
    told = golden("voc20_detect__person__rgb888")["yolo2"]
    anchors = ",".join(map(str, told["anchors"]))
    return "--yolo2", f"anchors={anchors}", "classes=20", "threshold=0.5", f"nms={told['nms']}", *more


@needs_data
def test_boxes_as_a_board_finds_them(k210: Run, tmp_path: Path) -> None:
    case = golden("voc20_detect__person__rgb888")
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(case["yolo2"]["labels"]) + "\n")
    picture = SHARED / "photos/person_320x240.png"
    status, out, err = k210("run", VOC, picture, *voc(f"labels={labels}"), "--out", tmp_path / "boxes.png")
    assert (status, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["class", "probability", "x", "y", "width", "height"]
    assert lines[1:] == [
        [found["label"], f"{found['prob']:.4f}", *map(str, found["rect_new"])] for found in case["detections"]
    ]
    drawn, plain = (np.asarray(Image.open(path).convert("RGB")) for path in (tmp_path / "boxes.png", picture))
    assert drawn.shape == plain.shape
    for found in case["detections"]:
        x, y, width, height = found["rect_new"]
        assert (drawn[y + height // 2, x] == colour(found["cls"])).all()
        assert (drawn[y + height // 2, x + width] == colour(found["cls"])).all()
        assert (drawn[y + height // 2, x + width // 2] == plain[y + height // 2, x + width // 2]).all()


@needs_data
def test_the_camera_s_colours_and_a_large_photo(k210: Run) -> None:
    _, out, _ = k210("run", VOC, SHARED / "photos/dog_320x240.bmp", "--camera", *voc())
    assert out.splitlines()[1].split() == ["6", "0.6288", "192", "34", "96", "39"]
    _, out, _ = k210("run", VOC, SHARED / "photos/person.jpg", *voc())
    name, _, x, y, width, height = out.splitlines()[1].split()
    assert name == "14"
    assert (int(x), int(y), int(width), int(height)) == pytest.approx((190, 106, 80, 235), abs=15)


@pytest.mark.parametrize(
    "words",
    [
        ["--yolo2", "anchors=1,1", "nms=0.4", "classes=0", "{model}", "{photo}"],
        ["{model}", "{photo}", "--yolo2", "anchors=1,1 nms=0.4 classes=0"],
        ["{model}", "--yolo2", "anchors=1,1", "--yolo2", "classes=0", "{photo}"],
    ],
)
def test_settings_may_stand_where_they_like(k210: Run, tmp_path: Path, photo: Path, words: list[str]) -> None:
    path = tmp_path / "five.kmodel"
    writer = w.KmodelWriter(8 + 5 * 4 * 8 * 5, [(8 + 160, 5 * 4 * 8 * 4)])
    writer.add(w.CONVOLUTION, w.identity_convolution(1, 20, 8, main_memory=0))
    writer.add(w.DEQUANTIZE, w.words(1, 0, 168, 160) + w.floats(1, -20))
    path.write_bytes(writer.build())
    # One channel of 20 rows, so the output is no grid of 5 channels: told as such, and not as a mistake in the words.
    status, _, err = k210("run", *(word.format(model=path, photo=photo) for word in words))
    assert status == 2
    assert err == (
        "k210: 1 anchors and 0 classes need an output of 5 channels in a grid, the model's is 1 x 20 x 8; check "
        "anchors and classes\n"
    )


@needs_data
def test_nothing_found_is_told(k210: Run) -> None:
    status, out, _ = k210("run", VOC, SHARED / "photos/dog_320x240.bmp", *voc()[:3], "threshold=0.99")
    assert (status, out) == (0, "nothing found above the threshold\n")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["info", "{none}"], "cannot read {none}: No such file or directory"),
        (["run", "{model}"], "kmodel run takes a model and a picture, not 1 files: k210 kmodel run FILE IMAGE"),
        (["run", "{model}", "{photo}", "classes=2"], "kmodel run takes a model and a picture, not 3 files: "
            "k210 kmodel run FILE IMAGE"),
        (["run", "{model}", "{none}"], "cannot read {none}: no such file"),
        (["run", "{model}", "{model}"], "cannot read {model} as a picture (cannot identify image file '{model}'); give "
            "a BMP, JPEG or PNG file"),
        (["run", "{photo}", "{photo}"], "{photo}: not a kmodel: it starts with 89 50 4e 47, not with 03 00 00 00 or "
            "4c 44 4d 4b"),
        (["run", "{model}", "{photo}", "--out", "x.png"], "--out needs --yolo2 anchors=..., which says how to find "
            "boxes in the output"),
        (["run", "{model}", "{photo}", "--yolo2", "classes=1"], "--yolo2 needs anchors=W,H,W,H,..., the sizes that "
            "the model was trained with"),
        (["run", "{model}", "{photo}", "--yolo2", "anchor=1"], "--yolo2 anchor=1: give anchors=, classes=, "
            "threshold=, nms=, labels= with their values"),
        (["run", "{model}", "{photo}", "--yolo2", "anchors=1,2", "anchors=1"], "--yolo2: anchors= is given twice"),
        (["run", "{model}", "{photo}", "--yolo2", "anchors=1,2,3"], "anchors are pairs of width and height, so 3 "
            "numbers cannot be right"),
        (["run", "{model}", "{photo}", "--yolo2", "anchors=1,2", "classes=x"], "--yolo2 classes=x: give a whole "
            "number"),
        (["run", "{model}", "{photo}", "--yolo2", "anchors=1,2", "nms=2"], "nms=2 is not between 0 and 1"),
        (["run", "{model}", "{none}.npy"], "cannot read {none}.npy: No such file or directory"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_a_sentence(
    k210: Run, small: Path, photo: Path, tmp_path: Path, arguments: list[str], text: str
) -> None:
    names = {"model": small, "photo": photo, "none": tmp_path / "none"}
    status, out, err = k210(*(argument.format(**names) for argument in arguments))
    assert (status, out, err) == (2, "", f"k210: {text.format(**names)}\n")


@needs_data
def test_a_picture_that_cannot_be_written(k210: Run, tmp_path: Path) -> None:
    picture = SHARED / "photos/dog_320x240.bmp"
    _, _, err = k210("run", VOC, picture, *voc(), "--out", tmp_path / "none/x.png")
    assert err == f"k210: cannot write {tmp_path}/none/x.png: No such file or directory\n"
    _, _, err = k210("run", VOC, picture, *voc(), "--out", tmp_path / "x.what")
    assert err == f"k210: cannot write {tmp_path}/x.what: unknown file extension: .what\n"
