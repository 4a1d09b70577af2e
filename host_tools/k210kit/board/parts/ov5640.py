"""OmniVision OV5640: 2592 x 1944 pixels, 16-bit register numbers.

Registers: OV5640 datasheet, version 2.03; clock tree, mirror and flip: Linux drivers/media/i2c/ov5640.c. Not modelled:
exposure, colour, focus and their readings, JPEG, raw output, MIPI; the picture fills the frame whatever window of the
array is set.
"""

from __future__ import annotations

from k210kit.board.parts.camera_sensor import RGB565, YUV422, CameraSensor, Picture, Timing

SYS_CTRL, PIDH, PIDL, PAD_SYNC, PAD_DATA = 0x3008, 0x300A, 0x300B, 0x3017, 0x3018
PLL0, PLL1, PLL2, PLL3, ROOT_DIVIDER = 0x3034, 0x3035, 0x3036, 0x3037, 0x3108
OUT_WIDTH, OUT_HEIGHT, HTS, VTS, FLIP, MIRROR = 0x3808, 0x380A, 0x380C, 0x380E, 0x3820, 0x3821
FORMAT, FORMAT_MUX, TEST_PATTERN = 0x4300, 0x501F, 0x503D
DEFAULTS = {
    SYS_CTRL: 0x02, PIDH: 0x56, PIDL: 0x40, PLL0: 0x1A, PLL1: 0x11, PLL2: 0x69, PLL3: 0x03, ROOT_DIVIDER: 0x16,
    0x3804: 0x0A, 0x3805: 0x3F, 0x3806: 0x07, 0x3807: 0x9F, OUT_WIDTH: 0x0A, OUT_WIDTH + 1: 0x20, OUT_HEIGHT: 0x07,
    OUT_HEIGHT + 1: 0x98, HTS: 0x0B, HTS + 1: 0x1C, VTS: 0x07, VTS + 1: 0xB0, 0x3811: 0x10, 0x3813: 0x04, 0x3814: 0x11,
    0x3815: 0x11, FLIP: 0x40, FORMAT: 0xF8, 0x4740: 0x20,
}  # fmt: skip
VSYNC_LINES = 4
"""The pulse is about that long; registers that set it are not modelled."""


class Ov5640(CameraSensor):
    """See CameraSensor."""

    name = "OV5640"
    address = 0x3C
    number_bytes = 2
    counts_up = True

    def reset_registers(self) -> None:
        """The pads are inputs after reset."""
        self.registers = bytearray(1 << 16)
        for register, value in DEFAULTS.items():
            self.registers[register] = value

    def store(self, register: int, value: int) -> None:
        """SYS_CTRL's top bit resets and clears itself."""
        if register == SYS_CTRL and value & 0x80:
            self.restart()
            value &= 0x7F
        if register not in (PIDH, PIDL):
            self.registers[register] = value

    def fetch(self, register: int) -> int:
        """Any register."""
        return self.registers[register]

    @property
    def standby(self) -> bool:  # type: ignore[override]
        """SYS_CTRL's software power-down."""
        return bool(self.registers[SYS_CTRL] & 0x40)

    @property
    def syncs(self) -> bool:  # type: ignore[override]
        """Pads of VSYNC, HREF and PCLK are outputs."""
        return self.registers[PAD_SYNC] & 0x70 == 0x70

    @property
    def drives(self) -> bool:  # type: ignore[override]
        """Pads D9 to D2, which boards connect, are outputs."""
        return self.registers[PAD_SYNC] & 0x0F == 0x0F and self.registers[PAD_DATA] & 0xF0 == 0xF0

    def _word(self, register: int) -> int:
        return self.registers[register] << 8 | self.registers[register + 1]

    def _hz(self) -> float:
        """The clock that shifts one pixel of the array."""
        r = self.registers
        bits = {8: 2.0, 10: 2.5}.get(r[PLL0] & 0xF, 1.0)
        root = 2 if r[PLL3] & 0x10 else 1
        vco = self.pins.xclk_hz() / max(r[PLL3] & 0xF, 1) * r[PLL2]
        return vco / max(r[PLL1] >> 4, 1) / root / bits / (1 << (r[ROOT_DIVIDER] & 3))

    def timing(self) -> Timing:
        """HTS x VTS clocks a frame; where idle lines lie is not documented: half before, half after the picture."""
        line, lines, height = max(self._word(HTS), 1), max(self._word(VTS), 1), self.picture().height
        idle = max(lines - height, lines // 16, 2 * VSYNC_LINES + 2)
        first, each = VSYNC_LINES + idle // 2, min(1.0, (lines - idle) / height)
        return Timing(max(self._hz(), 1.0), line * lines, VSYNC_LINES * line, first * line, line * each)

    def picture(self) -> Picture:
        """A back-side illuminated array sees mirrored; the mirror bits undo that (Linux, ov5640_set_ctrl_hflip)."""
        r = self.registers
        kind, order, mux = r[FORMAT] >> 4, r[FORMAT] & 0xF, r[FORMAT_MUX] & 7
        known, swapped, v_first = "", False, False
        if kind == 3 and mux == 0 and order in (0, 1, 2, 3, 15):
            # 0 YUYV, 1 YVYU, 2 UYVY, 3 VYUY; Linux takes 15 for UYVY.
            known, swapped, v_first = YUV422, order in (0, 1), order in (1, 3)
        elif kind == 6 and mux == 1 and order in (1, 15):
            # 1 has red and the upper green bits first, 15 the lower green bits and blue.
            known, swapped = RGB565, order == 15
        return Picture(
            max(self._word(OUT_WIDTH) & 0xFFC, 4),
            max(self._word(OUT_HEIGHT) & 0x7FF, 4),
            format=known,
            swapped=swapped,
            v_first=v_first,
            mirror=not r[MIRROR] & 0x02,
            flip=bool(r[FLIP] & 0x02),
            bars=bool(r[TEST_PATTERN] & 0x80),
        )
