"""Models that memory holds and larger ones on the board: ResNet-18 of several widths, random weights; and voc20."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import numpy as np
from known_networks import resnet18

from benchmarks.firmware import FIRMWARE, PROMPT, answer
from benchmarks.frame import MODEL
from k210kit.board import Board
from k210kit.compiler import Options, compile_model
from k210kit.kmodel.describe import KPU_HZ
from k210kit.kmodel.read import read

SIDE, OFFSET = 128, 0x300000
WIDTHS = (40, 44, 64)
"""Channels of the first stage; 64 is the published network."""


def _resnet(width: int) -> bytes:
    pictures = np.random.default_rng(1).integers(0, 256, (2, 3, SIDE, SIDE), np.uint8)
    return compile_model(resnet18(SIDE, width)[0].build(), pictures, Options(std=(255.0,))).data


def _row(name: str, data: bytes, streamed: str = "None", card: bool = False) -> str:
    model = read(data)
    _, height, width = model.input.shape
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "model").write_bytes(data)
        place = "'/sd/model'" if card else f"{OFFSET}, {len(data)}"
        with Board(FIRMWARE, flash={OFFSET: data}, sd=folder if card else None) as board:
            board.run_until(PROMPT)
            for line in (
                "import image, time; from maix import KPU; kpu = KPU()",
                f"img = image.Image(size=({width}, {height})); _ = img.pix_to_ai()",
                f"kpu.load_kmodel({place}, streamed={streamed}); _ = kpu.run_with_output(img)",
                "t = time.ticks_us(); _ = kpu.run_with_output(img); t = time.ticks_diff(time.ticks_us(), t)",
            ):
                answer(board, line)
            shown, took = answer(board, "kpu"), int(answer(board, "t")) / 1000
    found = re.search(r"(\d+) of them streamed", shown)
    kpu = sum(layer.cycles for layer in model.layers) / KPU_HZ * 1000
    return f"| {name} | {len(data):,} | {int(found[1]) if found else 0:,} | {kpu:.1f} | {took:.1f} |"


def table() -> str:
    """The table for docs/benchmarks.md."""
    if not Path(FIRMWARE).exists():
        return "Not measured: build/firmware.bin is not there."
    rows = [_row(f"ResNet-18 of width {width} on {SIDE}x{SIDE}", _resnet(width)) for width in WIDTHS]
    if MODEL.exists():
        voc = MODEL.read_bytes()
        rows += [
            _row("voc20", voc), _row("voc20, `streamed=True`", voc, "True"),
            _row("voc20, `streamed=True`, from the card", voc, "True", card=True),
        ]  # fmt: skip
    return "\n".join([
        "`make bench`: from the flash; milliseconds a frame as modelled, KPU at 400 MHz. ResNet-18 of width 64 is the "
        "published network.",
        "",
        "| model | bytes | streamed at each frame | KPU alone, ms | a frame, ms |",
        "|---|---|---|---|---|",
        *rows,
    ])  # fmt: skip


if __name__ == "__main__":
    print(table())
