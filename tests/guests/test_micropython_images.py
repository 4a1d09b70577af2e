"""MicroPython ports and boot loaders that others released run on the virtual board as they do on theirs.

K210_GUESTS names a folder whose `prebuilt/` holds the images as their authors published them (FAMILY/FILE). Without it,
or without an image in it, the test is skipped. A picture is checked by the shares of its colours.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from k210kit.board.board import Board
from k210kit.board.core.clock import PS_PER_SECOND
from k210kit.images.header import wrap

pytestmark = pytest.mark.slow

Colour = tuple[int, int, int]
Shares = dict[Colour, tuple[float, float]]
"""For each colour the least and the greatest share of the picture."""

PROMPT = ">>> "
BLACK, WHITE, RED = (0, 0, 0), (255, 255, 255), (255, 0, 0)
WELCOME: Shares = {RED: (0.9, 1.0)}
LOGO: Shares = {BLACK: (0.8, 0.97), WHITE: (0.03, 0.2)}
FORMAT = ("erase Flash", b"F\r")
"""LoBo's question when its file system is not there, and the answer that formats it."""
NO_CAMERA = "Camera not found"


def image(name: str) -> Path:
    root = os.environ.get("K210_GUESTS")
    if not root:
        pytest.skip("K210_GUESTS is not set: it names the folder with images that others released")
    path = Path(root) / "prebuilt" / name
    if not path.exists():
        pytest.skip(f"K210_GUESTS has no prebuilt/{name}")
    return path


def shares_fit(board: Board, shares: Shares) -> bool:
    picture = board.lcd.image()
    found = {colour: count for count, colour in picture.getcolors(1 << 20)}
    size = picture.width * picture.height
    return all(low <= found.get(colour, 0) / size <= high for colour, (low, high) in shares.items())


def await_picture(board: Board, shares: Shares, seconds: float) -> None:
    """Run until the panel shows it, looking every 20 ms."""
    for _ in range(round(seconds / 0.02)):
        if shares_fit(board, shares):
            return
        board.run(0.02)
    most = sorted(board.lcd.image().getcolors(1 << 20), reverse=True)[:4]
    pytest.fail(f"the panel does not show {shares} within {seconds:g} s; most frequent colours: {most}")


def ask(board: Board, line: str, seconds: float = 5.0) -> str:
    """What the REPL answers to one line."""
    board.send(line.encode() + b"\r")
    board.run_until(line, seconds)
    return board.run_until(PROMPT, seconds).decode(errors="replace").removesuffix(PROMPT).strip()


@dataclass(frozen=True)
class Repl:
    """An image with a REPL: the question it asks first, if any, its banner, and its picture."""

    image: str
    banner: str
    board: str = "maix_dock"
    question: tuple[str, bytes] | None = None
    picture: Shares | None = None
    answers: tuple[tuple[str, str], ...] = ()


LOBO_ANSWERS = (
    ("import os; os.listdir('/')", "['flash']"),
    ("import machine; machine.freq()", "(494000000, 988000000)"),
)
KFPKG_ANSWERS = (("import os; os.listdir('/flash')", "['boot.py', 'examples', 'fonts', 'lib', 'www']"),)
MAIX = "Sipeed_M1 with kendryte-k210"

REPLS = (
    Repl("lobo/base.bin", "MicroPython-FreeRTOS by LoBo v1.12.02", question=FORMAT, answers=LOBO_ANSWERS),
    Repl("lobo/sqlite.bin", "MicroPython-FreeRTOS by LoBo v1.12.02", question=FORMAT, answers=LOBO_ANSWERS),
    Repl("lobo/twotasks.bin", "LoBo v1.12.02 (two MPY tasks)", question=FORMAT, answers=LOBO_ANSWERS),
    Repl("lobo/base.kfpkg", "MicroPython-FreeRTOS by LoBo v1.12.02", answers=KFPKG_ANSWERS),
    Repl("lobo/ota.kfpkg", "OTA used: loaded firmware from 0x00010000", answers=KFPKG_ANSWERS),
    Repl("lobo/robert-hh_sipeedm1.kfpkg", "MicroPython 0776ef6b1-dirty on 2019-01-28"),
    Repl("maixpy/amigo_v0.5.1-92.bin", MAIX),
    Repl("maixpy/amigo_v0.5.1-92_lvgl.bin", MAIX),
    Repl("maixpy/formatcom_maixpy.bin", MAIX),
    Repl("maixpy/lilygo_m1_v0.6.2-35_g59a21b849.bin", MAIX),
    Repl("maixpy/lilygo_twatch_v0.6.2-75-g973361c0d-dirty.bin", "MicroPython v0.6.2-75"),
    Repl("maixpy/lilygo_v0.6.2_83_gf0280db50_minimum_speech_with_ide_support.bin", MAIX, picture=WELCOME),
    Repl("maixpy/liyang8246_maixpy.bin", MAIX, picture=WELCOME),
    Repl("maixpy/m5stickv_v0.6.2-16.bin", MAIX),
    Repl("maixpy/shtsno24_dae_m5stickv_maixpy.bin", MAIX),
    Repl("maixpy/shtsno24_maixpy.bin", MAIX),
    Repl("maixpy/twatch_v0.5.0-42.bin", "MicroPython"),
    Repl("maixpy/uyanki_v0.6.2_84.bin", MAIX, picture=WELCOME),
    Repl("maixpy/uyanki_v0.6.2_84_minimum_with_ide_support.bin", MAIX, picture=WELCOME),
    Repl("maixpy/uyanki_v0.6.2_84_openmv_kmodel_v4_with_ide_support.bin", MAIX, picture=WELCOME),
    Repl("maixpy/uyanki_v0.6.2_84_with_lvgl.bin", MAIX, picture=WELCOME),
    Repl("maixpy/v0.6.2_72_openmv_kmodel_v4_with_ide_support.bin", MAIX, picture=WELCOME),
    Repl("maixpy/v0.6.2_72_with_lvgl.bin", MAIX, picture=WELCOME),
    Repl("maixpy/v0.6.2_84_minimum.bin", MAIX, picture=WELCOME),
    Repl("maixpy/v0.6.3_2_gd8901fd22.bin", MAIX, picture=WELCOME),
    Repl("maixpy/v0.6.3_2_gd8901fd22_with_lvgl.bin", MAIX, picture=WELCOME),
    Repl("maixpy/yuexi_maixpy.bin", MAIX),
    Repl("maixpy/yuexi_maixpy01.bin", MAIX),
    Repl(
        "canmv/canmv_lite_v1.0.7.bin",
        "CanMV_Board with kendryte-k210",
        board="canmv",
        picture={(0, 81, 140): (0.9, 1.0), WHITE: (0.005, 0.05)},  # (0, 81, 137) in its start script, as RGB565
    ),
)


@pytest.mark.parametrize("guest", REPLS, ids=lambda guest: guest.image)
def test_repl(guest: Repl) -> None:
    with Board(image(guest.image), board=guest.board) as board:
        if guest.question is not None:
            board.run_until(guest.question[0], 5)
            board.run(0.2)
            board.send(guest.question[1])
        assert guest.banner in board.run_until(PROMPT, 60).decode(errors="replace")
        assert ask(board, "print(1+1)") == "2"
        for line, answer in guest.answers:
            assert ask(board, line) == answer
        if guest.picture is not None:
            await_picture(board, guest.picture, 0.5)


@pytest.mark.parametrize("name", ("m5stickv_v0.6.2-16", "shtsno24_dae_m5stickv_maixpy", "shtsno24_maixpy"))
def test_m5stickv_finds_its_power_chip_and_panel(name: str) -> None:
    """Its start script goes on to the panel only when the power chip answers (and then asks for the camera)."""
    with Board(image(f"maixpy/{name}.bin"), board="m5stickv") as board:
        seen = board.run_until("init i2c", 60)
        assert b"NotFoundError" not in seen and b"Traceback" not in seen
        await_picture(board, {BLACK: (0.8, 0.97), WHITE: (0.005, 0.1), RED: (0.03, 0.15)}, 1)


def test_second_start_finds_the_formatted_file_system(tmp_path: Path) -> None:
    name, flash = image("maixpy/v0.6.2_84_minimum.bin"), tmp_path / "flash.bin"
    with Board(name, flash_image=flash) as board:
        assert b"Spiffs Formating" in board.run_until(PROMPT, 60)
        assert ask(board, "f = open('/flash/x.txt', 'w'); f.write('kept'); f.close()", 20) == "4"
    with Board(flash_image=flash) as board:
        assert b"Spiffs Formating" not in board.run_until(PROMPT, 10)
        assert ask(board, "print(open('/flash/x.txt').read())") == "kept"


def test_maixpy_uses_card_panel_timers_and_pins(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("print('main.py of the card')\n")
    with Board(image("maixpy/v0.6.3_2_gd8901fd22.bin"), sd=tmp_path) as board:
        assert b"main.py of the card" in board.run_until(PROMPT, 60)
        assert ask(board, "import os; print(os.listdir('/sd'))") == "['main.py']"
        ask(board, "f = open('/sd/new', 'w'); f.write('x' * 5000); f.close()")
        assert ask(board, "print(os.stat('/sd/new')[6])") == "5000"
        ask(board, "import lcd, time; lcd.init(); lcd.clear((0, 0, 255))")
        await_picture(board, {(0, 0, 255): (1.0, 1.0)}, 0.2)
        ask(board, "from machine import Timer, PWM, I2C; n = []")
        ask(board, "t = Timer(Timer.TIMER0, Timer.CHANNEL0, mode=Timer.MODE_PERIODIC, period=10, callback=n.append)")
        assert ask(board, "time.sleep_ms(1000); t.stop(); print(99 <= len(n) <= 101)") == "True"
        ask(board, "w = Timer(Timer.TIMER1, Timer.CHANNEL0, mode=Timer.MODE_PWM)")
        ask(board, "p = PWM(w, freq=1000, duty=25, pin=13)")
        edges: list[tuple[int, bool]] = []
        board.machine.fpioa.pads[13].line.listen(lambda level: edges.append((board.machine.clock.now, level)))
        board.run(0.01)
        high = [after[0] - before[0] for before, after in pairwise(edges) if before[1]]
        assert high and all(abs(width / PS_PER_SECOND - 250e-6) < 1e-6 for width in high)
        assert ask(board, "print(I2C(I2C.I2C0, freq=100000, scl=30, sda=31).scan())") == "[]"
        ask(board, "from fpioa_manager import fm; from Maix import GPIO; fm.register(15, fm.fpioa.GPIOHS1)")
        ask(board, "k = GPIO(GPIO.GPIOHS1, GPIO.IN, GPIO.PULL_UP); k.irq(lambda p: print('edge'), GPIO.IRQ_FALLING)")
        board.machine.fpioa.pads[15].drive(False, "test")
        board.run_until("edge", 1)
        assert ask(board, "print(k.value())") == "0"
        line = "import ubinascii, uhashlib; print(ubinascii.hexlify(uhashlib.sha256(b'abc').digest()))"
        assert ask(board, line) == "b'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'"
        board.send(b"import machine; machine.reset()\r")
        assert b"main.py of the card" in board.run_until("main.py of the card", 10)


# ---- The camera

PHOTO = Path(__file__).resolve().parents[3] / "shared/data/photos/dog_320x240.png"


def difference(board: Board, grey: bool = False) -> float:
    """Mean distance of the panel's picture from the photo, turned as the sensor's bits say."""
    photo = Image.open(PHOTO).convert("RGB")
    expected = np.asarray(photo.convert("L").convert("RGB") if grey else photo).astype(int)
    assert board.camera is not None
    asked = board.camera.sensor.picture()
    expected = expected[:: -1 if asked.flip else 1, :: -1 if asked.mirror else 1]
    return float(np.abs(np.asarray(board.lcd.image()).astype(int) - expected).mean())


@pytest.mark.parametrize(("chip", "number"), [("ov2640", 0x2642), ("ov5640", 0x5640), ("gc0328", 0x9D)])
def test_canmv_finds_each_sensor_and_takes_pictures(chip: str, number: int) -> None:
    """Its drivers speak to the sensors over I2C2, and have all but the OV5640 send YUV422."""
    if not PHOTO.exists():
        pytest.skip(f"{PHOTO} is not there")
    with Board(image("canmv/canmv_lite_v1.0.7.bin"), board="canmv", camera=PHOTO, sensor=chip) as board:
        board.run_until(PROMPT, 60)
        ask(board, "import sensor, lcd; lcd.init()")
        assert f"find {chip}" in ask(board, "sensor.reset()", 20)
        ask(board, "sensor.set_pixformat(sensor.RGB565); sensor.set_framesize(sensor.QVGA); sensor.run(1)", 20)
        assert ask(board, "print(sensor.get_id())") == str(number)
        ask(board, "lcd.display(sensor.snapshot())")
        board.run(0.1)
        assert difference(board) < 8
        ask(board, "sensor.set_pixformat(sensor.GRAYSCALE); sensor.skip_frames(3); lcd.display(sensor.snapshot())", 20)
        board.run(0.1)
        assert difference(board, grey=True) < 8
        assert difference(board) > 12


# ---- Krux and Kboot

KRUX = {
    "amigo": "amigo",
    "cube": "cube",
    "dock": "maix_dock",
    "embed_fire": "embed_fire",
    "m5stickv": "m5stickv",
    "tzt": "tzt",
    "wonder_k": "wonder_k",
    "wonder_mv": "wonder_mv",
    "yahboom": "yahboom",
}


@pytest.mark.parametrize("kind", ("firmware.bin", "kboot.kfpkg"))
@pytest.mark.parametrize("device", KRUX)
def test_krux_shows_its_logo_and_menu(device: str, kind: str) -> None:
    with Board(image(f"krux/{device}.{kind}"), board=KRUX[device]) as board:
        if kind == "kboot.kfpkg":
            board.run_until("App ok, ACTIVE", 5)
            board.run_until("* Starting at 0x80000000", 5)
        board.run_until("[MAIXPY] Flash:0xef:0x17", 60)
        await_picture(board, LOGO, 3)
        logo = board.lcd.image()
        board.run_until(NO_CAMERA, 10)
        board.run(1)
        assert board.lcd.visible
        assert board.lcd.image().tobytes() != logo.tobytes()


def test_kboot_without_an_application() -> None:
    with Board(image("kboot/kboot.kfpkg")) as board:
        text = board.run_until("SYSTEM HALTED", 2).decode()
        assert "K210 bootloader by LoBo v.1.4.1" in text
        assert "1: '    MicroPython', @ 0x00080000, size=1744896, App CHECK failed" in text


def test_kboot_menu_by_boot_pin() -> None:
    with Board(image("krux/old_bit.kboot.kfpkg"), board="maix_bit") as board:
        board.machine.fpioa.pads[18].drive(False, "test")
        board.run_until("Select the application number to load [ 0, d=default ] ? ", 2)
        board.send(b"0")
        board.run_until("* Starting at 0x80000000", 5)


def test_kboot_starts_micropython() -> None:
    packed = wrap(image("kboot/MicroPython.bin").read_bytes())
    with Board(image("kboot/kboot.kfpkg"), flash={0x80000: packed}) as board:
        board.run_until("App ok, ACTIVE", 2)
        board.run_until("erase Flash", 5)
        board.run(0.2)
        board.send(b"F\r")
        assert b"LoBo v1.11.12" in board.run_until(PROMPT, 10)
        assert ask(board, "print(1+1)") == "2"
