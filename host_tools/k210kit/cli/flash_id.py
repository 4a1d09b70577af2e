"""`k210 flash-id`: who the flash chip is."""

from __future__ import annotations

import click

from k210kit.cli import flashing


@click.command("flash-id")
@click.pass_context
def command(context: click.Context) -> None:
    """Show the flash chip's id, its size and its status registers."""
    from k210kit.flasher import flash_id
    from k210kit.flasher.flash import MANUFACTURERS

    with flashing.reporting() as report:
        chip = flash_id(report=report, **flashing.board(context))
    maker = MANUFACTURERS.get(chip.jedec[0], "unknown")
    print(f"manufacturer      {chip.jedec[0]:#04x} ({maker})")
    print(f"device            {chip.jedec[1:].hex()}")
    print(f"size              {chip.size:,} bytes")
    print(f"status registers  {chip.status.hex(' ')}")
