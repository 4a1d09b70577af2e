"""An ST7789 panel (and what an ILI9341 shares with it): commands in, a picture out.

Commands: Sitronix ST7789V datasheet, version 1.6, chapter 9.1; reads with their dummy, chapters 8.4 and 8.8. On Maix
boards the panel hangs on SPI0's eight data lines as an 8080 bus (SCLK is WRX) with D/C and reset on pins of their own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from k210kit.board.core.line import Line
from k210kit.board.parts.spi_part import SpiPart
from k210kit.errors import K210Error

if TYPE_CHECKING:
    from PIL import Image

COLUMNS, ROWS = 240, 320
MY, MX, MV, BGR = 0x80, 0x40, 0x20, 0x08
LANDSCAPE = MV | MY  # what MaixPy and the vendor's demos set for an upright picture on Maix boards
NATURAL_ID = bytes([0x85, 0x85, 0x52])

log = logging.getLogger("k210kit.board")
Pixels = NDArray[np.uint32]


def _pack(red: NDArray[Any], green: NDArray[Any], blue: NDArray[Any]) -> Pixels:
    packed: Pixels = red << 16 | green << 8 | blue
    return packed


def _colours_565() -> Pixels:
    value = np.arange(1 << 16, dtype=np.uint32)
    red, green, blue = value >> 11, value >> 5 & 0x3F, value & 0x1F
    return _pack(red << 3 | red >> 2, green << 2 | green >> 4, blue << 3 | blue >> 2)


def _colours_444() -> Pixels:
    value = np.arange(1 << 12, dtype=np.uint32)
    return _pack((value >> 8) * 17, (value >> 4 & 0xF) * 17, (value & 0xF) * 17)


_565, _444 = _colours_565(), _colours_444()


def _from_12(data: bytes) -> Pixels:
    three = np.frombuffer(data, np.uint8).reshape(-1, 3).astype(np.uint16)
    pairs = np.empty((len(three), 2), np.uint16)
    pairs[:, 0] = three[:, 0] << 4 | three[:, 1] >> 4
    pairs[:, 1] = (three[:, 1] & 0xF) << 8 | three[:, 2]
    found: Pixels = _444[pairs.reshape(-1)]
    return found


def _from_16(data: bytes) -> Pixels:
    found: Pixels = _565[np.frombuffer(data, ">u2")]
    return found


def _from_18(data: bytes) -> Pixels:
    six: NDArray[Any] = np.frombuffer(data, np.uint8).reshape(-1, 3).astype(np.uint32) & 0xFC
    six |= six >> 6
    return _pack(six[:, 0], six[:, 1], six[:, 2])


# Pixel format (COLMOD bits 2..0): bytes of the smallest whole group, and its decoder.
FORMATS: dict[int, tuple[int, Callable[[bytes], Pixels]]] = {3: (3, _from_12), 5: (2, _from_16), 6: (3, _from_18)}


class LcdPanel(SpiPart):
    """A panel of 240 x 320 pixels (unless `memory` says otherwise) with its frame memory.

    `dc` low means that bytes are commands; `rst` low holds the panel in reset. `ips`: the glass shows the frame memory
    in its natural colours after INVON (IPS, normally black) instead of after INVOFF (TN, normally white). `bgr`: the
    colour filters lie blue first, so that MADCTL's BGR bit must be set. `upright`: the MADCTL value under which
    firmware draws upright for the person who looks; it gives `image()` its orientation. `glass`: (left, top, width,
    height) of the part of the frame memory, in upright coordinates, that has glass over it; None for all. `memory`:
    the frame memory's columns and rows (320 x 480 for the ILI9486 and ILI9481, whose basic commands are the same).
    """

    def __init__(
        self,
        dc: Line,
        rst: Line | None = None,
        *,
        ips: bool = False,
        bgr: bool = False,
        upright: int = LANDSCAPE,
        glass: tuple[int, int, int, int] | None = None,
        memory: tuple[int, int] = (COLUMNS, ROWS),
    ) -> None:
        self.dc, self.rst = dc, rst
        self.columns, self.rows = memory
        self.ips, self.bgr, self.upright, self.glass = ips, bgr, upright, glass
        self.gram: Pixels = np.zeros((self.rows, self.columns), np.uint32)
        self.frames = 0
        self._unknown: set[int] = set()
        self._selected = False
        self._hardware_reset()
        if rst is not None:
            rst.listen(lambda level: None if level else self._hardware_reset())

    # Reset

    def _hardware_reset(self) -> None:
        """The frame memory keeps what it holds (on silicon it is random at power-on; here it starts as zeros)."""
        self.madctl, self.colmod = 0x00, 0x66
        self._software_reset(b"")

    def _software_reset(self, _: bytes) -> None:
        # MADCTL and COLMOD keep their values (datasheet, default tables of 36h and 3Ah).
        self.sleeping, self.on = True, False
        self.inverted = self.idle = self.tearing = self.partial = False
        across, down = (self.rows, self.columns) if self.madctl & MV else (self.columns, self.rows)
        self._columns, self._rows = (0, across - 1), (0, down - 1)
        self.scroll = (0, self.rows, 0)
        self.scroll_start = 0
        self.partial_area = (0, self.rows - 1)
        self._command, self._parameters = 0x00, bytearray()
        self._position, self._rest = 0, b""
        self._reply: bytes | None = None

    # The bus

    def select(self, selected: bool) -> None:
        """Chip select. Between transfers a command's parameters and the memory pointer are kept."""
        self._selected = selected
        if not selected:
            self._reply = None

    def send(self, data: bytes, lines: int = 1) -> None:
        """Commands (D/C low) or their parameters and pixels (D/C high), bytes in bus order."""
        if not self._selected or (self.rst is not None and not self.rst.level):
            return
        if not self.dc.level:
            for byte in data:
                self._start(byte)
        elif self._command in (0x2C, 0x3C):
            self._write_memory(data)
        else:
            self._take_parameters(data)

    def exchange(self, data: bytes) -> bytes:
        """Full duplex on one line each way: after a read command the panel drives, else it listens."""
        if self.dc.level and self._reply is not None:
            return self.receive(len(data))
        self.send(data)
        return b"\xff" * len(data)

    def receive(self, count: int, lines: int = 1) -> bytes:
        """The answer to a read command: one dummy byte first on eight lines, one dummy clock on a serial line."""
        if self._reply is None or not self._selected:
            return b"\xff" * count
        reply, self._reply = self._reply, None
        serial = lines != 8
        if self._command in (0x2E, 0x3E):
            reply = b"\x00" + self._read_memory(count)
        elif not serial:
            reply = b"\x00" + reply
        elif len(reply) > 1:
            reply = (int.from_bytes(reply, "big") << 7).to_bytes(len(reply) + 1, "big")
        return reply[:count].ljust(count, b"\xff")

    # Commands

    def _start(self, command: int) -> None:
        self._command = command
        self._parameters.clear()
        self._reply = None
        if command == 0x2C:
            self._position, self._rest = 0, b""
            self.frames += 1
        elif command == 0x2E:
            self._position, self._reply = 0, b""
        elif command == 0x3E:
            self._reply = b""
        elif command in self._READS:
            self._reply = self._READS[command](self)
        elif command in self._COMMANDS and self._COMMANDS[command][0] == 0:
            self._COMMANDS[command][1](self, b"")
        elif command not in self._COMMANDS and command not in self._SILENT and command not in self._unknown:
            self._unknown.add(command)
            log.info("LCD panel: command 0x%02x is not modelled", command)

    def _take_parameters(self, data: bytes) -> None:
        count, action = self._COMMANDS.get(self._command, (0, None))
        room = count - len(self._parameters)
        if action is None or room <= 0:
            return
        self._parameters += data[:room]
        if len(self._parameters) == count:
            action(self, bytes(self._parameters))

    def _set(self, **values: bool) -> None:
        for name, value in values.items():
            setattr(self, name, value)

    @staticmethod
    def _pair(data: bytes) -> tuple[int, int]:
        return int.from_bytes(data[:2], "big"), int.from_bytes(data[2:4], "big")

    def _column_address(self, data: bytes) -> None:
        start, end = self._pair(data)
        if start <= end:
            self._columns = (start, end)

    def _row_address(self, data: bytes) -> None:
        start, end = self._pair(data)
        if start <= end:
            self._rows = (start, end)

    def _partial_rows(self, data: bytes) -> None:
        self.partial_area = self._pair(data)

    def _define_scroll(self, data: bytes) -> None:
        top, height = self._pair(data)
        bottom = int.from_bytes(data[4:6], "big")
        if top + height + bottom == self.rows and height:
            self.scroll = (top, height, bottom)

    def _start_scroll(self, data: bytes) -> None:
        self.scroll_start = int.from_bytes(data, "big")

    def _memory_access(self, data: bytes) -> None:
        self.madctl = data[0] & 0xFC

    def _pixel_format(self, data: bytes) -> None:
        self.colmod = data[0]

    _COMMANDS: ClassVar[dict[int, tuple[int, Callable[[LcdPanel, bytes], None]]]] = {
        0x01: (0, _software_reset),
        0x10: (0, lambda panel, _: panel._set(sleeping=True)),
        0x11: (0, lambda panel, _: panel._set(sleeping=False)),
        0x12: (0, lambda panel, _: panel._set(partial=True)),
        0x13: (0, lambda panel, _: panel._set(partial=False)),
        0x20: (0, lambda panel, _: panel._set(inverted=False)),
        0x21: (0, lambda panel, _: panel._set(inverted=True)),
        0x28: (0, lambda panel, _: panel._set(on=False)),
        0x29: (0, lambda panel, _: panel._set(on=True)),
        0x2A: (4, _column_address),
        0x2B: (4, _row_address),
        0x30: (4, _partial_rows),
        0x33: (6, _define_scroll),
        0x34: (0, lambda panel, _: panel._set(tearing=False)),
        0x35: (0, lambda panel, _: panel._set(tearing=True)),
        0x36: (1, _memory_access),
        0x37: (2, _start_scroll),
        0x38: (0, lambda panel, _: panel._set(idle=False)),
        0x39: (0, lambda panel, _: panel._set(idle=True)),
        0x3A: (1, _pixel_format),
    }
    _READS: ClassVar[dict[int, Callable[[LcdPanel], bytes]]] = {
        0x04: lambda panel: NATURAL_ID,
        0x09: lambda panel: panel._status(),
        0x0A: lambda panel: bytes([panel._power_mode()]),
        0x0B: lambda panel: bytes([panel.madctl]),
        0x0C: lambda panel: bytes([panel.colmod]),
        0x0D: lambda panel: bytes([panel.inverted << 5]),
        0x0E: lambda panel: bytes([panel.tearing << 7]),
        0x0F: lambda panel: b"\x00",
        0xDA: lambda panel: NATURAL_ID[:1],
        0xDB: lambda panel: NATURAL_ID[1:2],
        0xDC: lambda panel: NATURAL_ID[2:],
    }
    # Memory writes (above), gamma, brightness, and the tuning registers from 0xB0 on: no effect on the picture here.
    _SILENT = frozenset({0x00, 0x26, 0x2C, 0x2D, 0x3C, 0x44, 0x51, 0x53, 0x55, 0x5E, *range(0xB0, 0x100)})

    def _power_mode(self) -> int:
        return self.idle << 6 | self.partial << 5 | (not self.sleeping) << 4 | (not self.partial) << 3 | self.on << 2

    def _status(self) -> bytes:
        awake = not self.sleeping
        third = self.inverted << 5 | self.on << 2 | self.tearing << 1
        second = (self.colmod & 7) << 4 | self.idle << 3 | self.partial << 2 | awake << 1 | (not self.partial)
        return bytes([0x80 | self.madctl >> 1, second, third, 0])

    # Frame memory

    @staticmethod
    def _oriented(memory: Pixels, madctl: int) -> Pixels:
        """`memory` (rows x columns) as firmware addresses it under `madctl`: a view, [row address, column address]."""
        if madctl & MY:
            memory = memory[::-1]
        if madctl & MX:
            memory = memory[:, ::-1]
        return memory.T if madctl & MV else memory

    def _write_memory(self, data: bytes) -> None:
        group, decode = FORMATS.get(self.colmod & 7, FORMATS[6])
        if self._rest:
            data = self._rest + data
        whole = len(data) - len(data) % group
        self._rest = data[whole:]
        if whole:
            self._put(decode(data[:whole] if self._rest else data))

    def _put(self, pixels: Pixels) -> None:
        """Pixels at the memory pointer, row by row within the window; after its last pixel comes its first."""
        memory = self._oriented(self.gram, self.madctl)
        (left, right), (top, bottom) = self._columns, self._rows
        width, size = right - left + 1, (right - left + 1) * (bottom - top + 1)
        if len(pixels) > size:
            skip = len(pixels) - size
            self._position = (self._position + skip) % size
            pixels = pixels[skip:]
        start = self._position
        self._position = (start + len(pixels)) % size
        if right >= memory.shape[1] or bottom >= memory.shape[0]:
            self._put_clipped(memory, pixels, (np.arange(start, start + len(pixels)) % size))
            return
        window = memory[top : bottom + 1, left : right + 1]
        if start + len(pixels) > size:
            self._fill(window, width, start, pixels[: size - start])
            start, pixels = 0, pixels[size - start :]
        self._fill(window, width, start, pixels)

    def _put_clipped(self, memory: Pixels, pixels: Pixels, at: NDArray[np.int64]) -> None:
        """For a window that sticks out of the memory: what lies outside is counted but not stored."""
        rows, columns = np.divmod(at, self._columns[1] - self._columns[0] + 1)
        rows, columns = rows + self._rows[0], columns + self._columns[0]
        inside = (rows < memory.shape[0]) & (columns < memory.shape[1])
        memory[rows[inside], columns[inside]] = pixels[inside]

    @staticmethod
    def _fill(window: Pixels, width: int, start: int, pixels: Pixels) -> None:
        row, column = divmod(start, width)
        if column:
            head = min(width - column, len(pixels))
            window[row, column : column + head] = pixels[:head]
            pixels, row = pixels[head:], row + 1
        rows = len(pixels) // width
        if rows:
            window[row : row + rows] = pixels[: rows * width].reshape(rows, width)
        tail = len(pixels) - rows * width
        if tail:
            window[row + rows, :tail] = pixels[rows * width :]

    def _read_memory(self, count: int) -> bytes:
        """18-bit pixels, three bytes each, from the memory pointer on."""
        memory = self._oriented(self.gram, self.madctl)
        (left, right), (top, bottom) = self._columns, self._rows
        window = memory[top : bottom + 1, left : right + 1].reshape(-1)
        if not window.size:
            return b""
        at = (self._position + np.arange(count // 3 + 1)) % window.size
        self._position = int(at[-1])
        found = window[at]
        return (np.stack([found >> 16, found >> 8, found], axis=1) & 0xFC).astype(np.uint8).tobytes()

    # The picture

    @property
    def visible(self) -> bool:
        """Whether the panel shows its frame memory: awake and switched on."""
        return self.on and not self.sleeping

    def image(self) -> Image.Image:
        """What a person sees, upright, as an RGB picture; black while the panel sleeps or is off.

        The backlight is taken to be on. Assumed: glass and `ips` fit together, so the natural setting of INVON shows
        natural colours, and the other setting shows them inverted.
        """
        shown = self._oriented(self._shown_rows(), self.upright)
        if self.glass is not None:
            left, top, width, height = self.glass
            shown = shown[top : top + height, left : left + width]
        rgb = np.empty((*shown.shape, 3), np.uint8)
        for plane, shift in enumerate((16, 8, 0)):
            rgb[:, :, plane] = shown >> shift & 0xFF
        from PIL import Image

        return Image.fromarray(rgb)

    def _shown_rows(self) -> Pixels:
        """The frame memory after scrolling, colour order, idle mode and inversion; [panel row, panel column]."""
        if not self.visible:
            return np.zeros_like(self.gram)
        top, height, _ = self.scroll
        rows = np.arange(self.rows)
        rows[top : top + height] = top + (self.scroll_start - top + np.arange(height)) % height
        shown: NDArray[Any] = self.gram[rows]
        if bool(self.madctl & BGR) != self.bgr:
            shown = (shown & 0xFF) << 16 | (shown & 0xFF00) | shown >> 16
        if self.idle:
            shown = (shown >> 7 & 0x01_0101) * np.uint32(0xFF)
        if self.inverted != self.ips:
            shown = shown ^ np.uint32(0xFF_FFFF)
        if self.partial:
            first, last = self.partial_area
            line = np.arange(self.rows)
            inside = (line >= first) & (line <= last) if first <= last else (line >= first) | (line <= last)
            shown[~inside] = 0
        return shown

    def save(self, path: str | Path) -> None:
        """Write `image()` to a file, its format after the name's ending. Raises K210Error when that fails."""
        try:
            self.image().save(path)
        except (OSError, ValueError) as error:
            raise K210Error(f"cannot write the panel's picture to {path}: {error}") from error
