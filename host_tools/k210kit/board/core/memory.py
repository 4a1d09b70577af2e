"""The chip's memories: SRAM with AI RAM behind it (each visible twice) and the mask ROM."""

from __future__ import annotations

import ctypes
import mmap
from dataclasses import dataclass

SRAM_BASE = 0x8000_0000
SRAM_UNCACHED = 0x4000_0000
SRAM_SIZE = 6 << 20
AI_RAM_BASE = SRAM_BASE + SRAM_SIZE
AI_RAM_SIZE = 2 << 20
ROM_BASE = 0x8800_0000
ROM_SIZE = 128 << 10


@dataclass(frozen=True)
class Region:
    """`size` bytes of host memory at `host`, seen by the harts at `base`."""

    base: int
    size: int
    view: memoryview
    host: int


class Memory:
    """Host memory behind the address map; views are shared by both harts and all bus masters."""

    def __init__(self) -> None:
        size = SRAM_SIZE + AI_RAM_SIZE
        self._ram, self._rom = mmap.mmap(-1, size), mmap.mmap(-1, ROM_SIZE)
        self.ram = memoryview(self._ram)
        self.rom = memoryview(self._rom)
        self.ai_ram = self.ram[SRAM_SIZE:]
        self.regions = [
            Region(SRAM_BASE, size, self.ram, _address(self._ram)),
            Region(SRAM_UNCACHED, size, self.ram, _address(self._ram)),
            Region(ROM_BASE, ROM_SIZE, self.rom, _address(self._rom)),
        ]

    def find(self, address: int, size: int) -> tuple[Region, int] | None:
        """The region that holds the whole range, and the offset in it; None when there is none."""
        for region in self.regions:
            offset = address - region.base
            if offset >= 0 and offset + size <= region.size:
                return region, offset
        return None

    def clear(self) -> None:
        """RAM as after power-on: zeros here, though silicon promises nothing."""
        ctypes.memset(self.regions[0].host, 0, self.regions[0].size)


def _address(buffer: mmap.mmap) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))
