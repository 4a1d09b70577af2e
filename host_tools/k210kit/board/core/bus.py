"""What a bus master (DMA, KPU, DVP) sees of the address space."""

from __future__ import annotations

from typing import Protocol


class Bus(Protocol):
    """Physical memory and device registers as seen by a bus master other than the harts."""

    def read(self, address: int, size: int) -> bytes:
        """`size` bytes from memory (SRAM, AI RAM, ROM, either alias). Raises BusError outside memory."""
        ...

    def write(self, address: int, data: bytes) -> None:
        """Write to memory; translated code there is dropped. Raises BusError outside memory."""
        ...

    def is_memory(self, address: int, size: int) -> bool:
        """Whether the whole range lies in one memory."""
        ...

    def read_register(self, address: int, size: int) -> int:
        """Read a device register of 1, 2, 4 or 8 bytes. Raises BusError where nothing answers."""
        ...

    def write_register(self, address: int, size: int, value: int) -> None:
        """Write a device register. Raises BusError where nothing answers."""
        ...


class BusError(Exception):
    """Nothing answers at that address."""

    def __init__(self, address: int) -> None:
        super().__init__(f"nothing answers at bus address {address:#x}")
        self.address = address
