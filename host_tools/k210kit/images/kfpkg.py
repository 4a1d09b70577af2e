"""kfpkg: a zip archive with flash-list.json and the files that it lists.

Layout: the PyPI client kflash 1.1.6. Bare hexadecimal addresses (not JSON) occur in the wild.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from k210kit.errors import K210Error
from k210kit.images import header

LIST_NAME = "flash-list.json"
MAX_FILE = 16 << 20


@dataclass(frozen=True)
class Entry:
    """A file of the package: where it goes in the flash, and whether the boot header is added."""

    address: int
    name: str
    data: bytes
    add_header: bool

    @property
    def flash_data(self) -> bytes:
        """The bytes as they lie in the flash."""
        return header.wrap(self.data) if self.add_header else self.data


def entries(files: Mapping[int, Path]) -> list[Entry]:
    """Entries of files by their offset; raw firmware at 0 is marked to get the boot header. Raises K210Error."""
    from k210kit.images import flash_files

    found: list[Entry] = []
    for offset, path in files.items():
        data = flash_files.read_file(path)
        if not 0 <= offset < MAX_FILE or offset + len(data) > MAX_FILE:
            raise K210Error(f"{path} at {offset:#x} would not be within the 16 MiB flash")
        if data[:4] == b"\x7fELF":
            raise K210Error(f"{path} is an ELF file; pack the .bin that was made of it")
        if any(entry.name == path.name for entry in found) or path.name == LIST_NAME:
            raise K210Error(f"a kfpkg cannot have two files of the name {path.name}")
        found.append(Entry(offset, path.name, data, offset == 0 and not header.has_header(data)))
    return found


def plain_name(name: str) -> str:
    """A packed file's name without folders. Raises K210Error for one that would leave its folder."""
    plain = name.replace("\\", "/").rpartition("/")[2]
    if plain in ("", ".", ".."):
        raise K210Error(f"the kfpkg has a file of the name {name!r}, which cannot be written")
    return plain


def write(entries: list[Entry]) -> bytes:
    """A package of these entries; the same ones give the same bytes."""
    listed = [
        {"address": entry.address, "bin": entry.name, "sha256Prefix": entry.add_header, "reverse4Bytes": False}
        for entry in entries
    ]
    files = {LIST_NAME: json.dumps({"version": "0.1.0", "files": listed}, indent=2).encode()}
    files |= {entry.name: entry.data for entry in entries}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _parse_list(text: str) -> list[dict[str, object]]:
    quoted = re.sub(r'("address"\s*:\s*)(0[xX][0-9a-fA-F]+)', r'\1"\2"', text)
    quoted = re.sub(r",(\s*[\]}])", r"\1", quoted)
    try:
        files = json.loads(quoted)["files"]
    except (ValueError, KeyError, TypeError) as error:
        raise K210Error(f"{LIST_NAME} in the kfpkg cannot be read: {error}") from None
    if not isinstance(files, list) or not all(isinstance(entry, dict) for entry in files):
        raise K210Error(f'{LIST_NAME} in the kfpkg has no list of objects under "files"')
    return files


def _address(value: object) -> int:
    try:
        address = int(value, 0) if isinstance(value, str) else int(value)  # type: ignore[call-overload]
    except (TypeError, ValueError):
        raise K210Error(f"{LIST_NAME} in the kfpkg has the address {value!r}, which is not a number") from None
    if not 0 <= address < MAX_FILE:
        raise K210Error(f"{LIST_NAME} in the kfpkg has the address {address:#x}, outside the 16 MiB flash")
    return address


def read(data: bytes) -> list[Entry]:
    """The entries of a package in the order listed. Raises K210Error for anything unreadable."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = set(archive.namelist())
            if LIST_NAME not in names:
                raise K210Error(f"this is not a kfpkg: the archive holds no {LIST_NAME}")
            entries = []
            for item in _parse_list(archive.read(LIST_NAME).decode("utf-8", "replace")):
                name = item.get("bin")
                if not isinstance(name, str) or name not in names:
                    raise K210Error(f"{LIST_NAME} names {name!r}, which is not in the kfpkg")
                if archive.getinfo(name).file_size > MAX_FILE:
                    raise K210Error(f"{name} in the kfpkg is larger than the 16 MiB flash")
                entries.append(
                    Entry(_address(item.get("address")), name, archive.read(name), bool(item.get("sha256Prefix")))
                )
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError, OSError, RuntimeError) as error:
        raise K210Error(f"this is not a readable kfpkg (a zip archive): {error}") from None
    except ValueError as error:
        raise K210Error(f"this is not a readable kfpkg: {error}") from None
    if not entries:
        raise K210Error(f"{LIST_NAME} in the kfpkg lists no file")
    return entries
