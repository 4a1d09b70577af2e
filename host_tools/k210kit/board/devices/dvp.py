"""DVP: the camera interface. Frames come from a parallel bus and go to memory; SCCB reaches the sensor's registers.

Registers and use: Kendryte standalone SDK, drivers/include/dvp.h and drivers/dvp.c, and its demos dvp_ov, kpu and
face_detect. Formats: K210 datasheet, "DVP" (YUV422 and RGB565 in; RGB888, or the Y of YUV422, to the AI planes; RGB565
to the display). Derived from how that software works, not documented:

* DVP_EN falls when a frame has been taken, unless auto is set: the demos' interrupt handlers skip frames by not
  setting it. It counts at the frame's first line.
* FRAME_FINISH comes with the last line that line_num asks for, or the frame's last one when it has fewer.
* FRAME_START is seen for every VSYNC, taken or not (dvp_get_image counts frames so).

The bytes arrive in memory together, at FRAME_FINISH; on silicon line by line.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from k210kit.board.core.bus import Bus, BusError
from k210kit.board.core.clock import Clock, Event, duration
from k210kit.board.core.clocks import ClockSignal
from k210kit.board.core.device import Device
from k210kit.board.core.line import Line
from k210kit.board.core.registers import Field, Register
from k210kit.board.core.video import Bytes, VideoFrame
from k210kit.board.parts.i2c_bus import I2cBus, I2cPart

log = logging.getLogger("k210kit.board")

START_INT, FINISH_INT, AI_OUTPUT, DISPLAY_OUTPUT, AUTO, BURST_4 = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 8
FORMAT_RGB, FORMAT_YUV, FORMAT_Y = 0, 1, 3
FRAME_START, FRAME_FINISH, DVP_EN, SCCB_EN = 1 << 0, 1 << 8, 1 << 16, 1 << 24
CLK_ENABLE, CMOS_RESET, POWER_DOWN = 1 << 8, 1 << 16, 1 << 24
PIXELS_A_BEAT = 8  # A beat of the AXI bus is 64 bits of an AI plane.


def rgb888(red: Bytes, green: Bytes, blue: Bytes) -> tuple[Bytes, Bytes, Bytes]:
    """Fields of 5, 6 and 5 bits as bytes, to the nearest; how the silicon fills the low bits is not documented."""
    five = ((np.arange(32) * 255 + 15) // 31).astype(np.uint8)
    six = ((np.arange(64) * 255 + 31) // 63).astype(np.uint8)
    return five[red], six[green], five[blue]


def rgb_of_yuv(y: Bytes, u: Bytes, v: Bytes) -> tuple[Bytes, Bytes, Bytes]:
    """Full-range BT.601, as JPEG has it; the silicon's coefficients are not documented."""
    luma, cb, cr = y.astype(np.float32), u.astype(np.float32) - 128, v.astype(np.float32) - 128
    planes = luma + 1.402 * cr, luma - 0.344136 * cb - 0.714136 * cr, luma + 1.772 * cb
    red, green, blue = (np.clip(np.rint(plane), 0, 255).astype(np.uint8) for plane in planes)
    return red, green, blue


def decode(data: Bytes, image_format: int) -> tuple[Bytes, Bytes, Bytes, Bytes]:
    """Bus bytes, shape (lines, 2 * width), as red, green, blue and RGB565 words (uint16), each (lines, width).

    RGB565 comes high byte first, YUV422 as U Y V Y: the sensor settings of the demos (OV5640 0x4300 = 0x61) and of
    MaixPy (OV2640 0xDA = 0x01, GC0328 0x44 = 0x00) agree in that. With FORMAT_Y all three planes are Y.
    """
    if image_format == FORMAT_RGB:
        word = data[:, 0::2].astype(np.uint16) << 8 | data[:, 1::2]
        return *rgb888(word >> 11, word >> 5 & 0x3F, word & 0x1F), word
    y = data[:, 1::2]
    if image_format == FORMAT_Y:
        red = green = blue = y
    else:
        red, green, blue = rgb_of_yuv(y, data[:, 0::4].repeat(2, 1), data[:, 2::4].repeat(2, 1))
    word = (red.astype(np.uint16) >> 3) << 11 | (green.astype(np.uint16) >> 2) << 5 | blue.astype(np.uint16) >> 3
    return red, green, blue, word


@dataclass
class _Capture:
    """A frame that is being taken, with the settings that its first line found."""

    frame: VideoFrame
    configuration: int
    planes: tuple[int, int, int]
    display: int
    width: int
    lines: int


class Dvp(Device):
    """`video` gives the frame whose VSYNC rises now; `sccb` the parts on the SCCB pads; `frames` counts those taken.

    `xclk`, `reset_pin` and `power_down_pin` go to the sensor; a running XCLK shows as a high level, its frequency is
    `xclk_hz`. `clk` is the block's gate, `apb` what XCLK and SCCB are divided from (dvp_set_xclk_rate does so).
    """

    dvp_cfg = Register(
        0x00,
        [
            Field("start_int_enable", 0),
            Field("finish_int_enable", 1),
            Field("ai_output_enable", 2),
            Field("display_output_enable", 3),
            Field("auto_enable", 4),
            Field("burst_size_4beats", 8),
            Field("format", 9, 2),
            Field("href_burst_num", 12, 8),
            Field("line_num", 20, 10),
        ],
        writable=0x3FFF_F71F,
    )
    r_addr = Register(0x04)
    g_addr = Register(0x08)
    b_addr = Register(0x0C)
    cmos_cfg = Register(
        0x10,
        [Field("clk_div", 0, 8), Field("clk_enable", 8), Field("reset", 16), Field("power_down", 24)],
        writable=0x0101_01FF,
    )
    sccb_cfg = Register(
        0x14,
        [Field("byte_num", 0, 2), Field("scl_lcnt", 8, 8), Field("scl_hcnt", 16, 8), Field("rdata", 24, 8)],
        writable=0x00FF_FF03,
    )
    sccb_ctl = Register(
        0x18,
        [
            Field("write_data_enable", 0),
            Field("device_address", 1, 7),
            Field("reg_address", 8, 8),
            Field("wdata_byte0", 16, 8),
            Field("wdata_byte1", 24, 8),
        ],
    )
    axi = Register(0x1C, [Field("gm_mlen", 0, 8, "burst length: the line's length follows dvp_cfg alone")])
    sts = Register(
        0x20,
        [
            Field(f"{name}{suffix}", low + offset)
            for name, low in (("frame_start", 0), ("frame_finish", 8), ("dvp_en", 16), ("sccb_en", 24))
            for offset, suffix in enumerate(("", "_we"))
        ],
        writable=0,
        doc="a write counts where the bit above is set: start and finish clear by ones",
    )
    reverse = Register(0x24, doc="not modelled: its meaning is not documented")
    rgb_addr = Register(0x28)

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        bus: Bus,
        irq: Line | None = None,
        clk: ClockSignal | None = None,
        apb: ClockSignal | None = None,
        vsync: Line | None = None,
        xclk: Line | None = None,
        reset_pin: Line | None = None,
        power_down_pin: Line | None = None,
        sccb: Callable[[], Iterable[I2cPart]] = lambda: (),
    ) -> None:
        self.bus, self.irq = bus, irq or Line(f"{name}.irq")
        self.clk, self.apb = clk or ClockSignal(name), apb or ClockSignal("apb1")
        self.xclk, self.reset_pin = xclk or Line("xclk"), reset_pin or Line("cmos_rst")
        self.power_down_pin = power_down_pin or Line("cmos_pwdn")
        self.video: Callable[[], VideoFrame | None] = lambda: None
        self.frames = 0
        self._sccb_parts, self._sccb = sccb, I2cBus()
        self._sccb_event: Event | None = None
        self._frame: VideoFrame | None = None
        self._capture: _Capture | None = None
        self._event: Event | None = None
        super().__init__(name, clock)
        if vsync is not None:
            vsync.listen(self._vsync_changed)
        self.clk.listen(lambda _hz: self._drive_pins())

    def reset(self) -> None:
        """Forget the frame; the sensor is held in reset without a clock, as its pins' bits are 0."""
        super().reset()
        self._forget_frame()
        if self._sccb_event is not None:
            self._sccb_event.cancel()
            self._sccb_event = None
        self._drive_pins()
        self._update_irq()

    # ---- Pins

    @property
    def xclk_hz(self) -> int:
        """The sensor's clock in hertz, 0 while it stands."""
        if not self.cmos_cfg & CLK_ENABLE or not self.clk.hz:
            return 0
        return self.apb.hz // (2 * ((self.cmos_cfg & 0xFF) + 1))

    def _drive_pins(self) -> None:
        self.power_down_pin.set(bool(self.cmos_cfg & POWER_DOWN))
        self.reset_pin.set(bool(self.cmos_cfg & CMOS_RESET))
        self.xclk.set(self.xclk_hz > 0)

    @cmos_cfg.on_write
    def _cmos_cfg_written(self, _written: int) -> None:
        self._drive_pins()

    # ---- Status and interrupt

    def _update_irq(self) -> None:
        started = self.sts & FRAME_START and self.dvp_cfg & START_INT
        finished = self.sts & FRAME_FINISH and self.dvp_cfg & FINISH_INT
        self.irq.set(bool(started or finished))

    @dvp_cfg.on_write
    def _dvp_cfg_written(self, _written: int) -> None:
        self._update_irq()

    @sts.on_write
    def _sts_written(self, written: int) -> None:
        chosen = written >> 1  # each write-enable bit over the bit that it is for
        self.sts &= ~(written & chosen & (FRAME_START | FRAME_FINISH))
        if chosen & DVP_EN:
            self.sts = self.sts & ~DVP_EN | written & DVP_EN
        if chosen & SCCB_EN and written & SCCB_EN:
            self._start_sccb()
        self._update_irq()

    # ---- SCCB

    def _start_sccb(self) -> None:
        if self._sccb_event is not None:
            return
        if not self.clk.hz:
            log.info("%s: an SCCB transfer was started while the block's clock is off, and is ignored", self.name)
            return
        self.sts |= SCCB_EN
        writes, count = self.sccb_ctl & 1, (self.sccb_cfg & 3) + 1 if self.sccb_ctl & 1 else 2
        bits = 9 * count + 2  # with start and stop
        cycles = bits * max((self.sccb_cfg >> 8 & 0xFF) + (self.sccb_cfg >> 16 & 0xFF), 1)
        self._sccb_event = self.clock.after(duration(cycles, self.apb.hz), self._end_sccb)
        # SCCB's ninth bit is of no interest: bytes go on where nobody answers, and nobody's byte reads as ones.
        self._sccb.start(self.sccb_ctl >> 1 & 0x7F, not writes, parts=self._sccb_parts())
        if writes:
            for byte in (self.sccb_ctl >> 8).to_bytes(3, "little")[: count - 1]:
                self._sccb.write(byte)
        else:
            byte = self._sccb.read()
            self.sccb_cfg = self.sccb_cfg & 0xFF_FFFF | (0xFF if byte is None else byte) << 24
            self._sccb.read_done(False)
        self._sccb.stop()

    def _end_sccb(self) -> None:
        self._sccb_event = None
        self.sts &= ~SCCB_EN

    # ---- Frames

    def _vsync_changed(self, level: bool) -> None:
        if not level or not self.clk.hz:
            return
        self._forget_frame()
        self.sts |= FRAME_START
        self._frame = self.video()
        if self._frame is not None:
            self._event = self.clock.after(self._frame.first_line, self._first_line)
        self._update_irq()

    def _forget_frame(self) -> None:
        if self._event is not None:
            self._event.cancel()
        self._event = self._frame = self._capture = None

    def _first_line(self) -> None:
        self._event = None
        if self._frame is None or not (self.sts & DVP_EN or self.dvp_cfg & AUTO):
            return
        configuration = self.dvp_cfg
        beats = (configuration >> 12 & 0xFF) * (4 if configuration & BURST_4 else 1)
        lines = min(configuration >> 20 & 0x3FF, self._frame.lines)
        if not beats or not lines:
            return
        planes = self.r_addr, self.g_addr, self.b_addr
        self._capture = _Capture(self._frame, configuration, planes, self.rgb_addr, beats * PIXELS_A_BEAT, lines)
        self._event = self.clock.after(lines * self._frame.line_time, self._finish)

    def _finish(self) -> None:
        capture, self._capture, self._event = self._capture, None, None
        if capture is None or self.video() is None:
            return
        self._store(capture)
        self.frames += 1
        self.sts = (self.sts & ~DVP_EN if not self.dvp_cfg & AUTO else self.sts) | FRAME_FINISH
        self._update_irq()

    def _store(self, capture: _Capture) -> None:
        """Lines longer or shorter than asked for: the rest is dropped, or left as it was in memory."""
        data = capture.frame.data()[: capture.lines, : 2 * capture.width]
        data = data[:, : data.shape[1] & ~3]
        image_format = capture.configuration >> 9 & 3
        *planes, word = decode(data, image_format)
        if capture.configuration & AI_OUTPUT:
            # The datasheet has the Y component as one output; nothing says that the other planes are written.
            count = 1 if image_format == FORMAT_Y else 3
            for address, plane in list(zip(capture.planes, planes, strict=True))[:count]:
                self._write(address, capture.width, plane)
        if capture.configuration & DISPLAY_OUTPUT:
            # Two pixels a word, the first in the upper half: as the demos send them to the panel, 32 bits at once.
            pairs = word.reshape(len(word), -1, 2)[:, :, ::-1].reshape(len(word), -1)
            self._write(capture.display, 2 * capture.width, pairs.astype("<u2").view(np.uint8))

    def _write(self, address: int, pitch: int, rows: Bytes) -> None:
        try:
            if rows.shape[1] == pitch:
                self.bus.write(address, rows.tobytes())
                return
            for number, row in enumerate(rows):
                self.bus.write(address + number * pitch, row.tobytes())
        except BusError as error:
            log.warning("%s: a frame cannot be stored: %s", self.name, error)
