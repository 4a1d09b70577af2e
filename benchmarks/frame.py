"""A frame of a detector on the board, step by step: CPU instructions outside the KPU, and modelled time.

Where K210_GUESTS has CanMV's image, the same program runs on that beside ours. Its waiting for the KPU spins, so
the KPU takes no time while instructions are counted.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from PIL import Image

from benchmarks.firmware import CANMV, FIRMWARE, PROMPT, answer
from k210kit.board import Board
from k210kit.board.kpu import timing

SHARED = Path(__file__).parent.parent.parent / "shared/data"
MODEL, PHOTO = SHARED / "kmodels/voc20_detect.kmodel", SHARED / "photos/dog_320x240.png"
OFFSET, WIDTH, HEIGHT = 0x300000, 320, 256
ROUNDS = 10
SET_UP = (
    "import image, gc, time; from maix import KPU; kpu = KPU()",
    f"kpu.load_kmodel({OFFSET}, 1536936)",
    "kpu.init_yolo2((1.3221, 1.73145, 3.19275, 4.00944, 5.05587, 8.09892, 9.47112, 4.84053, 11.2364, 10.0071), "
    "anchor_num=5, img_w=320, img_h=240, net_w=320, net_h=256, layer_w=10, layer_h=8, threshold=0.5, nms_value=0.2, "
    "classes=20)",
    "img = image.Image('/sd/frame.bmp'); _ = img.pix_to_ai(); _ = kpu.run_with_output(img)",
)
STEPS = {
    "reading the picture (BMP on the card)": "image.Image('/sd/frame.bmp')",
    "packing it into AI planes": "img.pix_to_ai()",
    "starting layers and dequantizing": "kpu.run_with_output(img)",
    "region layer, two boxes found": "kpu.regionlayer_yolo2()",
}


@contextmanager
def prepared(image: Path, profile: str) -> Iterator[Board]:
    """A board at its prompt with the model loaded and a frame read."""
    with tempfile.TemporaryDirectory() as folder:
        frame = Image.new("RGB", (WIDTH, HEIGHT))
        frame.paste(Image.open(PHOTO), (0, 0))
        frame.save(Path(folder) / "frame.bmp")
        with Board(image, flash={OFFSET: MODEL}, sd=folder, board=profile) as board:
            board.run_until(PROMPT)
            for line in SET_UP:
                answer(board, line)
            yield board


def instructions(board: Board, code: str, rounds: int) -> int:
    """What hart 0 retires from one character on the console to another, `code` being executed in between."""
    counts: list[int] = []
    marks = b"<>"

    def heard(data: bytes) -> None:
        counts.extend(board.retired[0] for byte in data if byte in marks)

    # Marks are computed, so that the line's echo holds none.
    line = f"print(chr(60)); gc.collect(); [({code}) for _ in range({rounds})]; print(chr(62))"
    board.send(line.encode() + b"\r")
    board.run_until(b"\n")
    board.line.listen(heard)
    board.run_until(b">\r\n")
    board.run_until(PROMPT)
    return counts[1] - counts[0]


def step_counts(image: Path, profile: str) -> dict[str, float]:
    """Instructions of each step of a frame, those of the loop around it taken off."""
    with mock.patch.object(timing, "cycles", lambda *_args, **_options: 1), prepared(image, profile) as board:
        found = {}
        for name, code in STEPS.items():
            empty = instructions(board, "None", ROUNDS)
            found[name] = (instructions(board, code, ROUNDS) - empty) / ROUNDS
        return found


def milliseconds() -> dict[str, float]:
    """What the steps take on our firmware, as the board's clock tells, KPU included."""
    with prepared(FIRMWARE, "maix_bit") as board:
        found = {}
        for name, code in STEPS.items():
            answer(board, f"t = time.ticks_us(); _ = {code}; t = time.ticks_diff(time.ticks_us(), t)")
            found[name] = int(answer(board, "t")) / 1000
        return found


def table() -> str:
    """The table for docs/benchmarks.md."""
    if not MODEL.exists():
        return "Not measured: ../shared/data is not there."
    ours, times = step_counts(FIRMWARE, "maix_bit"), milliseconds()
    guests = os.environ.get("K210_GUESTS")
    canmv = Path(guests or "/nowhere") / CANMV
    theirs: dict[str, Any] = step_counts(canmv, "canmv") if canmv.exists() else {}
    rows = [
        "`make bench`: a frame of 320x256 through voc20_detect. Instructions of the CPU, the KPU taking no time; "
        "milliseconds as modelled, KPU at 400 MHz included. CanMV 1.0.7 on the same virtual board.",
        "",
        "| step | instructions | CanMV's | ratio | ms |",
        "|---|---|---|---|---|",
    ]
    for name, count in [*ours.items(), ("in all", sum(ours.values()))]:
        other = sum(theirs.values()) if name == "in all" and theirs else theirs.get(name)
        took = sum(times.values()) if name == "in all" else times[name]
        beside = f"{other:,.0f} | {count / other:.2f}" if other else "not measured |"
        rows.append(f"| {name} | {count:,.0f} | {beside} | {took:,.1f} |")
    return "\n".join(rows)
