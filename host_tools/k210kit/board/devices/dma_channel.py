"""One channel of the DMA controller: its working state between enable and end of transfer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from k210kit.board.core.bus import BusError
from k210kit.board.core.clock import Event, duration
from k210kit.board.core.dma import EMPTY, DmaRequest, Items

if TYPE_CHECKING:
    from k210kit.board.devices.dmac import Dmac

BLOCK_DONE, TRANSFER_DONE, SOURCE_DONE, TARGET_DONE = 1 << 0, 1 << 1, 1 << 3, 1 << 4
SOURCE_DECODE, TARGET_DECODE, LIST_READ_DECODE = 1 << 5, 1 << 6, 1 << 9
LIST_INVALID, SUSPENDED, DISABLED, ABORTED = 1 << 13, 1 << 29, 1 << 30, 1 << 31
LINKED_LIST = 3
SOURCE_IS_PERIPHERAL, TARGET_IS_PERIPHERAL = (2, 3, 4, 5, 7), (1, 3, 5, 6, 7)

# Assumed, not measured: a transfer costs 32 clocks to begin and two clocks an item (one beat in, one
# beat out), at the clock given. Nobody publishes the rate of silicon; it may be off by a factor of four.
START_CLOCKS = 32
ITEM_CLOCKS = 2
MEMORY_CHUNK = 1 << 16
REGISTER_CHUNK = 256
PAIR_FIFO = 64


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
            part = _to_items(data, self.target_width, self._item_bytes())
            parts.append(part)
            count -= len(part)
            self._progress(taken)
        return parts[0] if len(parts) == 1 else np.concatenate(parts) if parts else EMPTY

    def _supply_pair(self, count: int) -> Items:
        size = min(count * self.target_width, len(self.pair))
        if self.suspended or size == 0:
            return EMPTY
        data, self.pair = self.pair[:size], self.pair[size:]
        items = _to_items(data, self.target_width, self._item_bytes())
        if not self.left and not self.pair:
            self._block_done()
        return items

    def _item_bytes(self) -> int:
        return self.target_request.item_bytes if self.target_request is not None else 4

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

    def retime(self) -> None:
        """The clock changed: the chunk under way starts over at the new rate."""
        if self.event is not None:
            self.event.cancel()
            self.event = None
        free = self.source_request is None and self.target_request is None
        if self.active and free and self.left and not self.suspended and not self.stalled:
            self._plan(START_CLOCKS)

    def fail(self, cause: int) -> None:
        """End the transfer with an error interrupt."""
        self.stop()
        self.dmac.channel_ended(self.index, cause)


def _to_bytes(items: Items, width: int) -> bytes:
    """Bytes in memory order of items of `width` bytes; wider ones are extended with zeros."""
    if width <= 4:
        return items.astype(f"<u{width}").tobytes()
    wide = np.zeros((len(items), width // 8), "<u8")
    wide[:, 0] = items
    return wide.tobytes()


def _to_items(data: bytes, width: int, item_bytes: int) -> Items:
    """Items of `width` bytes; a peripheral takes the low `item_bytes` (4 or 8) of a wider one."""
    data += bytes(-len(data) % width)
    if width <= 4:
        return np.frombuffer(data, f"<u{width}").astype(np.uint32)
    wide = np.frombuffer(data, "<u8")[:: width // 8]
    return wide.astype(np.uint64 if item_bytes == 8 else np.uint32)
