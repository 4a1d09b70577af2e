"""Our flasher and the usual client, kflash, on the same virtual board: bytes on the line and virtual seconds.

Both go through the mask ROM's download mode over RFC 2217 at 1.5 Mbit/s, each with its own RAM stub.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from k210kit import flasher
from k210kit.board import Board
from k210kit.images import kfpkg

ROOT = Path(__file__).resolve().parents[1]
FIRMWARE = ROOT / "build/firmware.bin"
MODEL = ROOT.parent / "shared/data/kmodels/voc20_detect.kmodel"
MODEL_AT = 0x300000
BAUD = 1_500_000
CHANGED = "static mp_obj_t pin_toggle(mp_obj_t self_in) {"
"""A function of the port that the changed firmware has a check more in."""
CHECK = '\n    if (self_in == mp_const_none) {\n        mp_raise_ValueError(MP_ERROR_TEXT("this is no pin"));\n    }'
GOALS = {"first": (0.6, 0.5), "again": (0.02, None), "changed": (0.15, None)}
"""Of kflash's bytes and seconds."""

Cost = tuple[int, float]


def changed_firmware(folder: Path) -> bytes:
    """The firmware built from this tree with one function changed; everything behind it moves."""
    left_out = shutil.ignore_patterns("build", ".venv", ".git", "*.so", "__pycache__")
    shutil.copytree(ROOT, folder, ignore=left_out, dirs_exist_ok=True)
    source = folder / "micropython_port/machine_pin.c"
    text = source.read_text()
    if CHANGED not in text:
        raise AssertionError(f"{source.name} has no longer the function that is changed: {CHANGED}")
    source.write_text(text.replace(CHANGED, CHANGED + CHECK))
    (folder / ".venv").symlink_to(ROOT / ".venv")
    date = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    sources = os.environ.get("MICROPYTHON_DIR", str(ROOT / "build/micropython-1.25.0"))
    environment = os.environ | ({"SOURCE_DATE_EPOCH": date} if date else {})
    # It is made anew when a file of its list is newer, which copying may have brought about.
    (ROOT / ".venv/.installed").touch()
    command = ["make", "-s", "firmware", f"MICROPYTHON_DIR={sources}"]
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    return (folder / "build/firmware.bin").read_bytes()


def with_kflash(board: Board, package: Path) -> None:
    """What `kflash -p PORT -B dan -b 1500000 PACKAGE` does; its only change is how it opens the port."""
    import kflash
    import serial

    def open_port(port: str | None = None, **settings: Any) -> object:
        return serial.serial_for_url(port, **settings)

    words = ["kflash", "-n", "-p", board.address, "-B", "dan", "-b", str(BAUD), str(package)]
    client = kflash.KFlash(print_callback=lambda *_, **__: None)
    kflash.KFlash.print_callback = lambda *_, **__: None
    with mock.patch.object(serial, "Serial", open_port), mock.patch.object(sys, "argv", words):
        client.process()


def cost(board: Board, action: Callable[[], object]) -> Cost:
    """Bytes on the line both ways, and virtual seconds."""
    before = board.traffic
    action()
    spent = board.traffic.since(before)
    return spent.to_board + spent.from_board, spent.seconds


def package(path: Path, files: dict[int, bytes]) -> Path:
    """A .kfpkg of these files; firmware at 0."""
    path.write_bytes(kfpkg.write([kfpkg.Entry(at, f"{at:x}.bin", data, at == 0) for at, data in files.items()]))
    return path


def check(board: Board, files: dict[int, bytes]) -> None:
    """Raises AssertionError unless the chip holds them."""
    for at, data in files.items():
        start = at + 5 if at == 0 else at
        if bytes(board.flash_chip.data[start : start + len(data)]) != data:
            raise AssertionError(f"the chip does not hold what was flashed to {at:#x}")


def run(jobs: list[tuple[str, dict[int, bytes]]], how: Callable[[Board, dict[int, bytes]], None]) -> dict[str, Cost]:
    """The jobs one after the other on a board whose flash is erased at first."""
    costs = {}
    with Board(serial="rfc2217:0", board="maix_dock") as board:
        board.start()
        for name, files in jobs:
            costs[name] = cost(board, lambda files=files: how(board, files))  # type: ignore[misc]
            print(f"flashing, {name}: {costs[name]}", file=sys.stderr)
            check(board, files)
    return costs


def measure() -> list[tuple[str, Cost, Cost, str]]:
    """What, kflash's cost, ours, which goal."""
    with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, XDG_CACHE_HOME=folder):
        place = Path(folder)
        firmware, model = FIRMWARE.read_bytes(), MODEL.read_bytes()
        changed = changed_firmware(place / "changed")
        both = {0: firmware, MODEL_AT: model}
        jobs = [
            ("first", both),
            ("again", both),
            ("changed", {0: changed}),
        ]
        theirs = run(jobs, lambda board, files: with_kflash(board, package(place / "package.kfpkg", files)))
        ours = run(jobs, lambda board, files: flasher.flash(board.address, files, baud=BAUD) and None)
    sizes = f"firmware ({len(firmware):,} bytes) and voc20 ({len(model):,})"
    what = {
        "first": f"{sizes}, erased chip",
        "again": "the same again",
        "changed": "firmware with one function changed, alone",
    }
    return [(what[name], theirs[name], ours[name], name) for name, _ in jobs]


def table() -> str:
    """The rows in Markdown."""
    if not MODEL.is_file():
        return "Not measured: ../shared/data is not there."
    lines = [
        "`make bench`: bytes on the line both ways and virtual seconds at 1.5 Mbit/s, reset and RAM stub included; "
        "kflash is 1.1.6. Ratios are ours to kflash's, with the goal in brackets.",
        "",
        "| job | kflash, bytes | ours, bytes | ratio | kflash, s | ours, s | ratio |",
        "|---|---|---|---|---|---|---|",
    ]
    for what, theirs, ours, name in measure():
        bytes_goal, time_goal = GOALS.get(name, (None, None))
        lines.append(
            f"| {what} | {theirs[0]:,} | {ours[0]:,} | {_ratio(ours[0], theirs[0], bytes_goal)} "
            f"| {theirs[1]:.1f} | {ours[1]:.1f} | {_ratio(ours[1], theirs[1], time_goal)} |"
        )
    return "\n".join(lines)


def _ratio(ours: float, theirs: float, goal: float | None) -> str:
    return f"{ours / theirs:.3f}" + (f" ({goal:g})" if goal is not None else "")


if __name__ == "__main__":
    print(table())
