"""DesignWare watchdog (DW_apb_wdt).

Layout: Kendryte standalone SDK, drivers/include/wdt.h. Behaviour: the DesignWare databook as Linux's dw_wdt.c and the
SDK's wdt.c show it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from k210kit.board.core.clock import Clock, Event, duration, ticks
from k210kit.board.core.clocks import ClockSignal
from k210kit.board.core.device import Device
from k210kit.board.core.line import Line
from k210kit.board.core.registers import Field, Register

log = logging.getLogger("k210kit.board")

RESTART = 0x76


class Wdt(Device):
    """One watchdog counting `clk`. `irq` is its interrupt; `on_reset` is called when it bites.

    It does not reset the machine itself, and stands still after it has bitten until `reset()`.
    """

    cr = Register(
        0x00,
        [
            Field("en", 0, note="sticks until reset"),
            Field("rmod", 1),
            Field("rpl", 2, 3, note="length of the reset pulse"),
        ],
        writable=0x1F,
    )
    torr = Register(0x04, [Field("top", 0, 4), Field("top_init", 4, 4)], writable=0xFF)
    ccvr = Register(0x08, writable=0, doc="counter")
    crr = Register(0x0C, [Field("key", 0, 8)], writable=0)
    stat = Register(0x10, [Field("interrupt", 0)], writable=0)
    eoi = Register(0x14, writable=0, doc="reading clears the interrupt")
    prot_level = Register(0x1C, [Field("level", 0, 3, note="bus protection")], writable=0x7)
    comp_param_5 = Register(0xE4, writable=0)
    comp_param_4 = Register(0xE8, writable=0)
    comp_param_3 = Register(0xEC, writable=0)
    comp_param_2 = Register(0xF0, writable=0)
    # Fixed time-outs follow from the SDK's arithmetic; a 32-bit counter is assumed, the other parameters read as 0.
    comp_param_1 = Register(
        0xF4, [Field("use_fix_top", 6), Field("cnt_width", 24, 5)], writable=0, reset=1 << 6 | 16 << 24
    )
    comp_version = Register(0xF8, writable=0, doc="the silicon's value is not known")
    comp_type = Register(0xFC, writable=0, reset=0x4457_0120)

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        irq: Line | None = None,
        clk: ClockSignal | None = None,
        on_reset: Callable[[], None] = lambda: None,
    ) -> None:
        self.irq = irq or Line(f"{name}.irq")
        self.clk = clk or ClockSignal(name, 13_000_000)
        self.on_reset = on_reset
        self._hz = self.clk.hz
        self._enabled = False
        self._loaded, self._anchor = 0, 0
        self._event: Event | None = None
        super().__init__(name, clock)
        self.clk.listen(self._clock_changed)

    def reset(self) -> None:
        """Stop counting; the only way to disable a watchdog once enabled."""
        super().reset()
        self._cancel()
        self._enabled = False
        self._loaded, self._anchor = 1 << 16, self.clock.now
        self._set_status(False)

    def _cancel(self) -> None:
        if self._event is not None:
            self._event.cancel()
        self._event = None

    def _remaining(self) -> int:
        if not self._enabled:
            return self._loaded
        return max(0, self._loaded - ticks(self.clock.now - self._anchor, self._hz))

    def _count_from(self, count: int) -> None:
        self._cancel()
        self._loaded, self._anchor = count, self.clock.now
        if self._enabled and self._hz:
            self._event = self.clock.after(duration(count, self._hz), self._expired)

    def _clock_changed(self, hz: int) -> None:
        left = self._remaining()
        self._hz = hz
        if self._enabled:
            self._count_from(left)

    def _set_status(self, active: bool) -> None:
        self.stat = int(active)
        self.irq.set(active)

    def _expired(self) -> None:
        self._event = None
        if self.cr & 2 and not self.stat:
            self._count_from(1 << 16 + (self.torr & 0xF))
            self._set_status(True)
            return
        log.info("%s: reset at %d ps", self.name, self.clock.now)
        self._enabled = False
        self._loaded = 0
        self.on_reset()

    @cr.on_write
    def _cr_written(self, written: int) -> None:
        if self._enabled:
            self.cr |= 1
        elif written & 1:
            self._enabled = True
            self._count_from(1 << 16 + (self.torr >> 4 & 0xF))

    @ccvr.on_read
    def _ccvr_read(self) -> int:
        return self._remaining()

    @crr.on_write
    def _crr_written(self, written: int) -> None:
        if written & 0xFF == RESTART:
            self._set_status(False)
            if self._enabled:
                self._count_from(1 << 16 + (self.torr & 0xF))

    @eoi.on_read
    def _eoi_read(self) -> int:
        self._set_status(False)
        return 0
