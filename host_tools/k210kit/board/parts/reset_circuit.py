"""How boards wire the USB-serial chip's DTR and RTS to the reset and boot pins.

Source of the table: what the PyPI client `kflash` 1.1.6 does to reach download mode on each board.
The circuit is on the host's side of the cable, and the dance on DTR and RTS is made in host time;
so the capacitor that holds reset is modelled in host time too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from k210kit.board.core.line import Line
from k210kit.errors import K210Error

HOLD_SECONDS = 0.15
"""How long reset stays after its cause went: an RFC 2217 client needs 50 ms from DTR to RTS."""

Levels = tuple[bool, bool]


@dataclass(frozen=True)
class Wiring:
    """What (DTR, RTS) do; True is the active state, as in pyserial's `dtr` and `rts`.

    `reset` holds the chip in reset while the pair lasts, `pulses` are changes (before, after) that
    reset it for a moment, `boot` pulls IO16 low.
    """

    reset: tuple[Levels, ...] = ()
    boot: tuple[Levels, ...] = ()
    pulses: tuple[tuple[Levels, Levels], ...] = ()


NEITHER, DTR, RTS, BOTH = (False, False), (True, False), (False, True), (True, True)

_DAN = Wiring(reset=(RTS,), boot=(DTR,))
_KD233 = Wiring(reset=(DTR,), boot=(RTS,))
# goD's old CMSIS-DAP firmware makes the levels itself and is not published: only kflash's dances are
# known, (1,1) (1,0) (1,0) for download mode and (0,0) (1,0) (1,1) for a start from flash. This is
# the least that fits both: RTS changing under DTR resets, IO16 is low at (1,0).
_GOD = Wiring(boot=(DTR,), pulses=((BOTH, DTR), (DTR, BOTH)))

CIRCUITS: dict[str, Wiring] = {
    "none": Wiring(),
    "dan": _DAN,
    "bit": _DAN,
    "trainer": _DAN,
    "kd233": _KD233,
    "goE": _KD233,
    "maixduino": _KD233,
    "bit_mic": _KD233,
    "goD": _GOD,
}


class ResetCircuit:
    """The circuit named `variant`: feed it `set_lines(dtr, rts)`, call `poll()` now and then.

    `reset` is True while the chip is to be held in reset; `boot` is True while IO16 is pulled low.
    Both are True-is-active, whatever the level on the pin. Reset ends `hold` seconds of `host_clock`
    after its cause, or at once when the boot pin goes low (the dance has reached its end).
    Raises K210Error for an unknown variant.
    """

    def __init__(
        self, variant: str = "dan", *, hold: float = HOLD_SECONDS, host_clock: Callable[[], float] = time.monotonic
    ) -> None:
        if variant not in CIRCUITS:
            raise K210Error(f"There is no reset circuit {variant!r}; known are {', '.join(CIRCUITS)}.")
        self.variant, self._wiring = variant, CIRCUITS[variant]
        self.reset, self.boot = Line("reset"), Line("boot")
        self._hold, self._host_clock = hold, host_clock
        self._levels: Levels = NEITHER
        self._release_at: float | None = None

    def set_lines(self, dtr: bool, rts: bool) -> None:
        """The host has set DTR and RTS (both at once)."""
        before, now = self._levels, (bool(dtr), bool(rts))
        if now == before:
            return
        self._levels = now
        self.boot.set(now in self._wiring.boot)
        if now in self._wiring.reset:
            self._release_at = None
            self.reset.set(True)
        elif (before, now) in self._wiring.pulses:
            self.reset.set(True)
            self._release_at = self._host_clock() + self._hold
        elif self.reset.level and (self.boot.level or self._hold <= 0):
            self._release()
        elif self.reset.level and self._release_at is None:
            self._release_at = self._host_clock() + self._hold
        self.poll()

    def poll(self) -> None:
        """End a reset whose time is over; the board's run loop calls this (with the endpoints)."""
        if self._release_at is not None and self._host_clock() >= self._release_at:
            self._release()

    def _release(self) -> None:
        self._release_at = None
        self.reset.set(False)
