"""DesignWare timers (DW_apb_timers): four channels with PWM, one interrupt line for each pair of channels.

Layout: Kendryte standalone SDK, drivers/include/timer.h; the pairing of interrupts: drivers/timer.c. Behaviour: the
DesignWare databook as vendors' manuals of the same block and Linux's dw_apb_timer.c and pwm-dwc.c show it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from k210kit.board.core.clock import Clock, Event, duration, ticks
from k210kit.board.core.clocks import ClockSignal
from k210kit.board.core.device import Device
from k210kit.board.core.line import Line
from k210kit.board.core.registers import WORD_MASK, Field, Register

log = logging.getLogger("k210kit.board")

ENABLE, USER_MODE, MASKED, PWM = 1, 2, 4, 8
CHANNELS = 4
SHORTEST_PERIOD_PS = 10_000_000
"""Outputs faster than this (100 kHz) are not driven edge by edge; see `waveform`."""


@dataclass
class _Channel:
    """What the counter holds, in closed form: `load` was loaded `begin` clocks after `anchor` ps."""

    running: bool = False
    anchor: int = 0
    begin: int = 0
    load: int = 0
    high: bool = False
    expired: bool = False
    control: int = 0
    reload: int = 0
    reload2: int = 0
    event: Event | None = None

    def period(self, high: bool) -> int:
        """Clocks that the next phase of that level will take: the counter counts down through 0."""
        if not self.control & USER_MODE:
            return WORD_MASK + 1
        return (self.reload2 if high and self.control & PWM else self.reload) + 1

    def pass_clocks(self, now: int) -> None:
        """Follow the counter to the clock `now`, counted from the anchor."""
        passed = now - self.begin - self.load - 1
        if passed < 0:
            return
        self.expired = True
        self.high = not self.high
        first, second = self.period(self.high), self.period(not self.high)
        rest = passed % (first + second)
        if rest >= first:
            rest -= first
            self.high = not self.high
            first = second
        self.begin, self.load = now - rest, first - 1


class Timer(Device):
    """One timer block. `irq_a` serves channels 0 and 1, `irq_b` channels 2 and 3.

    `outputs` are the four toggle outputs (TIMERx_TOGGLE1..4); without them no event is spent on edges.
    """

    load_count = Register(0x00, count=CHANNELS, stride=0x14)
    current_value = Register(0x04, count=CHANNELS, stride=0x14, writable=0)
    control = Register(
        0x08,
        [Field("enable", 0), Field("user_mode", 1), Field("int_mask", 2), Field("pwm", 3)],
        count=CHANNELS,
        stride=0x14,
        writable=0xF,
    )
    channel_eoi = Register(0x0C, count=CHANNELS, stride=0x14, writable=0)
    channel_int_status = Register(0x10, [Field("active", 0)], count=CHANNELS, stride=0x14, writable=0)
    int_status = Register(0xA0, [Field("channels", 0, CHANNELS)], writable=0)
    eoi = Register(0xA4, writable=0)
    raw_int_status = Register(0xA8, [Field("channels", 0, CHANNELS)], writable=0)
    comp_version = Register(0xAC, writable=0, doc="the silicon's value is not known")
    load_count2 = Register(0xB0, count=CHANNELS, doc="PWM: clocks high, less one; load_count: clocks low, less one")

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        irq_a: Line | None = None,
        irq_b: Line | None = None,
        clk: ClockSignal | None = None,
        outputs: Sequence[Line] = (),
    ) -> None:
        self.irq_a, self.irq_b = irq_a or Line(f"{name}.a"), irq_b or Line(f"{name}.b")
        self.clk = clk or ClockSignal(name)
        self.outputs = tuple(outputs)
        self._hz = self.clk.hz
        self._channels = [_Channel() for _ in range(CHANNELS)]
        super().__init__(name, clock)
        self.clk.listen(self._clock_changed)

    def reset(self) -> None:
        """Stop all channels, with their outputs low."""
        super().reset()
        for channel in self._channels:
            if channel.event is not None:
                channel.event.cancel()
        self._channels = [_Channel() for _ in range(CHANNELS)]
        for line in self.outputs:
            line.set(False)
        self._update_interrupts()

    def waveform(self, index: int) -> tuple[int, int, int] | None:
        """(clocks low, clocks high, clock in Hz) of a channel's output, or None while it is stopped."""
        channel = self._channels[index]
        if not channel.running or not self._hz:
            return None
        return channel.period(False), channel.period(True), self._hz

    def _now(self, channel: _Channel) -> int:
        return ticks(self.clock.now - channel.anchor, self._hz)

    def _sync(self, index: int) -> None:
        channel = self._channels[index]
        if channel.running:
            channel.pass_clocks(self._now(channel))
            if channel.expired:
                self.raw_int_status |= 1 << index

    def _schedule(self, index: int) -> None:
        channel = self._channels[index]
        if channel.event is not None:
            channel.event.cancel()
            channel.event = None
        if not channel.running or not self._hz:
            return
        # Once expired, nothing more happens until software clears it, unless a pin shows the edges.
        if not channel.expired or self._drives_edges(channel):
            due = channel.anchor + duration(channel.begin + channel.load + 1, self._hz)
            channel.event = self.clock.at(due, lambda: self._expired(index))

    def _drives_edges(self, channel: _Channel) -> bool:
        period = channel.period(False) + channel.period(True)
        return bool(self.outputs) and duration(period, self._hz) >= SHORTEST_PERIOD_PS

    def _expired(self, index: int) -> None:
        self._channels[index].event = None
        self._sync(index)
        self._update(index)

    def _update(self, index: int) -> None:
        channel = self._channels[index]
        if self.outputs and (not channel.running or self._drives_edges(channel)):
            self.outputs[index].set(channel.high)
        self._schedule(index)
        self._update_interrupts()

    def _update_interrupts(self) -> None:
        raw, active = 0, 0
        for i, channel in enumerate(self._channels):
            raw |= channel.expired << i
            seen = channel.expired and not channel.control & MASKED
            active |= seen << i
            self.channel_int_status[i] = int(seen)
        self.raw_int_status, self.int_status = raw, active
        self.irq_a.set(bool(active & 3))
        self.irq_b.set(bool(active & 12))

    def _clock_changed(self, hz: int) -> None:
        for index, channel in enumerate(self._channels):
            self._sync(index)
            channel.begin -= self._now(channel)
            channel.anchor = self.clock.now
        self._hz = hz
        for index in range(CHANNELS):
            self._update(index)

    @load_count.on_write
    def _load_count_written(self, index: int, written: int) -> None:
        # A running counter takes the new value when it next reloads.
        self._sync(index)
        self._channels[index].reload = written
        self._update(index)

    @load_count2.on_write
    def _load_count2_written(self, index: int, written: int) -> None:
        self._sync(index)
        self._channels[index].reload2 = written
        self._update(index)

    @current_value.on_read
    def _current_value_read(self, index: int) -> int:
        channel = self._channels[index]
        if channel.running:
            self._sync(index)
            self.current_value[index] = channel.load - (self._now(channel) - channel.begin)
        return int(self.current_value[index])

    @control.on_write
    def _control_written(self, index: int, written: int) -> None:
        channel = self._channels[index]
        self._sync(index)
        start, stop = written & ENABLE and not channel.running, channel.running and not written & ENABLE
        if stop:
            self._current_value_read(index)
            # Disabling a channel also clears its interrupt (Cyclone V HPS manual, the same DesignWare block).
            channel.running = channel.expired = channel.high = False
        channel.control = written & 0xF
        if start:
            channel.running, channel.high = True, False
            channel.anchor, channel.begin, channel.load = self.clock.now, 0, channel.reload
        self._update(index)

    @channel_eoi.on_read
    def _channel_eoi_read(self, index: int) -> int:
        self._sync(index)
        self._channels[index].expired = False
        self._update(index)
        return 0

    @eoi.on_read
    def _eoi_read(self) -> int:
        for index in range(CHANNELS):
            self._channel_eoi_read(index)
        return 0
