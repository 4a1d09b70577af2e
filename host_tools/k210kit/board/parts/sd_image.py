"""A folder made into the image of an SD card: one FAT partition behind an MBR, as cards come from the shop.

Layout: Microsoft's FAT specification, version 1.03 (FAT16 and FAT32, VFAT long names). Every timestamp and the volume
number are fixed, and entries are sorted, so the same folder gives the same bytes on every machine.

The way is one only: what firmware writes to the card stays in the image and is not copied back to the folder. Keep the
image in a file (`write_image`) and open that file with any FAT tool to see what a run has changed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from k210kit.errors import K210Error

SECTOR = 512
MIB = 1 << 20
PARTITION_START = 2048  # sectors; where cards and partition tools put it
DATE, TIME = (2020 - 1980) << 9 | 1 << 5 | 1, 0  # 2020-01-01 00:00:00 for every entry
VOLUME_NUMBER = 0x2102_0210
LABEL = b"K210 CARD  "
SMALLEST_FAT32 = 512 * MIB
FAT16_LIMIT, FAT32_LIMIT = 4085, 65525  # clusters: a volume's FAT type follows from their number alone
LARGEST_FILE = (1 << 32) - 1
LARGEST_FOLDER = 65520  # entries: whole sectors below 65536
LARGEST_CARD = 1 << 40
DIRECTORY, ARCHIVE, VOLUME, LONG_NAME = 0x10, 0x20, 0x08, 0x0F
FORBIDDEN = frozenset('"*/:<>?\\|') | {chr(code) for code in (*range(32), 127)}
SHORT_NAME_EXTRA = frozenset("$%'-_@~`!(){}^#&")


@dataclass
class _Node:
    """A file (`content`, a path) or a folder (`children`) and where it lies on the card."""

    name: str
    content: Path | None = None
    size: int = 0
    children: list[_Node] = field(default_factory=list)
    short: bytes = b""
    cluster: int = 0

    @property
    def folder(self) -> bool:
        return self.content is None


def build_image(folder: str | Path, *, size: int | None = None) -> bytearray:
    """The whole card as bytes; `size` (bytes, whole MiB) or None for what the folder needs and room to write.

    Raises K210Error for names FAT cannot hold, folders that cannot be read, and a `size` too small.
    """
    volume = _Volume(_scan(Path(folder)), size)
    image = bytearray(volume.size)
    for position, data in volume.pieces():
        image[position : position + len(data)] = data
    return image


def write_image(folder: str | Path, path: str | Path, *, size: int | None = None) -> None:
    """Write the card to the file `path` (sparse where the system can); arguments and errors as `build_image`."""
    volume = _Volume(_scan(Path(folder)), size)
    try:
        with open(path, "wb") as file:
            file.truncate(volume.size)
            for position, data in volume.pieces():
                file.seek(position)
                file.write(data)
    except OSError as error:
        raise K210Error(f"cannot write the SD image {path}: {error.strerror}") from error


# Reading the folder


def _scan(path: Path) -> _Node:
    if not path.is_dir():
        raise K210Error(f"{path} is not a folder; give a folder, or the file of a card's image")
    root = _Node("")
    _scan_into(root, path, [path.resolve()])
    return root


def _scan_into(node: _Node, path: Path, above: list[Path]) -> None:
    try:
        names = sorted(os.listdir(path))
    except OSError as error:
        raise K210Error(f"cannot read the folder {path}: {error.strerror}") from error
    seen: dict[str, str] = {}
    for name in names:
        _check_name(name, path)
        other = seen.setdefault(name.upper(), name)
        if other != name:
            raise K210Error(f"{path} holds {other} and {name}, which are one name on a FAT card: rename one of them")
        node.children.append(_scan_entry(path / name, above))
    _give_short_names(node.children)


def _scan_entry(path: Path, above: list[Path]) -> _Node:
    if path.is_dir():
        real = path.resolve()
        if real in above:
            raise K210Error(f"{path} is a link to a folder above it: remove it")
        child = _Node(path.name)
        _scan_into(child, path, [*above, real])
        return child
    if not path.is_file():
        raise K210Error(f"{path} is neither a file nor a folder, and a card holds nothing else: remove it")
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise K210Error(f"{path} has {size} bytes; a file on a FAT card has {LARGEST_FILE} at most")
    return _Node(path.name, path, size)


def _check_name(name: str, path: Path) -> None:
    bad = sorted(FORBIDDEN & set(name))
    if bad:
        raise K210Error(f"{path / name}: a name on a FAT card cannot hold {bad[0]!r}: rename it")
    if name.endswith((" ", ".")):
        raise K210Error(f"{path / name}: a name on a FAT card cannot end with a space or a dot: rename it")
    try:
        length = len(name.encode("utf-16-le")) // 2
    except UnicodeEncodeError as error:
        raise K210Error(f"the folder {path} holds a name that is not Unicode: {name!r}: rename it") from error
    if length > 255:
        raise K210Error(f"{path} holds a name of {length} characters; a FAT card takes 255: shorten {name[:40]}...")


# Names


def _plain(text: str) -> str:
    return "".join(c if c.isascii() and (c.isalnum() or c in SHORT_NAME_EXTRA) else "_" for c in text.upper())


def _fits_short(name: str) -> bool:
    base, dot, extension = name.partition(".")
    fits = 0 < len(base) <= 8 and len(extension) <= 3 and (not dot or extension != "")
    return fits and _plain(base) == base and _plain(extension) == extension


def _pack(base: str, extension: str) -> bytes:
    return base.ljust(8).encode("ascii") + extension.ljust(3).encode("ascii")


def _give_short_names(nodes: list[_Node]) -> None:
    """8.3 names: as they are when they fit, else with a numeric tail that is free in the folder."""
    taken: set[bytes] = set()
    for node in nodes:
        if _fits_short(node.name):
            base, _, extension = node.name.partition(".")
            node.short = _pack(base, extension)
            taken.add(node.short)
    tails: dict[str, int] = {}
    for node in nodes:
        if node.short:
            continue
        base, _, extension = node.name.lstrip(".").replace(" ", "").rpartition(".")
        if not base:
            base, extension = extension, ""
        base, extension = _plain(base.replace(".", "")) or "_", _plain(extension)[:3]
        number = tails.get(base[:6] + "." + extension, 0)
        while not node.short or node.short in taken:
            number += 1
            tail = f"~{number}"
            node.short = _pack(base[: 8 - len(tail)] + tail, extension)
        tails[base[:6] + "." + extension] = number
        taken.add(node.short)


def _needs_long_name(node: _Node) -> bool:
    base, extension = node.short[:8].decode("ascii").rstrip(), node.short[8:].decode("ascii").rstrip()
    return node.name != (f"{base}.{extension}" if extension else base)


def _long_name_entries(node: _Node) -> bytes:
    checksum = 0
    for byte in node.short:
        checksum = ((checksum >> 1) + ((checksum & 1) << 7) + byte) & 0xFF
    units = node.name.encode("utf-16-le")
    if len(units) % 26:
        units += b"\0\0"
    units += b"\xff" * (-len(units) % 26)
    entries = []
    for number in range(len(units) // 26):
        part = units[26 * number : 26 * number + 26]
        head = bytes([number + 1]) + part[:10] + bytes([LONG_NAME, 0, checksum])
        entries.append(head + part[10:22] + b"\0\0" + part[22:])
    entries[-1] = bytes([entries[-1][0] | 0x40]) + entries[-1][1:]
    return b"".join(reversed(entries))


def _entry(short: bytes, attributes: int, cluster: int = 0, size: int = 0) -> bytes:
    stamp = TIME.to_bytes(2, "little") + DATE.to_bytes(2, "little")
    return b"".join(
        [
            short,
            bytes([attributes, 0, 0]),
            stamp,
            stamp[2:],
            (cluster >> 16).to_bytes(2, "little"),
            stamp,
            (cluster & 0xFFFF).to_bytes(2, "little"),
            size.to_bytes(4, "little"),
        ]
    )


def _folder_size(node: _Node) -> int:
    """Bytes of a folder's entries: a volume label or two dots, and what its names need."""
    entries = 2 if node.name else 1
    for child in node.children:
        entries += 1
        if _needs_long_name(child):
            entries += -(-len(child.name.encode("utf-16-le")) // 26)
    if entries > LARGEST_FOLDER:
        name = node.name or "given"
        raise K210Error(f"the folder {name} needs {entries} entries on a FAT card; {LARGEST_FOLDER} fit: split it")
    return 32 * entries


# The volume


class _Volume:
    """Where everything lies on a card of `size` bytes (chosen when None), and the bytes to put there."""

    def __init__(self, root: _Node, size: int | None) -> None:
        self.root = root
        self.size = self._choose_size() if size is None else size
        if self.size % MIB or not 8 * MIB <= self.size <= LARGEST_CARD:
            raise K210Error(f"a card of {self.size} bytes cannot be made: give whole MiB, from 8 MiB to 1 TiB")
        self.sectors = self.size // SECTOR - PARTITION_START
        self.fat32 = self.size >= SMALLEST_FAT32
        self._plan()
        self._table = bytearray(self.fat_sectors * SECTOR)
        self._place()

    def _nodes(self) -> Iterator[_Node]:
        waiting = list(reversed(self.root.children))
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children))

    def _choose_size(self) -> int:
        """The next power of two that leaves a quarter, and 16 MiB, free; clusters are 32 KiB at most."""
        used = sum(node.size + 32 * 1024 + (_folder_size(node) if node.folder else 0) for node in self._nodes())
        needed = used + used // 4 + 16 * MIB
        return max(64 * MIB, 1 << (needed - 1).bit_length())

    def _plan(self) -> None:
        root_size = _folder_size(self.root)
        self.reserved = 32 if self.fat32 else 4
        self.root_entries = 0 if self.fat32 else max(512, -(-root_size // SECTOR) * (SECTOR // 32))
        self.root_sectors = self.root_entries * 32 // SECTOR
        self.per_cluster = self._sectors_per_cluster()
        width = 4 if self.fat32 else 2
        available = self.sectors - self.reserved - self.root_sectors
        self.fat_sectors = -(-width * (available // self.per_cluster + 2) // SECTOR)
        self.clusters = (available - 2 * self.fat_sectors) // self.per_cluster
        self.first_data = self.reserved + 2 * self.fat_sectors + self.root_sectors
        lowest, highest = (FAT32_LIMIT, 1 << 28) if self.fat32 else (FAT16_LIMIT, FAT32_LIMIT)
        assert lowest <= self.clusters < highest

    def _sectors_per_cluster(self) -> int:
        """As Microsoft's format tables have it for the size of the volume."""
        tables = {
            False: ((16, 2), (128, 4), (256, 8), (512, 16)),
            True: ((8 << 10, 8), (16 << 10, 16), (32 << 10, 32), (1 << 20, 64)),
        }
        return next(sectors for limit, sectors in tables[self.fat32] if self.size <= limit * MIB)

    def _place(self) -> None:
        self._next = 2
        end = 0x0FFF_FFFF if self.fat32 else 0xFFFF
        self._set(0, end & ~0xFF | 0xF8)
        self._set(1, end)
        if self.fat32:
            self.root.cluster = self._allocate(_folder_size(self.root), end)
        for node in self._nodes():
            size = _folder_size(node) if node.folder else node.size
            if size:
                node.cluster = self._allocate(size, end)

    def _set(self, cluster: int, value: int) -> None:
        width = 4 if self.fat32 else 2
        self._table[cluster * width : (cluster + 1) * width] = value.to_bytes(width, "little")

    def _allocate(self, size: int, end: int) -> int:
        first = self._next
        count = -(-size // (self.per_cluster * SECTOR))
        if first + count > self.clusters + 2:
            raise K210Error(
                f"the folder does not fit into a card of {self.size // MIB} MiB: give a larger size, or none"
            )
        width = 4 if self.fat32 else 2
        chain = b"".join(number.to_bytes(width, "little") for number in range(first + 1, first + count))
        self._table[first * width : first * width + len(chain)] = chain
        self._set(first + count - 1, end)
        self._next += count
        return first

    def _offset(self, cluster: int) -> int:
        return (PARTITION_START + self.first_data + (cluster - 2) * self.per_cluster) * SECTOR

    def pieces(self) -> Iterator[tuple[int, bytes]]:
        """(byte position, bytes) of all that is not zero."""
        start = PARTITION_START * SECTOR
        yield 0, self._partition_table()
        yield start, self._boot_sector()
        if self.fat32:
            yield start + SECTOR, self._free_space_sector()
            yield start + 6 * SECTOR, self._boot_sector()
            yield start + 7 * SECTOR, self._free_space_sector()
        for copy in range(2):
            yield start + (self.reserved + copy * self.fat_sectors) * SECTOR, bytes(self._table)
        root = start + (self.reserved + 2 * self.fat_sectors) * SECTOR
        yield self._offset(self.root.cluster) if self.fat32 else root, self._folder(self.root, None)
        yield from self._contents(self.root)

    def _contents(self, parent: _Node) -> Iterator[tuple[int, bytes]]:
        for node in parent.children:
            if node.folder:
                yield self._offset(node.cluster), self._folder(node, parent)
                yield from self._contents(node)
            elif node.content is not None and node.size:
                yield self._offset(node.cluster), self._file(node.content, node.size)

    @staticmethod
    def _file(path: Path, size: int) -> bytes:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise K210Error(f"cannot read {path}: {error.strerror}") from error
        if len(data) != size:
            raise K210Error(f"{path} changed its size from {size} to {len(data)} bytes meanwhile: try again")
        return data

    def _folder(self, node: _Node, parent: _Node | None) -> bytes:
        if parent is None:
            entries = [_entry(LABEL, VOLUME)]
        else:
            # The specification has 0 for a parent that is the root, on FAT32 too.
            above = 0 if parent is self.root else parent.cluster
            entries = [_entry(b".          ", DIRECTORY, node.cluster), _entry(b"..         ", DIRECTORY, above)]
        for child in node.children:
            if _needs_long_name(child):
                entries.append(_long_name_entries(child))
            kind = DIRECTORY if child.folder else ARCHIVE
            entries.append(_entry(child.short, kind, child.cluster, child.size))
        return b"".join(entries)

    def _partition_table(self) -> bytes:
        kind = 0x0C if self.fat32 else 0x0E  # FAT32 and FAT16 addressed by LBA
        beyond = b"\xfe\xff\xff"  # cylinder/head/sector fields, not used with these kinds
        entry = b"\x00" + beyond + bytes([kind]) + beyond
        entry += PARTITION_START.to_bytes(4, "little") + self.sectors.to_bytes(4, "little")
        return bytes(440) + VOLUME_NUMBER.to_bytes(4, "little") + b"\0\0" + entry + bytes(48) + b"\x55\xaa"

    def _boot_sector(self) -> bytes:
        small = self.sectors if self.sectors < 0x10000 else 0
        short_fat = 0 if self.fat32 else self.fat_sectors
        head = b"\xeb\x58\x90" if self.fat32 else b"\xeb\x3c\x90"
        numbers = [
            (SECTOR, 2),
            (self.per_cluster, 1),
            (self.reserved, 2),
            (2, 1),
            (self.root_entries, 2),
            (small, 2),
            (0xF8, 1),
            (short_fat, 2),
            (63, 2),
            (255, 2),
            (PARTITION_START, 4),
            (0 if small else self.sectors, 4),
        ]
        body = head + b"K210KIT " + b"".join(value.to_bytes(width, "little") for value, width in numbers)
        if self.fat32:
            more = [(self.fat_sectors, 4), (0, 2), (0, 2), (self.root.cluster, 4), (1, 2), (6, 2), (0, 12)]
            body += b"".join(value.to_bytes(width, "little") for value, width in more)
        body += b"\x80\x00\x29" + VOLUME_NUMBER.to_bytes(4, "little") + LABEL
        body += b"FAT32   " if self.fat32 else b"FAT16   "
        return body.ljust(510, b"\0") + b"\x55\xaa"

    def _free_space_sector(self) -> bytes:
        free = self.clusters + 2 - self._next
        tail = b"rrAa" + free.to_bytes(4, "little") + self._next.to_bytes(4, "little")
        return (b"RRaA".ljust(484, b"\0") + tail).ljust(508, b"\0") + b"\x00\x00\x55\xaa"
