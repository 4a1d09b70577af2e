"""The main job on a board: a model in the flash finds things in a picture.

demo.py FIRMWARE [EXAMPLE]     on a virtual board that is flashed with FIRMWARE over its serial line, through reset
                               circuit and mask ROM, as a real one is; EXAMPLE is examples/yolo2.py unless given

Without more it is this project's own detector of road signs, models/signs.kmodel, on one of its test pictures.

Environment: PORT=/dev/ttyUSB0 runs on a real board instead (BAUD=115200). MODEL= and PHOTO= are files; ANCHORS=,
LABELS= (with commas between), CLASSES=, THRESHOLD=, NMS= belong to the model, and are taken from a file of its name
with .json at the end where there is one. OUT= is the picture with boxes (out/demo.png).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpremote.transport import TransportError, TransportExecError
from mpremote.transport_serial import SerialTransport
from PIL import Image
from rich.progress import Progress

from k210kit.board import Board
from k210kit.cli.tables import show
from k210kit.errors import K210Error
from k210kit.kmodel import boxes, load, picture

ROOT = Path(__file__).resolve().parents[1]
MODEL = ROOT / "models/signs.kmodel"
PHOTO = ROOT / "models/signs_test/shown010.png"
OFFSET = 0x300000
LONGEST_MODEL = 400_000
"""A longer one is in the virtual board's flash from the start: there the line takes a minute for 1.5 MB."""
FROM_MODEL = ("ANCHORS", "LABELS", "CLASSES", "THRESHOLD", "NMS")
FOUND = re.compile(r"class (\d+) probability ([\d.]+) at (\d+) (\d+) size (\d+) (\d+)")
HASH_OF_FLASH = """
import hashlib, k210
def digest(offset, size):
    flash, hash, part = k210.Flash(whole=True), hashlib.sha256(), bytearray(65536)
    for at in range(offset, offset + size, len(part)):
        piece = memoryview(part)[: min(len(part), offset + size - at)]
        flash.read(at, piece)
        hash.update(piece)
    return hash.digest()
"""


@dataclass(frozen=True)
class Job:
    """What is to be done: files on this machine and the numbers that belong to the model."""

    model: Path
    photo: Path
    anchors: tuple[float, ...]
    labels: tuple[str, ...]
    threshold: float
    nms: float
    classes: int | None

    @classmethod
    def from_environment(cls) -> Job:
        """Raises K210Error when a file is missing, or nothing tells the anchors."""
        model, photo = (Path(os.environ.get(name) or own) for name, own in (("MODEL", MODEL), ("PHOTO", PHOTO)))
        for path, name in ((model, "MODEL"), (photo, "PHOTO")):
            if not path.is_file():
                raise K210Error(f"{name}={path}: there is no such file")
        beside = _description(model.with_suffix(".json"))
        given = {name: os.environ.get(name) or beside.get(name) for name in FROM_MODEL}
        if not given["ANCHORS"]:
            raise K210Error("MODEL= wants ANCHORS=W,H,W,H,... beside it: the sizes that the model was trained with")
        return cls(
            model,
            photo,
            tuple(_number("ANCHORS", text) for text in given["ANCHORS"].split(",")),
            tuple(given["LABELS"].split(",")) if given["LABELS"] else (),
            _number("THRESHOLD", given["THRESHOLD"] or "0.5"),
            _number("NMS", given["NMS"] or "0.2"),
            int(_number("CLASSES", given["CLASSES"])) if given["CLASSES"] else None,
        )


def _description(path: Path) -> dict[str, str]:
    """What a .json file beside a model tells, in the words of the environment."""
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        lists = {name: ",".join(map(str, content.get(name.lower(), ()))) for name in ("ANCHORS", "LABELS")}
        return lists | {name: str(content[name.lower()]) for name in ("THRESHOLD", "NMS") if name.lower() in content}
    except (ValueError, AttributeError, TypeError) as error:
        raise K210Error(f"{path} does not describe a model: {error}") from None


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise K210Error(f"{name}={text}: give a number") from None


class BoardLink:
    """A board's REPL."""

    def __init__(self, port: str, baud: int) -> None:
        try:
            self.transport = SerialTransport(port, baudrate=baud)
            self.transport.enter_raw_repl()
        except (TransportError, OSError) as error:
            raise K210Error(f"{port}: no MicroPython answers there ({error}); is it this firmware's board?") from None

    def run(self, source: str, *, shown: bool = False) -> str:
        """What a script prints; `shown` passes it on at once. Raises K210Error with the board's own message."""
        printed = bytearray()

        def take(data: bytes) -> None:
            data = data.replace(b"\x04", b"").replace(b"\r\n", b"\n")
            printed.extend(data)
            if shown:
                print(data.decode(errors="replace"), end="", flush=True)

        try:
            self.transport.exec(source, take)
        except TransportExecError as error:
            raise K210Error(f"the board: {error.error_output.strip().splitlines()[-1]}") from None
        return printed.decode(errors="replace")

    def holds(self, offset: int, data: bytes) -> bool:
        """Whether the flash has these bytes there."""
        import hashlib

        answer = self.run(f"{HASH_OF_FLASH}\nprint(digest({offset}, {len(data)}).hex())")
        return answer.strip() == hashlib.sha256(data).hexdigest()

    def place(self, source: Path, folder: str) -> str:
        """Copy a file to the board unless it is there; returns its path there."""
        target, data = f"{folder}/{source.name}", source.read_bytes()
        if self.transport.fs_exists(target) and self.transport.fs_hashfile(target, "sha256") == _sha256(data):
            return target
        with Progress(transient=True, disable=not sys.stdout.isatty()) as progress:
            task = progress.add_task(f"{source.name} to the board", total=len(data))
            self.transport.fs_writefile(
                target, data, progress_callback=lambda done, _total: progress.update(task, completed=done)
            )
        return target


def _sha256(data: bytes) -> bytes:
    import hashlib

    return hashlib.sha256(data).digest()


@contextmanager
def board_with(firmware: str, job: Job) -> Iterator[BoardLink]:
    """A link to the board at PORT, or to a virtual one, flashed over its serial line, with the photo on its card."""
    baud = int(_number("BAUD", os.environ.get("BAUD") or "115200"))
    port = os.environ.get("PORT")
    if port:
        yield BoardLink(port, baud)
        return
    with tempfile.TemporaryDirectory() as folder:
        card = Path(folder) / "card"
        card.mkdir()
        shutil.copy(job.photo, card)
        in_place = job.model.stat().st_size > LONGEST_MODEL
        with Board(None, {OFFSET: job.model} if in_place else None, sd=card, serial="rfc2217:0") as board:
            board.start()
            write_flash(
                board.address, {0: firmware} | ({} if in_place else {OFFSET: os.path.relpath(job.model)}), Path(folder)
            )
            yield BoardLink(board.address, baud)


def write_flash(port: str, files: dict[int, str], cache: Path) -> None:
    """As a user does it: `k210 write-flash`. Raises K210Error when it does not succeed."""
    words = ["--port", port, "write-flash", *(word for at, file in files.items() for word in (f"{at:#x}", file))]
    print("$ k210", *words, flush=True)
    # What is remembered of this board is of no use for another.
    environment = os.environ | {"XDG_CACHE_HOME": str(cache)}
    if subprocess.run([sys.executable, "-m", "k210kit.cli", *words], env=environment).returncode:
        raise K210Error("the board could not be flashed")


def settings(job: Job, link: BoardLink) -> dict[str, Any]:
    """The example's constants for this job; model and photo are on the board afterwards."""
    model, data = load(job.model), job.model.read_bytes()
    output = model.outputs[0].shape
    if len(output) != 3 or len(model.input.shape) != 3:
        raise K210Error(f"{job.model} has no YOLOv2 output: it is {'x'.join(map(str, output))}")
    folders = link.run("import os; print(*os.listdir('/'))").split()
    folder = "/sd" if "sd" in folders else "/flash"
    if link.holds(OFFSET, data):
        place: tuple[object, ...] = (OFFSET, len(data))
    else:
        print(f"the flash does not hold {job.model.name} at {OFFSET:#x}; taking {folder}")
        place = (link.place(job.model, folder),)
    natural = output[0] // (len(job.anchors) // 2) - 5
    return {
        "MODEL": place,
        "PHOTO": link.place(job.photo, folder),
        "ANCHORS": job.anchors,
        "NET": model.input.shape[:0:-1],
        "GRID": output[:0:-1],
        "CLASSES": natural if job.classes is None else job.classes,
        "THRESHOLD": job.threshold,
        "NMS": job.nms,
    }


def with_settings(source: str, values: dict[str, Any]) -> str:
    """The example with other constants."""
    for name, value in values.items():
        source = re.sub(rf"^{name} = .*$", f"{name} = {value!r}", source, count=1, flags=re.MULTILINE)
    return source


def report(job: Job, printed: str, net: tuple[int, int]) -> None:
    """Prints the detections as a table, and draws them."""
    photo = picture.load(job.photo)
    scale = picture.scale(photo, net)
    rows, drawn = [], []
    for which, probability, *numbers in FOUND.findall(printed):
        x, y, w, h = (round(int(number) * scale) for number in numbers)
        name = job.labels[int(which)] if int(which) < len(job.labels) else which
        rows.append((name, f"{float(probability):.4f}", *map(str, (x, y, w, h))))
        drawn.append(((x, y, x + w, y + h), int(which), f"{name} {float(probability):.2f}"))
    if rows:
        show(("class", "probability", "x", "y", "width", "height"), rows, right=range(1, 6))
    else:
        print(f"nothing found above {job.threshold:g}")
    out = Path(os.environ.get("OUT") or "out/demo.png")
    out.parent.mkdir(parents=True, exist_ok=True)
    # Small pictures twice as large: text has room.
    grow = 1 if photo.width >= 640 else 2
    large = photo.resize((photo.width * grow, photo.height * grow), Image.Resampling.LANCZOS)
    boxes.draw(large, [(tuple(c * grow for c in box), which, text) for box, which, text in drawn]).save(out)
    print(f"picture with boxes: {out}")


def main(firmware: str, example: str = str(ROOT / "examples/yolo2.py")) -> int:
    """Returns the exit status."""
    try:
        job = Job.from_environment()
        with board_with(firmware, job) as link:
            values = settings(job, link)
            printed = link.run(with_settings(Path(example).read_text(), values), shown=True)
            report(job, printed, values["NET"])
        return 0
    except (K210Error, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
