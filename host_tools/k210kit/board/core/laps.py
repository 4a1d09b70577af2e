"""Letting a wait pass at once: a guest that asks the same question again and again.

Firmware waits for the flash chip by reading its status register, tens of thousands of times for an
erase. When the whole machine (registers, memory, devices, parts, events) stands exactly as it stood
one lap of that loop ago, but for the time, then it will do so until something outside the loop falls
due; those laps are added up instead of executed. A part gives the hint by `hint()`; nothing is
skipped unless everything that could tell the laps apart has been compared.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from k210kit.board.core.clock import Clock, Event
from k210kit.board.core.engine import Engine
from k210kit.board.core.hart import HartState
from k210kit.board.core.runner import PAGE

if TYPE_CHECKING:
    from k210kit.board.core.device import Device
    from k210kit.board.machine import Machine

FIRST_ATTEMPT, LAST_WAIT = 8, 4096
NEARBY = 64
"""Words between two registers that cost less to compare than another run."""
KEPT = 4
"""Snapshots of consecutive heads: a lap may only repeat every second or third time."""

TIMES = ("cycles", "stalled", "polled", "traps", "trap_cycle")
LARGE = 1 << 16
Leaf = tuple[Any, Any, Any]
_RUNS: dict[type, list[tuple[int, int]]] = {}


class _Snapshot:
    """The machine at the head of a lap; of its memory, the pages `kept`."""

    def __init__(self, machine: Machine, roots: list[object], kept: set[int]) -> None:
        clock = machine.clock
        self.now, self.cycle = clock.now, machine.runner.now()
        # A loop that looks at the time may end by itself, however equal its laps are otherwise.
        self.time_reads = machine.time_reads + machine.runner.counter_reads()
        self.harts = [_hart(engine, self.cycle) for engine in machine.engines]
        self.words = [
            bytes(device.words[start:end]) for device in machine.devices.values() for start, end in _declared(device)
        ]
        self.events = sorted(
            ((event.time, _name(event.callback)) for _, _, event in clock._queue if event.pending),
            key=lambda pair: (pair[1], pair[0]),
        )
        self.leaves: list[Leaf] = []
        seen: set[int] = set()
        for root in roots:
            self.leaves.extend(_leaves(root, root.__dict__, seen))
        ram = machine.memory.ram
        self.pages = {page: bytes(ram[page * PAGE : (page + 1) * PAGE]) for page in kept}
        self.written: set[int] = set()
        """Pages that were written between the head before and this one."""


class Laps:
    """Watches for heads after `hint()`; `skip(limit)` lets laps pass up to time `limit` (ps)."""

    def __init__(self, machine: Machine, parts: list[object]) -> None:
        self._machine, self._parts = machine, parts
        self._snapshots: deque[_Snapshot] = deque(maxlen=KEPT)
        self._hinted = False
        self._hints, self._wait, self._tries = 0, FIRST_ATTEMPT, 0
        self._kept: set[int] = set()  # pages that the last laps have written
        self._ends: set[tuple[int, ...]] = set()  # where the harts stood at heads of laps that could be skipped
        self._quiet = 0  # until then, laps are not worth a look
        self._touched: dict[str, int] = {}
        self._fired: dict[int, int] = {}
        self.enabled = True
        self.skipped = 0

    def hint(self) -> None:
        """A part was asked whether it is done, and is not."""
        self._hinted = True

    def skip(self, limit: int) -> None:
        """Called between slices: at a head, compare and perhaps let laps pass."""
        if not self._hinted:
            return
        self._hinted = False
        self._hints += 1
        roots = self._active()
        if roots is None:
            self._snapshots.clear()
            return
        if not self.enabled or self._machine.clock.now < self._quiet:
            return
        # The first lap differs from the others: the guest has not yet been answered.
        if self._hints < self._wait and (self._hints == 1 or self._place() not in self._ends):
            return
        snapshot = self._take(roots)
        for index in reversed(range(len(self._snapshots))):
            earlier = self._snapshots[index]
            later = [*self._snapshots][index + 1 :]
            moving = _same(earlier, snapshot, set().union(snapshot.written, *(one.written for one in later)))
            if moving is not None:
                self._advance(earlier, snapshot, moving, limit)
                return
        self._snapshots.append(snapshot)
        self._tries += 1
        if self._tries > KEPT:
            self._back_off()

    def _place(self) -> tuple[int, ...]:
        return tuple(engine.pc for engine in self._machine.engines)

    def _take(self, roots: list[object]) -> _Snapshot:
        """The machine now, with those pages that laps have been seen to write."""
        machine = self._machine
        written = {*machine.runner.watch_stores(), *machine.pages_written}
        machine.pages_written.clear()
        if self._snapshots:
            # If this snapshot is the first to have them, the next can be compared with it.
            self._kept |= written
        snapshot = _Snapshot(machine, roots, self._kept)
        snapshot.written = written
        return snapshot

    def _active(self) -> list[object] | None:
        """Whose hidden state may have changed since the last head; None when somebody unknown acted."""
        machine = self._machine
        touched = {name: device.touched for name, device in machine.devices.items()}
        fired = dict(machine.clock.fired)
        names = {name for name, count in touched.items() if count != self._touched.get(name)}
        owners = {owner for owner, count in fired.items() if count != self._fired.get(owner)}
        self._touched, self._fired = touched, fired
        known = {id(device): name for name, device in machine.devices.items()}
        known |= {id(channel): "dmac" for channel in machine.dmac.channels}
        known |= {id(part): "" for part in self._parts}
        if not owners <= known.keys():
            return None
        names |= {known[owner] for owner in owners} - {""}
        return [*(machine.devices[name] for name in sorted(names)), *self._parts]

    def _back_off(self) -> None:
        self._snapshots.clear()
        self._kept.clear()
        self._ends.discard(self._place())
        self._hints = self._tries = 0
        self._wait = min(self._wait * 8, LAST_WAIT)

    def _advance(self, earlier: _Snapshot, later: _Snapshot, moving: list[Leaf], limit: int) -> None:
        lap, lap_cycles = later.now - earlier.now, later.cycle - earlier.cycle
        before, after = dict(_by_name(earlier)), dict(_by_name(later))
        anchors = [time for name, time in after.items() if before[name] == time]
        self._quiet = min([limit, *anchors])
        rounds = (self._quiet - later.now) // lap - 1 if lap > 0 and lap_cycles > 0 else 0
        self._snapshots.clear()
        self._hints, self._tries, self._wait = 0, 0, FIRST_ATTEMPT
        if rounds < 1:
            return
        self.skipped += rounds
        self._ends.add(self._place())
        clock, cycles = self._machine.clock, rounds * lap_cycles
        shift = clock.time_of(later.cycle + cycles) - clock.time_of(later.cycle)
        for engine in self._machine.engines:
            state = engine.state
            if state.idle:
                state.stalled += cycles
            state.cycles += cycles
        for container, key, value in moving:
            if value >= later.now:
                _store(container, key, value + shift)
        clock.postpone(lambda event: before[_key(event, after)] != event.time, shift)


def _by_name(snapshot: _Snapshot) -> Iterator[tuple[tuple[str, int], int]]:
    counts: dict[str, int] = {}
    for time, name in snapshot.events:
        counts[name] = counts.get(name, -1) + 1
        yield (name, counts[name]), time


def _key(event: Event, after: dict[tuple[str, int], int]) -> tuple[str, int]:
    name, index = _name(event.callback), 0
    while after[name, index] != event.time:
        index += 1
    return name, index


def _same(a: _Snapshot, b: _Snapshot, written: set[int]) -> list[Leaf] | None:
    """The leaves that moved with time when all else is equal, else None; `written` are the pages written between."""
    if any(page not in a.pages or a.pages[page] != b.pages[page] for page in written):
        return None
    lap, lap_cycles = b.now - a.now, b.cycle - a.cycle
    if a.time_reads != b.time_reads or a.harts != b.harts:
        return None
    if a.words != b.words or len(a.events) != len(b.events) or len(a.leaves) != len(b.leaves):
        return None
    for (time_a, name_a), (time_b, name_b) in zip(a.events, b.events, strict=True):
        if name_a != name_b or time_b - time_a not in (0, lap):
            return None
    moving = []
    for (_, key_a, value_a), leaf in zip(a.leaves, b.leaves, strict=True):
        if key_a != leaf[1]:
            return None
        if value_a != leaf[2]:
            numbers = isinstance(value_a, int) and isinstance(leaf[2], int)
            if not numbers or leaf[2] - value_a not in (lap, lap_cycles):
                return None
            moving.append(leaf)
    return moving


def _hart(engine: Engine, cycle: int) -> tuple[object, ...]:
    state = engine.state
    csrs = tuple(
        tuple(getattr(state, name)) if name == "scratch" else getattr(state, name)
        for name in (entry[0] for entry in HartState._fields_)
        if name not in TIMES and not name.startswith("fault_")
    )
    # A hart that has retired nothing between has the same registers.
    registers = (state.retired,) if state.idle else engine.registers()
    return (registers, csrs, state.cycles - cycle)


def _declared(device: Device) -> list[tuple[int, int]]:
    """The runs of words (first, end) where a device has registers."""
    runs = _RUNS.get(type(device))
    if runs is None:
        runs = _RUNS[type(device)] = []
        for word in sorted(offset >> 2 for offset in device.registers):
            if runs and word - runs[-1][1] < NEARBY:
                runs[-1] = runs[-1][0], word + 1
            else:
                runs.append((word, word + 1))
    return runs


def _name(callback: Callable[..., object] | None) -> str:
    owner = getattr(callback, "__self__", None)
    name = getattr(callback, "__qualname__", callback.__class__.__qualname__)
    return f"{name} {id(owner)}" if owner is not None else name


def _leaves(container: object, value: object, seen: set[int]) -> Iterator[Leaf]:
    """Every number, text and buffer below `value`, with where it is stored."""
    if isinstance(value, dict):
        where = container if value is getattr(container, "__dict__", None) else value
        for key, item in value.items():
            if key != "touched":
                yield from _leaf_or_below(where, key, item, seen)
    elif isinstance(value, list | tuple | deque):
        yield (container, "length", len(value))
        for index, item in enumerate(value):
            yield from _leaf_or_below(value, index, item, seen)


def _leaf_or_below(container: object, key: object, item: object, seen: set[int]) -> Iterator[Leaf]:
    if item is None or isinstance(item, bool | int | float | str):
        yield (container, key, item)
    elif isinstance(item, bytes | bytearray | memoryview | np.ndarray):
        yield from _buffer(container, key, item)
    elif isinstance(item, Event):
        yield (item, "time", item.time)
        yield (item, "pending", item.pending)
    elif isinstance(item, Clock | Engine) or hasattr(item, "is_memory"):
        return
    elif callable(item) and not hasattr(item, "__dict__"):
        yield (container, key, _name(item))
    elif isinstance(item, set | frozenset):
        yield (container, key, tuple(sorted(map(repr, item))))
    elif id(item) not in seen:
        seen.add(id(item))
        below = item if isinstance(item, dict | list | tuple | deque) else getattr(item, "__dict__", None)
        if below is not None:
            yield from _leaves(item, below, seen)
        else:
            for name in getattr(type(item), "__slots__", ()):
                yield from _leaf_or_below(item, name, getattr(item, name, None), seen)


def _buffer(container: object, key: object, item: Any) -> Iterator[Leaf]:
    size = item.nbytes if isinstance(item, memoryview | np.ndarray) else len(item)
    # The words of devices are compared apart; `changes` counts what programs a large store.
    if size > LARGE and hasattr(container, "changes"):
        yield (container, key, size)
    elif key not in ("words", "masks"):
        yield (container, key, (size, zlib.crc32(item)))


def _store(container: Any, key: Any, value: int) -> None:
    if isinstance(container, dict | list | deque):
        container[key] = value
    elif not isinstance(container, tuple):
        setattr(container, key, value)
