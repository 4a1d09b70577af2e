"""What camera sensors have in common: registers behind SCCB, pins, and frames on a parallel bus.

SCCB is I2C without acknowledges of interest (OmniVision, SCCB Functional Specification): a write carries the register's
number and a byte, a read gives the register that was named last.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from k210kit.board.core.clock import PS_PER_SECOND, Clock, Event
from k210kit.board.core.line import Line
from k210kit.board.core.video import Bytes, VideoFrame
from k210kit.board.parts.camera_source import WHOLE, Box, CameraSource
from k210kit.board.parts.i2c_bus import I2cPart

log = logging.getLogger("k210kit.board")

SETTLING = PS_PER_SECOND // 1000
"""From reset, wake-up or the first clock to the first frame: the OV2640's datasheet says less than 1 ms."""
SHORTEST = PS_PER_SECOND // 1000
"""Of a frame: no sensor is faster, but registers may ask for it."""
RGB565, YUV422 = "RGB565", "YUV422"
BARS = [(255, 255, 255), (255, 255, 0), (0, 255, 255), (0, 255, 0), (255, 0, 255), (255, 0, 0), (0, 0, 255), (0, 0, 0)]


@dataclass
class SensorPins:
    """The sensor's wires: `reset` low resets, `power_down` high stops it, `xclk` high means that the clock runs.

    `xclk_hz` is its frequency; the sensor calls `vsync` with the level of that wire.
    """

    reset: Line = field(default_factory=lambda: Line("reset", True))
    power_down: Line = field(default_factory=lambda: Line("power_down"))
    xclk: Line = field(default_factory=lambda: Line("xclk", True))
    xclk_hz: Callable[[], int] = lambda: 24_000_000
    vsync: Callable[[bool], None] = lambda level: None


@dataclass(frozen=True)
class Timing:
    """A frame in clocks of `hz`: its length, VSYNC's pulse, where its first line begins, and a line of the output."""

    hz: float
    frame: int
    vsync: int
    first_line: int
    line: float

    def ps(self, clocks: float) -> int:
        """Picoseconds that so many clocks take."""
        return round(clocks * PS_PER_SECOND / self.hz)


@dataclass(frozen=True)
class Picture:
    """What the registers ask for: size, part of the view, byte format ("" for one that is not modelled), turns."""

    width: int
    height: int
    box: Box = WHOLE
    format: str = RGB565
    swapped: bool = False
    """RGB565 with the low byte first; YUV422 as Y U Y V."""
    v_first: bool = False
    mirror: bool = False
    flip: bool = False
    bars: bool = False


class CameraSensor(I2cPart):
    """A sensor that streams what `source` shows, as soon as it has a clock and is neither in reset nor powered down.

    `frame` is the one that is being sent, None between streams. Chips add their registers.
    """

    name = ""
    number_bytes = 1
    """Of a register's number on SCCB."""
    counts_up = False
    """Whether bytes after the first of a transfer belong to the registers that follow."""

    def __init__(self, clock: Clock, source: CameraSource, pins: SensorPins | None = None) -> None:
        self.clock, self.source, self.pins = clock, source, pins or SensorPins()
        self.frame: VideoFrame | None = None
        self._pointer = self._pointer_bytes = 0
        self._event: Event | None = None
        self._vsync_event: Event | None = None
        self._told: set[str] = set()
        self.reset_registers()
        self.pins.reset.listen(self._pins_changed)
        self.pins.power_down.listen(self._pins_changed)
        self.pins.xclk.listen(self._pins_changed)
        self.update()

    # ---- What a chip adds

    @abstractmethod
    def reset_registers(self) -> None:
        """Give every register its value after reset."""

    @abstractmethod
    def store(self, register: int, value: int) -> None:
        """What writing a register does."""

    @abstractmethod
    def fetch(self, register: int) -> int:
        """What reading a register gives."""

    @abstractmethod
    def timing(self) -> Timing:
        """The frame's times at the present settings and clock."""

    @abstractmethod
    def picture(self) -> Picture:
        """What the present settings ask for."""

    standby = False
    """Whether registers put the chip to sleep."""
    syncs = True
    """Whether VSYNC, HREF and PCLK are driven."""
    drives = True
    """Whether the data lines are driven."""

    # ---- SCCB

    @property
    def awake(self) -> bool:
        """Whether the chip has a clock and is neither in reset nor powered down."""
        pins = self.pins
        return pins.reset.level and not pins.power_down.level and pins.xclk.level and pins.xclk_hz() > 0

    def start(self, read: bool) -> bool:
        """Acknowledge the address, when awake."""
        if not read:
            self._pointer_bytes = 0
        return self.awake

    def write(self, byte: int) -> bool:
        """The register's number, then bytes for it."""
        if self._pointer_bytes < self.number_bytes:
            self._pointer = (self._pointer << 8 | byte) & ((1 << 8 * self.number_bytes) - 1)
            self._pointer_bytes += 1
            return True
        self.store(self._pointer, byte)
        self._step()
        self.update()
        return True

    def read(self) -> int | None:
        """The register that was named."""
        value = self.fetch(self._pointer)
        self._step()
        return value

    def _step(self) -> None:
        if self.counts_up:
            self._pointer = (self._pointer + 1) & ((1 << 8 * self.number_bytes) - 1)

    # ---- Frames

    def _pins_changed(self, _level: bool) -> None:
        if not self.pins.reset.level:
            self.reset_registers()
        self.update()

    def restart(self) -> None:
        """A soft reset: the frame breaks off, the next one comes after settling."""
        self.reset_registers()
        self._stop()

    def update(self) -> None:
        """Stream or stop, as pins and registers have it now."""
        if not self.awake or self.standby:
            self._stop()
        elif self._event is None:
            self._event = self.clock.after(SETTLING, self._start_frame)

    def _stop(self) -> None:
        for event in (self._event, self._vsync_event):
            if event is not None:
                event.cancel()
        self._event = self._vsync_event = self.frame = None
        self.pins.vsync(False)

    def _start_frame(self) -> None:
        if not self.awake:
            self._stop()
            return
        timing = self.timing()
        self._event = self.clock.after(max(timing.ps(timing.frame), SHORTEST), self._start_frame)
        self.frame = None
        if not self.syncs:
            return
        lines = self.picture().height
        self.frame = VideoFrame(lines, timing.ps(timing.first_line), timing.ps(timing.line), self._data)
        self._vsync_event = self.clock.after(timing.ps(timing.vsync), self._end_vsync)
        self.pins.vsync(True)

    def _end_vsync(self) -> None:
        self._vsync_event = None
        self.pins.vsync(False)

    def _data(self) -> Bytes:
        picture = self.picture()
        if not self.drives or not picture.format:
            if picture.format == "" and self.drives:
                self.tell("the format that its registers ask for is not modelled; the data lines stay low")
            return np.zeros((picture.height, 2 * picture.width), np.uint8)
        if picture.bars:
            row = np.array(BARS, np.uint8)[np.arange(picture.width) * len(BARS) // picture.width]
            rgb = np.broadcast_to(row, (picture.height, picture.width, 3))
        else:
            rgb = self.source.take(picture.width, picture.height, picture.box)
            rgb = rgb[:: -1 if picture.flip else 1, :: -1 if picture.mirror else 1]
        if picture.format == RGB565:
            return _rgb565(rgb, picture.swapped)
        return _yuv422(rgb, picture.swapped, picture.v_first)

    def tell(self, what: str) -> None:
        """Log it, the first time."""
        if what not in self._told:
            self._told.add(what)
            log.info("%s: %s", self.name, what)


def _rgb565(rgb: Bytes, swapped: bool) -> Bytes:
    wide = rgb.astype(np.uint16)
    word = (wide[:, :, 0] >> 3) << 11 | (wide[:, :, 1] >> 2) << 5 | wide[:, :, 2] >> 3
    return np.ascontiguousarray(word, "<u2" if swapped else ">u2").view(np.uint8)


def _yuv422(rgb: Bytes, swapped: bool, v_first: bool) -> Bytes:
    """Full-range BT.601, as JPEG has it; the chroma of two pixels is their mean."""
    red, green, blue = (rgb[:, :, plane].astype(np.float32) for plane in range(3))
    y = 0.299 * red + 0.587 * green + 0.114 * blue
    u, v = (blue - y) / 1.772 + 128, (red - y) / 1.402 + 128
    out = np.empty((rgb.shape[0], 2 * rgb.shape[1]), np.uint8)
    luma, chroma = (0, 1) if swapped else (1, 0)
    out[:, luma::2] = _byte(y)
    first, second = (v, u) if v_first else (u, v)
    out[:, chroma::4] = _byte((first[:, 0::2] + first[:, 1::2]) / 2)
    out[:, chroma + 2 :: 4] = _byte((second[:, 0::2] + second[:, 1::2]) / 2)
    return out


def _byte(values: Bytes) -> Bytes:
    clipped: Bytes = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return clipped
