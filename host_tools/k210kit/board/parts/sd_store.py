"""What an SD card remembers: an image file that is written back at once, or memory."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import BinaryIO

from k210kit.errors import K210Error

GRAIN = 512 * 1024  # bytes; the unit of C_SIZE in a version 2 CSD
LARGEST = GRAIN << 22

log = logging.getLogger("k210kit.board")


class CardStore:
    """The blocks of a card: a file that is written back at once, or memory.

    A `bytearray` is used in place; `bytes` are copied. Raises K210Error for what cannot be a card.
    """

    def __init__(self, image: str | Path | bytes | bytearray, read_only: bool = False) -> None:
        self.read_only = read_only
        self.changes = 0
        self._file: BinaryIO | None = None
        self._memory = bytearray()
        if isinstance(image, (bytes, bytearray)):
            self._memory = image if isinstance(image, bytearray) else bytearray(image)
            size, name = len(self._memory), "the SD image"
        else:
            self._file = self._open(Path(image), read_only)
            size, name = self._file.seek(0, 2), f"the SD image {image}"
        if not 0 < size <= LARGEST:
            self.close()
            raise K210Error(f"{name} has {size} bytes; a card has 1 to {LARGEST}: give a whole card's image")
        self.capacity = -(-size // GRAIN) * GRAIN

    @staticmethod
    def _open(path: Path, read_only: bool) -> BinaryIO:
        try:
            return open(path, "rb" if read_only else "r+b", buffering=0)
        except OSError as error:
            hint = "" if read_only else "; make it readable and writable, or open the card read-only"
            raise K210Error(f"cannot open the SD image {path}: {error.strerror}{hint}") from error

    def read(self, position: int, size: int) -> bytes:
        """`size` bytes at byte `position`; what lies beyond the image's end reads as zeros."""
        if self._file is None:
            data = bytes(self._memory[position : position + size])
        else:
            self._file.seek(position)
            data = self._file.read(size)
        return data if len(data) == size else data + bytes(size - len(data))

    def write(self, position: int, data: bytes) -> bool:
        """Store `data` at byte `position`, growing the image when needed; False when it cannot be stored."""
        if self.read_only:
            return False
        self.changes += 1
        if self._file is None:
            missing = position - len(self._memory)
            if missing > 0:
                self._memory.extend(bytes(missing))
            self._memory[position : position + len(data)] = data
            return True
        try:
            self._file.seek(position)
            return self._file.write(data) == len(data)
        except OSError as error:
            log.warning("SD card: the image cannot be written: %s", error.strerror)
            return False

    def erase(self, position: int, size: int) -> bool:
        """Fill with zeros; the card says so in its SCR (DATA_STAT_AFTER_ERASE = 0)."""
        end = position + size
        step = 1 << 20
        return all(self.write(at, bytes(min(step, end - at))) for at in range(position, end, step))

    def close(self) -> None:
        """Close the image file."""
        if self._file is not None:
            self._file.close()
