"""What a firmware file is and puts where, in words."""

from __future__ import annotations

import hashlib

from k210kit.errors import K210Error
from k210kit.images import elf, flash_files, header, kfpkg

COLUMNS = ("flash", "bytes", "payload", "boot header", "sha256", "file")


def facts(data: bytes, name: str) -> list[tuple[str, str]]:
    """(what, value) lines about the file itself. Raises K210Error for a file that cannot be read."""
    if not data:
        raise K210Error(f"{name} is empty")
    found = [("file", name), ("bytes", f"{len(data):,}"), ("sha256", hashlib.sha256(data).hexdigest())]
    if data[:4] == b"\x7fELF":
        program = elf.parse(data)
        spans = ", ".join(f"{address:#x}..{address + len(part):#x}" for address, part in program.segments)
        found += [("kind", "ELF program"), ("entry", f"{program.entry:#x}"), ("loads", spans)]
    elif data[:2] == b"PK" or name.endswith(".kfpkg"):
        found.append(("kind", f"kfpkg of {len(kfpkg.read(data))} files"))
    elif header.has_header(data):
        found.append(("kind", "image with boot header"))
    else:
        found.append(("kind", "raw image, which gets the boot header"))
    return found


def rows(data: bytes, name: str) -> list[tuple[str, ...]]:
    """A row of COLUMNS for each piece."""
    if data[:2] == b"PK" or name.endswith(".kfpkg"):
        return [_row(entry.address, entry.flash_data, entry.name) for entry in kfpkg.read(data)]
    if data[:4] == b"\x7fELF":
        data = header.wrap(elf.parse(data).flatten(flash_files.LOAD_ADDRESS))
    elif not header.has_header(data):
        data = header.wrap(data)
    return [_row(0, data, name)]


def _row(offset: int, image: bytes, name: str) -> tuple[str, ...]:
    payload, said = "", ""
    if offset == 0 or header.has_header(image):
        try:
            flags, length = header.check(image, name)
            payload, said = f"{length:,}", f"good, {_flags(flags)}"
        except header.HeaderError as error:
            said = str(error) if offset == 0 else ""
    digest = hashlib.sha256(image).hexdigest()[:16]
    return f"{offset:#08x}..{offset + len(image):#08x}", f"{len(image):,}", payload, said, digest, name


def _flags(flags: int) -> str:
    read = "two data lines" if flags & header.FLAG_DIO else "four data lines"
    return f"AES, {read}" if flags & header.FLAG_AES else read
