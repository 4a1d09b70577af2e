"""Models that stay in the flash or on the card and come into memory layer by layer: the mission's promise of models as
large as the flash leaves room for."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from device_script import FIRMWARE, ROOT, error_of, interrupt, run_script
from PIL import Image

from k210kit.board.board import Board
from k210kit.compiler import Options, compile_model
from k210kit.kmodel import Runtime, load
from k210kit.kmodel.read import read

sys.path.insert(0, str(ROOT / "tests/unit"))
from random_networks import Builder

SIGNS = ROOT / "models/signs.kmodel"
LARGE_AT, SIGNS_AT, SCRATCH_AT = 0x300000, 0xC00000 + 4093, 0xE00000
"""The second at an odd place: the flash's bytes may lie anywhere."""
LARGER_THAN_MEMORY = 6 * 1024 * 1024


def deep() -> Builder:
    """About 7 MB of weights."""
    b = Builder(4, (3, 32, 32))
    for channels in (32, 128):
        b.conv(channels)
        b.relu6()
        b.pool("MaxPool", 2, 2)
    b.conv(512)
    b.relu6()
    for _ in range(3):
        b.conv(512)
        b.relu6()
    b.conv(30, 1)
    return b


@pytest.fixture(scope="module")
def large() -> tuple[bytes, np.ndarray]:
    """A compiled model, and its input."""
    b = deep()
    model, pictures = b.build(), b.pictures(2)
    return compile_model(model, pictures, Options(std=(255.0,))).data, pictures[0]


@pytest.fixture(scope="module")
def board(large: tuple[bytes, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    if not FIRMWARE.exists():
        pytest.skip("build/firmware.bin is not there: make firmware")
    data, pixels = large
    card = tmp_path_factory.mktemp("card")
    (card / "large.kmodel").write_bytes(data)
    (card / "signs.kmodel").write_bytes(SIGNS.read_bytes())
    Image.fromarray(pixels.transpose(1, 2, 0)).save(card / "small.png")
    Image.open(ROOT / "models/signs_test/shown010.png").save(card / "road.png")
    with Board(FIRMWARE, flash={LARGE_AT: data, SIGNS_AT: SIGNS}, sd=card, strict="registers") as started:
        started.run_until(">>> ")
        run_script(started, b"import array, gc, hashlib\nfrom maix import KPU\nkpu = KPU()\n")
        yield started


def digest_of(board: Board, load_arguments: str, picture: str) -> str:
    """The model's output on the board."""
    script = f"""
kpu.load_kmodel({load_arguments})
print(hashlib.sha256(array.array("f", kpu.run_with_output({picture!r}, getlist=True))).digest().hex())
"""
    return run_script(board, script.encode(), 120).strip()


@pytest.mark.parametrize("place", [f"{LARGE_AT}, {{size}}", pytest.param("'/sd/large.kmodel'", marks=pytest.mark.slow)])
def test_a_model_larger_than_memory(board: Board, large: tuple[bytes, np.ndarray], place: str) -> None:
    """Nothing has to be asked for, and the floats are those of the host's runtime."""
    data, pixels = large
    assert len(data) > LARGER_THAN_MEMORY
    wanted = Runtime(read(data)).run(pixels)[0].reshape(-1).astype("<f4")
    assert np.unique(wanted).size > 100
    found = digest_of(board, place.format(size=len(data)), "/sd/small.png")
    assert found == hashlib.sha256(wanted.tobytes()).hexdigest()
    streamed = re.search(
        rf" {len(data)} bytes, (\d+) of them streamed, input 3x32x32", run_script(board, b"print(kpu)")
    )
    assert streamed and int(streamed[1]) < len(data)
    # What memory holds is held, but for what a picture and the program need.
    assert 500_000 < int(run_script(board, b"gc.collect()\nprint(gc.mem_free())")) < 3_300_000


@pytest.mark.parametrize("place", [f"{SIGNS_AT}, {SIGNS.stat().st_size}", "'/sd/signs.kmodel'"])
def test_streamed_is_as_in_memory(board: Board, place: str) -> None:
    """Any model can be streamed; only memory tells the difference. A model that fits is not, unasked."""
    whole = digest_of(board, place, "/sd/road.png")
    assert "streamed" not in run_script(board, b"print(kpu)")
    in_memory = int(run_script(board, b"gc.collect()\nprint(gc.mem_alloc())"))
    assert digest_of(board, f"{place}, streamed=True", "/sd/road.png") == whole
    assert "streamed" in run_script(board, b"print(kpu)")
    streamed = int(run_script(board, b"gc.collect()\nprint(gc.mem_alloc())"))
    saved = load(SIGNS).board_memory - load(SIGNS).streamed_memory
    assert in_memory - streamed == pytest.approx(saved, abs=2048)
    assert digest_of(board, f"{place}, streamed=False", "/sd/road.png") == whole


def put_signs(board: Board, where: str) -> str:
    """Copies the model to `where` and loads it from there; gives the arguments of load_kmodel()."""
    blocks = -(-SIGNS.stat().st_size // 4096)
    script = f"""
import k210
kpu.deinit()
scratch = k210.Flash(start={SCRATCH_AT}, len={blocks * 4096})
with open('/sd/signs.kmodel', 'rb') as a, open('/sd/scratch', 'wb') as b:
    for block in range({blocks}):
        data = a.read(4096)
        b.write(data)
        scratch.writeblocks(block, data + bytes(4096 - len(data)))
kpu.load_kmodel({where}, streamed=True)
kpu.run_with_output('/sd/road.png')
"""
    run_script(board, script.encode(), 240)
    return where


IN_FLASH = f"{SCRATCH_AT}, {SIGNS.stat().st_size}"
OVERWRITE = {
    IN_FLASH: "scratch.writeblocks(20, b'K210' * 25600)",
    "'/sd/scratch'": "f = open('/sd/scratch', 'r+b'); f.seek(81920); f.write(b'K210' * 25600); f.close()",
}


@pytest.mark.parametrize("place", OVERWRITE)
def test_other_bytes_where_the_model_was(board: Board, place: str) -> None:
    """Each run judges what it reads: a clear error at the layer that is none any more, and the board lives on."""
    put_signs(board, place)
    run_script(board, OVERWRITE[place].encode(), 120)
    found = error_of(board, "kpu.run_with_output('/sd/road.png')")
    assert re.match(r"ValueError layer \d+ \(K210 convolution\): ", found), found
    set_up = "kpu.init_yolo2((1, 1) * 3, 3, classes=9, layer_w=20, layer_h=15)"
    assert "call run_with_output() first" in error_of(board, f"{set_up}; kpu.regionlayer_yolo2()")
    put_signs(board, place)


def fill_but(size: int) -> bytes:
    """A script that leaves one free block of so many bytes; `del hog` frees the rest."""
    return f"""
kpu.deinit()
gc.collect()
room = bytearray({size})
hog = []
try:
    while True: hog.append(bytearray(8192))
except MemoryError:
    del room
""".encode()


def test_a_layer_larger_than_memory(board: Board) -> None:
    """Also streamed it must fit: the error has the numbers."""
    run_script(board, fill_but(60_000))
    found = error_of(board, "kpu.load_kmodel('/sd/signs.kmodel', streamed=True)")
    run_script(board, b"del hog\ngc.collect()")
    needed, free = re.findall(r"\d{5,}", found)
    assert found.startswith("MemoryError the model's largest layer and its work needs "), found
    assert int(needed) > load(SIGNS).streamed_memory > int(free)
    assert run_script(board, b"print(kpu)") == "KPU(no model)\n"


def test_what_fits_only_streamed(board: Board) -> None:
    """The error of a model that does not fit names the way out, and it is one."""
    run_script(board, fill_but(240_000))
    found = error_of(board, "kpu.load_kmodel('/sd/signs.kmodel')")
    assert found.startswith("MemoryError the model (unless streamed=True) needs "), found
    run_script(board, b"kpu.load_kmodel('/sd/signs.kmodel', streamed=True)\ndel hog\ngc.collect()")
    run_script(board, b"kpu.run_with_output('/sd/road.png')")


def test_ctrl_c_ends_a_run(board: Board) -> None:
    """At any moment; the next run is whole."""
    place = "'/sd/signs.kmodel', streamed=True"
    whole = digest_of(board, place, "/sd/road.png")
    for moment in range(6):
        interrupt(board, b"while True: kpu.run_with_output('/sd/road.png')\n", 0.05 + 0.0137 * moment)
    again = "print(hashlib.sha256(array.array('f', kpu.run_with_output('/sd/road.png', getlist=True))).digest().hex())"
    assert run_script(board, again.encode(), 120).strip() == whole


def test_nothing_is_lost(board: Board) -> None:
    """Load, run and drop, streamed: free memory is equal from the second round on, and files are closed."""
    script = b"""
free = [0] * 12
kpu.deinit()
for round in range(12):
    k = KPU()
    k.load_kmodel('/sd/signs.kmodel', streamed=True)
    k.run_with_output('/sd/road.png')
    if round % 2: k.deinit()
    del k
    gc.collect()
    free[round] = gc.mem_free()
print(len(set(free[1:])))
"""
    assert run_script(board, script, 300).strip() == "1"


def test_a_card_that_is_pulled(tmp_path: Path) -> None:
    """A run ends in OSError; the flash still serves."""
    (tmp_path / "signs.kmodel").write_bytes(SIGNS.read_bytes())
    Image.open(ROOT / "models/signs_test/shown010.png").save(tmp_path / "road.png")
    with Board(FIRMWARE, flash={SIGNS_AT: SIGNS}, sd=tmp_path) as board:
        board.run_until(">>> ")
        script = """
import image
from maix import KPU
kpu = KPU()
kpu.load_kmodel("/sd/signs.kmodel", streamed=True)
img = image.Image("/sd/road.png")
img.pix_to_ai()
kpu.run_with_output(img)
"""
        run_script(board, script.encode())
        sockets = board.machine.spi_sockets
        sockets.detach(next(socket for socket in sockets.sockets if socket.part is board.sd_card))
        assert error_of(board, "kpu.run_with_output(img)").startswith("OSError ")
        again = f"kpu.load_kmodel({SIGNS_AT}, {SIGNS.stat().st_size}, streamed=True)\nkpu.run_with_output(img)"
        run_script(board, again.encode())
