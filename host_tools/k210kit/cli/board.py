"""`k210 board`: start a virtual board and run firmware on it."""

from __future__ import annotations

import logging
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from k210kit.errors import K210Error

if TYPE_CHECKING:
    from k210kit.board.board import Board
    from k210kit.board.core.strict import Strict

EXIT_CRASHED, EXIT_TERMINATED = 4, 143
PROMPT_SECONDS, QUIET_SECONDS = 0.5, 20.0
"""Input that comes through a pipe is typed once the console has been silent for so long, in virtual seconds.

The first holds when the last line is not ended, as a prompt; the second otherwise, for a guest may
format its flash between two lines, and would miss what is typed meanwhile.
"""


class FlashPiece(click.ParamType):  # type: ignore[type-arg]
    """FILE@OFFSET, as (offset, path)."""

    name = "file@offset"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, str]:
        """Split at the last @. Raises K210Error when the offset is no number."""
        path, _, offset = str(value).rpartition("@")
        try:
            number = int(offset, 0)
        except ValueError:
            number = -1
        if not path or number < 0:
            raise K210Error(f"--flash {value}: give FILE@OFFSET, as in model.kmodel@0x300000")
        return number, path


class Wire(click.ParamType):  # type: ignore[type-arg]
    """A-B, as (pad, pad)."""

    name = "a-b"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Split at the dash. Raises K210Error unless there are two different numbers; Board knows which pads exist."""
        first, _, second = str(value).partition("-")
        if not (first.isdecimal() and second.isdecimal()) or int(first) == int(second):
            raise K210Error(f"--wire {value}: give two pads as in 10-11")
        return int(first), int(second)


class Awaited:
    """Looks for a text in what the console shows, over the borders of what arrives at once."""

    def __init__(self, text: str, found: Callable[[], None]) -> None:
        self._wanted, self._found, self._tail = text.encode(), found, b""
        self.seen = False

    def feed(self, data: bytes) -> None:
        """More output has come."""
        if self.seen:
            return
        tail = self._tail + data
        if self._wanted in tail:
            self.seen = True
            self._found()
        self._tail = tail[-(len(self._wanted) - 1) :] if len(self._wanted) > 1 else b""


class PipedInput:
    """Holds input from a pipe until the guest has started and fallen silent, as a person at the keyboard would."""

    def __init__(self, board: Board, endpoint: Any) -> None:
        self._clock, self._endpoint = board.machine.clock, endpoint
        endpoint.hold = True
        self._event = self._after(QUIET_SECONDS)

    def _after(self, seconds: float) -> Any:
        return self._clock.after(round(seconds * 1e12), self._release)

    def shown(self, data: bytes) -> None:
        """The guest has printed something."""
        if self._endpoint.hold:
            self._event.cancel()
            self._event = self._after(QUIET_SECONDS if data.endswith((b"\n", b"\r")) else PROMPT_SECONDS)

    def _release(self) -> None:
        self._endpoint.hold = False
        self._endpoint.poll()


@click.command("board")
@click.option("--firmware", metavar="FILE", help="What to boot: .bin (raw or with boot header), .elf or .kfpkg.")
@click.option("--flash", "pieces", metavar="FILE@OFFSET", type=FlashPiece(), multiple=True, help="More flash contents.")
@click.option("--flash-image", metavar="FILE", help="The whole flash chip as a file, kept across runs.")
@click.option("--sd", metavar="DIR|IMAGE", help="A card in the slot: a folder, or a card's image.")
@click.option("--camera", metavar="PHOTO|DIR", help="What the camera sees: a photo, or a folder's, a frame each.")
@click.option("--sensor", metavar="NAME", help="The camera's chip: ov2640, ov5640 or gc0328 (default: the board's).")
@click.option("--lcd", metavar="FILE.png", help="Where to leave a picture of the LCD at the end.")
@click.option("--lcd-every", metavar="SECONDS", type=float, help="Write it anew after so many virtual seconds.")
@click.option("--serial", metavar="stdio|pty|rfc2217:PORT", default="stdio", show_default=True, help="The console.")
@click.option("--run-for", metavar="SECONDS", type=float, help="Stop after so many virtual seconds.")
@click.option("--until", metavar="TEXT", help="Stop when the console has shown TEXT.")
@click.option("--gdb", metavar="PORT", type=int, help="Wait for a gdb on this TCP port (0 picks one).")
@click.option("--stats", is_flag=True, help="Print counts and times at the end.")
@click.option("--board", "profile", metavar="NAME", default="maix_dock", show_default=True, help="The board's wiring.")
@click.option("--reset-circuit", metavar="NAME", help="How DTR and RTS reset the board (default: as the board does).")
@click.option("--press", "pressed", metavar="BUTTON", multiple=True, help="Hold a button from power-on.")
@click.option("--wire", "wires", metavar="A-B", type=Wire(), multiple=True, help="A jumper wire between two pads.")
@click.option("--trace", metavar="DEVICE,...", help="Print every register access of these devices.")
@click.option("--trace-file", metavar="FILE", help="Where to print them instead of standard error.")
@click.option(
    "--strict",
    type=click.Choice(("registers", "all")),
    is_flag=False,
    flag_value="all",
    help="Trap accesses that the chip's documentation does not cover (registers), or also misaligned ones (all).",
)
@click.option("--verbose", "-v", is_flag=True, help="Say what the board does not model when it is used.")
def command(**options: Any) -> int:
    """Start a virtual board.

    The console is this terminal, where Ctrl-] ends the board. Exit status: 0 after --run-for or
    --until was met, 3 when --until was not met in time, 4 when the guest crashed or --strict found
    an access outside the documented map, 2 for bad input.
    """
    _check(options)
    if options["verbose"]:
        logging.basicConfig(level=logging.INFO, format="k210: %(message)s", stream=sys.stderr)
    with _terminable():
        return _run(options)


def _check(options: dict[str, Any]) -> None:
    """Refuse what cannot be meant, before anything is opened."""
    if options["sensor"] is not None and options["camera"] is None:
        raise K210Error("--sensor needs --camera PHOTO|DIR, which says what it sees")
    if options["lcd_every"] is not None and options["lcd"] is None:
        raise K210Error("--lcd-every needs --lcd FILE.png, which says where the pictures go")
    if options["trace_file"] is not None and options["trace"] is None:
        raise K210Error("--trace-file needs --trace DEVICE,..., which says what to print")
    for name in ("run_for", "lcd_every"):
        value = options[name]
        if value is not None and not 0 < value < 1e9:
            raise K210Error(f"--{name.replace('_', '-')} {value:g}: give a number of seconds above 0")
    if options["until"] == "":
        raise K210Error("--until needs a text to wait for")


def _flash(pieces: tuple[tuple[int, str], ...]) -> dict[int, str]:
    flash: dict[int, str] = {}
    for offset, path in pieces:
        if offset in flash:
            raise K210Error(f"--flash {path} overlaps --flash {flash[offset]}: both start at {offset:#x}")
        flash[offset] = path
    return flash


def _run(options: dict[str, Any]) -> int:
    from k210kit.board.board import Board

    started = time.monotonic()
    board = Board(
        options["firmware"],
        _flash(options["pieces"]),
        flash_image=options["flash_image"],
        sd=options["sd"],
        camera=options["camera"],
        sensor=options["sensor"],
        lcd=options["lcd"],
        lcd_every=options["lcd_every"],
        serial=options["serial"],
        board=options["profile"],
        reset_circuit=options["reset_circuit"],
        gdb=options["gdb"],
        strict=options["strict"],
    )
    try:
        with board, _traced(board, options["trace"], options["trace_file"]):
            for first, second in options["wires"]:
                board.wire(first, second)
            for button in options["pressed"]:
                board.press(button)
            _announce(board)
            status = _live(board, options["run_for"], options["until"])
            return EXIT_CRASHED if board.machine.strict is not None and board.machine.strict.faults else status
    finally:
        board.close()
        if board.machine.strict is not None:
            _print_findings(board.machine.strict)
        if options["stats"]:
            _print_stats(board, time.monotonic() - started)


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end the board in order: the terminal restored, the picture written."""

    def leave(number: int, frame: object) -> None:
        raise SystemExit(EXIT_TERMINATED)

    try:
        before = signal.signal(signal.SIGTERM, leave)
    except ValueError:  # not in the main thread, as in some tests
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _traced(board: Board, names: str | None, path: str | None) -> Iterator[None]:
    if names is None:
        yield
        return
    wanted = {name.strip() for name in names.split(",") if name.strip()}
    with ExitStack() as stack:
        stream: TextIO = sys.stderr
        if path is not None:
            try:
                stream = stack.enter_context(Path(path).open("w", encoding="utf-8"))
            except OSError as error:
                raise K210Error(f"cannot write {path}: {error.strerror}") from None
        trace = board.trace(wanted, stream)
        stack.callback(trace.close)
        yield


def _announce(board: Board) -> None:
    """Print where the board is to be reached."""
    where = board.address
    if where:
        print(where, flush=True)
    elif sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty():
        print("k210: Ctrl-] ends the board\r", file=sys.stderr)
    if board.debugger is not None:
        print(
            f"k210: waiting for gdb: gdb-multiarch -ex 'target remote 127.0.0.1:{board.debugger.port}'",
            file=sys.stderr,
            flush=True,
        )


def _live(board: Board, run_for: float | None, until: str | None) -> int:
    """Run to the end that was asked for; returns the exit status."""
    from k210kit.board.core.clock import PS_PER_SECOND

    awaited = Awaited(until, board.machine.runner.stop) if until is not None else None
    if awaited is not None:
        board.line.listen(awaited.feed)
    endpoint = board.stdio
    if endpoint is not None and (sys.stdin is None or not sys.stdin.isatty()):
        board.line.listen(PipedInput(board, endpoint).shown)
    warned = not (endpoint is not None and board.debugger is None)

    def wanted() -> bool:
        nonlocal warned
        board.output.clear()
        if not warned and board.boot_problem is not None:
            warned = True
            if board.boot_problem:
                print(f"k210: nothing was booted, the mask ROM waits: {board.boot_problem}", file=sys.stderr)
        return not board.quit and not (awaited is not None and awaited.seen)

    end = round(run_for * PS_PER_SECOND) if run_for is not None else 1 << 63
    met = board.run_while(wanted, end)
    if awaited is None or awaited.seen:
        return 0
    if not met:
        print(f"k210: {until!r} was not shown within {run_for:g} virtual seconds", file=sys.stderr)
    return 3


def _print_findings(strict: Strict) -> None:
    for line in strict.report():
        print(f"k210: strict: {line}", file=sys.stderr)


def _print_stats(board: Board, host: float) -> None:
    retired = board.retired
    rows = [
        *((f"hart {number} instructions", f"{count:,}") for number, count in enumerate(retired)),
        ("virtual time", f"{board.now:.6f} s"),
        ("host time", f"{host:.3f} s"),
        ("instructions per host second", f"{sum(retired) / host:,.0f}" if host else "-"),
        ("register accesses", f"{board.machine.runner.accesses():,}"),
        ("KPU layers", f"{board.machine.kpu.layers_run:,}"),
    ]
    width = max(len(name) for name, _ in rows)
    right = max(len(value.rpartition(" ")[0] or value) for _, value in rows)
    for name, value in rows:
        number, _, unit = value.partition(" ")
        print(f"{name:<{width}}  {number:>{right}} {unit}".rstrip(), file=sys.stderr)
