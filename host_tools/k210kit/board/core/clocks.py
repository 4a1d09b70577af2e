"""Clock signals between SYSCTL and the devices."""

from __future__ import annotations

from collections.abc import Callable


class ClockSignal:
    """A device's clock: `hz` now (0 while gated), and a call when it changes."""

    def __init__(self, name: str, hz: int = 26_000_000) -> None:
        self.name, self._hz = name, hz
        self._listeners: list[Callable[[int], None]] = []

    @property
    def hz(self) -> int:
        """Frequency in hertz; 0 while the gate is closed."""
        return self._hz

    def set(self, hz: int) -> None:
        """Called by SYSCTL; listeners hear of changes only."""
        if hz != self._hz:
            self._hz = hz
            for listener in self._listeners:
                listener(hz)

    def listen(self, listener: Callable[[int], None]) -> None:
        """Call `listener(hz)` on every change from now on."""
        self._listeners.append(listener)
