"""The DMA controller: Synopsys DW_axi_dmac with six channels.

Layout: Kendryte standalone SDK, drivers/include/dmac.h; interrupt bits above 12 as in Linux,
drivers/dma/dw-axi-dmac/dw-axi-dmac.h. Registers are 64 bits wide and stand here as two words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from k210kit.board.core.bus import Bus, BusError
from k210kit.board.core.clock import Clock, Event, duration
from k210kit.board.core.clocks import ClockSignal
from k210kit.board.core.device import Device, log
from k210kit.board.core.dma import EMPTY, DmaRequest, Items
from k210kit.board.core.line import Line
from k210kit.board.core.registers import WORD_MASK, Field, Register

CHANNELS = 6
ALL = (1 << CHANNELS) - 1
BLOCK_DONE, TRANSFER_DONE, SOURCE_DONE, TARGET_DONE = 1 << 0, 1 << 1, 1 << 3, 1 << 4
SOURCE_DECODE, TARGET_DECODE, LIST_READ_DECODE = 1 << 5, 1 << 6, 1 << 9
LIST_INVALID, SUSPENDED, DISABLED, ABORTED = 1 << 13, 1 << 29, 1 << 30, 1 << 31
LINKED_LIST = 3
MEMORY_TO_MEMORY = 0
SOURCE_IS_PERIPHERAL, TARGET_IS_PERIPHERAL = (2, 3, 4, 5, 7), (1, 3, 5, 6, 7)

# Assumed, not measured: a transfer costs 32 clocks to begin and two clocks an item (one beat in, one
# beat out), at the clock given. Nobody publishes the rate of silicon; it may be off by a factor of four.
START_CLOCKS = 32
ITEM_CLOCKS = 2
MEMORY_CHUNK = 1 << 16
REGISTER_CHUNK = 256
PAIR_FIFO = 64

INTERRUPTS = (
    Field("block_done", 0), Field("transfer_done", 1), Field("source_done", 3), Field("target_done", 4),
    Field("source_decode_error", 5), Field("target_decode_error", 6), Field("source_error", 7, note="never occurs"),
    Field("target_error", 8, note="never occurs"), Field("list_read_decode_error", 9),
    Field("list_write_decode_error", 10, note="never occurs"), Field("list_read_error", 11, note="never occurs"),
    Field("list_write_error", 12, note="never occurs"), Field("list_invalid", 13),
    Field("register_errors", 16, 6, note="not modelled"), Field("lock_cleared", 27, note="not modelled"),
    Field("suspended", 29), Field("disabled", 30), Field("aborted", 31),
)  # fmt: skip


class Port:
    """What a peripheral's DmaRequest calls; `remaining()` says how many items the block still has for it."""

    def __init__(self, move: Callable[..., object], remaining: Callable[[], int]) -> None:
        self.move, self.remaining = move, remaining

    def __call__(self, what: object) -> object:
        """Hand items over, or take a number of them."""
        return self.move(what)


class Channel:
    """One channel: its working state between enable and end of transfer."""

    def __init__(self, dmac: Dmac, index: int) -> None:
        self.dmac, self.index = dmac, index
        self.event: Event | None = None
        self.source_request: DmaRequest | None = None
        self.target_request: DmaRequest | None = None
        self.source_port = Port(self.accept, lambda: self.left)
        self.target_port = Port(self.supply, self._target_items)
        self.stop()

    @property
    def number(self) -> int:
        """Register bit of this channel."""
        return 1 << self.index

    def stop(self) -> None:
        """Let go of the handshakes and forget the transfer."""
        if self.event is not None:
            self.event.cancel()
        if self.source_request is not None and self.source_request.sink is self.source_port:
            self.source_request.sink = None
        if self.target_request is not None and self.target_request.source is self.target_port:
            self.target_request.source = None
        self.source_request = self.target_request = self.event = None
        self.active = self.suspended = self.stalled = False
        self.left = self.done = self.list_item = 0
        self.pair = b""

    def start(self) -> None:
        """Begin the transfer that the registers describe."""
        dmac, i = self.dmac, self.index
        self.active = True
        flow = dmac.channel_cfg_hi[i] & 7
        if flow in SOURCE_IS_PERIPHERAL and not dmac.channel_cfg_hi[i] >> 3 & 1:
            self.source_request = dmac.request(dmac.channel_cfg_hi[i] >> 7 & 0xF)
        if flow in TARGET_IS_PERIPHERAL and not dmac.channel_cfg_hi[i] >> 4 & 1:
            self.target_request = dmac.request(dmac.channel_cfg_hi[i] >> 12 & 0xF)
        if self._linked() and not self._next_item(dmac.llp[i] | dmac.llp_hi[i] << 32):
            return
        self.load()
        self.arm()

    def _linked(self) -> bool:
        types = self.dmac.channel_cfg[self.index]
        return LINKED_LIST in (types & 3, types >> 2 & 3)

    def load(self) -> None:
        """Take addresses, widths and block size from the registers."""
        dmac, i = self.dmac, self.index
        control = dmac.ctl[i]
        self.source, self.target = dmac.sar[i] | dmac.sar_hi[i] << 32, dmac.dar[i] | dmac.dar_hi[i] << 32
        self.source_fixed, self.target_fixed = bool(control >> 4 & 1), bool(control >> 6 & 1)
        self.source_width, self.target_width = 1 << min(control >> 8 & 7, 6), 1 << min(control >> 11 & 7, 6)
        self.left, self.done = (dmac.block_ts[i] & 0x3FFFFF) + 1, 0
        dmac.channel_status[i] = 0

    def arm(self) -> None:
        """Offer the channel to its peripherals, or move by itself when it has none."""
        if self.suspended:
            return
        source, target = self.source_request, self.target_request
        if source is None and target is None:
            self._plan(START_CLOCKS)
            return
        if target is not None:
            target.source = self.target_port  # type: ignore[assignment]
        if source is not None:
            source.sink = self.source_port  # type: ignore[assignment]
        for request in (target, source):
            if request is not None and self.active:
                request.on_armed()

    def _plan(self, extra: int = 0) -> None:
        memory = self._memory(self.source, self.source_width, self.source_fixed, self.left) and self._memory(
            self.target, self.source_width, self.target_fixed, self.left
        )
        self.chunk = min(self.left, MEMORY_CHUNK if memory else REGISTER_CHUNK)
        beats = self.chunk * max(1, self.source_width // 8)
        if self.dmac.clk.hz:
            delay = duration(beats * ITEM_CLOCKS + extra, self.dmac.clk.hz)
            self.event = self.dmac.clock.after(delay, self._moved)

    def _memory(self, address: int, width: int, fixed: bool, count: int) -> bool:
        return self.dmac.bus.is_memory(address, width if fixed else width * count)

    def _moved(self) -> None:
        self.event = None
        data = self._fetch(self.chunk * self.source_width)
        if data is not None and self._store(data):
            self._progress(self.chunk)
        if self.active and not self.event and not self.suspended and not self.stalled and self.left:
            self._plan()

    def accept(self, items: Items) -> int:
        """The source peripheral's items; returns how many were taken."""
        taken = 0
        while self.active and not self.suspended and not self.stalled and taken < len(items):
            room = len(items) - taken
            if self.target_request is not None:
                room = min(room, PAIR_FIFO - len(self.pair) // self.source_width)
            count = min(self.left, room)
            if count <= 0:
                break
            data = _to_bytes(items[taken : taken + count], self.source_width)
            taken += count
            if self.target_request is not None:
                self.pair += data
                self.left -= count
                self.target_request.on_armed()
            elif self._store(data):
                self._progress(count)
        return taken

    def supply(self, count: int) -> Items:
        """Up to `count` items for the target peripheral."""
        if self.source_request is not None:
            return self._supply_pair(count)
        parts: list[Items] = []
        while count > 0 and self.active and not self.suspended and not self.stalled:
            size = min(count * self.target_width, self.left * self.source_width)
            taken = -(-size // self.source_width)
            data = self._fetch(taken * self.source_width)
            if data is None:
                break
            part = _to_items(data, self.target_width)
            parts.append(part)
            count -= len(part)
            self._progress(taken)
        return parts[0] if len(parts) == 1 else np.concatenate(parts) if parts else EMPTY

    def _supply_pair(self, count: int) -> Items:
        size = min(count * self.target_width, len(self.pair))
        if self.suspended or size == 0:
            return EMPTY
        data, self.pair = self.pair[:size], self.pair[size:]
        if not self.left and not self.pair:
            self._block_done()
        return _to_items(data, self.target_width)

    def _target_items(self) -> int:
        if self.suspended or self.stalled:
            return 0
        if self.source_request is not None:
            return len(self.pair) // self.target_width
        return -(-self.left * self.source_width // self.target_width)

    def _fetch(self, size: int) -> bytes | None:
        """`size` bytes from the source; None after a bus error."""
        bus, width, at = self.dmac.bus, self.source_width, self.source
        try:
            if self.source_fixed:
                if bus.is_memory(at, width):
                    return bus.read(at, width) * (size // width)
                return b"".join(self._read_register(at, width) for _ in range(size // width))
            self.source += size
            if bus.is_memory(at, size):
                return bus.read(at, size)
            return b"".join(self._read_register(at + step, width) for step in range(0, size, width))
        except BusError:
            self.fail(SOURCE_DECODE)
            return None

    def _store(self, data: bytes) -> bool:
        """Write to the target; False after a bus error."""
        bus, width, at = self.dmac.bus, self.target_width, self.target
        size = len(data)
        try:
            if self.target_fixed:
                if bus.is_memory(at, width):
                    bus.write(at, data[-width:])
                else:
                    for step in range(0, size, width):
                        self._write_register(at, data[step : step + width])
                return True
            self.target += size
            if bus.is_memory(at, size):
                bus.write(at, data)
            else:
                for step in range(0, size, width):
                    self._write_register(at + step, data[step : step + width])
            return True
        except BusError:
            self.fail(TARGET_DECODE)
            return False

    def _read_register(self, address: int, width: int) -> bytes:
        part = min(width, 8)
        return b"".join(
            self.dmac.bus.read_register(address + step, part).to_bytes(part, "little") for step in range(0, width, part)
        )

    def _write_register(self, address: int, data: bytes) -> None:
        part = min(len(data), 8) if len(data) & (len(data) - 1) == 0 else 1
        for step in range(0, len(data), part):
            self.dmac.bus.write_register(address + step, part, int.from_bytes(data[step : step + part], "little"))

    def _progress(self, count: int) -> None:
        self.left -= count
        self.done += count
        self.dmac.channel_status[self.index] = self.done & 0x3FFFFF
        if self.left <= 0:
            self._block_done()

    def _block_done(self) -> None:
        dmac, i = self.dmac, self.index
        control_hi = dmac.ctl_hi[i]
        cause = BLOCK_DONE if control_hi >> 26 & 1 else 0
        cause |= SOURCE_DONE if self.source_request is not None else 0
        cause |= TARGET_DONE if self.target_request is not None else 0
        if self._linked():
            self._give_back()
            if not control_hi >> 30 & 1:
                dmac.raise_interrupt(i, cause)
                if self._next_item(dmac.llp[i] | dmac.llp_hi[i] << 32):
                    self.load()
                    if self.source_request is None and self.target_request is None:
                        self._plan(START_CLOCKS)
                return
        self.stop()
        dmac.channel_ended(i, cause | TRANSFER_DONE)

    def _next_item(self, pointer: int) -> bool:
        """Fetch a list item of eight 64-bit words; False when it stops the channel."""
        dmac, i = self.dmac, self.index
        self.list_item = pointer & ~0x3F
        try:
            item = np.frombuffer(dmac.bus.read(self.list_item, 64), np.uint32).tolist()
        except BusError:
            self.fail(LIST_READ_DECODE)
            return False
        dmac.sar[i], dmac.sar_hi[i], dmac.dar[i], dmac.dar_hi[i] = item[:4]
        dmac.block_ts[i] = item[4] & 0x3FFFFF
        dmac.llp[i], dmac.llp_hi[i], dmac.ctl[i], dmac.ctl_hi[i] = item[6:10]
        if not item[9] >> 31:
            self.stalled = True
            dmac.raise_interrupt(i, LIST_INVALID)
            return False
        return True

    def _give_back(self) -> None:
        """Clear the item's valid bit in memory, as the controller does after the block."""
        bus, at = self.dmac.bus, self.list_item + 0x24
        if bus.is_memory(at, 4):
            bus.write(at, (int.from_bytes(bus.read(at, 4), "little") & 0x7FFFFFFF).to_bytes(4, "little"))

    def resume_list(self) -> None:
        """The guest says that the invalid list item is now valid."""
        if self.active and self.stalled:
            self.stalled = False
            if self._next_item(self.list_item):
                self.load()
                self.arm()

    def suspend(self, wanted: bool) -> None:
        """Hold the transfer, or let it go on."""
        if not self.active or wanted == self.suspended:
            return
        self.suspended = wanted
        if wanted:
            if self.event is not None:
                self.event.cancel()
            self.event = None
            self.dmac.raise_interrupt(self.index, SUSPENDED)
        elif not self.stalled:
            self.arm()

    def fail(self, cause: int) -> None:
        """End the transfer with an error interrupt."""
        self.stop()
        self.dmac.channel_ended(self.index, cause)


def _to_bytes(items: Items, width: int) -> bytes:
    """Bytes in memory order of items of `width` bytes; a peripheral drives 32 bits at most."""
    if width <= 4:
        return items.astype(f"<u{width}").tobytes()
    wide = np.zeros((len(items), width // 4), "<u4")
    wide[:, 0] = items
    return wide.tobytes()


def _to_items(data: bytes, width: int) -> Items:
    """Items of `width` bytes; a peripheral takes the low 32 bits."""
    data += bytes(-len(data) % width)
    if width <= 4:
        return np.frombuffer(data, f"<u{width}").astype(np.uint32)
    return np.frombuffer(data, "<u4")[:: width // 4].astype(np.uint32)


class Dmac(Device):
    """DW_axi_dmac.

    `select(n)` is the request number (sysctl_dma_select_t) that SYSCTL connects to the controller's
    handshake interface `n`; `requests` maps such numbers to lines. A peripheral without a line is taken
    as always ready, and so is software handshaking. Multi-block transfers other than by linked list end
    after one block.
    """

    size = 0x1000

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
            Field("priority", 17, 3, note="no effect"), Field("lock", 20, 3, note="no effect"), Field("outstanding", 23, 8, note="no effect"),
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
        pending = 0
        for i, irq in enumerate(self.irqs):
            level = self.channel_intstatus[i] & self.channel_intsignal_enable[i]
            pending |= bool(level) << i
            irq.set(bool(level) and bool(self.cfg & 2))
        self.intstatus = pending

    def _clock_changed(self, hz: int) -> None:
        for channel in self.channels:
            if channel.event is not None:
                channel.event.cancel()
                channel.event = None
            free = channel.source_request is None and channel.target_request is None
            if channel.active and free and channel.left and not channel.suspended and not channel.stalled:
                channel._plan(START_CLOCKS)
