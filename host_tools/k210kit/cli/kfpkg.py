"""`k210 kfpkg`: packages of firmware and models."""

from __future__ import annotations

from pathlib import Path

import click

from k210kit.cli import flashing
from k210kit.cli.tables import show
from k210kit.errors import K210Error


@click.group("kfpkg")
def command() -> None:
    """Pack, unpack or list a .kfpkg: a zip archive of files and where they go in the flash."""


@command.command()
@click.argument("package")
@click.argument("words", nargs=-1, required=True, metavar="OFFSET FILE...")
def pack(package: str, words: tuple[str, ...]) -> None:
    """Make PACKAGE of files; firmware at 0x0 is marked to get the boot header unless it has one."""
    from k210kit.images import kfpkg

    if len(words) % 2:
        raise K210Error(f"give OFFSET FILE [OFFSET FILE ...], not {len(words)} words")
    entries = kfpkg.entries({offset: Path(file) for offset, file in flashing.pairs(words).items()})
    _write(Path(package), kfpkg.write(entries))
    print(f"{package}: {len(entries)} file{'s' if len(entries) > 1 else ''}")


@command.command()
@click.argument("package")
@click.argument("folder", default=".")
def unpack(package: str, folder: str) -> None:
    """Write the package's files to FOLDER (here, unless given); none that is there is overwritten."""
    from k210kit.images import flash_files, kfpkg

    entries = kfpkg.read(flash_files.read_file(package))
    targets = [(Path(folder) / kfpkg.plain_name(entry.name), entry) for entry in entries]
    for target, _ in targets:
        if target.exists():
            raise K210Error(f"{target} is there already; give another folder")
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise K210Error(f"cannot make the folder {folder}: {error.strerror}") from None
    for target, entry in targets:
        _write(target, entry.data)
        print(f"{entry.address:#08x}  {target}")


@command.command("list")
@click.argument("package")
def list_(package: str) -> None:
    """Show the package's files and where they go."""
    from k210kit.images import flash_files, kfpkg

    entries = kfpkg.read(flash_files.read_file(package))
    rows = [
        (f"{entry.address:#08x}", f"{len(entry.data):,}", "yes" if entry.add_header else "no", entry.name)
        for entry in entries
    ]
    show(("offset", "bytes", "gets header", "file"), rows, right=(1,))


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise K210Error(f"cannot write {path}: {error.strerror}") from None
