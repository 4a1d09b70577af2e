"""Files to pieces: what each format puts where in the flash."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from k210kit.errors import K210Error
from k210kit.flasher.plan import Piece
from k210kit.images import elf, flash_files, header, kfpkg

KMODEL_MAGIC = (b"\x03\x00\x00\x00", b"LDMK")
"""How kernel models start: version 3, and 4 or 5."""
SRAM_SIZE = 6 << 20
Source = str | Path | bytes


def load(files: Mapping[int, Source], *, key: bytes | None = None, raw: bool = False) -> list[Piece]:
    """The pieces of these files, each at its offset; a .kfpkg has its own offsets and is given at 0.

    What goes to 0 is firmware and gets the boot header unless it has one (`raw`: as it is). `key` encrypts it.
    Raises K210Error for what cannot be read or cannot be meant.
    """
    pieces = []
    for offset, source in files.items():
        data = bytes(source) if isinstance(source, bytes | bytearray) else flash_files.read_file(source)
        name = source if isinstance(source, str) else str(source) if isinstance(source, Path) else f"{len(data)} bytes"
        pieces += _pieces(offset, data, Path(name).name, key, raw)
    if key is not None and not any(piece.is_firmware for piece in pieces):
        raise K210Error("a key encrypts firmware, and none of the files goes to 0x0")
    return pieces


def _pieces(offset: int, data: bytes, name: str, key: bytes | None, raw: bool) -> list[Piece]:
    if not data:
        raise K210Error(f"{name} is empty: there is nothing to write")
    if raw:
        return [Piece(offset, data, name)]
    if name.endswith(".kfpkg") or (data[:2] == b"PK" and offset == 0):
        if offset:
            raise K210Error(f"{name} has its own offsets in it; give it without {offset:#x}")
        return [_packed(entry, f"{name}:{entry.name}", key) for entry in kfpkg.read(data)]
    if data[:4] == b"\x7fELF":
        if offset:
            raise K210Error(f"{name} is a program, which the mask ROM starts at 0x0 only; {offset:#x} is for data")
        return [_firmware(elf.parse(data).flatten(flash_files.LOAD_ADDRESS), name, key)]
    if offset:
        return [Piece(offset, data, name)]
    if data[:4] == KMODEL_MAGIC[1] or (data[:4] == KMODEL_MAGIC[0] and not _is_image(data)):
        raise K210Error(f"{name} is a kernel model, and 0x0 is where the firmware is; models go to 0x300000 and behind")
    if header.has_header(data):
        return [_headed(data, name, key)]
    if len(data) > SRAM_SIZE:
        # No program is so long; a copy of a chip may be.
        return [Piece(0, data, name)]
    return [_firmware(data, name, key)]


def _is_image(data: bytes) -> bool:
    try:
        header.check(data)
    except K210Error:
        return False
    return True


def _packed(entry: kfpkg.Entry, name: str, key: bytes | None) -> Piece:
    if entry.address == 0 and not entry.add_header:
        return _headed(entry.data, name, key)
    if entry.add_header:
        data = header.wrap(entry.data, key=key if entry.address == 0 else None)
        return Piece(entry.address, data, name, is_firmware=entry.address == 0)
    return Piece(entry.address, entry.data, name)


def _headed(data: bytes, name: str, key: bytes | None) -> Piece:
    flags, _ = header.check(data, name)
    if key is not None:
        if flags & header.FLAG_AES:
            raise K210Error(f"{name} is encrypted already (flag byte {flags:#04x}); give it without --key")
        data = header.wrap(header.unwrap(data, name), flags, key=key)
    return Piece(0, data, name, is_firmware=True)


def _firmware(payload: bytes, name: str, key: bytes | None) -> Piece:
    if len(payload) > SRAM_SIZE:
        raise K210Error(f"{name} has {len(payload)} bytes, and the chip's memory for programs {SRAM_SIZE}")
    return Piece(0, header.wrap(payload, key=key), name, is_firmware=True)


def parse_key(text: str) -> bytes:
    """An AES-128 key from 32 hexadecimal digits. Raises K210Error."""
    try:
        key = bytes.fromhex(text)
    except ValueError:
        raise K210Error(f"the key {text!r} is not hexadecimal; give 32 digits") from None
    if len(key) != 16:
        raise K210Error(f"the key has {len(key)} bytes; an AES-128 key has 16, which are 32 hexadecimal digits")
    return key
