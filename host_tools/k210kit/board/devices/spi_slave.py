"""The SPI slave at 0x50240000: Synopsys DesignWare DW_apb_ssi as a slave, FIFOs 32 deep.

Layout: Kendryte standalone SDK, drivers/include/spi.h; fields of CTRLR0 as drivers/spi.c (spi_slave_config) has them.
Behaviour: DesignWare DW_apb_ssi databook, slave mode. Time is the master's: whoever clocks `port` decides.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from k210kit.board.core.clock import Clock
from k210kit.board.core.device import Device
from k210kit.board.core.dma import DmaRequest
from k210kit.board.core.line import Line
from k210kit.board.core.registers import WORD_MASK, Field, Register
from k210kit.board.parts.spi_part import SpiPart

DEPTH = 32
TX_EMPTY, TX_OVER, RX_UNDER, RX_OVER, RX_FULL = (1 << bit for bit in range(5))
BUSY, TX_NOT_FULL, SR_TX_EMPTY, RX_NOT_EMPTY, SR_RX_FULL, TX_ERROR = (1 << bit for bit in range(6))
TRANSMIT_ONLY, RECEIVE_ONLY = 1, 2

_INTERRUPTS = [
    Field("txe", 0),
    Field("txo", 1),
    Field("rxu", 2),
    Field("rxo", 3),
    Field("rxf", 4),
    Field("mst", 5, note="a slave has no multi-master contention"),
]


class SpiSlavePort(SpiPart):
    """The slave's pins as a part of the master's bus: frames leave and arrive most significant bit first.

    Data may come in any pieces; a frame is complete after its last byte. Frames are taken as whole bytes wide (8, 16,
    24 or 32 bits; the vendor's driver uses 8 and 32).
    """

    def __init__(self, device: SpiSlave) -> None:
        self._device = device
        self._selected = False
        self._in = bytearray()
        self._out = bytearray()

    def select(self, selected: bool) -> None:
        """Slave select; the rest of a frame is dropped when it is released."""
        self._selected = selected
        self.restart()
        self._device.selected(selected)

    def restart(self) -> None:
        """Forget a frame under way."""
        self._in.clear()
        self._out.clear()

    def exchange(self, data: bytes) -> bytes:
        """Full duplex; ones while the slave is not selected, not enabled, or its output is off (SLV_OE = 1)."""
        if not self._selected or not self._device.ssienr:
            return b"\xff" * len(data)
        width = self._device.frame_bytes
        result = bytearray()
        self._in += data
        frames = len(self._in) // width
        wanted = len(data) - len(self._out)
        sent = self._device.shift_out(-(-max(wanted, 0) // width))
        for frame in sent:
            self._out += frame.to_bytes(width, "big")
        result, self._out = self._out[: len(data)], self._out[len(data) :]
        if frames:
            whole = bytes(self._in[: frames * width])
            del self._in[: frames * width]
            self._device.shift_in([int.from_bytes(whole[at : at + width], "big") for at in range(0, len(whole), width)])
        return bytes(result) if self._device.drives else b"\xff" * len(data)

    def send(self, data: bytes, lines: int = 1) -> None:
        """Master to slave."""
        self.exchange(data)

    def receive(self, count: int, lines: int = 1) -> bytes:
        """Slave to master; the master's line stands at one."""
        return self.exchange(b"\xff" * count)


class SpiSlave(Device):
    """The slave's registers; `port` is what a master is wired to."""

    ctrlr0 = Register(
        0x00,
        [
            Field("scph", 6, note="both ends are taken to agree"),
            Field("scpol", 7, note="both ends are taken to agree"),
            Field("tmod", 8, 2),
            Field("slv_oe", 10),
            Field("srl", 11, note="shift register loop-back"),
            Field("dfs", 16, 5),
        ],
        reset=7 << 16,
        writable=0x7F_FFFF,
    )
    ctrlr1 = Register(0x04, writable=0xFFFF, doc="masters only")
    ssienr = Register(0x08, [Field("ssi_en", 0)], writable=1)
    mwcr = Register(0x0C, writable=7, doc="Microwire is not modelled")
    ser = Register(0x10, writable=0xF, doc="masters only")
    baudr = Register(0x14, writable=0xFFFF, doc="masters only")
    txftlr = Register(0x18, [Field("level", 0, 5)], writable=0x1F)
    rxftlr = Register(0x1C, [Field("level", 0, 5)], writable=0x1F)
    txflr = Register(0x20, [Field("level", 0, 6)], writable=0)
    rxflr = Register(0x24, [Field("level", 0, 6)], writable=0)
    sr = Register(
        0x28,
        [Field("busy", 0), Field("tfnf", 1), Field("tfe", 2), Field("rfne", 3), Field("rff", 4), Field("txe", 5)],
        reset=TX_NOT_FULL | SR_TX_EMPTY,
        writable=0,
    )
    imr = Register(0x2C, _INTERRUPTS, reset=0x3F, writable=0x3F)
    isr = Register(0x30, _INTERRUPTS, writable=0)
    risr = Register(0x34, _INTERRUPTS, writable=0)
    clears = Register(0x38, writable=0, count=5, doc="txoicr, rxoicr, rxuicr, msticr, icr; reading clears")
    dmacr = Register(0x4C, [Field("rdmae", 0), Field("tdmae", 1)], writable=3)
    dmatdlr = Register(0x50, [Field("level", 0, 5)], writable=0x1F)
    dmardlr = Register(0x54, [Field("level", 0, 5)], writable=0x1F)
    idr = Register(0x58, reset=0xFFFF_FFFF, writable=0, doc="not read on silicon here")
    version = Register(0x5C, reset=0x3332_332A, writable=0, doc="not read on silicon here")
    dr = Register(0x60, [Field("frame", 0, 32)], writable=0, count=36)
    rx_sample_delay = Register(0xF0, writable=0xFF, doc="masters only")
    spi_ctrlr0 = Register(0xF4, doc="masters only")
    endian = Register(0x118, doc="no effect on a slave is known")

    _CLEARED = (TX_OVER, RX_OVER, RX_UNDER, 0, TX_OVER | RX_OVER | RX_UNDER)

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        irq: Line | None = None,
        rx_dma: DmaRequest | None = None,
        tx_dma: DmaRequest | None = None,
    ) -> None:
        self._irq = irq or Line(f"{name} irq")
        self._rx_dma = rx_dma or DmaRequest(-1, f"{name} rx")
        self._tx_dma = tx_dma or DmaRequest(-1, f"{name} tx")
        self._tx: deque[int] = deque()
        self._rx: deque[int] = deque()
        self._selected = self._serving = False
        self.port = SpiSlavePort(self)
        self._rx_dma.on_armed = self._serve_dma
        self._tx_dma.on_armed = self._serve_dma
        super().__init__(name, clock)

    def reset(self) -> None:
        """Empty the FIFOs and drop the interrupt; the pins stay as the master drives them."""
        super().reset()
        self._empty()
        self._irq.set(False)

    def _empty(self) -> None:
        self._tx.clear()
        self._rx.clear()
        self._latched = 0
        self._tx_error = False
        self.port.restart()

    # Pins

    @property
    def frame_bytes(self) -> int:
        """Bytes a frame takes on the wire."""
        return int((self.ctrlr0 >> 16 & 0x1F) + 8) // 8

    @property
    def drives(self) -> bool:
        """Whether the slave drives its output: SLV_OE is low-active, and receive-only mode sends nothing."""
        return not self.ctrlr0 >> 10 & 1 and self.ctrlr0 >> 8 & 3 != RECEIVE_ONLY

    def selected(self, level: bool) -> None:
        """The slave select input changed."""
        self._selected = level
        self._update()

    def shift_out(self, count: int) -> list[int]:
        """`count` frames to the master; zeros once nothing is left, which the status tells (TXE)."""
        frames: list[int] = []
        mask = (1 << 8 * self.frame_bytes) - 1
        while len(frames) < count:
            if not self._tx and self.dmacr & 2:
                # As many as the master clocks now: the DMA keeps up with any master.
                self._tx.extend(self._tx_dma.pull(count - len(frames)).tolist())
            if not self._tx:
                break
            frames.append(self._tx.popleft() & mask)
        if len(frames) < count:
            self._tx_error = self._tx_error or self.drives
            frames += [0] * (count - len(frames))
        self._serve_dma()
        return frames

    def shift_in(self, frames: list[int]) -> None:
        """Frames from the master."""
        if self.ctrlr0 >> 8 & 3 == TRANSMIT_ONLY:
            return
        if self.dmacr & 1 and self._rx_dma.sink is not None:
            waiting = np.array([*self._rx, *frames], np.uint32)
            taken = self._rx_dma.push(waiting)
            frames = waiting[taken:].tolist()
            self._rx.clear()
        room = DEPTH - len(self._rx)
        self._rx.extend(frames[:room])
        if len(frames) > room:
            self._latched |= RX_OVER
        self._update()

    # Registers

    def _update(self) -> None:
        tx, rx = len(self._tx), len(self._rx)
        enabled = bool(self.ssienr)
        raw = self._latched
        if enabled and tx <= self.txftlr:
            raw |= TX_EMPTY
        if rx > self.rxftlr:
            raw |= RX_FULL
        self.risr, self.isr = raw, raw & self.imr
        self.txflr, self.rxflr = tx, rx
        self.sr = (
            (BUSY if enabled and self._selected else 0)
            | (TX_NOT_FULL if tx < DEPTH else 0)
            | (SR_TX_EMPTY if not tx else 0)
            | (RX_NOT_EMPTY if rx else 0)
            | (SR_RX_FULL if rx >= DEPTH else 0)
            | (TX_ERROR if self._tx_error else 0)
        )
        self._irq.set(self.isr != 0)

    def _serve_dma(self) -> None:
        if self.ssienr and not self._serving:
            self._serving = True  # a channel may be armed again while it is being served
            if self.dmacr & 1 and len(self._rx) > self.dmardlr:
                for _ in range(self._rx_dma.push(np.array(self._rx, np.uint32))):
                    self._rx.popleft()
            if self.dmacr & 2 and len(self._tx) <= self.dmatdlr:
                while len(items := self._tx_dma.pull(DEPTH - len(self._tx))):
                    self._tx.extend(items.tolist())
            self._serving = False
        self._update()

    @ssienr.on_write
    def _enable_written(self, written: int) -> None:
        if not self.ssienr:
            self._empty()
        self._serve_dma()

    @ctrlr0.on_write
    def _control_written(self, written: int) -> None:
        self.port.restart()

    @dmacr.on_write
    def _dma_written(self, written: int) -> None:
        self._serve_dma()

    @dmatdlr.on_write
    def _dma_tx_level_written(self, written: int) -> None:
        self._serve_dma()

    @dmardlr.on_write
    def _dma_rx_level_written(self, written: int) -> None:
        self._serve_dma()

    @txftlr.on_write
    def _tx_level_written(self, written: int) -> None:
        self._update()

    @rxftlr.on_write
    def _rx_level_written(self, written: int) -> None:
        self._update()

    @imr.on_write
    def _mask_written(self, written: int) -> None:
        self._update()

    @clears.on_read
    def _clear(self, index: int) -> int:
        bits = self._CLEARED[index]
        happened = bool(self._latched & bits)
        self._latched &= ~bits
        self._update()
        return int(happened)

    @dr.on_read
    def _data_read(self, index: int) -> int:
        if not self._rx:
            if self.ssienr:
                self._latched |= RX_UNDER
            self._update()
            return 0
        value = self._rx.popleft()
        self._update()
        return value

    @dr.on_write
    def _data_written(self, index: int, written: int) -> None:
        if not self.ssienr:
            return
        if len(self._tx) >= DEPTH:
            self._latched |= TX_OVER
        else:
            self._tx.append(written & WORD_MASK)
            self._tx_error = False
        self._update()

    @sr.on_read
    def _status_read(self) -> int:
        value = int(self.sr)
        self._tx_error = False  # the databook clears TXE when it is read
        self._update()
        return value
