"""A camera module's place on the board: which of its wires reach the chip's camera interface just now."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np

from k210kit.board.core.clock import Clock
from k210kit.board.core.line import Line
from k210kit.board.core.video import Bytes, VideoFrame
from k210kit.board.devices.dvp import Dvp
from k210kit.board.devices.fpioa import CMOS_HREF, CMOS_PCLK, CMOS_XCLK, Fpioa
from k210kit.board.parts.camera_sensor import CameraSensor, SensorPins
from k210kit.board.parts.camera_source import CameraSource
from k210kit.board.parts.gc0328 import Gc0328
from k210kit.board.parts.ov2640 import Ov2640
from k210kit.board.parts.ov5640 import Ov5640
from k210kit.board.profiles import CameraPads
from k210kit.errors import K210Error

log = logging.getLogger("k210kit.board")

SENSORS: dict[str, type[CameraSensor]] = {"ov2640": Ov2640, "ov5640": Ov5640, "gc0328": Gc0328}


class CameraSocket:
    """Solders `sensor` (a name of SENSORS) to the pads. The data lines are SPI0's, and join the camera interface only
    while SYSCTL's spi_dvp_data_enable (`data_enable`) is set. Raises K210Error for an unknown sensor."""

    def __init__(
        self,
        clock: Clock,
        fpioa: Fpioa,
        dvp: Dvp,
        data_enable: Line,
        pads: CameraPads,
        sensor: str,
        source: CameraSource,
    ) -> None:
        if sensor not in SENSORS:
            raise K210Error(f"there is no camera sensor {sensor!r}; known are {', '.join(SENSORS)}")
        self._fpioa, self._dvp, self._data_enable, self._pads = fpioa, dvp, data_enable, pads
        self._told = False
        # The modules hold the chip awake by themselves: RESET is pulled up, PWDN down.
        fpioa.pads[pads.reset].board_pull(True)
        fpioa.pads[pads.power_down].board_pull(False)
        pins = SensorPins(
            reset=fpioa.pads[pads.reset].line,
            power_down=fpioa.pads[pads.power_down].line,
            xclk=fpioa.pads[pads.xclk].line,
            xclk_hz=self._xclk_hz,
            vsync=lambda level: fpioa.pads[pads.vsync].drive(level, self),
        )
        self.sensor = SENSORS[sensor](clock, source, pins)
        dvp.video = self.video

    def _xclk_hz(self) -> int:
        return self._dvp.xclk_hz if self._fpioa.function_of(self._pads.xclk) == CMOS_XCLK else 0

    def video(self) -> VideoFrame | None:
        """What the camera interface can see of the frame on the wires."""
        frame = self.sensor.frame
        routed = self._fpioa.pad_of(CMOS_HREF) == self._pads.href and self._fpioa.pad_of(CMOS_PCLK) == self._pads.pclk
        if frame is None or not routed:
            return None
        return dataclasses.replace(frame, data=lambda: self._data(frame))

    def _data(self, frame: VideoFrame) -> Bytes:
        if self._data_enable.level:
            return frame.data()
        if not self._told:
            self._told = True
            log.info("the camera's data lines are not connected: SYSCTL misc.spi_dvp_data_enable is clear")
        return np.zeros_like(frame.data())
