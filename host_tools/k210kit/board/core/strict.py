"""Strict mode: what the chip's documentation does not cover traps, and is noted.

Without it the board is as forgiving as silicon may be: an undeclared register reads as zero, and loads and stores
need not be aligned. In strict mode each of these is an exception of the hart that makes it, as on a bus that answers
with an error: an address where no register is declared, a width other than the register's, and the debug block around
address 0 (where null pointers go). Of level "all", so is every access to memory that is not aligned, as on silicon:
that needs a look at each, which makes the board some five times slower.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from k210kit.board.core.device import Device
from k210kit.board.core.hart import EXCEPTIONS

Level = Literal["registers", "all"]
LEVELS: tuple[Level, ...] = ("registers", "all")
MISALIGNED = (4, 6)
PAGE = 0x1000
"""What every block has of the address space at least."""
UNDOCUMENTED = ("debug",)
MASTER = -1
"""Stands for a DMA channel where harts have a number."""


@dataclass(frozen=True)
class Finding:
    """An access that trapped: who made it, why and where."""

    hart: int
    cause: int
    pc: int
    address: int
    place: str

    def __str__(self) -> str:
        who = f"hart {self.hart}, pc {self.pc:#x}" if self.hart != MASTER else "bus master"
        return f"{who}: {EXCEPTIONS[self.cause]}, {self.place}"


@dataclass
class Strict:
    """The judge that the run loop asks; `devices` by base address.

    `faults` counts accesses that the map does not have; `misaligned` those that are not aligned, which firmware may
    handle in its trap handler, as on silicon. `unmodelled` has the registers used that the board knows without their
    effect.
    """

    devices: Mapping[int, Device]
    faults: dict[Finding, int] = field(default_factory=dict)
    misaligned: dict[Finding, int] = field(default_factory=dict)
    unmodelled: dict[str, str] = field(default_factory=dict)

    def permits(self, address: int, size: int, store: bool) -> bool:
        """Whether the map has a register there which takes accesses of `size` bytes."""
        found = self._find(address)
        if found is None:
            return False
        device, offset = found
        if device.name in UNDOCUMENTED or not device.takes(offset, size, store):
            return False
        self._look(device, offset, size)
        return True

    def permits_master(self, address: int) -> bool:
        """The same for a bus master, whose widths are its own; notes what it refuses."""
        found = self._find(address)
        if found is not None and found[0].takes(found[1] & ~3, found[0].widths[0], True):
            return True
        self.note(MASTER, 7, 0, address)
        return False

    def note(self, hart: int, cause: int, pc: int, address: int) -> None:
        """A hart enters the handler of an access exception."""
        finding = Finding(hart, cause, pc, address, self._place(address))
        counts = self.misaligned if cause in MISALIGNED else self.faults
        counts[finding] = counts.get(finding, 0) + 1

    def report(self) -> list[str]:
        """What was found, a line each; empty for nothing."""
        lines = [f"{finding}{_times(count)}" for finding, count in self.faults.items()]
        lines += [f"{finding}{_times(count)}" for finding, count in self.misaligned.items()]
        return lines + [f"not modelled: {name}: {why}" for name, why in self.unmodelled.items()]

    def _find(self, address: int) -> tuple[Device, int] | None:
        for base, device in self.devices.items():
            if base <= address < base + max(device.size, device.window, PAGE):
                return device, address - base
        return None

    def _place(self, address: int) -> str:
        found = self._find(address & 0xFFFF_FFFF)
        if found is None:
            return f"address {address:#x}"
        device, offset = found
        return f"{device.name}+{offset:#x}"

    def _look(self, device: Device, offset: int, size: int) -> None:
        for at in range(offset, offset + size, 4):
            name, why = device.not_modelled(at)
            if why:
                self.unmodelled.setdefault(f"{device.name}.{name}", why)


def _times(count: int) -> str:
    return f" ({count} times)" if count > 1 else ""
