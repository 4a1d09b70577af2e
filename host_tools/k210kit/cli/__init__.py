"""The command `k210`: a file of this package for each sub-command."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from k210kit.errors import K210Error

COMMANDS = {
    "write-flash": "write firmware, models and other files to the flash, and verify them",
    "verify-flash": "compare files with the flash",
    "read-flash": "copy a part of the flash to a file",
    "erase-flash": "erase the whole flash",
    "erase-region": "erase a part of the flash",
    "flash-id": "show who the flash chip is",
    "reset": "start the board anew",
    "image-info": "show what a firmware file puts where",
    "kfpkg": "pack, unpack or list .kfpkg packages",
    "compile": "compile an ONNX network to a kernel model",
    "kmodel": "look into kernel models and run them here",
    "board": "start a virtual board",
}
"""Sub-commands with a line of help; `NAME` is the function `command` of cli/NAME.py, imported when it is used."""

EXIT_INTERRUPTED = 130


class _Commands(click.Group):
    """Imports a sub-command when it is called, and tells a user's mistake in one sentence."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"k210kit.cli.{cmd_name.replace('-', '_')}")
        return module.command  # type: ignore[no-any-return]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            # Caught before click does, which would print an empty line.
            raise SystemExit(EXIT_INTERRUPTED) from None

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> NoReturn:  # type: ignore[override]
        extra["standalone_mode"] = False
        try:
            status = super().main(args, *rest, **extra)
        except K210Error as error:
            _tell(str(error))
            status = error.exit_status
        except click.exceptions.NoArgsIsHelpError as error:
            # A command without its sub-command: the help is the answer, not a complaint.
            print(error.format_message(), file=sys.stderr)
            status = error.exit_code
        except click.ClickException as error:
            _tell(error.format_message())
            status = error.exit_code
        except (KeyboardInterrupt, click.Abort, EOFError):
            status = EXIT_INTERRUPTED
        except BrokenPipeError:
            # The reader of standard output has gone; Python would complain again at exit.
            sys.stdout = None
            status = 1
        sys.exit(status if isinstance(status, int) else 0)


def _tell(text: str) -> None:
    print(f"k210: {text}", file=sys.stderr)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="k210kit", message="%(version)s")
@click.option(
    "--port", metavar="PORT", help="The board's serial port, or a URL of pyserial (default: found by USB id)."
)
@click.option("--baud", metavar="N", type=int, help="The line's highest rate (flashing: 1500000).")
@click.option("--reset-circuit", metavar="NAME", help="How DTR and RTS reset the board (default: all known in turn).")
@click.option("--no-reset", is_flag=True, help="You bring the board into download mode by its keys.")
@click.pass_context
def main(context: click.Context, /, **options: Any) -> None:
    """Tools for Kendryte K210 boards, real and virtual."""
    context.obj = options
