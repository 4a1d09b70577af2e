"""Breakpoints and watchpoints."""

from __future__ import annotations

from typing import ClassVar

from unicorn import UC_HOOK_CODE, UC_HOOK_MEM_READ, UC_HOOK_MEM_WRITE

from k210kit.board.core.engine import Engine
from k210kit.board.machine import Machine


class Points:
    """Breakpoints and watchpoints: hooks on both engines that stop the run loop."""

    KINDS: ClassVar = {2: UC_HOOK_MEM_WRITE, 3: UC_HOOK_MEM_READ, 4: UC_HOOK_MEM_READ | UC_HOOK_MEM_WRITE}
    WORDS: ClassVar = {2: "watch", 3: "rwatch", 4: "awatch"}

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._hooks: dict[tuple[int, int, int], list[tuple[Engine, int]]] = {}
        self._breakpoints: dict[int, int] = {}
        self.ignored = False
        self.hit: tuple[int, str] | None = None
        self._undo: tuple[int, bytes] | None = None

    def at(self, pc: int) -> bool:
        """Whether a breakpoint stands at `pc`."""
        return self._breakpoints.get(pc, 0) > 0

    def add(self, kind: int, address: int, length: int) -> None:
        """Set a breakpoint (kind 0 or 1) or a watchpoint (2 to 4); setting it again does nothing."""
        key = (kind, address, length)
        if key in self._hooks:
            return
        self._hooks[key] = [(engine, self._hook(engine, *key)) for engine in self._machine.engines]
        if kind < 2:
            self._breakpoints[address] = self._breakpoints.get(address, 0) + 1
        self._changed()

    def _hook(self, engine: Engine, kind: int, address: int, length: int) -> int:
        def on_code(uc: object, pc: int, size: int, data: object) -> None:
            self._stop(engine, "")

        def on_access(uc: object, access: int, where: int, size: int, value: int, data: object) -> bool:
            if self._stop(engine, f"{self.WORDS[kind]}:{address:x};"):
                found = self._machine.memory.find(where, size)
                if found is not None:
                    self._undo = where, bytes(found[0].view[found[1] : found[1] + size])
            return True

        if kind < 2:
            return int(engine.uc.hook_add(UC_HOOK_CODE, on_code, None, address, address))
        # Unicorn compares an access's first byte only: one that begins before the range is not seen.
        return int(engine.uc.hook_add(self.KINDS[kind], on_access, None, address, address + max(length, 1) - 1))

    def _stop(self, engine: Engine, reason: str) -> bool:
        if self.ignored or self.hit is not None:
            return False
        self.hit = (engine.number, reason)
        self._machine.runner.break_here()
        return True

    def settle(self) -> None:
        """The run loop has stopped: a store that hit a watchpoint is taken back, as it has not happened yet."""
        if self._undo is not None:
            (where, old), self._undo = self._undo, None
            self._machine.write(where, old)

    def remove(self, kind: int, address: int, length: int) -> None:
        """Take a point away again, if it was set."""
        hooks = self._hooks.pop((kind, address, length), None)
        if hooks is None:
            return
        for engine, handle in hooks:
            engine.uc.hook_del(handle)
        if kind < 2:
            self._breakpoints[address] -= 1
        self._changed()

    def clear(self) -> None:
        """Take all points away."""
        for key in list(self._hooks):
            self.remove(*key)

    def _changed(self) -> None:
        self._machine.runner.drop_code()
