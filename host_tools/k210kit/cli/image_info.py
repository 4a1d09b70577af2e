"""`k210 image-info`: what is in a firmware file."""

from __future__ import annotations

from pathlib import Path

import click

from k210kit.cli.tables import show


@click.command("image-info")
@click.argument("file")
def command(file: str) -> None:
    """Show what a .bin, .elf or .kfpkg would put where, and what its boot header says."""
    from k210kit.images import describe, flash_files

    for name, value in describe.facts(flash_files.read_file(file), Path(file).name):
        print(f"{name:<8}  {value}")
    print()
    show(describe.COLUMNS, describe.rows(flash_files.read_file(file), Path(file).name), right=(1, 2))
