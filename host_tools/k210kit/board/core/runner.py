"""Running both harts: windows, boundaries and limits.

Time is counted in CPU cycles; an instruction takes one (Rocket's pipeline stalls are not modelled),
and a hart in WFI lets them pass. The harts take turns in windows: while both are busy a window is
TURN cycles long, while one waits the other runs up to the next event. A hart's turn ends at the
first boundary (the end of a straight line of instructions: a jump, a branch, a system instruction)
at or after the limit, so that every implementation stops at the same instruction. A device access
may shorten the window; the hart then goes on to its next boundary.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Protocol

from k210kit.board.core.engine import Engine
from k210kit.board.core.memory import ROM_BASE, Memory
from k210kit.board.core.strict import Strict

TURN = 2000
PAGE = 4096


class Reason(enum.IntEnum):
    """Why run() returned."""

    DUE = 0
    YIELD = 1
    STOPPED = 2
    CRASHED = 3


class Runner(Protocol):
    """What the board needs of a run loop; the C one and the Python one give the same results."""

    def map_device(
        self,
        base: int,
        size: int,
        words: memoryview,
        flags: memoryview,
        masks: memoryview,
        read: Callable[[int, int], int],
        write: Callable[[int, int, int], None],
    ) -> None:
        """Put a device's registers at `base`; `read(offset, size)` and `write(offset, size, value)`."""

    def run(self, until: int) -> int:
        """Run to cycle `until`, or until something else wants attention; returns a Reason."""

    def now(self) -> int:
        """The running hart's cycle, or the one that both have reached."""

    def shorten(self, cycle: int) -> None:
        """An event is due at `cycle`: run() is to return then."""

    def end_window(self) -> None:
        """Let the present window end here."""

    def stop(self) -> None:
        """Make run() return."""

    def running(self) -> int:
        """The hart whose instruction is under way, or -1."""

    def counter_reads(self) -> int:
        """How often a guest read a counter CSR."""

    def step(self, number: int) -> None:
        """Execute one instruction of that hart alone; interrupts wait, wfi does not."""

    def break_here(self) -> None:
        """Stop before the instruction whose hook calls this, not at the next boundary.

        A store has reached memory when a memory hook stops it, and will be made again.
        """

    def be_strict(self, judge: Strict, memory: bool) -> None:
        """From now on, trap accesses that `judge` does not permit; with `memory` also misaligned ones to memory."""

    def accesses(self) -> int:
        """Register accesses served so far (those of waiting loops that were skipped do not count)."""

    def drop_code(self) -> None:
        """Drop all translated code."""

    def invalidate(self, offset: int, size: int) -> None:
        """Drop translated code in that range of SRAM."""

    def watch_stores(self) -> list[int]:
        """Numbers of the pages of SRAM (of PAGE bytes) to which a hart may have stored since the last call."""

    def set_fs(self, hart: int, fs: int) -> None:
        """Switch a hart's FPU in the engine."""


def make_runner(engines: list[Engine], memory: Memory, pure: bool = False) -> Runner:
    """The C run loop where it was built, else (or when `pure`) the Python one."""
    if not pure:
        try:
            return _fast_runner(engines, memory)
        except ImportError:
            pass
    from k210kit.board.core.pure import PureRunner

    return PureRunner(engines, memory)


def _fast_runner(engines: list[Engine], memory: Memory) -> Runner:
    import ctypes

    from k210kit.board.core._fast import Core
    from k210kit.board.core.engine import library_path

    return Core(
        library_path(),
        [(engine.handle, ctypes.addressof(engine.state)) for engine in engines],
        [(region.base, region.size, region.host, region.base != ROM_BASE) for region in memory.regions],
        ctypes.sizeof(engines[0].state),
        TURN,
    )
