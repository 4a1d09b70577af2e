"""A network compiled here gives the same boxes on firmware that was not written here: CanMV with its own KPU driver."""

from __future__ import annotations

import ast
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from k210kit.board.board import Board

ROOT = Path(__file__).resolve().parents[2]
FIRMWARE = ROOT / "build/firmware.bin"
sys.path.insert(0, str(ROOT / "tests/unit"))

pytestmark = pytest.mark.slow
OFFSET = 0x300000
SHAPE = 3, 240, 320
GRID = 20, 15
ANCHORS = "(1, 1, 2, 2, 3, 3)"


def canmv() -> Path:
    root = os.environ.get("K210_GUESTS")
    if not root:
        pytest.skip("K210_GUESTS is not set: it names the folder with images that others wrote")
    path = Path(root) / "prebuilt/canmv/canmv_lite_v1.0.7.bin"
    if not path.exists():
        pytest.skip("K210_GUESTS has no CanMV image")
    return path


def levels(most: int) -> np.ndarray:
    """For each value of 5 or 6 bits a byte that both firmwares take for it: ours by its upper bits, CanMV's by
    byte * most / 255, rounded down."""
    width = 256 // (most + 1)
    found = []
    for value in range(most + 1):
        both = [v for v in range(value * width, (value + 1) * width) if v * most // 255 == value]
        found.append(both[len(both) // 2])
    return np.array(found, np.uint8)


def picture() -> np.ndarray:
    """Blobs and edges in colours that both firmwares read alike."""
    y, x = np.mgrid[: SHAPE[1], : SHAPE[2]]
    waves = np.stack([np.sin(x / 17 + y / 31), np.sin(x / 41 - y / 13), np.cos(x * y / 6000)], -1)
    waves[60:140, 90:200] *= -1
    few = np.clip((waves + 1) / 2, 0, 0.999)
    return np.stack([levels(most)[(few[..., i] * (most + 1)).astype(int)] for i, most in enumerate((31, 63, 31))], -1)


def model() -> bytes:
    """Four halvings, a sum and a concatenation on the KPU; boxes of three anchors."""
    from random_networks import Builder

    from k210kit.compiler import Options, compile_model

    b = Builder(3, SHAPE)
    for channels in (8, 16, 24, 32):
        b.conv(channels)
        b.function("LeakyRelu", alpha=0.1)
        b.pool("MaxPool", 2, 2)
    before = b.value
    b.conv(32)
    b.function("Relu")
    b.plus(before)
    after = b.function("Relu")
    b.conv(16, 1)
    b.beside(after, 32)
    b.conv(21, 1)
    pictures = picture().transpose(2, 0, 1)[None]
    return compile_model(b.build(), pictures, Options(std=(255.0,))).data


def boxes(image: Path, profile: str, data: bytes, card: Path) -> list[list[float]]:
    with Board(image, flash={OFFSET: data}, sd=card, board=profile) as board:
        board.run_until(">>> ")
        for line in (
            "import image; from maix import KPU; kpu = KPU()",
            f"kpu.load_kmodel({OFFSET}, {len(data)})",
            f"kpu.init_yolo2({ANCHORS}, anchor_num=3, img_w=320, img_h=240, net_w=320, net_h=240, layer_w={GRID[0]}, "
            f"layer_h={GRID[1]}, threshold=0.65, nms_value=0.3, classes=2)",
            "img = image.Image('/sd/picture.bmp'); _ = img.pix_to_ai(); _ = kpu.run_with_output(img)",
        ):
            board.send(line.encode() + b"\r")
            board.run_until(">>> ")
        board.send(b"print(kpu.regionlayer_yolo2())\r")
        board.run_until("\n")
        return ast.literal_eval(board.run_until(">>> ").decode().split("\n")[0])


def test_the_same_boxes_on_canmv(tmp_path: Path) -> None:
    image = canmv()
    if not FIRMWARE.exists():
        pytest.skip("build/firmware.bin is not there: make firmware")
    Image.fromarray(picture()).save(tmp_path / "picture.bmp")
    data = model()
    theirs, ours = boxes(image, "canmv", data, tmp_path), boxes(FIRMWARE, "maix_bit", data, tmp_path)
    assert len(ours) > 3
    assert [box[:5] for box in ours] == [box[:5] for box in theirs]
    assert [box[5] for box in ours] == pytest.approx([box[5] for box in theirs], abs=1e-6)
