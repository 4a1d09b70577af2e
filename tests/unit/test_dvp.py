"""The camera interface through its registers: SCCB, the sensor's pins, frames of both formats, interrupts, time."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from k210kit.board.core.bus import BusError
from k210kit.board.core.clock import Clock
from k210kit.board.core.clocks import ClockSignal
from k210kit.board.core.line import Line
from k210kit.board.core.video import VideoFrame
from k210kit.board.devices.dvp import Dvp
from k210kit.board.parts.i2c_bus import I2cPart

CFG, R, G, B, CMOS, SCCB_CFG, SCCB_CTL, STS, RGB = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x14, 0x18, 0x20, 0x28
START_INT, FINISH_INT, AI, DISPLAY, AUTO, BURST = 1, 2, 4, 8, 16, 1 << 8
YUV, Y_ONLY = 1 << 9, 3 << 9
STARTED, FINISHED, ENABLED, SCCB_BUSY = 1, 1 << 8, 1 << 16, 1 << 24
START_WE, FINISH_WE, ENABLE_WE, SCCB_WE = 2, 2 << 8, 2 << 16, 2 << 24
APB_HZ = 200_000_000
MICROSECOND = 10**6
FIRST_LINE, LINE = 500 * MICROSECOND, 50 * MICROSECOND
MEMORY, MEMORY_SIZE = 0x4000_0000, 1 << 16


class Part(I2cPart):
    """Notes what it is told; gives 0xA5."""

    address = 0x30

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def start(self, read: bool) -> bool:
        self.heard.append("read" if read else "write")
        return True

    def write(self, byte: int) -> bool:
        self.heard.append(byte)
        return True

    def read(self) -> int | None:
        return 0xA5

    def stop(self) -> None:
        self.heard.append("stop")


class Bench:
    """A camera interface, memory at MEMORY, a sensor on SCCB, and frames on demand."""

    def __init__(self) -> None:
        self.clock, self.irq, self.vsync, self.gate = Clock(), Line(), Line(), ClockSignal("dvp", APB_HZ)
        self.part, self.memory = Part(), bytearray(b"\xee" * MEMORY_SIZE)
        self.dvp = Dvp(
            "dvp",
            self.clock,
            bus=self,  # type: ignore[arg-type]
            irq=self.irq,
            clk=self.gate,
            apb=ClockSignal("apb1", APB_HZ),
            vsync=self.vsync,
            sccb=lambda: [self.part],
        )
        self.frame: VideoFrame | None = None
        self.dvp.video = lambda: self.frame

    def write(self, address: int, data: bytes) -> None:
        at = address - MEMORY
        if not 0 <= at <= MEMORY_SIZE - len(data):
            raise BusError(address)
        self.memory[at : at + len(data)] = data

    def set(self, register: int, value: int) -> None:
        self.dvp.write(register, 4, value)

    def get(self, register: int) -> int:
        return self.dvp.read(register, 4)

    def configure(self, width: int, height: int, flags: int, burst: bool = False) -> None:
        beats = width // 8 // (4 if burst else 1)
        self.set(CFG, height << 20 | beats << 12 | (BURST if burst else 0) | flags)
        for number, register in enumerate((R, G, B)):
            self.set(register, MEMORY + number * 0x1000)
        self.set(RGB, MEMORY + 0x4000)

    def show(self, data: np.ndarray) -> None:
        """VSYNC of a frame with these bytes rises."""
        self.frame = VideoFrame(len(data), FIRST_LINE, LINE, lambda: data)
        self.vsync.set(False)
        self.vsync.set(True)

    def plane(self, number: int, count: int) -> bytes:
        return bytes(self.memory[number * 0x1000 : number * 0x1000 + count])

    def words(self, count: int) -> list[int]:
        return np.frombuffer(self.memory, "<u4", count, 0x4000).tolist()


def pixels(width: int, height: int) -> np.ndarray:
    """RGB565 words that are all different."""
    return (np.arange(width * height, dtype=np.uint32) * 2654435761 >> 7).astype(np.uint16).reshape(height, width)


def on_bus(words: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(words, ">u2").view(np.uint8)


# ---- SCCB


@pytest.mark.parametrize(
    ("count", "control", "heard"),
    [
        (3, 0x00_12_34_61, ["write", 0x34, 0x12, "stop"]),
        (4, 0x56_12_34_61, ["write", 0x34, 0x12, 0x56, "stop"]),
        (2, 0x00_00_34_61, ["write", 0x34, "stop"]),
        (1, 0x00_00_34_61, ["write", "stop"]),
    ],
)
def test_a_write_sends_as_many_bytes_as_byte_num_says_and_takes_their_time(count, control, heard):
    bench = Bench()
    bench.set(SCCB_CFG, count - 1 | 100 << 8 | 150 << 16)
    bench.set(SCCB_CTL, control)
    bench.set(STS, SCCB_BUSY | SCCB_WE)
    bits = 9 * count + 2
    took = bits * 250 * 10**12 // APB_HZ
    bench.clock.advance(took - 1)
    assert bench.get(STS) & SCCB_BUSY
    bench.clock.advance(1)
    assert not bench.get(STS) & SCCB_BUSY
    assert bench.part.heard == heard


@pytest.mark.parametrize(("device", "value"), [(0x60, 0xA5), (0x62, 0xFF)])
def test_a_read_gives_the_parts_byte_or_ones_where_nobody_is(device, value):
    bench = Bench()
    bench.set(SCCB_CFG, 1 | 10 << 8 | 10 << 16)
    bench.set(SCCB_CTL, device)
    bench.set(STS, SCCB_BUSY | SCCB_WE)
    bench.clock.advance(10**9)
    assert bench.get(SCCB_CFG) == value << 24 | 10 << 16 | 10 << 8 | 1
    assert bench.part.heard == (["read", "stop"] if value == 0xA5 else [])


def test_a_transfer_needs_its_write_enable_bit_and_the_blocks_clock():
    bench = Bench()
    bench.set(SCCB_CTL, 0x60)
    bench.set(STS, SCCB_BUSY)
    assert not bench.get(STS)
    bench.gate.set(0)
    bench.set(STS, SCCB_BUSY | SCCB_WE)
    assert not bench.get(STS)
    assert bench.part.heard == []


# ---- The sensor's pins


def test_pins_and_clock_follow_their_bits():
    bench = Bench()
    pins = bench.dvp.reset_pin, bench.dvp.power_down_pin, bench.dvp.xclk
    assert [pin.level for pin in pins] == [False, False, False]
    bench.set(CMOS, 1 << 24 | 1 << 16 | 1 << 8 | 3)
    assert [pin.level for pin in pins] == [True, True, True]
    assert bench.dvp.xclk_hz == APB_HZ // 8
    bench.gate.set(0)
    assert bench.dvp.xclk_hz == 0
    assert not bench.dvp.xclk.level
    bench.gate.set(APB_HZ)
    assert bench.dvp.xclk.level
    bench.dvp.reset()
    assert [pin.level for pin in pins] == [False, False, False]


# ---- Interrupts


def test_frame_start_is_flagged_always_and_interrupts_when_enabled():
    bench = Bench()
    bench.show(on_bus(pixels(8, 2)))
    assert bench.get(STS) == STARTED
    assert not bench.irq.level
    bench.set(CFG, START_INT)
    assert bench.irq.level
    bench.set(STS, STARTED)
    assert bench.get(STS) == STARTED, "the write-enable bit is clear"
    bench.set(STS, START_WE)
    assert bench.get(STS) == STARTED, "it clears by a one"
    bench.set(STS, STARTED | START_WE)
    assert not bench.get(STS)
    assert not bench.irq.level


def test_a_frame_that_nobody_wants_leaves_no_trace():
    bench = Bench()
    bench.configure(8, 2, AI | DISPLAY | FINISH_INT)
    bench.show(on_bus(pixels(8, 2)))
    bench.clock.advance(10**10)
    assert bench.get(STS) == STARTED
    assert set(bench.memory) == {0xEE}
    assert bench.dvp.frames == 0


def test_a_frame_is_taken_once_and_finishes_with_its_last_line():
    bench = Bench()
    words = pixels(8, 2)
    bench.configure(8, 2, AI | DISPLAY | FINISH_INT)
    bench.show(on_bus(words))
    bench.set(STS, ENABLED | ENABLE_WE | STARTED | START_WE)
    bench.clock.advance(FIRST_LINE + 2 * LINE - 1)
    assert bench.get(STS) == ENABLED
    assert not bench.irq.level
    bench.clock.advance(1)
    assert bench.get(STS) == FINISHED, "the enable bit fell"
    assert bench.irq.level
    assert bench.dvp.frames == 1
    before = bytes(bench.memory)
    bench.show(on_bus(words ^ 0xFFFF))
    bench.clock.advance(10**10)
    assert bytes(bench.memory) == before
    bench.set(STS, FINISHED | FINISH_WE)
    assert not bench.irq.level


def test_auto_takes_every_frame():
    bench = Bench()
    bench.configure(8, 2, DISPLAY | AUTO)
    for number in range(3):
        words = pixels(8, 2) ^ number
        bench.show(on_bus(words))
        bench.clock.advance(10**10)
        assert bench.get(STS) & FINISHED
        assert bench.words(1) == [int(words[0, 0]) << 16 | int(words[0, 1])]
    assert bench.dvp.frames == 3


def test_enabling_after_the_first_line_counts_for_the_next_frame():
    bench = Bench()
    bench.configure(8, 2, DISPLAY)
    bench.show(on_bus(pixels(8, 2)))
    bench.clock.advance(FIRST_LINE)
    bench.set(STS, ENABLED | ENABLE_WE)
    bench.clock.advance(10**10)
    assert bench.dvp.frames == 0
    bench.show(on_bus(pixels(8, 2)))
    bench.clock.advance(10**10)
    assert bench.dvp.frames == 1


def test_a_frame_that_breaks_off_is_not_finished():
    bench = Bench()
    bench.configure(8, 2, DISPLAY | AUTO)
    bench.show(on_bus(pixels(8, 2)))
    bench.clock.advance(FIRST_LINE + LINE)
    bench.frame = None
    bench.clock.advance(10**10)
    assert bench.get(STS) == STARTED
    assert bench.dvp.frames == 0


def test_a_new_vsync_ends_the_frame_before():
    bench = Bench()
    bench.configure(8, 2, DISPLAY | AUTO)
    bench.show(on_bus(pixels(8, 2)))
    bench.clock.advance(FIRST_LINE + LINE)
    bench.show(on_bus(pixels(8, 2) ^ 1))
    bench.clock.advance(LINE)
    assert (bench.get(STS), bench.dvp.frames) == (STARTED, 0)
    bench.clock.advance(10**10)
    assert bench.dvp.frames == 1


def test_settings_hold_from_the_first_line_on():
    bench = Bench()
    bench.configure(8, 2, DISPLAY | AUTO)
    bench.show(on_bus(pixels(8, 2)))
    bench.clock.advance(FIRST_LINE)
    bench.set(RGB, MEMORY)
    bench.clock.advance(10**10)
    assert bench.plane(0, 4) == b"\xee" * 4
    assert bench.words(1) != [0xEEEE_EEEE]


def test_without_a_clock_vsync_is_not_seen():
    bench = Bench()
    bench.gate.set(0)
    bench.show(on_bus(pixels(8, 2)))
    assert bench.get(STS) == 0


def test_reset_ends_what_is_under_way():
    bench = Bench()
    bench.configure(8, 2, DISPLAY | AUTO)
    bench.set(SCCB_CTL, 0x60)
    bench.set(STS, SCCB_BUSY | SCCB_WE)
    bench.show(on_bus(pixels(8, 2)))
    bench.clock.advance(FIRST_LINE)
    bench.dvp.reset()
    bench.clock.advance(10**10)
    assert (bench.get(STS), bench.get(CFG), bench.dvp.frames) == (0, 0, 0)
    assert set(bench.memory) == {0xEE}


# ---- Pixels


@pytest.mark.parametrize("burst", [False, True])
def test_rgb565_to_words_of_two_pixels_and_to_planes(burst):
    bench = Bench()
    words = pixels(32, 4)
    bench.configure(32, 4, AI | DISPLAY | AUTO, burst)
    bench.show(on_bus(words))
    bench.clock.advance(10**10)
    flat = words.reshape(-1).tolist()
    assert bench.words(64) == [first << 16 | second for first, second in zip(flat[0::2], flat[1::2], strict=True)]
    assert list(bench.plane(0, 128)) == [(2 * (w >> 11) * 255 + 31) // 62 for w in flat]
    assert list(bench.plane(1, 128)) == [(2 * (w >> 5 & 63) * 255 + 63) // 126 for w in flat]
    assert list(bench.plane(2, 128)) == [(2 * (w & 31) * 255 + 31) // 62 for w in flat]
    assert bench.memory[128] == bench.memory[0x4100] == 0xEE


@pytest.mark.parametrize(("flags", "planes", "display"), [(AI, True, False), (DISPLAY, False, True), (0, False, False)])
def test_outputs_are_switched_each_by_its_bit(flags, planes, display):
    bench = Bench()
    bench.configure(8, 2, flags | AUTO)
    bench.show(on_bus(pixels(8, 2)))
    bench.clock.advance(10**10)
    assert (bench.plane(2, 16) != b"\xee" * 16) == planes
    assert (bench.words(8) != [0xEEEE_EEEE] * 8) == display
    assert bench.get(STS) & FINISHED


def test_yuv_becomes_rgb():
    bench = Bench()
    # U Y V Y: pure red twice, then a dark and a light grey (BT.601, full range).
    line = np.array([[85, 76, 255, 76, 128, 16, 128, 240] * 2], np.uint8)
    bench.configure(8, 1, AI | DISPLAY | AUTO | YUV)
    bench.show(line)
    bench.clock.advance(10**10)
    assert list(bench.plane(0, 4)) == [254, 254, 16, 240]
    assert list(bench.plane(1, 4)) == [0, 0, 16, 240]
    assert list(bench.plane(2, 4)) == [0, 0, 16, 240]
    assert bench.words(2) == [0xF800_F800, 0x1082_F79E]


def test_y_alone_goes_to_the_first_plane_and_is_grey_on_the_display():
    bench = Bench()
    line = np.array([[85, 76, 255, 200, 128, 16, 128, 240] * 2], np.uint8)
    bench.configure(8, 1, AI | DISPLAY | AUTO | Y_ONLY)
    bench.show(line)
    bench.clock.advance(10**10)
    assert list(bench.plane(0, 8)) == [76, 200, 16, 240] * 2
    assert bench.plane(1, 8) == bench.plane(2, 8) == b"\xee" * 8
    assert bench.words(1) == [0x4A69_CE59]


def test_a_larger_frame_is_cut_and_a_smaller_one_leaves_the_rest():
    bench = Bench()
    words = pixels(16, 4)
    bench.configure(8, 2, AI | DISPLAY | AUTO)
    bench.show(on_bus(words))
    bench.clock.advance(10**10)
    first, second = (int(words[row, 0]) << 16 | int(words[row, 1]) for row in (0, 1))
    assert (bench.words(1)[0], bench.words(5)[4]) == (first, second)
    bench = Bench()
    bench.configure(32, 6, AI | DISPLAY | AUTO)
    bench.show(on_bus(words))
    bench.clock.advance(FIRST_LINE + 4 * LINE)
    assert bench.get(STS) & FINISHED
    found = np.array(bench.words(6 * 16), np.uint32).reshape(6, 16)
    assert (found[:4, :8] == words[:, 0::2].astype(np.uint32) << 16 | words[:, 1::2]).all()
    assert (found[:, 8:] == 0xEEEE_EEEE).all()
    assert (found[4:] == 0xEEEE_EEEE).all()


def test_an_address_where_nothing_answers_is_logged(caplog):
    bench = Bench()
    bench.configure(8, 2, AI | DISPLAY | AUTO)
    bench.set(RGB, 0x1000_0000)
    bench.show(on_bus(pixels(8, 2)))
    bench.clock.advance(10**10)
    assert "0x10000000" in caplog.text
    assert bench.plane(0, 16) != b"\xee" * 16
    assert bench.get(STS) & FINISHED


def test_random_accesses_do_no_harm():
    bench, chance = Bench(), random.Random(210)
    for _ in range(10_000):
        offset, size = chance.randrange(0, 0x40, 4), chance.choice((1, 2, 4, 8))
        if chance.random() < 0.5:
            bench.dvp.write(offset, size, chance.getrandbits(8 * size))
        else:
            assert 0 <= bench.dvp.read(offset, size) < 1 << 8 * size
        if chance.random() < 0.1:
            bench.show(on_bus(pixels(16, 3)))
        bench.clock.advance(chance.randrange(10**8))
