"""CLINT: software interrupts, the machine timer and its comparators.

Layout: Kendryte standalone SDK, drivers/include/clint.h. mtime counts CPU cycles / 50 (same source).
"""

from __future__ import annotations

from typing import ClassVar

from k210kit.board.core.clock import Event
from k210kit.board.core.cycle_clock import CycleClock
from k210kit.board.core.device import Device
from k210kit.board.core.line import Line
from k210kit.board.core.registers import WORD_MASK, Field, Register

CYCLES_PER_TICK = 50
HARTS = 2
# A comparator further away than this is not scheduled: "never" as software writes it.
FAR_TICKS = 1 << 48


class Clint(Device):
    """`software[hart]` and `timer[hart]` are the interrupt lines to the harts."""

    size = 0x10000
    widths: ClassVar = (4, 8)

    msip = Register(0x0000, [Field("msip", 0)], writable=1, count=HARTS)
    # Silicon does not define the comparator after reset; here it is as far away as can be.
    mtimecmp = Register(0x4000, reset=WORD_MASK, count=2 * HARTS)
    mtime = Register(0xBFF8, count=2)

    clock: CycleClock

    def __init__(self, name: str, clock: CycleClock, *, software: list[Line], timer: list[Line]) -> None:
        self.software, self.timer = software, timer
        self._events: list[Event | None] = [None] * HARTS
        self._offset = 0
        clock.on_change(self._reschedule_all)
        super().__init__(name, clock)

    def reset(self) -> None:
        """Interrupts off, comparators far away; the time goes on."""
        super().reset()
        self._offset = 0
        for hart in range(HARTS):
            self.software[hart].set(False)
        self._reschedule_all()

    def ticks(self) -> int:
        """mtime as it stands now."""
        return self.clock.cycles() // CYCLES_PER_TICK + self._offset

    @msip.on_write
    def _msip_written(self, hart: int, written: int) -> None:
        self.software[hart].set(bool(written & 1))

    @mtime.on_read
    def _mtime_read(self, half: int) -> int:
        return self.ticks() >> (32 * half) & WORD_MASK

    @mtime.on_write
    def _mtime_written(self, half: int, written: int) -> None:
        keep = self.ticks() & (WORD_MASK << (32 * (1 - half)))
        self._offset += (keep | written << (32 * half)) - self.ticks()
        self._reschedule_all()

    @mtimecmp.on_write
    def _mtimecmp_written(self, index: int, written: int) -> None:
        self._reschedule(index // 2)

    def _reschedule_all(self) -> None:
        for hart in range(HARTS):
            self._reschedule(hart)

    def _reschedule(self, hart: int) -> None:
        event = self._events[hart]
        if event is not None:
            event.cancel()
        target = self.mtimecmp[2 * hart] | self.mtimecmp[2 * hart + 1] << 32
        due = target <= self.ticks()
        self.timer[hart].set(due)
        if not due and target - self.ticks() < FAR_TICKS:
            cycle = (target - self._offset) * CYCLES_PER_TICK
            self._events[hart] = self.clock.at_cycle(cycle, lambda: self._reschedule(hart))
