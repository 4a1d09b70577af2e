"""The DMA controller: Synopsys DW_axi_dmac with six channels.

Layout: Kendryte standalone SDK, drivers/include/dmac.h; interrupt bits above 12 as in Linux,
drivers/dma/dw-axi-dmac/dw-axi-dmac.h. Registers are 64 bits wide and stand here as two words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from k210kit.board.core.bus import Bus
from k210kit.board.core.clock import Clock
from k210kit.board.core.clocks import ClockSignal
from k210kit.board.core.device import Device, log
from k210kit.board.core.dma import DmaRequest
from k210kit.board.core.line import Line
from k210kit.board.core.registers import WORD_MASK, Field, Register
from k210kit.board.devices.dma_channel import ABORTED, DISABLED, Channel

CHANNELS = 6
ALL = (1 << CHANNELS) - 1

INTERRUPTS = (
    Field("block_done", 0), Field("transfer_done", 1), Field("source_done", 3), Field("target_done", 4),
    Field("source_decode_error", 5), Field("target_decode_error", 6), Field("source_error", 7, note="never occurs"),
    Field("target_error", 8, note="never occurs"), Field("list_read_decode_error", 9),
    Field("list_write_decode_error", 10, note="never occurs"), Field("list_read_error", 11, note="never occurs"),
    Field("list_write_error", 12, note="never occurs"), Field("list_invalid", 13),
    Field("multiblock_type_error", 14, note="never occurs"),
    Field("register_errors", 16, 6, note="not modelled"), Field("lock_cleared", 27, note="not modelled"),
    Field("source_suspended", 28, note="never occurs"), Field("suspended", 29),
    Field("disabled", 30), Field("aborted", 31),
)  # fmt: skip


class Dmac(Device):
    """DW_axi_dmac.

    `select(n)` is the request number (sysctl_dma_select_t) that SYSCTL connects to the controller's
    handshake interface `n`; `requests` maps such numbers to lines. A peripheral without a line is taken
    as always ready, and so is software handshaking. Multi-block transfers other than by linked list end
    after one block.
    """

    size = 0x1000
    widths: ClassVar = (4, 8)

    id = Register(0x00, reset=0, writable=0, doc="value on silicon unknown")
    version = Register(0x08, reset=0x3130312A, writable=0, doc="'101*'; value on silicon unknown")
    cfg = Register(0x10, [Field("dmac_enable", 0), Field("interrupt_enable", 1)], writable=3)
    cfg_hi = Register(0x14, writable=0)
    chen = Register(
        0x18,
        [Field("enable", 0, 6), Field("enable_write", 8, 6), Field("suspend", 16, 6), Field("suspend_write", 24, 6)],
        writable=0,
    )
    chen_hi = Register(0x1C, [Field("abort", 0, 6), Field("abort_write", 8, 6)], writable=0)
    intstatus = Register(0x30, [Field("channels", 0, 6), Field("common", 16, note="never set")], writable=0)
    intstatus_hi = Register(0x34, writable=0)
    common_intclear = Register(0x38, [Field("register_errors", 0, 9, note="not modelled")], writable=0)
    common_intclear_hi = Register(0x3C, writable=0)
    common_intstatus_enable = Register(0x40, reset=0x10F, writable=0x10F)
    common_intstatus_enable_hi = Register(0x44, writable=0)
    common_intsignal_enable = Register(0x48, reset=0x10F, writable=0x10F)
    common_intsignal_enable_hi = Register(0x4C, writable=0)
    common_intstatus = Register(0x50, writable=0)
    common_intstatus_hi = Register(0x54, writable=0)
    reset_request = Register(0x58, [Field("reset", 0)], writable=0)
    reset_request_hi = Register(0x5C, writable=0)

    sar = Register(0x100, count=CHANNELS, stride=0x100)
    sar_hi = Register(0x104, count=CHANNELS, stride=0x100)
    dar = Register(0x108, count=CHANNELS, stride=0x100)
    dar_hi = Register(0x10C, count=CHANNELS, stride=0x100)
    block_ts = Register(0x110, [Field("items_less_one", 0, 22)], writable=0x3FFFFF, count=CHANNELS, stride=0x100)
    block_ts_hi = Register(0x114, writable=0, count=CHANNELS, stride=0x100)
    ctl = Register(
        0x118,
        [
            Field("source_master", 0, note="no effect"), Field("target_master", 2, note="no effect"),
            Field("source_fixed", 4), Field("target_fixed", 6),
            Field("source_width", 8, 3), Field("target_width", 11, 3),
            Field("source_burst", 14, 4, note="no effect"), Field("target_burst", 18, 4, note="no effect"),
            Field("nonposted_last_write", 30, note="no effect"),
        ],
        count=CHANNELS, stride=0x100, doc="reset value unknown",
    )  # fmt: skip
    ctl_hi = Register(
        0x11C,
        [
            Field("arlen_enable", 6, note="no effect"), Field("arlen", 7, 8, note="no effect"),
            Field("awlen_enable", 15, note="no effect"), Field("awlen", 16, 8, note="no effect"),
            Field("source_status", 24, note="not modelled"), Field("target_status", 25, note="not modelled"),
            Field("interrupt_on_block", 26), Field("last", 30), Field("valid", 31),
        ],
        count=CHANNELS, stride=0x100,
    )  # fmt: skip
    channel_cfg = Register(
        0x120, [Field("source_multiblock", 0, 2), Field("target_multiblock", 2, 2)], count=CHANNELS, stride=0x100
    )
    channel_cfg_hi = Register(
        0x124,
        [
            Field("flow", 0, 3), Field("source_software", 3), Field("target_software", 4),
            Field("source_polarity", 5, note="no effect"), Field("target_polarity", 6, note="no effect"),
            Field("source_interface", 7, 4), Field("target_interface", 12, 4),
            Field("priority", 17, 3, note="no effect"), Field("lock", 20, 3, note="no effect"),
            Field("outstanding", 23, 8, note="no effect"),
        ],
        count=CHANNELS, stride=0x100, doc="reset value unknown",
    )  # fmt: skip
    llp = Register(0x128, [Field("master", 0), Field("location", 6, 26)], count=CHANNELS, stride=0x100)
    llp_hi = Register(0x12C, count=CHANNELS, stride=0x100)
    channel_status = Register(0x130, [Field("items_done", 0, 22)], writable=0, count=CHANNELS, stride=0x100)
    channel_status_hi = Register(0x134, writable=0, count=CHANNELS, stride=0x100)
    software_source = Register(0x138, count=CHANNELS, stride=0x100, doc="software handshakes are not modelled")
    software_source_hi = Register(0x13C, writable=0, count=CHANNELS, stride=0x100)
    software_target = Register(0x140, count=CHANNELS, stride=0x100)
    software_target_hi = Register(0x144, writable=0, count=CHANNELS, stride=0x100)
    block_resume = Register(0x148, [Field("resume", 0)], writable=0, count=CHANNELS, stride=0x100)
    block_resume_hi = Register(0x14C, writable=0, count=CHANNELS, stride=0x100)
    axi_id = Register(0x150, count=CHANNELS, stride=0x100)
    axi_id_hi = Register(0x154, count=CHANNELS, stride=0x100)
    axi_qos = Register(0x158, count=CHANNELS, stride=0x100)
    axi_qos_hi = Register(0x15C, count=CHANNELS, stride=0x100)
    # Both enables come up set: the SDK never writes the signal enable and gets its interrupts.
    channel_intstatus_enable = Register(0x180, INTERRUPTS, reset=WORD_MASK, count=CHANNELS, stride=0x100)
    channel_intstatus_enable_hi = Register(0x184, writable=0, count=CHANNELS, stride=0x100)
    channel_intstatus = Register(0x188, INTERRUPTS, writable=0, count=CHANNELS, stride=0x100)
    channel_intstatus_hi = Register(0x18C, writable=0, count=CHANNELS, stride=0x100)
    channel_intsignal_enable = Register(0x190, INTERRUPTS, reset=WORD_MASK, count=CHANNELS, stride=0x100)
    channel_intsignal_enable_hi = Register(0x194, writable=0, count=CHANNELS, stride=0x100)
    channel_intclear = Register(0x198, INTERRUPTS, writable=0, count=CHANNELS, stride=0x100)
    channel_intclear_hi = Register(0x19C, writable=0, count=CHANNELS, stride=0x100)

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        bus: Bus,
        requests: Mapping[int, DmaRequest] | None = None,
        select: Callable[[int], int] = lambda interface: interface,
        irqs: Sequence[Line] | None = None,
        clk: ClockSignal | None = None,
    ) -> None:
        self.bus, self.requests, self.select = bus, requests if requests is not None else {}, select
        self.irqs = irqs if irqs is not None else [Line(f"{name} channel {i}") for i in range(CHANNELS)]
        self.clk = clk if clk is not None else ClockSignal(f"{name} clock", 390_000_000)
        self.clk.listen(self._clock_changed)
        self.channels: list[Channel] = []
        super().__init__(name, clock)
        self.channels = [Channel(self, i) for i in range(CHANNELS)]

    def reset(self) -> None:
        """Stop every channel and restore the registers."""
        for channel in self.channels:
            channel.stop()
        super().reset()
        for irq in self.irqs:
            irq.set(False)

    def request(self, interface: int) -> DmaRequest | None:
        """The line that SYSCTL connects to handshake interface 0..5."""
        if interface >= CHANNELS:
            log.warning("%s: handshake interface %d does not exist", self.name, interface)
            return None
        return self.requests.get(self.select(interface))

    @cfg.on_write
    def _cfg_written(self, written: int) -> None:
        if not self.cfg & 1:
            self._disable(self.chen & ALL)
        self._update_irqs()

    @chen.on_write
    def _chen_written(self, written: int) -> None:
        suspend, suspend_write = written >> 16 & ALL, written >> 24 & ALL
        held = self.chen >> 16 & ALL & ~suspend_write | suspend & suspend_write
        enable, mask = written & ALL, written >> 8 & ALL
        self._disable(self.chen & mask & ~enable)
        fresh = enable & mask & ~self.chen if self.cfg & 1 else 0
        held &= (self.chen | fresh) & ALL
        self.chen = self.chen & ALL | fresh | held << 16
        for i in range(CHANNELS):
            channel = self.channels[i]
            if fresh >> i & 1:
                channel.suspended = bool(held >> i & 1)
                channel.start()
            elif suspend_write >> i & 1:
                channel.suspend(bool(held >> i & 1))

    @chen_hi.on_write
    def _chen_hi_written(self, written: int) -> None:
        for i in range(CHANNELS):
            if written >> i & written >> (8 + i) & self.chen >> i & 1:
                self.channels[i].stop()
                self.channel_ended(i, ABORTED)

    def _disable(self, mask: int) -> None:
        for i in range(CHANNELS):
            if mask >> i & 1:
                self.channels[i].stop()
                self.channel_ended(i, DISABLED)

    @reset_request.on_write
    def _reset_written(self, written: int) -> None:
        if written & 1:
            self.reset()

    @block_resume.on_write
    def _resume_written(self, index: int, written: int) -> None:
        if written & 1:
            self.channels[index].resume_list()

    @channel_intclear.on_write
    def _intclear_written(self, index: int, written: int) -> None:
        if self.channel_intstatus[index] & written:
            self.channel_intstatus[index] &= ~written
            self._update_irqs()

    @channel_intstatus_enable.on_write
    def _status_enable_written(self, index: int, written: int) -> None:
        self.channel_intstatus[index] &= written
        self._update_irqs()

    @channel_intsignal_enable.on_write
    def _signal_enable_written(self, index: int, written: int) -> None:
        self._update_irqs()

    def channel_ended(self, index: int, cause: int) -> None:
        """Clear the channel's enable bit and raise `cause`."""
        self.chen &= ~(0x10001 << index)
        self.raise_interrupt(index, cause)

    def raise_interrupt(self, index: int, cause: int) -> None:
        """Latch those bits of `cause` that the status enable register lets through."""
        self.channel_intstatus[index] |= cause & self.channel_intstatus_enable[index]
        self._update_irqs()

    def _update_irqs(self) -> None:
        pending, on = 0, bool(self.cfg & 2)
        status, signal = self.channel_intstatus, self.channel_intsignal_enable
        for i, irq in enumerate(self.irqs):
            level = bool(status[i] & signal[i])
            pending |= level << i
            if irq.level != (level and on):
                irq.set(level and on)
        self.intstatus = pending

    def _clock_changed(self, hz: int) -> None:
        for channel in self.channels:
            channel.retime()
