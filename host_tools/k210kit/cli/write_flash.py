"""`k210 write-flash`: write files to the flash, verified, only what differs."""

from __future__ import annotations

import click

from k210kit.cli import flashing


@click.command("write-flash")
@click.argument("words", nargs=-1, required=True, metavar="OFFSET FILE...")
@click.option(
    "--key", metavar="HEX", help="Encrypt the firmware with this AES-128 key (32 digits), for a chip that has it."
)
@click.option("--raw", is_flag=True, help="Write the bytes as they are: no boot header, no look into the files.")
@click.option("--force", is_flag=True, help="Write also over the firmware on the board and over /flash.")
@click.option("--no-start", is_flag=True, help="Leave the board in the flasher's stub afterwards.")
@click.pass_context
def command(
    context: click.Context, words: tuple[str, ...], key: str | None, raw: bool, force: bool, no_start: bool
) -> None:
    """Write files to the flash and verify them; a .kfpkg, or firmware for 0x0, may stand alone.

    OFFSET FILE [OFFSET FILE...]; offsets as 0x300000, 3145728 or 3M. FILE is a .bin, .elf or any data.
    Firmware at 0x0 gets the boot header unless it has one. Sectors that are on the chip already are not
    sent; what was interrupted is finished by the same command. Exit status: 0 when all is on the chip
    as its SHA-256 shows, 1 when the board did not do it, 2 for what cannot be meant, 130 after Ctrl-C.
    """
    from k210kit.flasher import flash, sources

    files = flashing.pairs(words)
    with flashing.reporting() as report:
        plan = flash(
            files=files,
            key=sources.parse_key(key) if key is not None else None,
            raw=raw,
            force=force,
            start=not no_start,
            report=report,
            **flashing.board(context),
        )
    size = sum(len(part.piece.data) for part in plan.parts)
    print(f"verified: {size:,} bytes in {len(plan.parts)} range{'s' if len(plan.parts) > 1 else ''} by SHA-256")
