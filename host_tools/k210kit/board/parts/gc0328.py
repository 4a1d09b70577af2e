"""GalaxyCore GC0328: 640 x 480 pixels, 8-bit registers in two pages.

Registers: MaixPy's driver with its comments (components/micropython/port/src/omv/gc0328.c), OpenMV's gc0328_regs.h, and
for what they leave open (output formats, row time) the GC0308 datasheet, its predecessor's. Not modelled: exposure and
colour.
"""

from __future__ import annotations

from k210kit.board.parts.camera_sensor import RGB565, YUV422, CameraSensor, Picture, Timing

BLANK, MIRROR, FORMAT, CROP, CROP_Y, CROP_X, CROP_HEIGHT, CROP_WIDTH, SUBSAMPLE = (
    0x05, 0x17, 0x44, 0x50, 0x51, 0x53, 0x55, 0x57, 0x59,
)  # fmt: skip
CHIP_ID, PAD_SYNC, PAD_DATA, PLL, PAGE = 0xF0, 0xF1, 0xF2, 0xFC, 0xFE
SHARED = 0xF0
"""Registers from here on are the same in both pages."""
WIDTH, HEIGHT = 640, 480
DEFAULTS = {
    0x06: 0x6A, 0x08: 0x0C, MIRROR: 0x14, FORMAT: 0x02, CROP_HEIGHT: 0x01, CROP_HEIGHT + 1: 0xE0, CROP_WIDTH: 0x02,
    CROP_WIDTH + 1: 0x80, SUBSAMPLE: 0x11, CHIP_ID: 0x9D,
}  # fmt: skip


class Gc0328(CameraSensor):
    """See CameraSensor."""

    name = "GC0328"
    address = 0x21

    def reset_registers(self) -> None:
        """The pads are off after reset, page 0 is selected."""
        self.pages = [bytearray(256), bytearray(256)]
        for register, value in DEFAULTS.items():
            self.pages[0][register] = value

    def _page(self, register: int) -> bytearray:
        return self.pages[0 if register >= SHARED else self.pages[0][PAGE] & 1]

    def store(self, register: int, value: int) -> None:
        """PAGE's top bit resets."""
        if register == PAGE and value & 0x80:
            self.restart()
        elif register != CHIP_ID:
            self._page(register)[register] = value

    def fetch(self, register: int) -> int:
        """A register of the selected page."""
        return self._page(register)[register]

    @property
    def syncs(self) -> bool:  # type: ignore[override]
        """Three bits of PAD_SYNC are for PCLK, HSYNC and VSYNC."""
        return self.pages[0][PAD_SYNC] & 7 == 7

    @property
    def drives(self) -> bool:  # type: ignore[override]
        """PAD_DATA's bit."""
        return bool(self.pages[0][PAD_DATA] & 1)

    def _word(self, register: int) -> int:
        return self.pages[0][register] << 8 | self.pages[0][register + 1]

    def _size(self) -> tuple[int, int]:
        """Of the picture before the crop: subsampled when the crop stage is on."""
        if not self.pages[0][CROP] & 1:
            return WIDTH, HEIGHT
        ratio = self.pages[0][SUBSAMPLE]
        return WIDTH // max(ratio >> 4, 1), HEIGHT // max(ratio & 0xF, 1)

    def timing(self) -> Timing:
        """GC0308: a row is the window and 4, HB and the sample-hold delay more, a frame VB and 16 rows more.

        Where those lie is not documented: here half before and half after the picture.
        """
        delay = 12
        row = WIDTH + 4 + delay + self._word(BLANK)
        vertical = self._word(BLANK + 2)
        rows = HEIGHT + 16 + vertical
        first = (rows - HEIGHT) // 2 * row
        return Timing(max(self.pins.xclk_hz() / 2, 1.0), rows * row, 2 * row, first, row * HEIGHT / self._size()[1])

    def picture(self) -> Picture:
        """Format 0 is Cb Y Cr Y, 1 Cr Y Cb Y, 2 Y Cb Y Cr, 3 Y Cr Y Cb, 6 RGB565."""
        page = self.pages[0]
        across, down = self._size()
        left, top, width, height = 0, 0, across, down
        if page[CROP] & 1:
            left, top = min(self._word(CROP_X), across - 4), min(self._word(CROP_Y), down - 4)
            width, height = min(self._word(CROP_WIDTH), across - left), min(self._word(CROP_HEIGHT), down - top)
        kind = page[FORMAT] & 0x1F
        return Picture(
            max(width & ~3, 4),
            max(height, 4),
            (left / across, top / down, (left + width) / across, (top + height) / down),
            YUV422 if kind < 4 else RGB565 if kind == 6 else "",
            swapped=kind in (2, 3),
            v_first=kind in (1, 3),
            mirror=bool(page[MIRROR] & 1),
            flip=bool(page[MIRROR] & 2),
        )
