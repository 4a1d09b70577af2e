"""OmniVision OV2640: 1600 x 1200 pixels, 8-bit registers in two banks.

Registers, defaults and frame timing: OV2640 datasheet, version 1.6 (tables 12 and 13, figures 15 to 17); names also
from Linux drivers/media/i2c/ov2640.c, whose product id is the one that chips on sale have (the datasheet says 0x2641).
Not modelled: exposure and colour, JPEG, raw output, the DSP's dividers.
"""

from __future__ import annotations

from k210kit.board.parts.camera_sensor import RGB565, YUV422, CameraSensor, Picture, Timing

DSP, SENSOR = 0, 1
R_BYPASS, HSIZE, VSIZE, XOFFL, YOFFL, VHYX, TEST = 0x05, 0x51, 0x52, 0x53, 0x54, 0x55, 0x57
ZMOW, ZMOH, ZMHH, SIZEL, HSIZE8, VSIZE8, CTRL0 = 0x5A, 0x5B, 0x5C, 0x8C, 0xC0, 0xC1, 0xC2
IMAGE_MODE, RESET, BANK = 0xDA, 0xE0, 0xFF
REG04, COM2, PIDH, PIDL, CLKRC, COM7, MIDH, MIDL = 0x04, 0x09, 0x0A, 0x0B, 0x11, 0x12, 0x1C, 0x1D
ADDVFL, ADDVFH, FLL, FLH = 0x2D, 0x2E, 0x46, 0x47
READ_ONLY = (PIDH, PIDL, MIDH, MIDL)

DSP_DEFAULTS = {
    R_BYPASS: 0x01, 0x44: 0x0C, HSIZE: 0x40, VSIZE: 0xF0, VHYX: 0x08, ZMOW: 0x58, ZMOH: 0x48, 0x86: 0x0D, 0x87: 0x50,
    HSIZE8: 0x80, VSIZE8: 0x60, CTRL0: 0x0C, 0xC3: 0xFF, 0xD3: 0x82, RESET: 0x04, 0xF0: 0x04, 0xF8: 0x01, 0xFC: 0x80,
}  # fmt: skip
SENSOR_DEFAULTS = {
    0x03: 0x0F, REG04: 0x20, 0x08: 0x40, PIDH: 0x26, PIDL: 0x42, 0x0C: 0x38, 0x0D: 0x07, 0x10: 0x33, 0x13: 0xC7,
    0x14: 0x50, 0x17: 0x11, 0x18: 0x75, 0x19: 0x01, 0x1A: 0x97, MIDH: 0x7F, MIDL: 0xA2,
}  # fmt: skip

LINES = {"uxga": (1922, 1248, 27193, 1200), "svga": (1190, 672, 7415, 600), "cif": (595, 336, 3708, 296)}
"""Clocks a line, lines a frame, clocks from the end of VSYNC (4 lines) to the first line, lines that carry pixels."""


class Ov2640(CameraSensor):
    """See CameraSensor."""

    name = "OV2640"
    address = 0x30

    def reset_registers(self) -> None:
        """After reset the sensor's bank is selected: RA_DLMT reads 0x7F."""
        self.banks = [bytearray(256), bytearray(256)]
        for bank, defaults in zip(self.banks, (DSP_DEFAULTS, SENSOR_DEFAULTS), strict=True):
            for register, value in defaults.items():
                bank[register] = value
        self._bank = 0x7F

    def store(self, register: int, value: int) -> None:
        """The bank selector, a soft reset, or a register of the selected bank."""
        bank = self._bank & 1
        if register == BANK:
            self._bank = value
        elif bank == SENSOR and register == COM7 and value & 0x80:
            self.restart()
        elif bank == DSP or register not in READ_ONLY:
            self.banks[bank][register] = value

    def fetch(self, register: int) -> int:
        """A register of the selected bank."""
        return self._bank if register == BANK else self.banks[self._bank & 1][register]

    @property
    def standby(self) -> bool:  # type: ignore[override]
        """COM2's standby bit."""
        return bool(self.banks[SENSOR][COM2] & 0x10)

    @property
    def drives(self) -> bool:  # type: ignore[override]
        """The data lines carry nothing while the output block is in reset."""
        return not self.banks[DSP][RESET] & 0x04

    def _mode(self) -> tuple[int, int, int, int]:
        selected = self.banks[SENSOR][COM7] >> 4 & 7
        return LINES["svga" if selected & 4 else "cif" if selected & 2 else "uxga"]

    def timing(self) -> Timing:
        """One clock a pixel of the array, which gives the datasheet's 15 frames a second of UXGA at 36 MHz."""
        sensor = self.banks[SENSOR]
        line, lines, blank, active = self._mode()
        extra = (sensor[FLH] << 8 | sensor[FLL]) + (sensor[ADDVFH] << 8 | sensor[ADDVFL])
        hz = self.pins.xclk_hz() * (2 if sensor[CLKRC] & 0x80 else 1) / ((sensor[CLKRC] & 0x3F) + 1)
        vsync = 4 * line
        return Timing(hz, line * (lines + extra), vsync, vsync + blank, line * active / self.picture().height)

    def picture(self) -> Picture:
        """The output size is ZMOW x ZMOH; HSIZE x VSIZE at the offset is the part of the array's picture."""
        dsp, sensor = self.banks
        width = ((dsp[ZMHH] & 3) << 8 | dsp[ZMOW]) * 4
        height = ((dsp[ZMHH] >> 2 & 1) << 8 | dsp[ZMOH]) * 4
        mode, format_bits = dsp[IMAGE_MODE], dsp[IMAGE_MODE] >> 2 & 3
        known = {0: YUV422, 2: RGB565}.get(format_bits, "")
        if mode & 0x50 or dsp[R_BYPASS] & 1:
            known = ""
        # Bit 0 clear is high byte first: Y before U in YUV422, the byte with red in RGB565.
        low_first = bool(mode & 1)
        return Picture(
            max(width, 4),
            max(height, 4),
            self._box(),
            known,
            swapped=low_first if known == RGB565 else not low_first,
            v_first=bool(dsp[CTRL0] & 0x10),
            mirror=bool(sensor[REG04] & 0x80),
            flip=bool(sensor[REG04] & 0x40),
            bars=bool(sensor[COM7] & 0x02),
        )

    def _box(self) -> tuple[float, float, float, float]:
        dsp = self.banks[DSP]
        across = (dsp[SIZEL] >> 6 & 1) << 11 | dsp[HSIZE8] << 3 | dsp[SIZEL] >> 3 & 7
        down = dsp[VSIZE8] << 3 | dsp[SIZEL] & 7
        width = ((dsp[TEST] >> 7) << 9 | (dsp[VHYX] >> 3 & 1) << 8 | dsp[HSIZE]) * 4
        height = ((dsp[VHYX] >> 7) << 8 | dsp[VSIZE]) * 4
        left = (dsp[VHYX] & 7) << 8 | dsp[XOFFL]
        top = (dsp[VHYX] >> 4 & 7) << 8 | dsp[YOFFL]
        if not (width and height and left + width <= across and top + height <= down):
            return (0.0, 0.0, 1.0, 1.0)
        return left / across, top / down, (left + width) / across, (top + height) / down
