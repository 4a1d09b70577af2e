"""Camera sensors over SCCB and on their parallel bus, what a camera looks at, and both on a whole board."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from k210kit.board.board import Board
from k210kit.board.core.clock import PS_PER_SECOND, Clock
from k210kit.board.machine import ADDRESS_MAP
from k210kit.board.parts.camera_sensor import BARS, CameraSensor, SensorPins
from k210kit.board.parts.camera_source import CameraSource
from k210kit.board.parts.gc0328 import Gc0328
from k210kit.board.parts.i2c_bus import I2cBus
from k210kit.board.parts.ov2640 import Ov2640
from k210kit.board.parts.ov5640 import Ov5640
from k210kit.errors import K210Error

CHIPS = (Ov2640, Ov5640, Gc0328)


def scene(width: int, height: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


class Bench:
    """A sensor with its pins, its bus, and the frames it has begun."""

    def __init__(self, chip: type[CameraSensor], picture: Any = None, xclk: int = 24_000_000) -> None:
        self.clock, self.starts = Clock(), []  # type: ignore[var-annotated]
        self.pins = SensorPins(xclk_hz=lambda: xclk, vsync=self._vsync)
        self.source = CameraSource(scene(320, 240) if picture is None else picture)
        self.sensor = chip(self.clock, self.source, self.pins)
        self.bus = I2cBus([self.sensor])

    def _vsync(self, level: bool) -> None:
        if level:
            self.starts.append(self.clock.now)

    def write(self, register: int, *values: int) -> bool:
        taken = self.bus.start(self.sensor.address, False)
        for byte in (*register.to_bytes(self.sensor.number_bytes, "big"), *values):
            self.bus.write(byte)
        self.bus.stop()
        return taken

    def read(self, register: int) -> int:
        self.write(register)
        self.bus.start(self.sensor.address, True)
        value = self.bus.read()
        self.bus.stop()
        assert value is not None
        return value

    def table(self, *pairs: tuple[int, int]) -> Bench:
        for register, value in pairs:
            self.write(register, value)
        return self

    def rate(self) -> float:
        """Frames a second."""
        self.clock.advance(PS_PER_SECOND)
        first, second = self.starts[-2:]
        return PS_PER_SECOND / (second - first)

    def data(self) -> np.ndarray:
        """The bytes of the next frame."""
        count = len(self.starts)
        while len(self.starts) == count:
            self.clock.advance(PS_PER_SECOND // 1000)
        assert self.sensor.frame is not None
        return self.sensor.frame.data()


# What drivers set for 320 x 240, RGB565, 24 MHz: size, format, output, as far as the chip's model heeds it.
OV2640_SVGA = (
    (0xFF, 1), (0x12, 0x40), (0x11, 0x00), (0xFF, 0), (0xC0, 0x64), (0xC1, 0x4B), (0x8C, 0), (0x51, 0xC8),
    (0x52, 0x96), (0x53, 0), (0x54, 0), (0x55, 0), (0x57, 0),
)  # fmt: skip
OV2640_QVGA = (*OV2640_SVGA, (0x5A, 80), (0x5B, 60), (0x5C, 0), (0xDA, 0x08), (0x05, 0), (0xE0, 0))
OV5640_QVGA = (
    (0x3034, 0x1A), (0x3035, 0x21), (0x3036, 45), (0x3037, 0x12), (0x3108, 1), (0x3808, 1), (0x3809, 0x40),
    (0x380A, 0), (0x380B, 0xF0), (0x380C, 7), (0x380D, 0x58), (0x380E, 1), (0x380F, 0xF0), (0x3821, 6),
    (0x4300, 0x61), (0x501F, 1), (0x3017, 0x7F), (0x3018, 0xF0),
)  # fmt: skip
GC0328_QVGA = ((0xFE, 0), (0x50, 1), (0x59, 0x22), (0x44, 6), (0xF1, 7), (0xF2, 1))
QVGA = {Ov2640: OV2640_QVGA, Ov5640: OV5640_QVGA, Gc0328: GC0328_QVGA}


def rgb565(rgb: np.ndarray) -> np.ndarray:
    wide = rgb.astype(int)
    return wide[:, :, 0] >> 3 << 11 | wide[:, :, 1] >> 2 << 5 | wide[:, :, 2] >> 3


def words(data: np.ndarray) -> np.ndarray:
    return data[:, 0::2].astype(int) << 8 | data[:, 1::2]


# ---- Registers


def test_product_ids():
    ov2640, ov5640, gc0328 = (Bench(chip) for chip in CHIPS)
    # The sensor's bank is selected after reset.
    assert [ov2640.read(n) for n in (0x0A, 0x0B, 0x1C, 0x1D)] == [0x26, 0x42, 0x7F, 0xA2]
    assert [ov5640.read(n) for n in (0x300A, 0x300B)] == [0x56, 0x40]
    assert gc0328.read(0xF0) == 0x9D
    for bench, register in ((ov2640, 0x0A), (ov5640, 0x300A), (gc0328, 0xF0)):
        before = bench.read(register)
        bench.write(register, before ^ 0xFF)
        assert bench.read(register) == before


def test_ov2640_has_two_banks():
    bench = Bench(Ov2640).table((0xFF, 0), (0x12, 0x34), (0xFF, 1), (0x13, 0x56))
    assert [bench.read(0x12), bench.read(0x13)] == [0x00, 0x56]
    bench.write(0xFF, 0)
    assert [bench.read(0x12), bench.read(0x13)] == [0x34, 0x00]


def test_gc0328_has_two_pages_and_a_shared_part():
    bench = Bench(Gc0328).table((0xFE, 0), (0x20, 1), (0xFE, 1), (0x20, 2), (0xF1, 7))
    assert bench.read(0x20) == 2
    bench.write(0xFE, 0)
    assert (bench.read(0x20), bench.read(0xF1), bench.read(0xF0)) == (1, 7, 0x9D)


def test_ov5640_counts_registers_up():
    bench = Bench(Ov5640)
    bench.write(0x3808, 1, 2, 3)
    assert [bench.read(0x3808 + n) for n in range(3)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("chip", "reset", "register"),
    [(Ov2640, (0x12, 0x80), 0x11), (Ov5640, (0x3008, 0x82), 0x3036), (Gc0328, (0xFE, 0x80), 0x44)],
)
def test_soft_reset(chip, reset, register):
    bench = Bench(chip)
    before = bench.read(register)
    bench.write(register, before ^ 0x0F)
    bench.write(*reset)
    assert bench.read(register) == before
    if chip is Ov5640:
        assert bench.read(0x3008) == 0x02, "the bit clears itself"


@pytest.mark.parametrize("chip", CHIPS)
def test_pins_silence_it(chip):
    bench = Bench(chip).table(*QVGA[chip])
    register, value = QVGA[chip][-1]
    for pin, level in ((bench.pins.power_down, True), (bench.pins.xclk, False)):
        pin.set(level)
        assert not bench.write(register, value)
        count = len(bench.starts)
        bench.clock.advance(PS_PER_SECOND)
        assert (len(bench.starts), bench.sensor.frame) == (count, None)
        pin.set(not level)
        assert bench.read(register) == value, "registers stay"
        bench.clock.advance(PS_PER_SECOND)
        assert len(bench.starts) > count
    bench.pins.reset.set(False)
    assert not bench.write(register, value)
    bench.pins.reset.set(True)
    assert bench.sensor.picture() == Bench(chip).sensor.picture(), "registers are as after power-on"


@pytest.mark.parametrize(
    ("chip", "asleep", "awake"),
    [
        (Ov2640, [(0xFF, 1), (0x09, 0x10)], [(0x09, 0)]),
        (Ov5640, [(0x3008, 0x42)], [(0x3008, 0x02)]),
        (Gc0328, [(0xF1, 0)], [(0xF1, 7)]),
    ],
)
def test_registers_stop_and_start_the_stream(chip, asleep, awake):
    bench = Bench(chip).table(*QVGA[chip])
    assert bench.rate() > 20
    bench.table(*asleep)
    count = len(bench.starts)
    bench.clock.advance(PS_PER_SECOND)
    assert len(bench.starts) == count
    bench.table(*awake)
    assert bench.rate() > 20


# ---- Time


@pytest.mark.parametrize(
    ("chip", "settings", "xclk", "rate"),
    [
        (Ov2640, [(0x12, 0x00), (0x11, 0x00)], 36_000_000, 15.0),  # the datasheet's figures
        (Ov2640, OV2640_SVGA, 24_000_000, 30.0),
        (Ov2640, [*OV2640_SVGA, (0xFF, 1), (0x11, 0x01)], 24_000_000, 15.0),
        (Ov2640, [*OV2640_SVGA, (0xFF, 1), (0x11, 0x81)], 24_000_000, 30.0),
        (Ov2640, [*OV2640_SVGA, (0xFF, 1), (0x46, 0xA0), (0x47, 0x02)], 24_000_000, 15.0),
        (Ov5640, OV5640_QVGA, 24_000_000, 24e6 / 2 * 45 / 2 / 2 / 2.5 / 2 / 1880 / 496),
        (Gc0328, GC0328_QVGA, 24_000_000, 24e6 / 2 / (640 + 16 + 0x6A) / (480 + 16 + 12)),
    ],
)
def test_frame_rates(chip, settings, xclk, rate):
    bench = Bench(chip, xclk=xclk).table(*settings)
    assert bench.rate() == pytest.approx(rate, rel=0.01)


@pytest.mark.parametrize("chip", CHIPS)
def test_all_lines_lie_between_two_vsyncs(chip):
    bench = Bench(chip).table(*QVGA[chip])
    period = PS_PER_SECOND / bench.rate()
    frame = bench.sensor.frame
    assert frame is not None
    assert frame.lines == 240
    assert 0 < frame.first_line < frame.first_line + frame.lines * frame.line_time < period


# ---- Pictures


@pytest.mark.parametrize("chip", CHIPS)
def test_a_picture_of_the_frames_size_comes_as_it_is(chip):
    picture = scene(320, 240)
    bench = Bench(chip, picture).table(*QVGA[chip])
    assert (words(bench.data()) == rgb565(picture)).all()


@pytest.mark.parametrize(
    ("chip", "mirror", "flip"),
    [
        (Ov2640, [(0xFF, 1), (0x04, 0xA0)], [(0xFF, 1), (0x04, 0x60)]),
        # Its array sees mirrored: clear bits leave that, set ones undo it.
        (Ov5640, [(0x3821, 0)], [(0x3820, 6)]),
        (Gc0328, [(0x17, 0x15)], [(0x17, 0x16)]),
    ],
)
def test_mirror_and_flip(chip, mirror, flip):
    picture = scene(320, 240)
    expected = rgb565(picture)
    assert (words(Bench(chip, picture).table(*QVGA[chip], *mirror).data()) == expected[:, ::-1]).all()
    assert (words(Bench(chip, picture).table(*QVGA[chip], *flip).data()) == expected[::-1]).all()


@pytest.mark.parametrize(
    ("chip", "swapped"), [(Ov2640, [(0xFF, 0), (0xDA, 0x09)]), (Ov5640, [(0x4300, 0x6F)])]
)  # fmt: skip
def test_rgb565_low_byte_first(chip, swapped):
    picture = scene(320, 240)
    data = Bench(chip, picture).table(*QVGA[chip], *swapped).data()
    assert (words(data[:, [n ^ 1 for n in range(640)]]) == rgb565(picture)).all()


@pytest.mark.parametrize(
    ("chip", "settings", "order"),
    [
        (Ov2640, [(0xFF, 0), (0xDA, 0)], "YUYV"),
        (Ov2640, [(0xFF, 0), (0xDA, 1)], "UYVY"),
        (Ov2640, [(0xFF, 0), (0xDA, 1), (0xC2, 0x1C)], "VYUY"),
        (Ov5640, [(0x501F, 0), (0x4300, 0x30)], "YUYV"),
        (Ov5640, [(0x501F, 0), (0x4300, 0x31)], "YVYU"),
        (Ov5640, [(0x501F, 0), (0x4300, 0x3F)], "UYVY"),
        (Gc0328, [(0x44, 0)], "UYVY"),
        (Gc0328, [(0x44, 1)], "VYUY"),
        (Gc0328, [(0x44, 2)], "YUYV"),
    ],
)
def test_yuv422_orders(chip, settings, order):
    red = np.zeros((240, 320, 3), np.uint8)
    red[:, :, 0] = 255
    data = Bench(chip, red).table(*QVGA[chip], *settings).data()
    assert data[7, :4].tolist() == [{"Y": 76, "U": 85, "V": 255}[letter] for letter in order]


def test_ov2640_sizes_and_zoom():
    picture = scene(800, 600)
    bench = Bench(Ov2640, picture).table(*OV2640_QVGA, (0xFF, 0), (0x5A, 200), (0x5B, 150))
    assert (words(bench.data()) == rgb565(picture)).all()
    # A window of 320 x 240 at (80, 60), not scaled.
    bench.table((0x51, 80), (0x52, 60), (0x53, 80), (0x54, 60), (0x5A, 80), (0x5B, 60))
    close = np.abs((words(bench.data()) >> 11) - (rgb565(picture)[60:300, 80:400] >> 11))
    assert close.max() <= 1
    bench.table((0x5A, 0x90), (0x5B, 0x2C), (0x5C, 0x05), (0x51, 200), (0x52, 150), (0x53, 0), (0x54, 0))
    assert bench.data().shape == (0x12C * 4, 2 * 0x190 * 4), "UXGA"


def test_gc0328_crops_after_subsampling():
    picture = scene(320, 240)
    bench = Bench(Gc0328, picture).table(
        *GC0328_QVGA, (0x52, 24), (0x54, 32), (0x55, 0), (0x56, 120), (0x57, 0), (0x58, 160)
    )
    assert bench.data().shape == (120, 320)
    assert (np.abs((words(bench.data()) >> 11) - (rgb565(picture)[24:144, 32:192] >> 11)) <= 1).all()
    assert Bench(Gc0328, picture).table(*GC0328_QVGA, (0x50, 0)).data().shape == (480, 1280)


def test_colour_bars():
    bench = Bench(Ov2640).table(*OV2640_QVGA, (0xFF, 1), (0x12, 0x42))
    row = words(bench.data())[100]
    assert [row[n] for n in range(20, 320, 40)] == rgb565(np.array([BARS], np.uint8))[0].tolist()


@pytest.mark.parametrize(
    ("chip", "settings"), [(Ov2640, [(0xFF, 0), (0xDA, 0x10)]), (Ov2640, [(0xFF, 0), (5, 1)]), (Ov5640, [(0x4300, 0)])]
)  # fmt: skip
def test_formats_that_are_not_modelled_are_told(chip, settings, caplog):
    with caplog.at_level("INFO", "k210kit.board"):
        assert not Bench(chip).table(*QVGA[chip], *settings).data().any()
    assert f"{chip.name}: the format" in caplog.text


@pytest.mark.parametrize("chip", CHIPS)
def test_random_settings_do_no_harm(chip):
    bench, chance = Bench(chip, scene(16, 12)), random.Random(5)
    shapes = set()
    for _ in range(2_000):
        bench.write(chance.choice(QVGA[chip])[0], chance.getrandbits(8))
        bench.write(
            chance.randrange(256) if chip is not Ov5640 else 0x3800 + chance.randrange(64), chance.getrandbits(8)
        )
        bench.clock.advance(chance.randrange(PS_PER_SECOND // 100))
        if bench.sensor.frame is not None and chance.random() < 0.01 and bench.sensor.picture().width < 1000:
            shapes.add(bench.sensor.frame.data().shape)
    assert shapes or chip is not Ov2640


# ---- What the camera looks at


def test_a_folders_pictures_come_in_turn_and_again(tmp_path):
    for number, name in enumerate(("b.png", "a.bmp", "c.JPG")):
        Image.new("RGB", (8, 8), (60 * number, 0, 0)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    source = CameraSource(tmp_path)
    assert len(source) == 3
    assert [int(source.take(8, 8)[0, 0, 0]) for _ in range(4)] == [60, 0, pytest.approx(120, abs=3), 60]


def test_an_animations_pictures_come_in_turn(tmp_path):
    shots = [Image.new("RGB", (8, 8), (0, level, 0)) for level in (10, 200)]
    shots[0].save(tmp_path / "x.gif", save_all=True, append_images=shots[1:])
    source = CameraSource(tmp_path / "x.gif")
    assert [int(source.take(8, 8)[0, 0, 1]) for _ in range(3)] == [10, 200, 10]


def test_a_picture_of_another_shape_is_cut_at_the_centre():
    wide = np.zeros((100, 300, 3), np.uint8)
    wide[:, 100:200] = 255
    for picture in (wide, wide.transpose(1, 0, 2)):
        found = CameraSource(picture).take(50, 50)
        assert (found[4:-4, 4:-4] == 255).all()
        assert found.min() > 100, "the filter sees a little of what is cut off"


def test_a_photo_is_turned_as_it_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 3
    photo = scene(8, 8)
    Image.fromarray(photo).save(tmp_path / "x.png", exif=exif)
    assert (CameraSource(tmp_path / "x.png").take(8, 8) == photo[::-1, ::-1]).all()


def test_pictures_that_cannot_be_used(tmp_path):
    (tmp_path / "x.png").write_text("no picture")
    for bad, words_of in (
        (tmp_path / "none.png", "No such file"),
        (tmp_path / "x.png", "this is no picture"),
        (Path(__file__).parent, "no picture in this folder"),
        (np.zeros((4, 4), np.uint8), "shape"),
        (np.zeros((4, 4, 3), np.float32), "uint8"),
        ([], "no picture"),
    ):
        with pytest.raises(K210Error, match=words_of):
            CameraSource(bad)
    Image.new("RGB", (64, 64)).save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:-30])
    with pytest.raises(K210Error, match=r"cut\.png"):
        CameraSource(tmp_path / "cut.png").take(8, 8)


# ---- On a board

FUNCTIONS = {"xclk": 132, "reset": 133, "power_down": 134, "vsync": 135, "href": 136, "pclk": 137}
SYSCTL_MISC, PLIC_PENDING = ADDRESS_MAP["sysctl"] + 0x54, ADDRESS_MAP["plic"] + 0x1000


class Firmware:
    """What a driver does, from Python over the bus."""

    def __init__(self, board: Board) -> None:
        self.board, self.pads = board, board.profile.camera
        board.run(0.001)  # power-on resets all

    def set(self, device: str, offset: int, value: int) -> None:
        self.board.machine.write_register(ADDRESS_MAP[device] + offset, 4, value)

    def get(self, device: str, offset: int) -> int:
        return self.board.machine.read_register(ADDRESS_MAP[device] + offset, 4)

    def route(self, *leave_out: str) -> None:
        for name, function in {**FUNCTIONS, "sccb_sclk": 146, "sccb_sda": 147}.items():
            if name not in leave_out:
                output = 0x1F00 if name in ("xclk", "reset", "power_down") else 0
                self.set("fpioa", 4 * getattr(self.pads, name), function | output | 1 << 20)

    def start(self) -> None:
        self.set("sysctl", 0x54, 1 << 10)
        self.set("dvp", 0x10, 1 << 16 | 1 << 8)

    def sccb(self, number_bytes: int, device: int, register: int, value: int | None = None) -> int:
        packed = list(register.to_bytes(number_bytes, "big")) + ([] if value is None else [value])
        self.set("dvp", 0x14, len(packed) | 0x10 << 8 | 0x10 << 16)
        self._transfer(device << 1 | 1 | int.from_bytes(bytes(packed), "little") << 8)
        if value is None:
            self._transfer(device << 1)
        return self.get("dvp", 0x14) >> 24

    def _transfer(self, control: int) -> None:
        self.set("dvp", 0x18, control)
        self.set("dvp", 0x20, 3 << 24)
        self.board.run(0.001)
        assert not self.get("dvp", 0x20) >> 24 & 1

    def capture(self, width: int, height: int, address: int) -> bool:
        """One frame to the display output; whether it came within 0.2 s."""
        self.set("dvp", 0x28, address)
        self.set("dvp", 0x00, height << 20 | width // 8 << 12 | 0xA)
        self.set("dvp", 0x20, 3 << 16 | 3 << 8 | 3)
        self.board.run(0.2)
        return bool(self.get("dvp", 0x20) >> 8 & 1)


@pytest.mark.parametrize(("profile", "sensor"), [("maix_dock", None), ("kd233", None), ("maix_dock", "gc0328")])
def test_a_frame_reaches_memory_and_its_interrupt_the_plic(profile, sensor):
    picture = scene(320, 240)
    with Board(board=profile, camera=picture, sensor=sensor) as board:
        firmware = Firmware(board)
        firmware.route()
        firmware.start()
        board.run(0.01)
        chip = board.camera.sensor
        for register, value in QVGA[type(chip)]:
            firmware.sccb(chip.number_bytes, chip.address, register, value)
        if type(chip) is Ov5640:
            assert firmware.sccb(2, 0x3C, 0x300A) == 0x56
        assert firmware.capture(320, 240, 0x8060_0000), "into AI RAM"
        assert board.machine.read_register(PLIC_PENDING, 4) >> 24 & 1
        found = np.frombuffer(board.machine.read(0x4060_0000, 320 * 240 * 2), "<u2").reshape(240, 160, 2)
        assert (found[:, :, ::-1].reshape(240, 320) == rgb565(picture)).all()
        # Without the shared data pins the bytes are not seen.
        firmware.set("sysctl", 0x54, 0)
        assert firmware.capture(320, 240, 0x8060_0000)
        assert not any(board.machine.read(0x8060_0000, 320 * 240 * 2))


@pytest.mark.parametrize(("missing", "started"), [("href", True), ("pclk", True), ("vsync", False), ("xclk", False)])
def test_without_a_wire_no_frame_comes(missing, started):
    with Board(camera=scene(320, 240)) as board:
        firmware = Firmware(board)
        firmware.route(missing)
        firmware.start()
        assert not firmware.capture(320, 240, 0x8000_0000)
        assert bool(firmware.get("dvp", 0x20) & 1) == started


def test_reset_and_power_down_pins_reach_the_sensor():
    with Board(camera=scene(320, 240)) as board:
        firmware, chip = Firmware(board), board.camera.sensor
        assert not chip.awake, "no clock"
        firmware.route()
        assert not chip.awake, "held in reset"
        firmware.start()
        assert chip.awake
        firmware.set("dvp", 0x10, 1 << 24 | 1 << 16 | 1 << 8)
        assert not chip.awake
        assert firmware.sccb(1, 0x30, 0x0A) == 0xFF
        firmware.set("dvp", 0x10, 1 << 16 | 1 << 8)
        assert firmware.sccb(1, 0x30, 0x0A) == 0x26


def test_the_sensor_forgets_with_the_power_and_not_with_the_chips_reset():
    with Board(camera=scene(320, 240)) as board:
        firmware = Firmware(board)
        for end, kept in ((board.reset, 0x40), (board.power_cycle, 0x00)):
            firmware.route()
            firmware.start()
            firmware.sccb(1, 0x30, 0x11, 0x40)
            end()
            board.run(0.001)
            assert not board.camera.sensor.awake
            firmware.set("dvp", 0x10, 1 << 16 | 1 << 8)
            firmware.route()  # now, so that its reset pin does not go low
            assert firmware.sccb(1, 0x30, 0x11) == kept


def test_settings_for_frames_without_length_do_not_stall():
    bench = Bench(Ov5640).table(*OV5640_QVGA, (0x380C, 0), (0x380D, 0), (0x380E, 0), (0x380F, 0), (0x3036, 0xFF))
    count = len(bench.starts)
    bench.clock.advance(PS_PER_SECOND // 10)
    assert len(bench.starts) - count <= 101


def test_without_a_camera_nobody_answers():
    with Board() as board:
        firmware = Firmware(board)
        firmware.route()
        firmware.start()
        assert firmware.sccb(1, 0x30, 0x0A) == 0xFF
        assert not firmware.capture(320, 240, 0x8000_0000)
        assert not firmware.get("dvp", 0x20) & 1


def test_an_unknown_sensor():
    with pytest.raises(K210Error, match="known are ov2640, ov5640, gc0328"):
        Board(camera=scene(8, 8), sensor="retina")
