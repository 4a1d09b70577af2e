"""Virtual time that follows the processor: cycles at the CPU frequency in force."""

from __future__ import annotations

from collections.abc import Callable

from k210kit.board.core.clock import PS_PER_SECOND, Clock, Event


class CycleClock(Clock):
    """Turns CPU cycles into picoseconds, through every change of the CPU's frequency.

    `cycles()` gives the cycle under way; `shorten(cycle)` asks the run loop to stop there.
    """

    def __init__(self, cycles: Callable[[], int], shorten: Callable[[int], None], hz: int) -> None:
        self.cycles, self._shorten, self.hz = cycles, shorten, hz
        self._base_cycle = self._base_time = 0
        self._listeners: list[Callable[[], None]] = []
        super().__init__()

    @property
    def now(self) -> int:
        """Picoseconds since power-on; never decreases, though the harts' turns overlap."""
        time = self.time_of(self.cycles())
        if time > self._now:
            self._now = time
        return self._now

    def time_of(self, cycle: int) -> int:
        """When `cycle` begins, in picoseconds."""
        return self._base_time + (cycle - self._base_cycle) * PS_PER_SECOND // self.hz

    def cycle_at(self, time: int) -> int:
        """The first cycle that begins at or after `time` picoseconds."""
        return self._base_cycle - (-(time - self._base_time) * self.hz // PS_PER_SECOND)

    def set_hz(self, hz: int) -> None:
        """Change the CPU's frequency as of now."""
        if hz and hz != self.hz:
            now, cycle = self.now, self.cycles()
            self._base_time, self._base_cycle, self.hz = now, cycle, hz
            for listener in self._listeners:
                listener()
            self._shorten(cycle)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener()` after each change of frequency."""
        self._listeners.append(listener)

    def at_cycle(self, cycle: int, callback: Callable[[], None]) -> Event:
        """Call `callback` when that cycle begins, at the frequency in force."""
        return self.at(self.time_of(cycle), callback)

    def _scheduled(self, time: int) -> None:
        self._shorten(self.cycle_at(time))
