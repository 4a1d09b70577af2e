"""maix.KPU on the board with small models of our own: what goes in, what comes out, and every way it can be refused."""

from __future__ import annotations

import ast
import io
import struct
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from device_script import FIRMWARE, ROOT, error_of, interrupt, run_script
from PIL import Image

from k210kit.board.board import Board
from k210kit.kmodel import picture

sys.path.insert(0, str(ROOT / "tests/c"))
from kmodel_writer import (
    CONVOLUTION,
    DEQUANTIZE,
    FREE,
    SOFTMAX,
    KmodelWriter,
    floats,
    identity_convolution,
    on_floats,
    words,
)

OFFSET, MILD_OFFSET, ERASED, GARBAGE, BROKEN, LATER = 0x300000, 0x400000, 0x500000, 0x510000, 0x520000, 0x530000
SHAPE = 3, 32, 64
"""Of the echo model's input."""
PLATE_RESULTS = 31, 24, 34, 34, 34, 34, 34


def echo(channels: int, height: int, width: int, scale: float = 1, bias: float = 0) -> bytes:
    """A model whose output is its input, as floats."""
    size = channels * height * width
    writer = KmodelWriter(size * 5, [(size, size * 4)])
    writer.add(CONVOLUTION, identity_convolution(channels, height, width, main_memory=0))
    return writer.add(DEQUANTIZE, words(1, 0, size, size) + floats(scale, bias)).build()


ECHO = echo(*SHAPE)
MILD = echo(*SHAPE, 0.02, -3.5)
"""Its output is what a region layer may get."""


def broken_models() -> dict[int, bytes]:
    """By their place in the flash: what is no model, a model whose layer leaves its memory, and one of version 4."""
    layer = identity_convolution(3, 4, 24, main_memory=100_000)
    return {
        GARBAGE: b"no model at all, but some text that is long enough for a header",
        BROKEN: KmodelWriter(288, [(0, 288)]).add(CONVOLUTION, layer).build(),
        LATER: b"LDMK" + struct.pack("<7I", 4, 0, 0, 0, 0, 0, 0),
    }


def photo(height: int, width: int) -> np.ndarray:
    random = np.random.default_rng(height * 1000 + width)
    return random.integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """A board with the echo model in its flash and on its card, and pictures."""
    if not FIRMWARE.exists():
        pytest.skip("build/firmware.bin is not there: make firmware")
    card = tmp_path_factory.mktemp("card")
    (card / "echo.kmodel").write_bytes(ECHO)
    (card / "short.kmodel").write_bytes(ECHO[:-40])
    (card / "plate.kmodel").write_bytes(echo(1, 182, 64))
    (card / "floats.kmodel").write_bytes(on_floats(400, (SOFTMAX, words(1, 80, FREE, 100))))
    (card / "plate.bin").write_bytes(plate_weights().tobytes())
    for height, width in ((32, 64), (20, 64), (48, 64), (100, 150), (7, 5)):
        Image.fromarray(photo(height, width)).save(card / f"{width}x{height}.png")
    Image.fromarray(photo(32, 64)).save(card / "same.bmp")
    Image.fromarray(photo(182, 64)[..., 0]).save(card / "plate.png")
    smooth = np.linspace(0, 255, 64 * 32 * 3).reshape(32, 64, 3).astype(np.uint8)
    Image.fromarray(smooth).save(card / "smooth.jpg", quality=95)
    flash = {OFFSET: ECHO, MILD_OFFSET: MILD, **broken_models()}
    with Board(FIRMWARE, flash=flash, sd=card, strict="registers") as started:
        started.run_until(">>> ")
        run_script(started, b"import gc, image, time\nfrom maix import KPU\nkpu = KPU()\n")
        yield started


def evaluate(board: Board, expression: str) -> Any:
    return ast.literal_eval(run_script(board, f"print(({expression}))".encode(), 120))


def planes_through(board: Board, source: str, shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    return np.array(evaluate(board, f"kpu.run_with_output({source}, getlist=True)")).reshape(shape)


@pytest.fixture
def loaded(board: Board) -> Board:
    run_script(board, f"kpu.load_kmodel({OFFSET}, {len(ECHO)})".encode())
    return board


# ---- What goes in and comes out


@pytest.mark.parametrize("name", ["64x32.png", "64x20.png", "64x48.png", "150x100.png", "5x7.png", "same.bmp"])
def test_a_picture_file(loaded: Board, name: str) -> None:
    """The bytes are those of the host's tools: scaled alike, in the upper left corner."""
    height, width = (32, 64) if name == "same.bmp" else map(int, reversed(name[:-4].split("x")))
    wanted = picture.planes(Image.fromarray(photo(height, width)), SHAPE)
    assert np.array_equal(planes_through(loaded, f"'/sd/{name}'"), wanted)


def test_a_jpeg(loaded: Board) -> None:
    """Decoders round differently; a smooth picture comes out nearly the same."""
    smooth = np.linspace(0, 255, 64 * 32 * 3).reshape(32, 64, 3).astype(np.uint8)
    assert np.abs(planes_through(loaded, "'/sd/smooth.jpg'") - smooth.transpose(2, 0, 1)).max() < 12


def test_an_image(loaded: Board) -> None:
    """Pixels have 5, 6 and 5 bits; the planes are rounded to the nearest byte."""
    wanted = picture.through_rgb565(photo(32, 64)).transpose(2, 0, 1)
    run_script(loaded, b"img = image.Image('/sd/64x32.png')\nimg.pix_to_ai()")
    assert np.array_equal(planes_through(loaded, "img"), wanted)
    assert evaluate(loaded, "img.width(), img.height(), img.size()") == (64, 32, 4096)
    assert evaluate(loaded, "img.get_pixel(5, 7)") == tuple(wanted[:, 7, 5])
    run_script(loaded, b"img.set_pixel(5, 7, (255, 128, 8))\nimg.pix_to_ai()")
    wanted[:, 7, 5] = 255, 130, 8
    assert np.array_equal(planes_through(loaded, "img"), wanted)
    run_script(loaded, b"img.set_pixel(5, 7, (0, 0, 0))\nimg.ai_to_pix()")
    assert evaluate(loaded, "img.get_pixel(5, 7)") == (255, 130, 8)


def test_an_image_in_an_image(loaded: Board) -> None:
    run_script(loaded, b"img = image.Image(size=(64, 32))\nimg.draw_image(image.Image('/sd/64x20.png'), -3, 15)")
    wanted = np.zeros((32, 64, 3), np.uint8)
    wanted[15:, :61] = photo(20, 64)[:17, 3:]
    run_script(loaded, b"img.pix_to_ai()")
    assert np.array_equal(planes_through(loaded, "img"), picture.through_rgb565(wanted).transpose(2, 0, 1))


@pytest.mark.parametrize("place", [f"{OFFSET}, {len(ECHO)}", "'/sd/echo.kmodel'", "'/flash/echo.kmodel'"])
def test_where_a_model_comes_from(board: Board, place: str) -> None:
    copy = b"with open('/sd/echo.kmodel', 'rb') as a, open('/flash/echo.kmodel', 'wb') as b:\n    b.write(a.read())\n"
    run_script(board, copy + f"kpu.load_kmodel({place})".encode())
    assert run_script(board, b"print(kpu)") == (
        f"KPU(kmodel version 3, {len(ECHO)} bytes, input 3x32x64, 2 layers, 1 outputs)\n"
    )
    assert np.array_equal(planes_through(board, "'/sd/64x32.png'"), photo(32, 64).transpose(2, 0, 1))


def test_keywords(board: Board) -> None:
    run_script(board, f"kpu.load_kmodel(path={OFFSET}, size={len(ECHO)})".encode())
    run_script(board, b"assert kpu.run_with_output(input='/sd/64x32.png') is None")
    run_script(board, b"assert kpu.run_with_output('/sd/64x32.png', getlist=True, get_feature=False)[0] >= 0")


def test_two_models_live_side_by_side(loaded: Board) -> None:
    run_script(loaded, b"other = KPU()\nother.load_kmodel('/sd/plate.kmodel')\nother.run_with_output('/sd/plate.png')")
    assert np.array_equal(planes_through(loaded, "'/sd/64x32.png'"), photo(32, 64).transpose(2, 0, 1))
    run_script(loaded, b"other.deinit()\nother.deinit()")


# ---- What is made of the output


def test_feature(board: Board) -> None:
    """The first 256 numbers at most, scaled to length 1."""
    assert "ValueError the output has 6144 numbers, a feature at most 256" in error_of(
        board, f"kpu.load_kmodel({OFFSET}, {len(ECHO)}); kpu.run_with_output('/sd/64x32.png', get_feature=True)"
    )


def test_sigmoid_and_softmax(board: Board) -> None:
    assert evaluate(board, "KPU.sigmoid(0), kpu.sigmoid(0), KPU.sigmoid(2.0)") == pytest.approx((0.5, 0.5, 0.8807971))
    for call in ("KPU.softmax([1, 2, 3.0])", "kpu.softmax((1, 2, 3.0))"):
        assert evaluate(board, call) == pytest.approx([0.09003057, 0.24472847, 0.66524096])
    assert evaluate(board, "KPU.softmax([1000, 0])") == [1.0, 0.0]


def test_feature_compare(board: Board) -> None:
    assert evaluate(board, "KPU.feature_compare([1, 0], [1, 0]), kpu.feature_compare([1, 0], (0, 1))") == (100.0, 50.0)
    assert evaluate(board, "kpu.feature_compare([0.6, 0.8], [-0.6, -0.8])") == pytest.approx(0, abs=1e-5)
    assert error_of(board, "kpu.feature_compare([1], [1, 2])") == "ValueError the features have 1 and 2 numbers"


def plate_weights() -> np.ndarray:
    random = np.random.default_rng(5)
    return np.concatenate([random.normal(0, 0.01, 1665 * results) for results in PLATE_RESULTS]).astype("<f4")


def test_licence_plates(board: Board) -> None:
    run_script(board, b"p = KPU()\np.load_kmodel('/sd/plate.kmodel')\np.run_with_output('/sd/plate.png')")
    assert "call lp_recog_load_weight_data() first" in error_of(board, "p.lp_recog()")
    run_script(board, b"p.lp_recog_load_weight_data('/sd/plate.bin')")
    found = evaluate(board, "p.lp_recog()")
    features, weights = photo(182, 64)[..., 0].reshape(7, 1664).astype(np.float64), plate_weights().astype(np.float64)
    assert [len(values) for values in found] == list(PLATE_RESULTS)
    for feature, values in zip(features, found, strict=True):
        count = len(values)
        matrix, bias, weights = weights[: 1664 * count], weights[1664 * count : 1665 * count], weights[1665 * count :]
        assert values == pytest.approx(tuple(matrix.reshape(count, 1664) @ feature + bias), rel=1e-3, abs=0.02)
    run_script(board, b"p.deinit()")


# ---- What is refused

ANCHORS = "(1, 1, 2, 2)"
REFUSED = [
    ("kpu.load_kmodel()", "TypeError", "required"),
    ("kpu.load_kmodel(3.5)", "TypeError", "a path, or an offset in the flash and a size"),
    ("kpu.load_kmodel(0x300000)", "TypeError", "a path, or an offset in the flash and a size"),
    ("kpu.load_kmodel(0x1000000, 10)", "ValueError", "offset 0x1000000, size 10 is not within the flash of 16777216"),
    ("kpu.load_kmodel(0xfffff0, 17)", "ValueError", "offset 0xfffff0, size 17 is not within"),
    ("kpu.load_kmodel(-1, 10)", "ValueError", "is not within the flash"),
    ("kpu.load_kmodel(0x300000, 0)", "ValueError", "size 0 is not within the flash"),
    (f"kpu.load_kmodel({ERASED}, 1000)", "ValueError", "erased flash: no model was written there"),
    (f"kpu.load_kmodel({GARBAGE}, 1000)", "ValueError", "not a kmodel"),
    (f"kpu.load_kmodel({LATER}, 1000)", "ValueError", "kmodel version 4 is not supported"),
    (f"kpu.load_kmodel({BROKEN}, 1000)", "ValueError", "layer 0 (K210 convolution): the output ends at byte 100"),
    (f"kpu.load_kmodel({OFFSET}, {len(ECHO) - 20})", "ValueError", f"has {len(ECHO) - 20} bytes, needs {len(ECHO)}"),
    ("kpu.load_kmodel('/sd/short.kmodel')", "ValueError", f"has {len(ECHO) - 40} bytes, needs {len(ECHO)}"),
    ("kpu.load_kmodel('/sd/no.kmodel')", "OSError", "file not found: /sd/no.kmodel"),
    ("kpu.run_with_output('/sd/64x32.png')", "ValueError", "no model is loaded: call load_kmodel() first"),
    ("kpu.regionlayer_yolo2()", "ValueError", "call init_yolo2() first"),
    ("kpu.init_yolo2((1, 2, 3), anchor_num=2)", "ValueError", "anchor has 3 numbers, anchor_num=2 wants 4"),
    ("kpu.init_yolo2()", "TypeError", "required"),
    (f"kpu.init_yolo2({ANCHORS}, 2, threshold=1.5)", "ValueError", "threshold=1.5"),
    (f"kpu.init_yolo2({ANCHORS}, 2, nms_value=-0.1)", "ValueError", "nms_value=-0.1"),
    (f"kpu.init_yolo2({ANCHORS}, 2, net_w=0)", "ValueError", "net_w=0 is not between 1 and 65535"),
    ("kpu.lp_recog_load_weight_data('/sd/echo.kmodel')", "ValueError", "weights of plates have 1498500 bytes"),
    ("image.Image()", "TypeError", "Image() wants a path, or size=(width, height)"),
    ("image.Image('/sd/echo.kmodel')", "ValueError", "is no picture that can be read"),
    ("image.Image(size=(0, 4))", "ValueError", "a size of 0x4 is not between"),
    ("image.Image(size=(4096, 4096))", "MemoryError", ""),
]  # fmt: skip


@pytest.mark.parametrize(("code", "kind", "text"), REFUSED)
def test_refused_without_a_model(board: Board, code: str, kind: str, text: str) -> None:
    run_script(board, b"kpu.deinit()")
    found = error_of(board, code)
    assert found.startswith(kind + " ") and text in found, found


REFUSED_LOADED = [
    ("kpu.run_with_output(5)", "TypeError", "an Image, or the path of a picture"),
    ("kpu.run_with_output('/sd/no.png')", "OSError", "ENOENT"),
    ("kpu.run_with_output('/sd/echo.kmodel')", "ValueError", "/sd/echo.kmodel is no picture"),
    ("kpu.run_with_output(image.Image(size=(64, 32)))", "ValueError", "no AI planes: call its pix_to_ai() first"),
    ("kpu.run_with_output(image.Image(size=(64, 33)).pix_to_ai())", "ValueError", "is 64x33 with 3 channels"),
    (f"kpu.init_yolo2({ANCHORS}, 2, layer_w=4, layer_h=4, classes=3)", "ValueError", "make 256 numbers, the model's"),
    ("kpu.lp_recog()", "ValueError", "no weights of plates"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "kind", "text"), REFUSED_LOADED)
def test_refused_with_a_model(loaded: Board, code: str, kind: str, text: str) -> None:
    found = error_of(loaded, code)
    assert found.startswith(kind + " ") and text in found, found


def test_output_before_a_run(loaded: Board) -> None:
    run_script(loaded, b"kpu.init_yolo2((1, 1) * 128, 128, layer_w=4, layer_h=2, classes=1)")
    assert "call run_with_output() first" in error_of(loaded, "kpu.regionlayer_yolo2()")


def test_a_model_of_floats_takes_no_picture(board: Board) -> None:
    run_script(board, b"kpu.load_kmodel('/sd/floats.kmodel')")
    assert "input is 240 floats, which no image is" in error_of(board, "kpu.run_with_output('/sd/64x32.png')")


def test_a_failed_load_leaves_it_empty_and_usable(loaded: Board) -> None:
    assert "not a kmodel" in error_of(loaded, f"kpu.load_kmodel({GARBAGE}, 1000)")
    assert run_script(loaded, b"print(kpu)") == "KPU(no model)\n"
    assert "no model is loaded" in error_of(loaded, "kpu.run_with_output('/sd/64x32.png')")
    run_script(loaded, f"kpu.load_kmodel({OFFSET}, {len(ECHO)})".encode())
    assert np.array_equal(planes_through(loaded, "'/sd/64x32.png'"), photo(32, 64).transpose(2, 0, 1))


def test_no_room(board: Board) -> None:
    """The numbers are those of the model and of the heap's largest free block."""
    run_script(board, b"kpu.deinit()\ngc.collect()\nhog = []\n")
    fill = b"try:\n    while True: hog.append(bytearray(8192))\nexcept MemoryError: pass\nhog.pop()\n"
    run_script(board, fill)
    found = error_of(board, "kpu.load_kmodel('/sd/plate.kmodel')")
    run_script(board, b"del hog\ngc.collect()")
    kind, text = found.split(" ", 1)
    assert kind == "MemoryError"
    needed, free = (int(word) for word in text.replace(",", "").split() if word.isdigit())
    assert text.startswith("the model (unless streamed=True) needs ") and needed > 58_240 and 8192 <= free < 16_384


# ---- Memory, interruption, company


def test_nothing_is_lost(board: Board) -> None:
    """A hundred times everything, and free memory is equal from the second round on.

    A method call within another call's arguments would leave a reference behind on MicroPython's stack, out of sight of
    the program but not of the collector.
    """
    script = f"""
free = [0] * 100
for round in range(100):
    k = KPU()
    k.load_kmodel({MILD_OFFSET}, {len(MILD)})
    k.init_yolo2((1, 1) * 128, 128, layer_w=4, layer_h=2, classes=1, threshold=0.7)
    k.run_with_output('/sd/64x32.png')
    boxes = k.regionlayer_yolo2()
    if round % 2: k.deinit()
    del k
    gc.collect()
    free[round] = gc.mem_free()
print(len(boxes), len(set(free[1:])))
"""
    found, values = run_script(board, script.encode(), 300).split()
    assert int(found) > 0 and values == "1"


def test_ctrl_c_ends_a_run(loaded: Board) -> None:
    """At any moment; the KPU and its DMA channel are free again."""
    for moment in range(10):
        interrupt(loaded, b"while True: kpu.run_with_output('/sd/64x32.png')\n", 0.02 + 0.0037 * moment)
    assert np.array_equal(planes_through(loaded, "'/sd/64x32.png'"), photo(32, 64).transpose(2, 0, 1))


def test_others_work_meanwhile(loaded: Board) -> None:
    """A thread and a timer go on while a model runs. What would take the model away meanwhile is refused."""
    script = f"""
import _thread, machine
img = image.Image('/sd/64x32.png').pix_to_ai()
seen, refused, running, stop = [0], [0], [False], [False]
def count():
    while not stop[0]:
        seen[0] += running[0]
        time.sleep_us(20)
def meddle(timer):
    for call in (kpu.deinit, lambda: kpu.load_kmodel({OFFSET}, {len(ECHO)}), lambda: kpu.run_with_output(img)):
        try:
            call()
        except OSError as e:
            refused[0] += running[0] and e.errno == 16
_thread.start_new_thread(count, ())
running[0] = True
timer = machine.Timer(period=1, callback=lambda t: meddle(t) if running[0] else None)
for i in range(300):
    try:
        kpu.run_with_output(img)
    except OSError as e:
        assert e.errno == 16  # the timer's function may run on the other thread, and was first
    except ValueError:
        running[0] = False
        kpu.load_kmodel({OFFSET}, {len(ECHO)})
        running[0] = True
running[0] = False
timer.deinit()
stop[0] = True
time.sleep_ms(5)
print(seen[0] > 50, refused[0] > 3, refused[0] % 3)
"""
    assert run_script(loaded, script.encode(), 120).startswith("True True")


def test_loads_within_a_load(board: Board) -> None:
    """A timer's function has its turn while a model is read, and loads or unloads the same object: the load that is
    under way has memory of its own."""
    script = f"""
import machine
seen = [0]
def meddle(timer):
    seen[0] += 1
    if seen[0] % 2:
        kpu.load_kmodel('/sd/echo.kmodel')
    else:
        kpu.deinit()
timer = machine.Timer(period=1, callback=meddle)
for i in range(20):
    kpu.load_kmodel('/sd/plate.kmodel', streamed=i % 2 == 1)
    kpu.load_kmodel({OFFSET}, {len(ECHO)}, streamed=i % 2 == 0)
timer.deinit()
for i in range(20): time.sleep_ms(1)  # what is scheduled has its turn
kpu.load_kmodel({OFFSET}, {len(ECHO)}, streamed=True)
print(seen[0])
"""
    assert int(run_script(board, script.encode(), 300)) > 20
    assert np.array_equal(planes_through(board, "'/sd/64x32.png'"), photo(32, 64).transpose(2, 0, 1))


def test_a_model_that_is_not_found_leaves_the_one_there(loaded: Board) -> None:
    run_script(loaded, b"kpu.run_with_output('/sd/64x32.png')")
    assert "file not found" in error_of(loaded, "kpu.load_kmodel('/sd/no.kmodel')")
    assert f"{len(ECHO)} bytes" in run_script(loaded, b"print(kpu)")


def test_files_from_strangers_do_no_harm(board: Board, tmp_path: Path) -> None:
    """Damaged pictures and models are refused or read; the board lives on."""
    random = np.random.default_rng(1)
    stored = io.BytesIO()
    Image.fromarray(photo(32, 64)).save(stored, "png")
    for source, call in ((stored.getvalue(), "image.Image('/flash/f')"), (ECHO, "kpu.load_kmodel('/flash/f')")):
        for _ in range(12):
            data = bytearray(source)
            for at in random.integers(0, min(len(data), 400), 3):
                data[at] = int(random.integers(0, 256))
            data = data[: int(random.integers(1, min(len(data), 1200) + 1))]
            write = f"with open('/flash/f', 'wb') as f: f.write(binascii.a2b_base64({b64encode(data)!r}))"
            run_script(board, f"import binascii\n{write}".encode())
            found = error_of(board, call)
            assert found == "nothing" or found.split(" ")[0] in ("ValueError", "MemoryError", "OSError"), found
