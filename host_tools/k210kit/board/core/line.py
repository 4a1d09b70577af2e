"""A wire with a level: interrupt lines, pins, handshakes."""

from __future__ import annotations

from collections.abc import Callable


class Line:
    """A boolean signal; listeners hear of changes only."""

    __slots__ = ("_listeners", "level", "name")

    def __init__(self, name: str = "", level: bool = False) -> None:
        self.name, self.level = name, level
        self._listeners: list[Callable[[bool], None]] = []

    def set(self, level: bool) -> None:
        """Drive the line; listeners are called when the level changes."""
        level = bool(level)
        if level != self.level:
            self.level = level
            for listener in self._listeners:
                listener(level)

    def listen(self, listener: Callable[[bool], None]) -> None:
        """Call `listener(level)` on every change from now on."""
        self._listeners.append(listener)
