"""The shift register and FIFOs of the DesignWare SSI masters, in virtual time.

Layout: Kendryte standalone SDK, drivers/include/spi.h and spi.c. Behaviour: DesignWare SSI.

The shift register is followed in closed form. A programmed transfer has an event a frame, so that
status and levels are plain stored words for polling guests; with DMA an event covers up to CHUNK
frames, and the FIFO levels are brought up to date at the events and at every access with an effect.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np

from k210kit.board.core.clock import PS_PER_SECOND, Clock, Event
from k210kit.board.core.clocks import ClockSignal
from k210kit.board.core.device import Device
from k210kit.board.core.dma import DmaRequest
from k210kit.board.core.line import Line
from k210kit.board.core.registers import WORD_MASK, Field, Register
from k210kit.board.devices.spi_frames import Frames, bytes_to_frames, frames_to_bytes
from k210kit.board.parts.spi_bus import SpiBus

DEPTH = 32
CHUNK = 1024
TRANSMIT_RECEIVE, TRANSMIT, RECEIVE, EEPROM = range(4)
IDLE, HEADER, SENDING, RECEIVING = range(4)
BUSY, TX_NOT_FULL, TX_EMPTY, RX_NOT_EMPTY, RX_FULL = (1 << n for n in range(5))
TXE, TXO, RXU, RXO, RXF = (1 << n for n in range(5))
INSTRUCTION_BITS = (0, 4, 8, 16)
INTERRUPTS = (
    Field("tx_empty", 0), Field("tx_overflow", 1), Field("rx_underflow", 2), Field("rx_overflow", 3),
    Field("rx_full", 4), Field("multi_master", 5, note="never occurs"),
)  # fmt: skip


@dataclass(frozen=True)
class Format:
    """CTRLR0 and SPI_CTRLR0 decoded: how frames look on the wire."""

    bits: int = 8
    mode: int = TRANSMIT_RECEIVE
    lines: int = 1
    instruction_bits: int = 0
    address_bits: int = 0
    wait_cycles: int = 0
    transfer_type: int = 0
    swapped: bool = False

    @property
    def reads(self) -> bool:
        """Whether a receive phase of CTRLR1 + 1 frames follows."""
        return self.mode in (RECEIVE, EEPROM)

    @property
    def frame_cycles(self) -> int:
        """SCLK cycles of one data frame."""
        return -(-self.bits // self.lines)

    @property
    def header(self) -> list[tuple[int, int]]:
        """(bits, lines) of instruction and address, those that exist."""
        lines = (1 if self.transfer_type < 2 else self.lines, 1 if self.transfer_type == 0 else self.lines)
        sizes = (self.instruction_bits, self.address_bits)
        return [(size, width) for size, width in zip(sizes, lines, strict=True) if size]


class SpiShift(Device):
    """Registers, FIFOs and shift register; what writes and reads of the registers do is in spi.py."""

    size = 0x200
    frame_size: Field
    transfer_mode: Field
    frame_format: Field
    ctrlr0: Any

    ctrlr1 = Register(0x04, [Field("frames_less_one", 0, 16)], writable=0)
    ssienr = Register(0x08, [Field("enable", 0)], writable=1)
    mwcr = Register(0x0C, [Field("microwire", 0, 3, note="not modelled")], writable=7)
    ser = Register(0x10, [Field("select", 0, 4)], writable=0)
    baudr = Register(0x14, [Field("divider", 0, 16)], writable=0)
    txftlr = Register(0x18, [Field("threshold", 0, 5)], writable=0)
    rxftlr = Register(0x1C, [Field("threshold", 0, 5)], writable=0)
    txflr = Register(0x20, writable=0)
    rxflr = Register(0x24, writable=0)
    sr = Register(
        0x28,
        [
            Field("busy", 0), Field("tx_not_full", 1), Field("tx_empty", 2), Field("rx_not_empty", 3),
            Field("rx_full", 4), Field("tx_error", 5, note="slaves only"), Field("collision", 6, note="never occurs"),
        ],
        reset=TX_NOT_FULL | TX_EMPTY, writable=0,
    )  # fmt: skip
    imr = Register(0x2C, INTERRUPTS, reset=0x3F, writable=0x3F)
    isr = Register(0x30, INTERRUPTS, writable=0)
    risr = Register(0x34, INTERRUPTS, writable=0)
    txoicr = Register(0x38, writable=0)
    rxoicr = Register(0x3C, writable=0)
    rxuicr = Register(0x40, writable=0)
    msticr = Register(0x44, writable=0)
    icr = Register(0x48, writable=0)
    dmacr = Register(0x4C, [Field("receive", 0), Field("transmit", 1)], writable=3)
    dmatdlr = Register(0x50, [Field("level", 0, 5, note="the FIFO is refilled at once")], writable=0x1F)
    dmardlr = Register(0x54, [Field("level", 0, 5, note="the FIFO is drained at once")], writable=0x1F)
    idr = Register(0x58, reset=WORD_MASK, writable=0, doc="value on silicon unknown")
    ssic_version_id = Register(0x5C, reset=0x3430312A, writable=0, doc="'401*'; value on silicon unverified")
    dr = Register(0x60, writable=0, count=36, doc="every one is the FIFO")
    rx_sample_delay = Register(0xF0, [Field("delay", 0, 8, note="no effect")])
    spi_ctrlr0 = Register(
        0xF4,
        [
            Field("transfer_type", 0, 2), Field("address_length", 2, 4), Field("instruction_length", 8, 2),
            Field("wait_cycles", 11, 5), Field("ddr", 16, 2, note="not modelled"), Field("clock_stretch", 30),
        ],
        reset=0x200, writable=0,
    )  # fmt: skip
    # The register is Canaan's own. Its effect on frames of whole bytes follows from LoBo's and MaixPy's drivers;
    # that it leaves shorter instructions and addresses alone is an assumption.
    endian = Register(0x118, [Field("swap", 0)], doc="1: the first byte on the wire is the frame's lowest")

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        bus: SpiBus | None = None,
        clk: ClockSignal | None = None,
        irq: Line | None = None,
        rx_dma: DmaRequest | None = None,
        tx_dma: DmaRequest | None = None,
    ) -> None:
        self.bus = bus if bus is not None else SpiBus()
        self.clk = clk if clk is not None else ClockSignal(f"{name} clock", 195_000_000)
        self.irq = irq if irq is not None else Line(f"{name} irq")
        self.rx_dma = rx_dma if rx_dma is not None else DmaRequest(-1, f"{name} rx")
        self.tx_dma = tx_dma if tx_dma is not None else DmaRequest(-1, f"{name} tx")
        self.rx_dma.on_armed = self.tx_dma.on_armed = self._dma_armed
        self.bus.controller_sync = self.sync  # type: ignore[method-assign]
        self.clk.listen(self._clock_changed)
        self._tx: deque[int] = deque()
        self._rx: deque[int] = deque()
        self._event: Event | None = None
        self._phase = IDLE
        self._working = False
        super().__init__(name, clock)

    def reset(self) -> None:
        """Release the bus, empty the FIFOs, drop the interrupt."""
        if self._phase != IDLE:
            self.bus.end()
        super().reset()
        self._tx.clear()
        self._rx.clear()
        self._phase = IDLE
        self._edge: int | None = None
        self._latched = self._shift = self._left = 0
        self._format, self._frame_ps, self._ready = Format(), 0, False
        self._enabled = False
        self._header: list[tuple[bytes, int]] = []
        if self._event is not None:
            self._event.cancel()
        self._event = None
        self.irq.set(False)

    def _decode(self) -> Format:
        lines = 1 << self.frame_format.get(self.ctrlr0)
        bits, mode = self.frame_size.get(self.ctrlr0) + 1, self.transfer_mode.get(self.ctrlr0)
        swapped = bool(self.endian & 1) and bits > 8
        if lines == 1:
            return Format(max(bits, 4), mode, swapped=swapped)
        more = self.spi_ctrlr0
        return Format(
            max(bits, 4), mode, lines, INSTRUCTION_BITS[more >> 8 & 3], (more >> 2 & 0xF) * 4,
            more >> 11 & 0x1F, more & 3, swapped,
        )  # fmt: skip

    # The shift register.

    def sync(self) -> None:
        """Bring the wires to the present moment, before a pin outside changes."""
        self._catch_up()

    def _catch_up(self, always: bool = False) -> None:
        """Do what fell due until now; with `always` also start and reschedule."""
        if self._working or not (always or (self._edge is not None and self.clock.now >= self._edge)):
            return
        self._working = True
        try:
            self._refill()
            while self._edge is not None and self.clock.now >= self._edge:
                self._step()
            self._drain()
            if self._phase == IDLE:
                self._start(self.clock.now)
        finally:
            self._working = False
        self._update()

    def _event_due(self) -> None:
        self._event = None
        self._catch_up(always=True)

    def _dma_armed(self) -> None:
        if self.ssienr:
            self._catch_up(always=True)

    def _clock_changed(self, hz: int) -> None:
        if self._phase == IDLE:
            return
        self._catch_up()
        self._frame_ps = self._duration(self._format.frame_cycles)
        if self._phase != IDLE:
            self._edge = self.clock.now + self._frame_ps if self._frame_ps else None
            self._schedule()

    def _duration(self, cycles: int) -> int:
        """Picoseconds of `cycles` SCLK cycles; 0 while there is no SCLK."""
        return cycles * self.baudr * PS_PER_SECOND // self.clk.hz if self.clk.hz else 0

    def _start(self, time: int) -> None:
        """Begin a transfer at `time` if there is anything to do."""
        if not self.ssienr or not self.ser:
            return
        form = self._format
        header = form.header
        needed = len(header)
        # A multi-line read without instruction and address starts by itself, once: the SDK's
        # spi_receive_data_multiple writes no dummy word then.
        if form.lines == 1 or not needed:
            needed = 0 if form.lines > 1 and form.mode == RECEIVE and self._ready else 1
        self._frame_ps = self._duration(form.frame_cycles)
        if len(self._tx) < needed or not self._frame_ps:
            return
        self._ready = False
        self._left = self.ctrlr1 + 1
        self.bus.begin(self.ser, self.clk.hz // self.baudr)
        if header:
            cycles = form.wait_cycles if form.reads else 0
            self._header = []
            for bits, lines in header:
                swapped = form.swapped and bits == form.bits
                self._header.append((frames_to_bytes([self._tx.popleft()], bits, swapped), lines))
                cycles += -(-bits // lines)
            self._phase, self._edge = HEADER, time + self._duration(cycles)
        elif form.mode == RECEIVE:
            self._shift = self._tx.popleft() if needed else WORD_MASK
            self._phase, self._edge = RECEIVING, time + self._frame_ps
        else:
            self._shift = self._tx.popleft()
            self._phase, self._edge = SENDING, time + self._frame_ps
        self._refill()

    def _step(self) -> None:
        """Advance by as many frames as are complete by now, CHUNK at most."""
        edge = self._edge
        assert edge is not None
        if self._phase == HEADER:
            self._header_sent(edge)
            return
        count = min(1 + (self.clock.now - edge) // self._frame_ps, CHUNK)
        if self._phase == RECEIVING:
            self._receive(edge, count)
            return
        form = self._format
        frames = self._with_shift(self._take(count - 1))
        data = frames_to_bytes(frames, form.bits, form.swapped)
        if form.lines > 1:
            self.bus.send(data, form.lines)
        elif form.mode == TRANSMIT_RECEIVE:
            self._received(bytes_to_frames(self.bus.exchange(data), form.bits, form.swapped))
        else:
            self.bus.send(data)
        edge += (len(frames) - 1) * self._frame_ps
        self._refill()
        if self._tx:
            self._shift, self._edge = self._tx.popleft(), edge + self._frame_ps
            self._refill()
        elif form.reads:
            self._shift, self._phase, self._edge = WORD_MASK, RECEIVING, edge + self._frame_ps
        else:
            self._finish(edge)

    def _with_shift(self, more: Frames) -> Frames:
        if isinstance(more, np.ndarray):
            return np.concatenate((np.array([self._shift], np.uint32), more))
        return [self._shift, *more]

    def _take(self, count: int) -> Frames:
        """Up to `count` further frames: the FIFO's, then straight from DMA."""
        held = [self._tx.popleft() for _ in range(min(count, len(self._tx)))]
        if len(held) == count or not self.dmacr & 2:
            return held
        pulled = self.tx_dma.pull(count - len(held))
        return np.concatenate((np.array(held, np.uint32), pulled)) if len(pulled) else held

    def _header_sent(self, edge: int) -> None:
        form = self._format
        for data, lines in self._header:
            self.bus.send(data, lines)
        if form.reads:
            if form.wait_cycles:
                self.bus.dummy(form.wait_cycles)
            self._shift, self._phase, self._edge = WORD_MASK, RECEIVING, edge + self._frame_ps
            return
        self._refill()
        if self._tx:
            self._shift, self._phase, self._edge = self._tx.popleft(), SENDING, edge + self._frame_ps
            self._refill()
        else:
            self._finish(edge)

    def _receive(self, edge: int, count: int) -> None:
        form = self._format
        count = min(count, self._left)
        if self._stretching():
            count = min(count, DEPTH - len(self._rx))
            if count == 0:
                self._edge = None  # SCLK stands still until the guest reads DR
                return
        size = count * ((form.bits + 7) // 8)
        if form.lines > 1:
            data = self.bus.receive(size, form.lines)
        elif self._shift & ((1 << form.bits) - 1) == (1 << form.bits) - 1:
            data = self.bus.receive(size)
        else:  # a receive-only master repeats the word that started it
            data = self.bus.exchange(frames_to_bytes([self._shift], form.bits, form.swapped) * count)
        self._left -= count
        self._received(bytes_to_frames(data, form.bits, form.swapped))
        edge += count * self._frame_ps
        self._edge = edge
        if self._left == 0:
            self._finish(edge - self._frame_ps)

    def _stretching(self) -> bool:
        return self._format.lines > 1 and bool(self.spi_ctrlr0 >> 30 & 1) and not self.dmacr & 1

    def _received(self, frames: Frames) -> None:
        """Frames for the RX FIFO, or for DMA when it listens."""
        self._drain()
        taken = self.rx_dma.push(np.asarray(frames, np.uint32)) if self.dmacr & 1 and not self._rx else 0
        room = DEPTH - len(self._rx)
        self._rx.extend(int(frame) for frame in frames[taken : taken + room])
        if len(frames) - taken > room:
            self._latched |= RXO

    def _drain(self) -> None:
        if self.dmacr & 1 and self._rx:
            taken = self.rx_dma.push(np.array(self._rx, np.uint32))
            for _ in range(taken):
                self._rx.popleft()

    def _refill(self) -> None:
        if self.dmacr & 2 and self.ssienr and len(self._tx) < DEPTH:
            self._tx.extend(self.tx_dma.pull(DEPTH - len(self._tx)).tolist())

    def _finish(self, time: int) -> None:
        """The transfer ended at `time`; what still waits in the FIFO starts a new one."""
        self._phase, self._edge = IDLE, None
        self.bus.end()
        self._start(time)

    def _abort(self) -> None:
        if self._phase != IDLE:
            self._phase, self._edge = IDLE, None
            self.bus.end()

    # Status and the next event.

    def _update(self) -> None:
        self._publish()
        self._schedule()

    def _publish(self) -> None:
        tx, rx, enabled = len(self._tx), len(self._rx), self.ssienr
        self.txflr, self.rxflr = tx, rx
        status = BUSY if self._phase != IDLE else 0
        status |= (TX_NOT_FULL if tx < DEPTH else 0) | (TX_EMPTY if tx == 0 else 0)
        self.sr = status | (RX_NOT_EMPTY if rx else 0) | (RX_FULL if rx >= DEPTH else 0)
        raw = self._latched | (TXE if enabled and tx <= self.txftlr else 0) | (RXF if rx > self.rxftlr else 0)
        self.risr, self.isr = raw, raw & self.imr
        self.irq.set(bool(raw & self.imr))

    def _schedule(self) -> None:
        held = self._edge is None and self._phase == RECEIVING and self._frame_ps and self._stretching()
        if held and len(self._rx) < DEPTH:
            self._edge = self.clock.now + self._frame_ps
        time = None if self._edge is None else self._edge + (self._frames_ahead() - 1) * self._frame_ps
        if self._event is not None:
            if self._event.time == time:
                return
            self._event.cancel()
            self._event = None
        if time is not None:
            self._event = self.clock.at(time, self._event_due)

    def _frames_ahead(self) -> int:
        """How many frames until something that a guest can see changes."""
        if self._phase == HEADER:
            return 1
        count = CHUNK if self._phase == SENDING else min(CHUNK, self._left)
        if self._phase == SENDING:
            count = min(count, self._sending_ahead())
        if self._phase == RECEIVING or (self._format.mode == TRANSMIT_RECEIVE and self._format.lines == 1):
            wanted = _remaining(self.rx_dma.sink) if self.dmacr & 1 else 0
            if wanted:
                count = min(count, wanted)
            elif len(self._rx) < DEPTH or self._stretching():
                count = 1
        return max(count, 1)

    def _sending_ahead(self) -> int:
        waiting = len(self._tx)
        if not self.dmacr & 2:
            return 1
        supply = _remaining(self.tx_dma.source)
        if supply:
            return supply
        if waiting > self.txftlr and self.imr & TXE:
            return waiting - self.txftlr
        return waiting


def _remaining(port: object) -> int:
    """Items that the DMA channel behind `port` still wants or has; a FIFO's worth when it cannot say."""
    if port is None:
        return 0
    counter = getattr(port, "remaining", None)
    return counter() if counter is not None else DEPTH
