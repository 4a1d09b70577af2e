"""FFT accelerator: 64 to 512 points of 16-bit complex fixed point, radix-2, decimation in time.

Layout: Kendryte standalone SDK, drivers/include/fft.h. Structure (one butterfly, two 512 x 32-bit SRAMs used in turn):
the vendor's FreeRTOS programming guide, FFT chapter. The SRAMs' addresses, results in the second one after an odd
number of layers: the vendor's earlier hard_fft.c and its successor for the K510. Saturation to 16 bits is what users
report. Known from no source, so least-significant bits may differ from silicon: the width of the twiddle factors
(here Q15 with an exact 1.0), rounding of the product (to nearest) and of the layer shift (down).
"""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from k210kit.board.core.clock import Clock, Event, duration
from k210kit.board.core.clocks import ClockSignal
from k210kit.board.core.device import Device
from k210kit.board.core.dma import DmaRequest
from k210kit.board.core.line import Line
from k210kit.board.core.registers import Field, Register

log = logging.getLogger("k210kit.board")

IntArray = NDArray[np.int32]
RIRI, RRRR = 0, 1  # Input modes; 2 is all real parts, then all imaginary parts.
SRAM_A, SRAM_WORDS = 0x10_2000, 512


@lru_cache(maxsize=32)
def _twiddles(half: int, inverse: bool) -> tuple[IntArray, IntArray]:
    angle = np.pi * np.arange(half) / half * (1 if inverse else -1)
    return np.rint(np.cos(angle) * 32768).astype(np.int32), np.rint(np.sin(angle) * 32768).astype(np.int32)


@lru_cache(maxsize=8)
def _bit_reversed(points: int) -> NDArray[np.intp]:
    order = np.zeros(1, np.intp)
    while len(order) < points:
        order = np.concatenate((order * 2, order * 2 + 1))
    return order


def _scaled_product(x: IntArray, u: IntArray, y: IntArray, v: IntArray) -> IntArray:
    product = x.astype(np.int64) * u + y.astype(np.int64) * v
    return ((product + 0x4000) >> 15).astype(np.int32)


def transform(real: IntArray, imag: IntArray, *, shift: int, inverse: bool) -> tuple[IntArray, IntArray]:
    """The block's FFT or IFFT of 16-bit values; bit n of `shift` halves the results of layer n+1.

    Arrays hold 64, 128, 256 or 512 values. The IFFT divides by nothing of its own: 1/N comes from the shifts.
    """
    points = len(real)
    order = _bit_reversed(points)
    re, im = real[order], imag[order]
    for layer in range(points.bit_length() - 1):
        half = 1 << layer
        wr, wi = _twiddles(half, inverse)
        re, im = re.reshape(-1, 2, half), im.reshape(-1, 2, half)
        tr = _scaled_product(re[:, 1], wr, im[:, 1], -wi)
        ti = _scaled_product(re[:, 1], wi, im[:, 1], wr)
        down = shift >> layer & 1
        re = np.clip(np.stack((re[:, 0] + tr, re[:, 0] - tr), 1) >> down, -32768, 32767)
        im = np.clip(np.stack((im[:, 0] + ti, im[:, 0] - ti), 1) >> down, -32768, 32767)
    return re.reshape(points), im.reshape(points)


class Fft(Device):
    """The FFT block. `tx_dma` (FFT_TX_REQ) brings data, `rx_dma` (FFT_RX_REQ) takes results, one item 64 bits.

    Items are therefore np.uint64 both ways; narrower items pulled are zero-extended accesses.
    """

    size = SRAM_A + 2 * 4 * SRAM_WORDS
    widths: ClassVar = (4, 8)

    input_low = Register(0x00)
    input_high = Register(0x04)
    ctrl = Register(
        0x08,
        [
            Field("point", 0, 3),
            Field("forward", 3),
            Field("shift", 4, 9),
            Field("enable", 13),
            Field("dma_send", 14),
            Field("input_mode", 15, 2),
            Field("data_mode", 17),
        ],
    )
    ctrl_high = Register(0x0C)
    fifo_ctrl = Register(0x10, [Field("resp_flush_n", 0), Field("cmd_flush_n", 1), Field("gs_flush_n", 2)])
    fifo_ctrl_high = Register(0x14)
    intr_mask = Register(0x18, [Field("done", 0)])
    intr_mask_high = Register(0x1C)
    intr_clear = Register(0x20, [Field("done", 0)], writable=0)
    intr_clear_high = Register(0x24)
    status = Register(0x28, [Field("done", 0)], writable=0)
    status_high = Register(0x2C, writable=0)
    status_raw = Register(0x30, [Field("done", 0), Field("working", 1)], writable=0)
    status_raw_high = Register(0x34, writable=0)
    output_low = Register(0x38, writable=0)
    output_high = Register(0x3C, writable=0, doc="reading the upper half moves on")
    sram = Register(SRAM_A, count=2 * SRAM_WORDS, doc="results: first half after an even number of layers")

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        irq: Line | None = None,
        tx_dma: DmaRequest | None = None,
        rx_dma: DmaRequest | None = None,
        clk: ClockSignal | None = None,
    ) -> None:
        self.irq = irq or Line(f"{name}.irq")
        self.tx_dma = tx_dma or DmaRequest(24, "FFT_TX")
        self.rx_dma = rx_dma or DmaRequest(23, "FFT_RX")
        self.clk = clk or ClockSignal(name)
        self.tx_dma.item_bytes = self.rx_dma.item_bytes = 8
        self._input = bytearray()
        self._results: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._event: Event | None = None
        self._moving = False  # The DMAC may arm the next block from within a push or pull.
        super().__init__(name, clock)
        self.tx_dma.on_armed = self._pull
        self.rx_dma.on_armed = self._push

    def reset(self) -> None:
        """Drop data and results; stop a transform."""
        super().reset()
        self._flush()
        self._set_done(False)

    def _flush(self) -> None:
        if self._event is not None:
            self._event.cancel()
        self._event = None
        self.status_raw &= 1
        self._input.clear()
        self._results = self._results[:0]

    def _set_done(self, done: bool) -> None:
        self.status = int(done)
        self.status_raw = self.status_raw & 2 | int(done)
        self._update_irq()

    def _update_irq(self) -> None:
        # fft.h says that a set mask keeps the completion back; the vendor's K510 driver for this block sets it to get
        # the interrupt, and K210 software polls the status with the mask clear. This satisfies all that run.
        self.irq.set(bool(self.status & self.intr_mask & 1))

    @property
    def _points(self) -> int:
        return 512 >> min(self.ctrl & 7, 3)

    @property
    def _bytes_missing(self) -> int:
        each = 2 if self.ctrl >> 15 & 3 == RRRR else 4
        return int(self._points * each - len(self._input))

    @property
    def _ready_for_data(self) -> bool:
        return bool(self.ctrl >> 13 & 1) and self._event is None

    @property
    def _uses_dma(self) -> bool:
        return bool(self.ctrl >> 14 & 1)

    @ctrl.on_write
    def _ctrl_written(self, written: int) -> None:
        if not written >> 13 & 1:
            self._flush()
        self._pull()

    @fifo_ctrl.on_write
    def _fifo_ctrl_written(self, written: int) -> None:
        # Named active-low, described active-high; the vendor's reset routine writes zeroes. Any clear bit flushes.
        if written & 7 != 7:
            self._flush()

    @intr_mask.on_write
    def _intr_mask_written(self, written: int) -> None:
        self._update_irq()

    @intr_clear.on_write
    def _intr_clear_written(self, written: int) -> None:
        if written & 1:
            self._set_done(False)

    @input_low.on_write
    def _input_low_written(self, word: int) -> None:
        if self.ctrl >> 17 & 1:
            self._take(word.to_bytes(4, "little"))

    @input_high.on_write
    def _input_high_written(self, word: int) -> None:
        if not self.ctrl >> 17 & 1:
            self._take((word << 32 | self.input_low).to_bytes(8, "little"))

    def _take(self, data: bytes) -> None:
        if not self._ready_for_data:
            return  # Data while disabled or computing are lost; silicon may hold the bus instead.
        self._input += data
        if self._bytes_missing <= 0:
            self._start()

    def _pull(self) -> None:
        if self._moving or not self._ready_for_data or not self._uses_dma or len(self._results):
            return
        narrow = bool(self.ctrl >> 17 & 1)
        missing = self._bytes_missing
        if missing <= 0:
            return
        self._moving = True
        items: Any = self.tx_dma.pull(-(-missing // (4 if narrow else 8)))
        self._moving = False
        if len(items):
            self._take(items.astype("<u4" if narrow else "<u8").tobytes())

    def _operands(self) -> tuple[IntArray, IntArray]:
        points, mode = self._points, self.ctrl >> 15 & 3
        lanes = np.frombuffer(bytes(self._input), "<i2").astype(np.int32)
        if mode == RIRI:
            return lanes[1 : 2 * points : 2], lanes[0 : 2 * points : 2]
        if mode == RRRR:
            return lanes[:points], np.zeros(points, np.int32)
        return lanes[:points], lanes[points : 2 * points]

    def _start(self) -> None:
        points = self._points
        layers = points.bit_length() - 1
        self.status_raw = self.status_raw & 1 | 2
        # One butterfly a clock; the filling of its pipeline is not known.
        self._event = self.clock.after(duration(layers * points // 2, self.clk.hz), self._complete)

    def _complete(self) -> None:
        self._event = None
        if self._bytes_missing > 0:  # The guest changed the size meanwhile.
            self.status_raw &= 1
            return
        real, imag = self._operands()
        forward = bool(self.ctrl >> 3 & 1)
        real, imag = transform(real, imag, shift=self.ctrl >> 4 & 0x1FF, inverse=not forward)
        words = (real.astype(np.uint32) & 0xFFFF) << 16 | imag.astype(np.uint32) & 0xFFFF
        odd_layers = len(words).bit_length() - 1 & 1
        start = (SRAM_A >> 2) + SRAM_WORDS * odd_layers
        self.words[start : start + len(words)] = memoryview(words.tobytes()).cast("I")
        self._results = words.view(np.uint64)
        self._input.clear()
        self.status_raw &= 1
        self._set_done(True)
        self._push()

    def _push(self) -> None:
        if self._moving:
            return
        if len(self._results) and self._uses_dma:
            items: Any = self._results
            self._moving = True
            self._results = self._results[self.rx_dma.push(items) :]
            self._moving = False
        self._pull()

    @output_low.on_read
    def _output_low_read(self) -> int:
        return int(self._results[0]) & 0xFFFF_FFFF if len(self._results) else 0

    @output_high.on_read
    def _output_high_read(self) -> int:
        if not len(self._results):
            return 0
        value = int(self._results[0]) >> 32
        self._results = self._results[1:]
        return value
