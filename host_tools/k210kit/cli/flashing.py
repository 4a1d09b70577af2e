"""What the flashing commands share: the board's options, offsets, the plan as a table, progress."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from k210kit.cli.tables import show
from k210kit.errors import K210Error
from k210kit.flasher.report import Report

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from k210kit.flasher.plan import Plan

PLAIN_SECONDS, PLAIN_BYTES = 5.0, 0x8000
"""So often a line tells of progress where there is no terminal; what is smaller is done without a word."""


def number(text: str, what: str) -> int:
    """A size or offset as a person writes it: 4096, 0x1000, 4K, 1M. Raises K210Error."""
    factor = {"K": 1 << 10, "M": 1 << 20}.get(text[-1:].upper(), 0)
    try:
        value = int(text[:-1], 0) * factor if factor else int(text, 0)
    except ValueError:
        value = -1
    if value < 0:
        raise K210Error(f"{what} {text!r} is not a number; write it as 4096, 0x1000, 4K or 1M")
    return value


def pairs(words: tuple[str, ...]) -> dict[int, str]:
    """OFFSET FILE OFFSET FILE ..., or one file alone (offset 0). Raises K210Error."""
    if len(words) == 1:
        return {0: words[0]}
    if not words or len(words) % 2:
        raise K210Error(f"give OFFSET FILE [OFFSET FILE ...] or one firmware file alone, not {len(words)} words")
    files: dict[int, str] = {}
    for offset, file in zip(words[::2], words[1::2], strict=True):
        at = number(offset, "the offset")
        if at in files:
            raise K210Error(f"{file} overlaps {files[at]}: both are to go to {at:#x}")
        files[at] = file
    return files


def board(context: click.Context) -> dict[str, Any]:
    """The board's options, as keywords of the flasher's functions."""
    options = context.find_root().obj
    return {name: options[name] for name in ("port", "baud", "reset_circuit", "no_reset")}


@contextmanager
def reporting() -> Iterator[Console]:
    """A report to the terminal, taken down in order whatever happens."""
    console = Console()
    try:
        yield console
    finally:
        console.end()


@dataclass
class _Plain:
    """A file's progress where no bar can be drawn."""

    total: int
    shown: float
    done: int = 0
    seconds: float = 0.0


class Console(Report):
    """Shows a job on the terminal: bars where it is one, else a line now and then."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._plain: dict[str, _Plain] = {}
        self._advanced = 0.0

    def note(self, text: str) -> None:
        """A remark, on standard error."""
        if self._progress is not None:
            self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            print(text, file=sys.stderr, flush=True)

    def plan(self, plan: Plan, on_the_line: int) -> None:
        """The plan as a table."""
        rows = [
            (
                f"{part.piece.offset:#08x}..{part.piece.end:#08x}",
                part.piece.name,
                f"{len(part.piece.data):,}",
                part.now,
                f"{part.changed * 4096:,}",
            )
            for part in plan.parts
        ]
        show(("flash", "file", "bytes", "on the chip now", "to write"), rows, right=(2, 4))
        if plan.size:
            print(
                f"{plan.size:,} bytes in {len(plan.sectors)} sectors to write, {on_the_line:,} bytes on the line",
                flush=True,
            )
        else:
            print("nothing to write", flush=True)

    def begin(self, name: str, total: int) -> None:
        """A bar for a file; its time runs from the first byte on."""
        self._advanced = time.monotonic()
        if not sys.stderr.isatty():
            self._plain[name] = _Plain(total, self._advanced)
            return
        if self._progress is None:
            self._progress = _bars()
            self._progress.start()
        self._tasks[name] = self._progress.add_task(name, total=total, start=False)

    def advance(self, name: str, size: int) -> None:
        """More is done."""
        if self._progress is not None:
            self._progress.start_task(self._tasks[name])
            self._progress.advance(self._tasks[name], size)
        elif name in self._plain:
            self._advance_plain(name, size)

    def _advance_plain(self, name: str, size: int) -> None:
        state, now = self._plain[name], time.monotonic()
        state.done += size
        # Files take turns: only the time since the last of any counts.
        state.seconds += now - self._advanced
        self._advanced = now
        whole = state.done >= state.total
        if now - state.shown < PLAIN_SECONDS and not (whole and state.total >= PLAIN_BYTES):
            return
        state.shown = now
        rate = state.done / max(state.seconds, 1e-3)
        left = "" if whole else f", {(state.total - state.done) / rate:.0f} s left"
        print(
            f"{name}: {state.done:,} of {state.total:,} bytes, {rate / 1000:,.0f} kB/s{left}",
            file=sys.stderr,
            flush=True,
        )

    def end(self) -> None:
        """The bars stay as they are."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
        self._tasks.clear()
        self._plain.clear()


def _bars() -> Progress:
    from rich.console import Console as Terminal
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        console=Terminal(stderr=True),
    )
