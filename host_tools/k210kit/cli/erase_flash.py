"""`k210 erase-flash`: the whole chip."""

from __future__ import annotations

import click

from k210kit.cli import flashing


@click.command("erase-flash")
@click.pass_context
def command(context: click.Context) -> None:
    """Erase the whole flash: firmware, /flash, models. It takes up to two minutes."""
    from k210kit.flasher import erase_flash

    with flashing.reporting() as report:
        size = erase_flash(report=report, **flashing.board(context))
    print(f"erased: all {size:,} bytes of the flash")
