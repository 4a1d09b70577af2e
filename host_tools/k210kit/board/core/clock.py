"""Virtual time in picoseconds and the queue of things that are to happen at a given time."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

PS_PER_SECOND = 10**12


class Event:
    """Something due at `time` picoseconds; `cancel()` takes it back, also after it has run."""

    __slots__ = ("callback", "time")

    def __init__(self, time: int, callback: Callable[[], None]) -> None:
        self.time = time
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """The callback will not be called."""
        self.callback = None

    @property
    def pending(self) -> bool:
        """True until the event has run or was cancelled."""
        return self.callback is not None


class Clock:
    """A clock that stands still until `advance()`: what tests use. The board's clock extends it."""

    def __init__(self) -> None:
        self._now = 0
        self._queue: list[tuple[int, int, Event]] = []
        self._order = itertools.count()
        self.fired: dict[int, int] = {}
        """How many events each object (by id; that of None for plain functions) has had."""

    @property
    def now(self) -> int:
        """Picoseconds since power-on; never decreases."""
        return self._now

    def at(self, time: int, callback: Callable[[], None]) -> Event:
        """Call `callback` at `time` ps (at once, in queue order, when that has passed)."""
        event = Event(max(time, self.now), callback)
        heapq.heappush(self._queue, (event.time, next(self._order), event))
        self._scheduled(event.time)
        return event

    def after(self, delay: int, callback: Callable[[], None]) -> Event:
        """Call `callback` `delay` ps from now."""
        return self.at(self.now + delay, callback)

    def _scheduled(self, time: int) -> None:
        """Told of every new event; the board's clock shortens the running slice."""

    def next_time(self) -> int | None:
        """When the next event is due, or None."""
        while self._queue and not self._queue[0][2].pending:
            heapq.heappop(self._queue)
        return self._queue[0][0] if self._queue else None

    def run_due(self, until: int) -> None:
        """Run every event due at or before `until`, in order, time standing at each one's."""
        while (due := self.next_time()) is not None and due <= until:
            event = heapq.heappop(self._queue)[2]
            self._now = max(self._now, due)
            callback, event.callback = event.callback, None
            if callback is not None:
                owner = id(getattr(callback, "__self__", None))
                self.fired[owner] = self.fired.get(owner, 0) + 1
                callback()
        self._now = max(self._now, until)

    def postpone(self, moves: Callable[[Event], bool], delay: int) -> None:
        """Shift every pending event for which `moves(event)` by `delay` ps; their order stays."""
        pending = [(order, event) for _, order, event in self._queue if event.pending]
        for _, event in pending:
            if moves(event):
                event.time += delay
        self._queue = [(event.time, order, event) for order, event in pending]
        heapq.heapify(self._queue)

    def advance(self, delay: int) -> None:
        """Let `delay` ps pass, running what falls due."""
        self.run_due(self._now + delay)


def ticks(elapsed_ps: int, hz: int) -> int:
    """How many whole periods of a clock of `hz` fit into `elapsed_ps`."""
    return elapsed_ps * hz // PS_PER_SECOND


def duration(count: int, hz: int) -> int:
    """Picoseconds that `count` periods of a clock of `hz` take, rounded up."""
    return -(-count * PS_PER_SECOND // hz) if hz else 0
