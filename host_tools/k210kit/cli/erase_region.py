"""`k210 erase-region`: a part of the flash."""

from __future__ import annotations

import click

from k210kit.cli import flashing


@click.command("erase-region")
@click.argument("offset")
@click.argument("size")
@click.pass_context
def command(context: click.Context, offset: str, size: str) -> None:
    """Erase SIZE bytes from OFFSET on, both multiples of 4K."""
    from k210kit.flasher import erase_region

    start, length = flashing.number(offset, "the offset"), flashing.number(size, "the size")
    with flashing.reporting() as report:
        erase_region(offset=start, size=length, report=report, **flashing.board(context))
    print(f"erased: {length:,} bytes from {start:#x} on")
