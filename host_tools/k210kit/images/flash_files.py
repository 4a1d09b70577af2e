"""What a firmware file puts where in the flash."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from k210kit.errors import K210Error
from k210kit.images import elf, header, kfpkg

LOAD_ADDRESS = 0x8000_0000
"""Where the mask ROM puts the payload and both harts start."""


@dataclass(frozen=True)
class Firmware:
    """Pieces for the flash as (offset, bytes, what it is), and function names where known."""

    pieces: list[tuple[int, bytes, str]]
    symbols: elf.Symbols = field(default_factory=elf.Symbols)


def read_file(path: str | Path) -> bytes:
    """A file's bytes. Raises K210Error with the system's reason."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise K210Error(f"cannot read {path}: {error.strerror}") from None


def load(path: str | Path) -> Firmware:
    """Read a .bin (raw, or with boot header), .elf or .kfpkg. Raises K210Error when it is none."""
    return parse(read_file(path), str(path))


def parse(data: bytes, name: str) -> Firmware:
    """The same for a file's bytes; `name` is for messages."""
    if not data:
        raise K210Error(f"{name} is empty")
    if data[:4] == b"\x7fELF":
        executable = elf.parse(data)
        return Firmware([(0, header.wrap(executable.flatten(LOAD_ADDRESS)), name)], executable.symbols)
    if data[:2] == b"PK" or name.endswith(".kfpkg"):
        entries = kfpkg.read(data)
        pieces = [(entry.address, entry.flash_data, f"{name}:{entry.name}") for entry in entries]
        for offset, image, piece in pieces:
            if offset == 0:
                header.unwrap(image, piece)
        return Firmware(pieces)
    if header.has_header(data):
        header.unwrap(data, name)
        return Firmware([(0, data, name)])
    return Firmware([(0, header.wrap(data), name)])


def check_overlaps(pieces: list[tuple[int, bytes, str]], flash_size: int) -> None:
    """Raises K210Error when two pieces share a byte of the flash or one leaves it."""
    last_end, last_name = 0, ""
    for offset, data, name in sorted(pieces, key=lambda piece: piece[0]):
        end = offset + len(data)
        if offset < 0 or end > flash_size:
            raise K210Error(f"{name} would lie at {offset:#x} to {end:#x}, outside the flash of {flash_size:#x} bytes")
        if data and offset < last_end:
            raise K210Error(
                f"{name} at {offset:#x} overlaps {last_name}, which ends at {last_end:#x}; "
                f"the next free 4 KiB sector starts at {(last_end + 0xFFF) & ~0xFFF:#x}"
            )
        if end > last_end:
            last_end, last_name = end, name
