"""PLIC: sixty-five interrupt sources to the two harts.

Layout: RISC-V platform-level interrupt controller as in the Kendryte standalone SDK,
drivers/include/plic.h; contexts 0 and 2 are the machine modes of harts 0 and 1.
"""

from __future__ import annotations

from functools import partial

from k210kit.board.core.clock import Clock
from k210kit.board.core.device import Device
from k210kit.board.core.line import Line
from k210kit.board.core.registers import Register

SOURCES = 66
WORDS = (SOURCES + 31) // 32
CONTEXTS = 4


class Plic(Device):
    """`source(n)` is the level-sensitive input of source n; `external[hart]` goes to the harts."""

    size = 0x204000

    priority = Register(0x0000, writable=7, count=SOURCES)
    pending = Register(0x1000, writable=0, count=WORDS)
    enable0 = Register(0x2000, count=WORDS)
    enable1 = Register(0x2080, count=WORDS)
    enable2 = Register(0x2100, count=WORDS)
    enable3 = Register(0x2180, count=WORDS)
    threshold = Register(0x200000, writable=7, count=CONTEXTS, stride=0x1000)
    claim = Register(0x200004, count=CONTEXTS, stride=0x1000)

    def __init__(self, name: str, clock: Clock, *, external: list[Line]) -> None:
        self.external = external
        self.sources = [Line(f"irq{number}") for number in range(SOURCES)]
        for number, line in enumerate(self.sources):
            line.listen(partial(self._level_changed, number))
        self._in_service: set[int] = set()
        self._pending = 0  # a bit a source, as in the registers
        self._enabled = [0] * CONTEXTS
        super().__init__(name, clock)

    def reset(self) -> None:
        """Nothing in service; what is still asked for is pending again."""
        super().reset()
        self._in_service.clear()
        self._enabled = [0] * CONTEXTS
        self._pending = 0
        for number, line in enumerate(self.sources):
            if line.level:
                self._set_pending(number, True)
        self._update()

    def source(self, number: int) -> Line:
        """The interrupt line of source `number` (1..65)."""
        return self.sources[number]

    def _level_changed(self, number: int, level: bool) -> None:
        # The gateway takes a request and then looks away until it is completed; a level that
        # falls before the claim leaves the request pending.
        if level and number not in self._in_service:
            self._set_pending(number, True)
            self._update()

    def _set_pending(self, number: int, value: bool) -> None:
        bit = 1 << number
        self._pending = self._pending | bit if value else self._pending & ~bit
        word = number >> 5
        self.pending[word] = self._pending >> 32 * word

    def _best(self, context: int) -> tuple[int, int]:
        """The pending, enabled source of highest priority (the lowest number wins a tie) and that; zeros if none."""
        best = best_priority = 0
        active = self._pending & self._enabled[context]
        while active:
            low = active & -active
            active ^= low
            number = low.bit_length() - 1
            if (priority := self.words[number]) > best_priority:
                best, best_priority = number, priority
        return best, best_priority

    def _update(self) -> None:
        for hart, line in enumerate(self.external):
            if self._pending & self._enabled[2 * hart]:
                line.set(self._best(2 * hart)[1] > self.threshold[2 * hart])
            else:
                line.set(False)

    @priority.on_write
    def _priority_written(self, number: int, written: int) -> None:
        self._update()

    @threshold.on_write
    def _threshold_written(self, context: int, written: int) -> None:
        self._update()

    @enable0.on_write
    @enable1.on_write
    @enable2.on_write
    @enable3.on_write
    def _enable_written(self, word: int, written: int) -> None:
        for context, bank in enumerate((self.enable0, self.enable1, self.enable2, self.enable3)):
            self._enabled[context] = sum(bank[word] << 32 * word for word in range(WORDS))
        self._update()

    @claim.on_read
    def _claimed(self, context: int) -> int:
        best, _ = self._best(context)
        if best:
            self._set_pending(best, False)
            self._in_service.add(best)
            self._update()
        return best

    @claim.on_write
    def _completed(self, context: int, written: int) -> None:
        if written in self._in_service:
            self._in_service.discard(written)
            if self.sources[written].level:
                self._set_pending(written, True)
                self._update()
