"""Register accesses as text: one line each, by register name and field values."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from k210kit.board.core.clock import PS_PER_SECOND
from k210kit.errors import K210Error

if TYPE_CHECKING:
    from k210kit.board.machine import Machine

PS_PER_MICROSECOND = PS_PER_SECOND // 10**6


class Trace:
    """Writes a line to `stream` for every access to the devices `names` of `machine`.

    A line has the virtual time in microseconds, the hart and its pc (or "bus" for a DMA channel and
    the board itself), the device, r or w with the value, the register and its fields. Accesses that
    repeat the one before are counted instead. Raises K210Error for an unknown device.
    """

    def __init__(self, machine: Machine, names: set[str], stream: TextIO) -> None:
        unknown = sorted(names - machine.devices.keys())
        if unknown:
            raise K210Error(f"there is no device {', '.join(unknown)}; known are {', '.join(sorted(machine.devices))}")
        self._machine, self._stream = machine, stream
        self._last: tuple[object, ...] = ()
        self._repeats = 0
        machine.trace(names, self._access)

    def _access(self, device: str, verb: str, offset: int, value: int, text: str) -> None:
        machine = self._machine
        hart = machine.runner.running()
        pc = machine.engines[hart].pc if hart >= 0 else 0
        access = (hart, pc, device, verb, offset, value)
        if access == self._last:
            self._repeats += 1
            return
        self._flush_repeats()
        self._last = access
        who = f"hart {hart} {pc:#010x}" if hart >= 0 else "bus"
        name, _, fields = text.partition(" ")
        arrow = "->" if verb == "read" else "<-"
        line = (
            f"{machine.clock.now / PS_PER_MICROSECOND:14.3f} us  {who:<17}  {device:<9} "
            f"+{offset:#05x} {name or '(undeclared)':<16} {arrow} {value:#010x}  {fields}"
        )
        self._stream.write(line.rstrip() + "\n")

    def _flush_repeats(self) -> None:
        if self._repeats:
            self._stream.write(f"{'':17}  the same {self._repeats} time{'s' * (self._repeats > 1)} more\n")
            self._repeats = 0

    def close(self) -> None:
        """Write what is left; the stream stays open."""
        self._flush_repeats()
        self._last = ()
        self._stream.flush()
