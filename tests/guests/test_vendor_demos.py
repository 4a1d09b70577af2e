"""Images that others wrote give on the virtual board what their sources promise.

The environment variable K210_GUESTS names a folder with `demos/` (the vendor's kendryte-standalone-demo, built) and
`prebuilt/` (images as their authors published them). Without it, or without an image in it, the test is skipped.
"""

from __future__ import annotations

import logging
import os
import re
import wave
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from k210kit import kmodel
from k210kit.board.board import Board
from k210kit.board.core.clock import PS_PER_SECOND, Clock
from k210kit.board.parts.i2c_bus import I2cPart
from k210kit.kmodel.picture import through_rgb565
from k210kit.kmodel.yolo2 import Detection, Yolo2

pytestmark = pytest.mark.slow
CMD_OFF, CMD_ON = bytes.fromhex("55aa55555555"), bytes.fromhex("55aaaaaaaaaa")
SINE_RATE = 44100


def image(name: str) -> Path:
    root = os.environ.get("K210_GUESTS")
    if not root:
        pytest.skip("K210_GUESTS is not set: it names the folder with images that others wrote")
    path = Path(root) / name
    if not path.exists():
        pytest.skip(f"K210_GUESTS has no {name}")
    return path


def demo(name: str, **options: object) -> Board:
    return Board(image(f"demos/{name}.bin"), **options)  # type: ignore[arg-type]


def text(board: Board) -> str:
    return board.output.decode(errors="replace")


def edges(board: Board, pad: int) -> list[tuple[float, bool]]:
    """Every later change of a pad: virtual seconds and level."""
    seen: list[tuple[float, bool]] = []
    board.machine.fpioa.pads[pad].line.listen(lambda level: seen.append((board.now, level)))
    return seen


# ---- Text on the console


@dataclass(frozen=True)
class Guest:
    """An image, how it is wired, and the texts that must come in this order within `seconds`."""

    image: str
    expect: tuple[str, ...]
    seconds: float = 3.0
    board: str = "maix_dock"
    files: dict[str, bytes] = field(default_factory=dict)
    has_card: bool = False
    absent: tuple[str, ...] = ()


def aes(bits: int) -> tuple[str, ...]:
    lines = []
    for mode in ("ecb", "cbc", "gcm"):
        lines += [f"[aes-{mode}-{bits}] test all {part} ..." for part in ("byte", "key", "iv")]
        lines.append(f"[aes-{mode}-{bits}] [1029 bytes] cpu time =")
    return (*lines, f"aes-{bits} test pass")


SHA_LINES = (
    "ba7816bf 8f01cfea 414140de 5dae2223 b00361a3 96177a9c b410ff61 f20015ad",  # "abc", FIPS 180
    "cdc76e5c 9914fb92 81a1c7e2 84d73e67 f1809a48 a497200e 046d39cc c7112cd0",  # a million times "a"
    "SHA256_TEST _TEST_PASS_",
)
FLASH_READS = tuple(
    f"{kind} test start"
    for kind in ("standard read", "standard fast read", "dual read", "quad read", "dual fast read", "quad fast read")
)
CARD = ("sd init 0", "CardBlockSize:512", "mount sdcard:0", "file:hello.txt")
CAMERA = ("LCD init", "DVP init", "DVP interrupt config")

GUESTS = [
    Guest("demos/hello_world.bin", ("Core 0 Hello world", "Core 1 Hello world"), 1),
    *(Guest(f"demos/aes_{bits}_test.bin", aes(bits), 2, absent=("fail",)) for bits in (128, 192, 256)),
    Guest("demos/sha256_test.bin", SHA_LINES, 1, absent=("FAIL",)),
    Guest("demos/flash_w25qxx.bin", ("manuf_id:0xef, device_id:0x17", "write data", "spi3 master test ok")),
    Guest(
        "demos/flash_w25qxx_test.bin",
        ("spi clk is 10000000", "manuf_id:0xef, device_id:0x17", *FLASH_READS, "spi3 master test ok"),
        absent=("error",),
    ),
    Guest("demos/flash_w25qxx_dma_test.bin", (*FLASH_READS, "spi3 master test ok"), absent=("error",)),
    Guest("demos/timer.bin", ("Timer single shot test OK", "count [60]", "Timer repeat test OK"), 4),
    Guest("demos/corelock.bin", ("1> Core 0 sleep 1", "2> Core 0 sleep 2", "2> Core unlock", "1> Core unlock"), 5),
    Guest("demos/pwm.bin", ("PWM test",), 0.5),
    Guest(
        "demos/sd_card.bin",
        (*CARD, "Open 0:test.txt ok", "Write 1024 bytes to 0:test.txt ok", "open file fail", "Play music err"),
        board="kd233", has_card=True,
    ),
    Guest(
        "demos/sd_card_file.bin",
        (*CARD, "Mkdir cannan ok", "Open cannan/test.txt ok", "Write 1024 bytes to cannan/test.txt ok"),
        board="kd233", has_card=True,
    ),
    Guest("demos/spi_slave.bin", ("spi slave init", "System start"), 1),
    Guest("demos/spi_slave_master.bin", ("spi master init", "System start", "test finish"), 4),
    Guest("demos/apu.bin", ("git id:", "init done."), 1),
    # Without a camera they come up to here; what they see with one is tested below.
    Guest("demos/dvp_ov.bin", (*CAMERA, "system start"), 2, board="kd233"),
    Guest("demos/dvp_ov_m1.bin", (*CAMERA, "system start"), 2),
    Guest("demos/kpu.bin", ("flash init", *CAMERA, "system start"), 2, board="kd233"),
    Guest("demos/kpu_m1.bin", ("flash init", *CAMERA, "system start"), 2),
    Guest("demos/face_detect_m1.bin", ("flash init", *CAMERA, "System start"), 2),
    Guest("demos/face_mask_detect.bin", ("flash init", *CAMERA, "System start"), 2, board="kd233"),
    Guest("prebuilt/licheedan/hello_world.bin", ("Core 0 Hello world", "Core 1 Hello world"), 1),
    Guest("prebuilt/licheedan/dvp_ov.bin", (*CAMERA, "system start"), 2),
    Guest("prebuilt/licheedan/sd_card.bin", ("sd init 0", "mount sdcard:0", "file:hello.txt"), has_card=True),
    Guest("prebuilt/yahboom_kit/aes256.bin", aes(256), 2, absent=("fail",)),
    Guest("prebuilt/yahboom_kit/sha256.bin", SHA_LINES, 1, absent=("FAIL",)),
    Guest("prebuilt/yahboom_kit/dual_core.bin", ("Core 0 is running", "Core 1 is running too!"), 2),
    Guest(
        "prebuilt/yahboom_kit/watchdog.bin",
        ("system start!", "wdt timeout is", "wdt_feed 1 times!", "reboot soon!", "system start!"), 30,
    ),
    Guest("prebuilt/yahboom_kit/flash.bin", ("manuf_id:0xef, device_id:0x17", "spi3 flash master test ok")),
    Guest("prebuilt/yahboom_kit/sdcard.bin", ("sd init :0", "mount sdcard:0", "file:hello.txt"), has_card=True),
    Guest("prebuilt/yahboom_kit/gui_lvgl.bin", ("system start init", "system start ok", "Please touch the screen")),
    Guest("prebuilt/yahboom_kit/k210test_V1.0.bin", ("hardware init ok!", "ReadId EF 60 18", "start ok!")),
    Guest("prebuilt/junwide/dvp_lcd.bin", ("DVP interrupt config", "system start"), 2),
    Guest("prebuilt/vendor/face_detect.kfpkg", ("flash init", *CAMERA, "System start"), 2),
    Guest("prebuilt/vendor/kpu.kfpkg", ("flash init", *CAMERA, "system start"), 2),
    Guest("prebuilt/os/rtthread_maixdock.bin", ("RT -     Thread Operating System", "msh />"), 4, has_card=True),
]  # fmt: skip


@pytest.mark.parametrize("guest", GUESTS, ids=lambda guest: guest.image)
def test_console(guest: Guest, tmp_path: Path) -> None:
    path = image(guest.image)
    card = None
    if guest.has_card:
        card = tmp_path / "card"
        card.mkdir()
        (card / "hello.txt").write_text("hi\n")
    with Board(path, board=guest.board, sd=card) as board:
        wanted = list(guest.expect)

        def missing() -> bool:
            seen, at = text(board), 0
            for line in wanted:
                at = seen.find(line, at)
                if at < 0:
                    return True
                at += len(line)
            return False

        board.run_while(missing, round(guest.seconds * PS_PER_SECOND))
        assert not missing(), f"{guest.image}: wanted {wanted} in this order, got\n{text(board)}"
        for line in guest.absent:
            assert line not in text(board)


def test_missing_blocks_are_reported_and_do_not_hang(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "k210kit.board"), demo("apu") as board:
        board.run_until("init done.", 2)
        board.run(0.2)
        assert any("undeclared register" in record.message for record in caplog.records)


# ---- Clocks and counters


def test_rtc_ticks_each_second_and_rings() -> None:
    with demo("rtc") as board:
        board.run(12.5)
        ticks = re.findall(r"^2018-09-12 23:3(\d):(\d\d)", text(board), re.M)
        assert [int(m) * 60 + int(s) for m, s in ticks] == list(range(51, 63))
        assert "Alarm at --> 2018-09-12 23:31:00" in text(board)
        assert "Alarm at --> 2018-09-12 23:30" not in text(board)


def test_watchdog_resets_and_says_so() -> None:
    with demo("watchdog") as board:
        status = board.machine.sysctl
        causes: list[int] = []
        note = status.note_reset
        status.note_reset = lambda cause: (causes.append(cause), note(cause))  # type: ignore[method-assign, return-value]
        board.run(9.5)
        assert re.fullmatch(
            r"(wdt start!\nwdt time is 2581 ms\nwdt0_irq\nwdt0_irq\n)(wdt start!\nwdt time is 2581 ms\n)", text(board)
        )
        assert causes == [1 << 1, 1 << 2]  # power-on by the pin, then the watchdog


def test_timers_expire_on_time() -> None:
    with demo("timer") as board:
        board.run_until("Timer callback [0], count [1]", 2)
        first = board.now
        board.run_until("Timer callback [11], count [12]", 2)
        assert board.now - first < 0.08  # twelve lines at 115200 baud
        board.run_until("Timer callback [0], count [1]", 2)
        second = board.now
        board.run_until("Timer callback [0], count [13]", 2)
        assert board.now - second == pytest.approx(0.2, abs=0.005)


# ---- Pins


def test_gpio_led_blinks_each_second() -> None:
    with demo("gpio_led") as board:
        seen = edges(board, 24)
        board.run(4.5)
        assert [level for _, level in seen] == [True, False, True, False, True]
        assert np.diff([time for time, _ in seen]) == pytest.approx(1.0, abs=1e-3)


def test_gpiohs_led_follows_the_key() -> None:
    with demo("gpiohs_led", board="kd233") as board:
        board.run(0.1)
        led = board.machine.fpioa.pads[25].line
        assert led.level
        for count, pressed in enumerate((True, False, True)):
            (board.press if pressed else board.release)("key")
            board.run(0.05)
            assert led.level != pressed
            assert f"IRQ The PIN is {int(not pressed)}\ncount is {count}" in text(board)


def test_pwm_duty_is_swept() -> None:
    with demo("pwm") as board:
        timer = board.machine.devices["timer1"]
        board.run(0.1)
        found = []
        for _ in range(20):
            low, high, hz = timer.waveform(0)  # type: ignore[attr-defined]
            assert hz / (low + high) == pytest.approx(200_000, rel=0.05)
            found.append(high / (low + high))
            board.run(0.01)
        assert np.diff(found).min() >= 0 and found[-1] - found[0] == pytest.approx(0.19, abs=0.05)


def test_servos_get_50_hertz() -> None:
    with demo("servo") as board:
        first, second = edges(board, 9), edges(board, 10)
        board.run(1.0)
        for seen in (first, second):
            rises = [time for time, level in seen if level]
            falls = [time for time, level in seen if not level]
            assert np.diff(rises) == pytest.approx(0.02, rel=0.01)
            widths = np.array(falls) - np.array(rises[: len(falls)])
            assert widths.min() > 0.0005 - 1e-5 and widths.max() < 0.0025 + 1e-5
            assert widths[0] == pytest.approx(0.0015, rel=0.01) and np.ptp(widths) > 0.0001


def test_ws2812_sends_red_green_blue_yellow() -> None:
    with demo("ws2812") as board:
        sink = board.audio_out(i2s=1, channel=3, bits=32)
        board.run(3.7)
        words = sink.samples.astype(np.int64).reshape(-1) & 0xFFFF_FFFF
        bits = "".join(f"{word:032b}" for word in words)
        colours = []
        for found in re.finditer(r"1(?:.(?!0{40}))+", bits):
            frame = found.group()[: 3 * 24]
            assert re.fullmatch("(?:110|100)+", frame)
            grb = int("".join("1" if frame[i : i + 3] == "110" else "0" for i in range(0, 72, 3)), 2)
            colours.append((grb >> 8 & 0xFF, grb >> 16, grb & 0xFF))
        assert colours == [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)]


# ---- Serial


@pytest.mark.parametrize(
    ("name", "greeting"),
    [
        ("uart", "hello world!\n"),
        ("uart_interrupt", "ello world!\n"),  # its transmit interrupt breaks in after the first letter
        ("uart_dma", "hello world!\n"),
        ("uart_dma_irq", "hello!\n"),
        # Yahboom's kit has the vendor's demo with another greeting.
        ("../prebuilt/yahboom_kit/uart", "hello yahboom!\n"),
    ],
)
def test_uart(name: str, greeting: str) -> None:
    with demo(name) as board:
        board.run(0.1)
        assert greeting in text(board)
        if name == "uart_interrupt":
            assert text(board).count("Send ok Uart3") == 1
        if "yahboom" in name:
            return
        led = board.machine.fpioa.pads[24].line
        for command, level in ((CMD_OFF, False), (CMD_ON, True), (CMD_OFF, False)):
            board.send(command)
            board.run(0.01)
            assert led.level == level
        if name == "uart":
            assert board.output.endswith(CMD_OFF + CMD_ON + CMD_OFF)
        if name == "uart_dma_irq":
            board.run(3.0)
            assert text(board).count("hello!\n") == 4


# ---- FFT


def columns(seen: str, heading: str) -> np.ndarray:
    body = seen.split(heading, 1)[1]
    rows = re.match(r"(?:\s*\d+\s*:[^\n]*\n)+", body)
    assert rows is not None
    return np.array([[float(x) for x in line.split(":")[1].split()] for line in rows.group().strip().splitlines()])


@pytest.mark.parametrize("name", ["demos/fft_test.bin", "prebuilt/yahboom_kit/fft.bin"])
def test_fft_agrees_with_the_demos_own(name: str) -> None:
    with Board(image(name)) as board:
        seen = board.run_until("[soft fft test]", 5).decode()
    forward = columns(seen, "[hard fft real][soft fft real][hard fft imag][soft fft imag]")
    assert forward.shape == (256, 4) and abs(forward[:, 1]).max() > 28_000
    assert abs(forward[:, 0] - forward[:, 1]).max() <= 16 and abs(forward[:, 2] - forward[:, 3]).max() <= 16
    power = columns(seen, "hard power  soft power:")
    assert abs(power[:, 0] - power[:, 1]).max() < 0.06 and power[:, 1].max() > 50
    strong = power[:, 1] > 1
    phase = columns(seen, "hard phase  soft phase:")
    assert strong.sum() >= 4 and abs(phase[strong, 0] - phase[strong, 1]).max() < 0.1
    back = columns(seen, "[hard ifft real][soft ifft real][hard ifft imag][soft ifft imag]")
    assert abs(back[:, 0] - back[:, 1]).max() <= 3 and abs(back[:, 2]).max() <= 3


# ---- Pictures


@pytest.mark.parametrize(("name", "board"), [("lcd", "kd233"), ("lcd_m1", "maix_dock")])
def test_lcd_shows_text_and_red(name: str, board: str) -> None:
    with demo(name, board=board) as shown:
        shown.run(2.0)
        pixels = np.asarray(shown.lcd.image().rotate(-90, expand=True))  # the demo draws in portrait
        assert pixels.shape == (320, 240, 3)
        assert (pixels[160:] == (255, 0, 0)).all()
        assert set(map(tuple, pixels[:160].reshape(-1, 3))) == {(0, 0, 0), (255, 0, 0), (0, 0, 255)}
        red = np.argwhere((pixels[:160] == (255, 0, 0)).all(2))
        blue = np.argwhere((pixels[:160] == (0, 0, 255)).all(2))
        # lcd_draw_string(16, 40, "Canaan", RED) and (16, 80, "Kendryte K210", BLUE), letters of 8 x 16
        for dots, top, letters in ((red, 40, 6), (blue, 80, 13)):
            assert dots[:, 0].min() >= top and dots[:, 0].max() < top + 16
            assert 16 <= dots[:, 1].min() < 24 and 16 + 8 * (letters - 1) <= dots[:, 1].max() < 16 + 8 * letters


@pytest.mark.parametrize(("name", "board"), [("lcd_image", "kd233"), ("lcd_image_m1", "maix_dock")])
def test_lcd_image_is_the_picture_in_the_firmware(name: str, board: str) -> None:
    raw = image(f"demos/{name}.bin").read_bytes()
    # image.h: 32-bit words of two pixels, the left one in the upper half.
    start = raw.index(np.array([0x39C639E6, 0x39E639C6, 0x39E639C6, 0x39E639E6], "<u4").tobytes())
    words = np.frombuffer(raw, "<u4", 320 * 240 // 2, start)
    pixels = np.stack([words >> 16, words & 0xFFFF], 1).reshape(240, 320)
    wanted = np.stack([pixels >> 11 << 3, (pixels >> 5 & 0x3F) << 2, (pixels & 0x1F) << 3], 2)
    with demo(name, board=board) as shown:
        shown.run_until("show pic", 3)
        got = np.asarray(shown.lcd.image()) & (0xF8, 0xFC, 0xF8)
        assert (got == wanted).all()
        shown.run_until("show pic", 1.2)


@pytest.mark.parametrize(
    ("name", "board", "colour", "share"),
    [
        ("arduino/jlswbs_Mandelbrot.bin", "cube", (0, 0, 0), 0.1),
        ("arduino/jlswbs_Conway_GoL.bin", "cube", (0, 0, 0), 0.8),
        ("licheedan/lcd.bin", "maix_dock", (255, 0, 0), 0.5),
        ("yahboom_kit/lcd.bin", "yahboom_kit", (0, 0, 0), 0.6),
    ],
)
def test_other_pictures(name: str, board: str, colour: tuple[int, int, int], share: float) -> None:
    with Board(image(f"prebuilt/{name}"), board=board) as shown:
        shown.run(4.0)
        pixels = np.asarray(shown.lcd.image())
        assert (pixels == colour).all(2).mean() > share
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) >= 2


# ---- Sound


class Ramp:
    """A source whose frame n is (n, -n): whatever is lost, doubled or swapped shows."""

    def __init__(self) -> None:
        self.count = 0

    def frames(self, count: int, rate: float) -> np.ndarray:
        values = np.arange(self.count, self.count + count, dtype=np.int64) & 0x7FFF
        self.count += count
        return (np.stack([values, -values], 1) << 16).astype(np.int32)

    def skip(self, count: int, rate: float) -> None:
        self.count += count


def sine() -> np.ndarray:
    time = np.arange(SINE_RATE // 2) / SINE_RATE
    both = [12_000 * np.sin(2 * np.pi * 440 * time), 9_000 * np.sin(2 * np.pi * 1000 * time)]
    return np.stack(both, 1).astype("<i2")


def test_i2s_dma_passes_sound_on() -> None:
    with demo("i2s_dma") as board:
        board.audio_in(Ramp(), i2s=0, channel=0)  # type: ignore[arg-type]
        heard = board.audio_out(i2s=2, channel=1)
        board.run(0.6)
        samples = heard.samples >> 16
        assert heard.rate == pytest.approx(44_100, rel=0.01) and len(samples) > 15_000
        # The receive FIFO runs over before the demo starts its DMA: one jump, and none after.
        steps = np.diff(samples[:, 0]) & 0x7FFF
        assert (steps[16:] == 1).all() and (samples[:, 0] == -samples[:, 1]).all()


def test_mic_play_doubles_the_right_channel() -> None:
    with demo("mic_play") as board:
        board.audio_in(Ramp(), i2s=0, channel=0)  # type: ignore[arg-type]
        heard = board.audio_out(i2s=2, channel=1)
        board.run(1.0)
        samples = heard.samples >> 16
        assert heard.rate == pytest.approx(16_000, rel=0.01)
        assert (samples[:, 0] == samples[:, 1]).all()
        # The demo never plays what its first DMA transfer brought.
        assert len(samples) > 8000 and (np.diff(samples[1024:, 0]) == -1).all()


def test_sd_card_plays_a_wav_file(tmp_path: Path) -> None:
    card, sound = tmp_path / "card", sine()
    image("demos/sd_card.bin")
    card.mkdir()
    with wave.open(str(card / "music1.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(SINE_RATE)
        file.writeframes(sound.tobytes())
    out = tmp_path / "out.wav"
    with demo("sd_card", board="kd233", sd=card) as board:
        board.audio_out(out, i2s=0)
        board.run_until("samplerate:44100", 3)
        board.run(0.8)
        written = bytes(board.sd_card.store.read(0, board.sd_card.store.capacity))  # type: ignore[union-attr]
        assert b"A" * 1024 in written
    with wave.open(str(out)) as file:
        heard = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    assert (heard[: len(sound) - 2048] == sound[: len(sound) - 2048]).all()


def test_pwm_plays_its_wav() -> None:
    with demo("pwm_play_audio") as board:
        board.run_until("bitspersample:16", 1)
        levels = []
        timer = board.machine.devices["timer0"]
        for _ in range(200):
            board.run(0.005)
            low, high, _ = timer.waveform(0) or (1, 1, 0)  # type: ignore[attr-defined]
            levels.append(high / (low + high))
        assert min(levels) < 0.4 and max(levels) > 0.6 and np.mean(levels) == pytest.approx(0.5, abs=0.05)


# ---- I2C


class RegisterPart(I2cPart):
    """256 registers behind a pointer that moves on."""

    def __init__(self, address: int, **values: int) -> None:
        self.address = address
        self.memory = bytearray(256)
        self._pointer, self._expects_pointer = 0, False

    def start(self, read: bool) -> bool:
        self._expects_pointer = not read
        return True

    def write(self, byte: int) -> bool:
        if self._expects_pointer:
            self._pointer, self._expects_pointer = byte, False
        else:
            self.stored(self._pointer, byte)
            self._pointer = (self._pointer + 1) & 0xFF
        return True

    def read(self) -> int | None:
        value = self.fetched(self._pointer)
        self._pointer = (self._pointer + 1) & 0xFF
        return value

    def stored(self, register: int, value: int) -> None:
        self.memory[register] = value

    def fetched(self, register: int) -> int:
        return self.memory[register]


class Sd3068(RegisterPart):
    """As much of the clock chip as the demo uses: seconds and minutes in BCD, write protection, RAM from 0x2C."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(0x32)
        self._clock, self._set_at = clock, 0

    def stored(self, register: int, value: int) -> None:
        enabled = self.memory[0x10] & 0x80 and self.memory[0x0F] & 0x84 == 0x84
        if register in (0x0F, 0x10) or enabled:
            self.memory[register] = value
            if register == 0:
                self._set_at = self._clock.now

    def fetched(self, register: int) -> int:
        if register > 1:
            return self.memory[register]
        start = sum((self.memory[r] // 16 * 10 + self.memory[r] % 16) * 60**r for r in (0, 1))
        total = start + (self._clock.now - self._set_at) // PS_PER_SECOND
        value = total // 60**register % 60
        return value // 10 * 16 + value % 10


def test_rtc_sd3068() -> None:
    with demo("rtc_sd3068") as board:
        board.attach_i2c(Sd3068(board.machine.clock), sclk=18, sda=19)
        board.run(3.5)
        for line in ("write enable", "set time", "write data", "read data", "i2c master test ok"):
            assert line in text(board)
        assert re.findall(r"2017-09-08 20:00:(\d\d)", text(board)) == ["00", "01", "02", "03"]


def test_i2c_slave_talks_to_a_bit_banging_master() -> None:
    with demo("i2c_slave") as board:
        board.wire(6, 7)
        board.wire(9, 10)
        board.i2c_bus(sclk=7, sda=10)
        board.run_until("_TEST_PASS_", 5)
        assert "FAIL" not in text(board)


def test_gyroscope_is_found() -> None:
    part = RegisterPart(0x68)
    part.memory[0x75] = 0x05
    with Board(image("prebuilt/yahboom_kit/gyro.bin")) as board:
        board.attach_i2c(part, sclk=9, sda=10)
        seen = board.run_until("WHO_AM_I=0x05", 5).decode()
        assert "0x68" in seen.split("I2C SCAN END")[0]


# ---- The camera and the KPU

SHARED_PHOTOS = Path(__file__).resolve().parents[3] / "shared/data/photos"
NET = (320, 240)
GREEN, RED = (0, 255, 0), (255, 0, 0)


def photo(name: str) -> Path:
    path = SHARED_PHOTOS / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return path


@dataclass(frozen=True)
class Detector:
    """A demo as the vendor released it (.kfpkg, with its model in the flash) and the constants of its main.c."""

    name: str
    anchors: tuple[float, ...]
    classes: int

    @property
    def package(self) -> Path:
        return image(f"prebuilt/vendor/{self.name}.kfpkg")

    def model(self) -> kmodel.Model:
        with zipfile.ZipFile(self.package) as archive:
            name = next(name for name in archive.namelist() if name.endswith(".kmodel"))
            return kmodel.read(archive.read(name))


FACES = Detector(
    "face_detect", (1.889, 2.5245, 2.9465, 3.94056, 3.99987, 5.3658, 5.155437, 6.92275, 6.718375, 9.01025), 1
)
OBJECTS = Detector("kpu", (1.08, 1.19, 3.42, 4.41, 6.63, 11.38, 9.42, 5.11, 16.62, 10.52), 20)
PERSON, DOG = 14, 11


def seen(board: Board) -> np.ndarray:
    """The AI planes of the last frame, (3, 240, 320)."""
    dvp = board.machine.dvp
    planes = [board.machine.read(address, 320 * 240) for address in (dvp.r_addr, dvp.g_addr, dvp.b_addr)]
    return np.frombuffer(b"".join(planes), np.uint8).reshape(3, 240, 320)


def check_kpu(board: Board, detector: Detector) -> list[Detection]:
    """The last KPU layer's bytes, as the host computes them from the same planes, lie in the guest's memory.

    Returns what the host's region layer finds in them.
    """
    results: list[np.ndarray] = []
    (output,) = kmodel.Runtime(detector.model()).run(seen(board), lambda _layer, result: results.append(result))
    last = next(result for result in reversed(results) if result.dtype == np.uint8)
    assert last.tobytes() in bytes(board.machine.memory.ram)
    return Yolo2(detector.anchors, classes=detector.classes, threshold=0.7, nms=0.3).detect(output)


def as_shown(frame: np.ndarray) -> np.ndarray:
    """RGB bytes as the panel shows them after RGB565."""
    wide = frame.astype(int) >> np.array([3, 2, 3])
    return wide << np.array([3, 2, 3]) | wide >> np.array([2, 4, 2])


def mirrored(path: Path) -> np.ndarray:
    """What the OV5640 sends while its mirror bits are clear, as in these demos."""
    return np.asarray(Image.open(path).convert("RGB"))[:, ::-1]


@pytest.mark.parametrize(("detector", "picture"), [(FACES, "dog_320x240.png"), (OBJECTS, "person_320x240.png")])
def test_detectors_run_their_model_on_each_frame(detector: Detector, picture: str) -> None:
    path = photo(picture)
    with Board(detector.package, board="kd233", camera=path) as board:
        board.run_until("ystem start", 3)
        board.run(0.5)
        frames, layers = board.machine.dvp.frames, board.machine.kpu.layers_run
        assert 4 <= frames <= 16, "every frame, or every other one, of some 29 a second"
        on_kpu = sum(layer.name.startswith("K210") for layer in detector.model().layers)
        assert (frames - 2) * on_kpu <= layers <= frames * on_kpu
        assert (seen(board) == through_rgb565(mirrored(path)).transpose(2, 0, 1)).all()
        check_kpu(board, detector)


def test_face_detect_shows_frame_after_frame(tmp_path: Path) -> None:
    paths = [photo("dog_320x240.png"), photo("person_320x240.png")]
    for number, path in enumerate(paths):
        (tmp_path / f"{number}.png").write_bytes(path.read_bytes())
    expected = [as_shown(mirrored(path)) for path in paths]
    shown: set[int] = set()
    with Board(FACES.package, board="kd233", camera=tmp_path) as board:
        board.run_until("System start", 3)
        for _ in range(100):
            board.run(0.005)
            panel = np.asarray(board.lcd.image())
            shown |= {number for number, frame in enumerate(expected) if (panel == frame).all()}
    assert shown == {0, 1}, "no face in either, so nothing is drawn"


def box_is_shown(panel: np.ndarray, found: Detection, colour: tuple[int, int, int], length: int) -> bool:
    """Whether near each side of the box a line of that colour runs, from its lower corners on, at least so long."""
    left, _, right, bottom = (round(value) for value in found.net_box(NET))
    ours = (panel == np.array(colour)).all(axis=2)
    rows = slice(max(bottom - length, 0), min(bottom - 2, 238))
    sides = [ours[rows, max(x - 3, 0) : x + 4].any(axis=1).all() for x in (max(left, 1), min(right, 318))]
    columns = slice(max(left, 1) + 2, max(left, 1) + length)
    sides.append(ours[max(min(bottom, 238) - 4, 0) : bottom + 4, columns].any(axis=0).all())
    return all(sides)


def await_boxes(board: Board, found: list[Detection], colours: list[tuple[int, int, int]], length: int) -> None:
    """The panel shows all boxes within some frames (a new picture covers them for a moment)."""
    for _ in range(100):
        board.run(0.005)
        panel = np.asarray(board.lcd.image())
        if all(box_is_shown(panel, each, colour, length) for each, colour in zip(found, colours, strict=True)):
            return
    pytest.fail(f"the panel does not show {found}")


def test_kpu_demo_frames_a_person_and_a_dog() -> None:
    with Board(OBJECTS.package, board="kd233", camera=photo("person_320x240.png")) as board:
        board.run_until("system start", 3)
        board.run(0.3)
        found = sorted(check_kpu(board, OBJECTS), key=lambda each: each.cls)
        assert [each.cls for each in found] == [DOG, PERSON]
        await_boxes(board, found, [GREEN, RED], 10)


def test_face_detect_marks_a_face() -> None:
    """Needs photos/faces.png in K210_GUESTS, a picture with a face in front view."""
    with Board(FACES.package, board="kd233", camera=image("photos/faces.png")) as board:
        board.run_until("System start", 3)
        board.run(0.3)
        found = check_kpu(board, FACES)
        assert found, "no face in the picture"
        await_boxes(board, found, [RED] * len(found), 6)


# ---- Supervisor-mode kernels: the part that runs in machine mode


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("rustsbi-k210_tcore.bin", ("[rustsbi] Platform: K210", "misa: RV64ACDFIMSU", "Kernel entry: 0x80020000")),
        ("rustsbi-k210_rcore.bin", ("[rustsbi] Platform: K210", "misa: RV64ACDFIMSU", "Kernel entry: 0x80020000")),
        ("opensbi_fw_payload.bin", ("Platform Name          : Kendryte K210", "Platform HART Features : RV64ACDFIMSU")),
    ],
)
def test_sbi_banners(name: str, lines: tuple[str, ...]) -> None:
    with Board(image(f"prebuilt/os/{name}")) as board:
        for line in lines:
            board.run_until(line, 1)
