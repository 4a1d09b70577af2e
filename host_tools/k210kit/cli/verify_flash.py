"""`k210 verify-flash`: whether files are on the chip."""

from __future__ import annotations

import click

from k210kit.cli import flashing

SHOWN = 4
"""So many sectors that differ are named."""


@click.command("verify-flash")
@click.argument("words", nargs=-1, required=True, metavar="OFFSET FILE...")
@click.option("--key", metavar="HEX", help="The AES-128 key that the firmware was written with.")
@click.option("--raw", is_flag=True, help="Compare the bytes as they are, without a boot header.")
@click.pass_context
def command(context: click.Context, words: tuple[str, ...], key: str | None, raw: bool) -> int:
    """Compare files with the flash by SHA-256, without reading it over the line. Arguments as for write-flash.

    Exit status: 0 when the chip holds them all, 1 when not.
    """
    from k210kit.flasher import sources, verify

    files = flashing.pairs(words)
    with flashing.reporting() as report:
        found = verify(
            files=files,
            key=sources.parse_key(key) if key is not None else None,
            raw=raw,
            report=report,
            **flashing.board(context),
        )
    for difference in found:
        some = ", ".join(f"{offset:#x}" for offset in difference.offsets[:SHOWN])
        more = ", ..." if len(difference.offsets) > SHOWN else ""
        print(f"{difference.name}: {len(difference.offsets)} of {difference.sectors} sectors differ, at {some}{more}")
    if not found:
        print("verified: the chip holds these files")
    return 1 if found else 0
