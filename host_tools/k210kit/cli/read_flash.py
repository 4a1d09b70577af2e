"""`k210 read-flash`: a part of the flash as a file."""

from __future__ import annotations

from pathlib import Path

import click

from k210kit.cli import flashing
from k210kit.errors import K210Error


@click.command("read-flash")
@click.argument("offset")
@click.argument("size")
@click.argument("file")
@click.pass_context
def command(context: click.Context, offset: str, size: str, file: str) -> None:
    """Copy SIZE bytes of the flash from OFFSET on to FILE; SIZE may be `all`, up to the chip's end.

    The copy is compared with the chip's own SHA-256.
    """
    from k210kit.flasher import read_flash

    start = flashing.number(offset, "the offset")
    length = None if size == "all" else flashing.number(size, "the size")
    target = Path(file)
    if target.is_dir() or not (target.parent).is_dir():
        raise K210Error(f"cannot write {file}: it is a folder, or is in none")
    with flashing.reporting() as report:
        data = read_flash(offset=start, size=length, report=report, **flashing.board(context))
    try:
        target.write_bytes(data)
    except OSError as error:
        raise K210Error(f"cannot write {file}: {error.strerror}") from None
    print(f"{len(data):,} bytes from {start:#x} on are in {file}")
