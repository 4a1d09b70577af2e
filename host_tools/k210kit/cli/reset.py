"""`k210 reset`: start the board anew."""

from __future__ import annotations

import click

from k210kit.cli import flashing
from k210kit.errors import K210Error


@click.command("reset")
@click.pass_context
def command(context: click.Context) -> None:
    """Start the board from its flash, through DTR and RTS."""
    from k210kit.flasher import reset_board

    options = flashing.board(context)
    if options["no_reset"]:
        raise K210Error("reset is what --no-reset says not to do: press the board's RESET key instead")
    names = reset_board(options["port"], reset_circuit=options["reset_circuit"])
    print(f"reset through the circuit{'s' if len(names) > 1 else ''} {', '.join(names)}")
