"""ELF executables for the K210: the bytes to load and the names of functions.

Layout: System V ABI, ELF-64, little endian, machine 243 (RISC-V).
"""

from __future__ import annotations

import bisect
import struct
from dataclasses import dataclass, field

from k210kit.errors import K210Error

MACHINE_RISCV = 243
PT_LOAD, SHT_SYMTAB = 1, 2
STT_NOTYPE, STT_FUNC = 0, 2


@dataclass(frozen=True)
class Symbols:
    """Function names by address."""

    addresses: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def find(self, address: int) -> str:
        """`name+0xoffset` of the function around `address`, or '' when none is known."""
        index = bisect.bisect_right(self.addresses, address) - 1
        if index < 0:
            return ""
        offset = address - self.addresses[index]
        return self.names[index] + (f"+{offset:#x}" if offset else "") if offset < 1 << 20 else ""

    def address_of(self, name: str) -> int | None:
        """Where the function `name` starts, or None."""
        return self.addresses[self.names.index(name)] if name in self.names else None


@dataclass(frozen=True)
class Elf:
    """An executable: its entry, its segments as (physical address, bytes), its functions."""

    entry: int
    segments: list[tuple[int, bytes]]
    symbols: Symbols

    def flatten(self, base: int) -> bytes:
        """One image of all segments from `base` on. Raises K210Error when one lies elsewhere."""
        if not self.segments:
            raise K210Error("the ELF file has no loadable segment")
        end = max(address + len(data) for address, data in self.segments)
        low = min(address for address, _ in self.segments)
        if low < base or end - base > 8 << 20:
            raise K210Error(f"the ELF file loads at {low:#x} to {end:#x}, outside the SRAM that starts at {base:#x}")
        image = bytearray(end - base)
        for address, data in self.segments:
            image[address - base : address - base + len(data)] = data
        return bytes(image)


def parse(data: bytes) -> Elf:
    """Read an ELF file. Raises K210Error when it is not one for a 64-bit RISC-V."""
    try:
        return _parse(data)
    except (struct.error, IndexError, ValueError, OverflowError) as error:
        raise K210Error(f"the ELF file is damaged: {error}") from None


def _parse(data: bytes) -> Elf:
    if data[:4] != b"\x7fELF" or data[4:6] != b"\x02\x01":
        raise K210Error("not a little-endian 64-bit ELF file")
    machine = struct.unpack_from("<H", data, 18)[0]
    if machine != MACHINE_RISCV:
        raise K210Error(f"the ELF file is for machine {machine}, not for RISC-V ({MACHINE_RISCV})")
    entry, ph_offset, sh_offset = struct.unpack_from("<QQQ", data, 24)
    ph_size, ph_count, sh_size, sh_count = struct.unpack_from("<HHHH", data, 54)
    segments = []
    for index in range(ph_count):
        at = ph_offset + index * ph_size
        kind, _, offset, _, physical, in_file, _ = struct.unpack_from("<IIQQQQQ", data, at)
        if kind == PT_LOAD and in_file:
            if offset + in_file > len(data):
                raise K210Error(f"the ELF file is cut short: it has {len(data)} bytes and needs {offset + in_file}")
            segments.append((physical, data[offset : offset + in_file]))
    return Elf(entry, segments, _symbols(data, sh_offset, sh_size, sh_count))


def _symbols(data: bytes, sh_offset: int, sh_size: int, sh_count: int) -> Symbols:
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, sh_offset + n * sh_size) for n in range(sh_count)]
    found: dict[int, str] = {}
    for section in sections:
        if section[1] != SHT_SYMTAB or section[6] >= len(sections):
            continue
        strings = sections[section[6]]
        names = data[strings[4] : strings[4] + strings[5]]
        for at in range(section[4], min(section[4] + section[5], len(data) - 23), 24):
            name, info, _, where, value, _ = struct.unpack_from("<IBBHQQ", data, at)
            kind = info & 15
            if where and value and (kind == STT_FUNC or (kind == STT_NOTYPE and info >> 4)) and name < len(names):
                text = names[name : names.index(b"\0", name)].decode("ascii", "replace")
                if text and not text.startswith("$"):
                    found.setdefault(value, text)
    ordered = sorted(found)
    return Symbols(ordered, [found[address] for address in ordered])
