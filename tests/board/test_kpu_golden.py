"""Published models through maix.KPU on the whole board, against golden vectors: every layer, the floats, the boxes."""

from __future__ import annotations

import ast
import hashlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from device_script import FIRMWARE, ROOT, run_script
from PIL import Image

from k210kit.board.board import Board
from k210kit.board.kpu.layer import LayerArguments

sys.path.insert(0, str(ROOT / "tests/unit"))
from kmodel_layers import SHARED, golden_input

MODELS = ("voc20_detect", "yolo_face_detect", "detect_5")
OFFSET = 0x300000

SET_UP = """
import array, gc, hashlib, image
from maix import KPU
kpu = KPU()
kpu.load_kmodel({offset}, {size})
def show(values):
    print(hashlib.sha256(array.array("f", values)).digest().hex())
def camera(path, width, height):
    frame = image.Image(path)
    whole = image.Image(size=(width, height))
    whole.draw_image(frame, 0, 0)
    return whole.pix_to_ai()
"""
YOLO2 = """
kpu.init_yolo2({anchors}, anchor_num={anchor_num}, img_w={image[0]}, img_h={image[1]}, net_w={net[0]}, net_h={net[1]},
    layer_w={layer[0]}, layer_h={layer[1]}, threshold={threshold}, nms_value={nms}, classes={classes})
print(kpu.regionlayer_yolo2())
"""


def cases(model: str) -> list[tuple[str, dict[str, Any]]]:
    return [(path.stem, json.loads(path.read_text())) for path in sorted((SHARED / "golden").glob(f"{model}__*.json"))]


def picture(path: Path, planes: np.ndarray) -> None:
    Image.fromarray(planes.transpose(1, 2, 0)).save(path)


def photo(case: dict[str, Any]) -> np.ndarray:
    """The photo as planes, before the camera's reduction of colours."""
    frame = np.asarray(Image.open(SHARED / "golden" / case["photo"]["input_png"]).convert("RGB"))
    return (frame[:, ::-1] if case["photo"]["flipped"] else frame).transpose(2, 0, 1)


class Layers:
    """What the board's KPU computes, layer by layer."""

    def __init__(self, board: Board) -> None:
        self.hashes: list[str] = []
        kpu = board.machine.kpu
        write_back = kpu._write_back

        def noted(arguments: LayerArguments, image: np.ndarray) -> None:
            self.hashes.append(hashlib.sha256(image.tobytes()).hexdigest())
            write_back(arguments, image)

        kpu._write_back = noted  # type: ignore[method-assign]


@pytest.fixture(scope="module", params=MODELS)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Board]]:
    """A board with the model loaded and every input as a picture on its card."""
    if not SHARED.exists():
        pytest.skip("the shared golden vectors are not beside this tree")
    if not FIRMWARE.exists():
        pytest.skip("build/firmware.bin is not there: make firmware")
    card = tmp_path_factory.mktemp("card")
    for number, (name, case) in enumerate(cases(request.param)):
        camera = case["input"].get("variant") == "canmv565"
        picture(card / f"{number}.png", photo(case) if camera else golden_input(name, case))
    model = SHARED / "kmodels" / f"{request.param}.kmodel"
    with Board(FIRMWARE, flash={OFFSET: model}, sd=card) as board:
        board.run_until(">>> ")
        run_script(board, SET_UP.format(offset=OFFSET, size=model.stat().st_size).encode())
        yield request.param, board


def test_model(running: tuple[str, Board]) -> None:
    """Layers and floats to the byte; boxes to the pixel, probabilities to the sixth place."""
    model, board = running
    layers = Layers(board)
    for number, (name, case) in enumerate(cases(model)):
        layers.hashes.clear()
        _, height, width = case["input"]["shape"]
        path = f'"/sd/{number}.png"'
        source = f"camera({path}, {width}, {height})" if case["input"].get("variant") == "canmv565" else path
        printed = run_script(board, f"show(kpu.run_with_output({source}, getlist=True))".encode(), 120)
        *wanted, output = case["layers"]
        assert layers.hashes == [layer["sha256"] for layer in wanted], name
        assert printed.strip() == output["sha256"], name
        if "yolo2" in case:
            found = ast.literal_eval(run_script(board, YOLO2.format(**case["yolo2"]).encode(), 120))
            boxes = sorted(([*box[:4]], box[4], round(box[5], 6)) for box in found)
            assert boxes == sorted((d["rect"], d["cls"], d["prob"]) for d in case["detections"]), name


@pytest.mark.slow
def test_a_thousand_rounds(tmp_path: Path) -> None:
    """Everything of the user document, a thousand times, and free memory is equal from the second round on."""
    if not SHARED.exists():
        pytest.skip("the shared golden vectors are not beside this tree")
    case = json.loads((SHARED / "golden/voc20_detect__dog__rgb888.json").read_text())
    shutil.copy(SHARED / "photos/dog_320x240.bmp", tmp_path)
    script = f"""
import gc
from maix import KPU
anchor = {tuple(case["yolo2"]["anchors"])}
free, boxes = [0] * 1000, set()
for round in range(1000):
    kpu = KPU()
    kpu.load_kmodel(0x300000, 1536936)
    kpu.init_yolo2(anchor, anchor_num=5, img_w=320, img_h=240, net_w=320, net_h=256, layer_w=10, layer_h=8,
        threshold=0.5, nms_value=0.2, classes=20)
    kpu.run_with_output("/sd/dog_320x240.bmp")
    boxes.add(str(kpu.regionlayer_yolo2()))
    kpu.deinit()
    del kpu
    gc.collect()
    free[round] = gc.mem_free()
print(len(boxes), len(set(free[1:])))
"""
    with Board(FIRMWARE, flash={OFFSET: SHARED / "kmodels/voc20_detect.kmodel"}, sd=tmp_path) as board:
        board.run_until(">>> ")
        assert run_script(board, script.encode(), 3600) == "1 1\n"
