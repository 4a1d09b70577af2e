"""This project's own detector on the whole board: the committed model, its test pictures as PNG files on the card, and
the example that `make demo` runs."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from device_script import FIRMWARE, ROOT, run_script
from PIL import Image

from k210kit.board.board import Board
from k210kit.kmodel import Runtime, dataset, load, picture
from k210kit.kmodel.precision import Found, judge
from k210kit.kmodel.yolo2 import Yolo2

MODEL, TEST = ROOT / "models/signs.kmodel", ROOT / "models/signs_test"
SIGNS = json.loads((ROOT / "models/signs.json").read_text())
EXAMPLE = ROOT / "examples/yolo2.py"
DATA = dataset.boxed(TEST, SIGNS["labels"])
NET = SIGNS["input"][2], SIGNS["input"][1]
OFFSET = 0x300000
FOUND = re.compile(r"class (\d+) probability ([\d.]+) at (\d+) (\d+) size (\d+) (\d+)")

SET_UP = f"""
import array, hashlib
from maix import KPU
kpu = KPU()
kpu.load_kmodel({OFFSET}, {MODEL.stat().st_size})
kpu.init_yolo2({tuple(SIGNS["anchors"])}, anchor_num={len(SIGNS["anchors"]) // 2}, img_w={NET[0]}, img_h={NET[1]},
    net_w={NET[0]}, net_h={NET[1]}, layer_w={NET[0] // 16}, layer_h={NET[1] // 16}, threshold=%g,
    nms_value={SIGNS["nms"]}, classes={len(SIGNS["labels"])})
"""
ONE = """
values = kpu.run_with_output({path!r}, getlist=True)
print((hashlib.sha256(array.array("f", values)).digest().hex(), kpu.regionlayer_yolo2()))
"""


@pytest.fixture(scope="module")
def board() -> Iterator[Board]:
    if not FIRMWARE.exists():
        pytest.skip("build/firmware.bin is not there: make firmware")
    with Board(FIRMWARE, flash={OFFSET: MODEL}, sd=TEST) as running:
        running.run_until(">>> ")
        yield running


def found_alike(board: Board, pictures: Iterable[Path], threshold: float) -> list[list[Found]]:
    """What the board finds in each picture, after it was seen to be what the host finds: the floats of the output are
    the same to the byte, the boxes to the pixel."""
    runtime = Runtime(load(MODEL))
    yolo = Yolo2(tuple(SIGNS["anchors"]), len(SIGNS["labels"]), threshold, SIGNS["nms"])
    run_script(board, (SET_UP % threshold).encode())
    seen = []
    for path in pictures:
        image = picture.load(path)
        (output,) = runtime.run(picture.planes(image, tuple(SIGNS["input"])))
        wanted = sorted((*d.rect(NET, image.size), d.cls, round(d.probability, 5)) for d in yolo.detect(output))
        digest, boxes = ast.literal_eval(run_script(board, ONE.format(path=f"/sd/{path.name}").encode(), 120))
        assert digest == hashlib.sha256(output.tobytes()).hexdigest(), path.name
        assert sorted((*box[:5], round(box[5], 5)) for box in boxes) == wanted, path.name
        seen.append([Found(cls, p, (x, y, x + w, y + h)) for x, y, w, h, cls, p in boxes])
    run_script(board, b"kpu.deinit()")
    return seen


def test_the_board_finds_what_the_host_finds_and_what_is_there(board: Board) -> None:
    result = judge(DATA.truths, found_alike(board, DATA.pictures, SIGNS["threshold"]))
    assert result.voc >= 0.9, result


@pytest.mark.slow
def test_on_unseen_pictures(tmp_path: Path) -> None:
    """Sixty of the test pictures that the model card's numbers come from, with boxes of any probability."""
    if not FIRMWARE.exists():
        pytest.skip("build/firmware.bin is not there: make firmware")
    sys.path.insert(0, str(ROOT / "train"))
    import dataset as drawn

    drawn.write_folder(tmp_path, "test", list(range(60)))
    data = dataset.boxed(tmp_path, SIGNS["labels"])
    with Board(FIRMWARE, flash={OFFSET: MODEL}, sd=tmp_path) as board:
        board.run_until(">>> ")
        result = judge(data.truths, found_alike(board, data.pictures, 0.01))
    assert result.voc >= 0.9, result


def test_the_example_has_this_models_numbers(board: Board) -> None:
    """Unchanged, it runs on a board that has the model in its flash; only the picture's name is put in."""
    values = dict(re.findall(r"^([A-Z]+) = (.*?)(?:  #.*)?$", EXAMPLE.read_text(), re.MULTILINE))
    assert ast.literal_eval(values["MODEL"]) == (OFFSET, MODEL.stat().st_size)
    assert list(ast.literal_eval(values["ANCHORS"])) == SIGNS["anchors"]
    assert ast.literal_eval(values["NET"]) == NET
    assert (float(values["THRESHOLD"]), float(values["NMS"])) == (SIGNS["threshold"], SIGNS["nms"])
    name = DATA.pictures[0].name
    printed = run_script(board, EXAMPLE.read_text().replace("/sd/photo.png", f"/sd/{name}").encode(), 120)
    assert {int(cls) for cls, *_ in FOUND.findall(printed)} == {thing.cls for thing in DATA.truths[0]}


def test_the_demo_needs_nothing_from_outside(tmp_path: Path) -> None:
    """It prints the signs as a table and writes the picture with their boxes."""
    if not FIRMWARE.exists():
        pytest.skip("build/firmware.bin is not there: make firmware")
    out = tmp_path / "demo.png"
    demo = [sys.executable, str(ROOT / "scripts/demo.py"), str(FIRMWARE)]
    names = ("MODEL", "PHOTO", "ANCHORS", "LABELS", "CLASSES", "THRESHOLD", "NMS", "PORT")
    environment = dict.fromkeys(names, "") | {"PATH": "", "OUT": str(out)}
    done = subprocess.run(demo, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=300)
    assert done.returncode == 0, done.stderr
    found = re.findall(r"^(\w+) +0\.\d+", done.stdout, re.MULTILINE)
    shown = next(i for i, path in enumerate(DATA.pictures) if path.name == "shown010.png")
    assert sorted(found) == sorted(SIGNS["labels"][thing.cls] for thing in DATA.truths[shown])
    with Image.open(out) as image:
        assert image.size == (640, 480)
