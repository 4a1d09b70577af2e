"""I2S 0 to 2: Synopsys DesignWare DW_apb_i2s with four stereo channels, FIFOs 16 deep, and Kendryte's DMA additions.

Layout: Kendryte standalone SDK, drivers/include/i2s.h. Behaviour: DesignWare DW_apb_i2s databook; the clock is SCLK, so
frames a second = clock / (2 * clk_word_size) (drivers/i2s.c, i2s_set_sample_rate).
Not modelled: the APU (beam forming, voice and direction) behind I2S0, slave mode, the waveform's alignment.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from k210kit.board.core.clock import PS_PER_SECOND, Clock, Event
from k210kit.board.core.clocks import ClockSignal
from k210kit.board.core.device import Device
from k210kit.board.core.dma import DmaRequest
from k210kit.board.core.line import Line
from k210kit.board.core.registers import WORD_MASK, Field, Register
from k210kit.board.parts.audio import AudioSink, AudioSource

CHANNELS = 4
DEPTH = 16
RXDA, RXFO, TXFE, TXFO = 1 << 0, 1 << 1, 1 << 4, 1 << 5
WORD_BITS = (16, 24, 32, 32)  # CCR.clk_word_size; 3 is reserved
SAMPLE_BITS = (0, 12, 16, 20, 24, 32, 32, 32)  # RCR and TCR; 0 means as many as the word has


def _per_channel(offset: int, *fields: Field, reset: int = 0, writable: int = 0) -> Register:
    return Register(offset, fields, reset=reset, writable=writable, count=CHANNELS, stride=0x40)


class I2s(Device):
    """One I2S block, master. `inputs` and `outputs` map a channel (0 to 3) to what is on its data pad."""

    ier = Register(0x00, [Field("ien", 0)], writable=1)
    irer = Register(0x04, [Field("rxen", 0)], writable=1)
    iter = Register(0x08, [Field("txen", 0)], writable=1)
    cer = Register(0x0C, [Field("clken", 0)], writable=1)
    ccr = Register(
        0x10,
        [
            Field("clk_gate", 0, 3, note="SCLK is not gated"),
            Field("clk_word_size", 3, 2),
            Field("align_mode", 5, 3, note="both ends are taken to agree"),
            Field("dma_tx_en", 8),
            Field("dma_rx_en", 9),
            Field("dma_divide_16", 10),
            Field("sign_expand_en", 11),
        ],
        writable=0xFFF,
    )
    rxffr = Register(0x14, [Field("rxffr", 0)], writable=0)
    txffr = Register(0x18, [Field("txffr", 0)], writable=0)
    left = _per_channel(0x20, Field("sample", 0, 32))
    right = _per_channel(0x24, Field("sample", 0, 32))
    rer = _per_channel(0x28, Field("rxchen", 0), reset=1, writable=1)
    ter = _per_channel(0x2C, Field("txchen", 0), reset=1, writable=1)
    rcr = _per_channel(0x30, Field("wlen", 0, 3), reset=5, writable=7)
    tcr = _per_channel(0x34, Field("wlen", 0, 3), reset=5, writable=7)
    isr = _per_channel(0x38, Field("rxda", 0), Field("rxfo", 1), Field("txfe", 4), Field("txfo", 5), reset=TXFE)
    imr = _per_channel(
        0x3C, Field("rxdam", 0), Field("rxfom", 1), Field("txfem", 4), Field("txfom", 5), reset=0x33, writable=0x33
    )
    ror = _per_channel(0x40, Field("rxcho", 0))
    tor = _per_channel(0x44, Field("txcho", 0))
    rfcr = _per_channel(0x48, Field("rxchdt", 0, 4), reset=3, writable=0xF)
    tfcr = _per_channel(0x4C, Field("txchet", 0, 4), reset=3, writable=0xF)
    rff = _per_channel(0x50, Field("rxchfr", 0))
    tff = _per_channel(0x54, Field("txchfr", 0))
    rxdma = Register(0x1C0, [Field("sample", 0, 32)], writable=0)
    rrxdma = Register(0x1C4, [Field("reset", 0)], writable=0)
    txdma = Register(0x1C8, [Field("sample", 0, 32)], writable=0)
    rtxdma = Register(0x1CC, [Field("reset", 0)], writable=0)
    # Parameter words not known of this chip; the type is DesignWare's number for the block.
    comp_param_2 = Register(0x1F0, writable=0)
    comp_param_1 = Register(0x1F4, writable=0)
    comp_version = Register(0x1F8, writable=0)
    comp_type = Register(0x1FC, reset=0x4457_01A0, writable=0)

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        irq: Line | None = None,
        clk: ClockSignal | None = None,
        rx_dma: DmaRequest | None = None,
        tx_dma: DmaRequest | None = None,
    ) -> None:
        self.inputs: dict[int, AudioSource] = {}
        self.outputs: dict[int, AudioSink] = {}
        self._irq = irq or Line(f"{name} irq")
        self._clk = clk or ClockSignal(name)
        self._rx_dma = rx_dma or DmaRequest(-1, f"{name} rx")
        self._tx_dma = tx_dma or DmaRequest(-1, f"{name} tx")
        self._event: Event | None = None
        self._stepping = False
        self._rx: list[deque[tuple[int, int]]] = [deque() for _ in range(CHANNELS)]
        self._tx: list[deque[tuple[int, int]]] = [deque() for _ in range(CHANNELS)]
        self._rx_dma.on_armed = self._step
        self._tx_dma.on_armed = self._step
        self._clk.listen(lambda hz: self._timing_changed())
        super().__init__(name, clock)

    def reset(self) -> None:
        """Stop, empty the FIFOs, drop the interrupt."""
        super().reset()
        if self._event is not None:
            self._event.cancel()
            self._event = None
        for fifo in (*self._rx, *self._tx):
            fifo.clear()
        self._left = [0] * CHANNELS
        self._overruns = [0] * CHANNELS
        self._dma_in: list[int] = []
        self._dma_out: deque[int] = deque()
        self._irq.set(False)
        self._restart_time()

    # Time

    def _restart_time(self) -> None:
        self._origin, self._done = self.clock.now, 0
        running = self.ier and self.cer
        self._hz = self._clk.hz if running else 0
        self._frame_clocks = 2 * WORD_BITS[self.ccr >> 3 & 3]

    def _timing_changed(self) -> None:
        self._advance()
        self._restart_time()
        self._step()

    @property
    def frame_rate(self) -> float:
        """Frames a second; 0 while nothing moves."""
        return self._hz / self._frame_clocks

    def _advance(self) -> None:
        """Let the frames pass whose time has come since the last call."""
        passed = (self.clock.now - self._origin) * self._hz // (PS_PER_SECOND * self._frame_clocks)
        count, self._done = passed - self._done, passed
        if not count:
            return
        for channel in range(CHANNELS):
            if self.iter and self.ter[channel]:
                self._play(channel, count)
            if self.irer and self.rer[channel]:
                self._record(channel, count)

    def _play(self, channel: int, count: int) -> None:
        fifo, output = self._tx[channel], self.outputs.get(channel)
        played = [fifo.popleft() for _ in range(min(count, len(fifo)))]
        if output is not None:
            if played:
                shift = np.uint32(32 - self._bits(self.tcr[channel]))
                output.push((np.array(played, np.uint32) << shift).view(np.int32), self.frame_rate)
            if count > len(played):
                output.silence(count - len(played), self.frame_rate)

    def _record(self, channel: int, count: int) -> None:
        fifo, source = self._rx[channel], self.inputs.get(channel)
        kept = min(count, DEPTH - len(fifo))
        if kept:
            if source is None:
                fifo.extend([(0, 0)] * kept)
            else:
                bits = self._bits(self.rcr[channel])
                values = source.frames(kept, self.frame_rate) >> (32 - bits)
                mask = WORD_MASK if self.ccr >> 11 & 1 else (1 << bits) - 1
                fifo.extend((left & mask, right & mask) for left, right in values.tolist())
        if count > kept:
            self._overruns[channel] |= RXFO
            if source is not None:
                source.skip(count - kept, self.frame_rate)

    def _bits(self, wlen: int) -> int:
        return SAMPLE_BITS[wlen] or WORD_BITS[self.ccr >> 3 & 3]

    def _step(self) -> None:
        """After anything happened: frames, DMA, status, and when to look again."""
        if self._stepping:  # a channel that is armed again while it is being served
            return
        self._stepping = True
        self._advance()
        self._serve_dma()
        self._stepping = False
        self._update()
        if self._event is not None:
            self._event.cancel()
            self._event = None
        wait = self._frames_until_needed()
        if wait and self._hz:
            clocks = (self._done + wait) * self._frame_clocks
            self._event = self.clock.at(self._origin - (-clocks * PS_PER_SECOND // self._hz), self._due)

    def _due(self) -> None:
        self._event = None
        self._step()

    def _frames_until_needed(self) -> int:
        """Frames until an interrupt changes, the DMA has work or a listener has all; 0 for never."""
        waits = []
        for channel in range(CHANNELS):
            masked = self.imr[channel]
            level, threshold = len(self._tx[channel]), self.tfcr[channel]
            wanted = not masked & TXFE or (self.ccr >> 8 & 1 and self._tx_dma.source is not None)
            if wanted and self.iter and self.ter[channel] and level > threshold:
                waits.append(level - threshold)
            if level and channel in self.outputs and self.iter and self.ter[channel]:
                waits.append(level)
            level, threshold = len(self._rx[channel]), self.rfcr[channel] + 1
            if self.irer and self.rer[channel]:
                wanted = not masked & RXDA or (self.ccr >> 9 & 1 and self._rx_dma.sink is not None)
                if wanted and level < threshold:
                    waits.append(threshold - level)
                if not masked & RXFO and not self._overruns[channel] & RXFO:
                    waits.append(DEPTH - level + 1)
        return min(waits, default=0)

    def _update(self) -> None:
        pending = 0
        for channel in range(CHANNELS):
            status = self._overruns[channel]
            if len(self._rx[channel]) > self.rfcr[channel]:
                status |= RXDA
            if len(self._tx[channel]) <= self.tfcr[channel]:
                status |= TXFE
            self.isr[channel] = status
            pending |= status & ~self.imr[channel]
        self._irq.set(bool(pending and self.ier))

    # Enables and configuration

    @ier.on_write
    def _ier_written(self, written: int) -> None:
        if not self.ier:
            for fifo in (*self._rx, *self._tx):
                fifo.clear()
        self._timing_changed()

    @cer.on_write
    def _cer_written(self, written: int) -> None:
        self._timing_changed()

    @ccr.on_write
    def _ccr_written(self, written: int) -> None:
        self._timing_changed()

    @irer.on_write
    def _irer_written(self, written: int) -> None:
        self._timing_changed()

    @iter.on_write
    def _iter_written(self, written: int) -> None:
        self._timing_changed()

    @rer.on_write
    def _rer_written(self, channel: int, written: int) -> None:
        self._step()

    @ter.on_write
    def _ter_written(self, channel: int, written: int) -> None:
        self._step()

    @imr.on_write
    def _imr_written(self, channel: int, written: int) -> None:
        self._step()

    @rfcr.on_write
    def _rfcr_written(self, channel: int, written: int) -> None:
        self._step()

    @tfcr.on_write
    def _tfcr_written(self, channel: int, written: int) -> None:
        self._step()

    @isr.on_read
    def _isr_read(self, channel: int) -> int:
        self._step()
        return int(self.isr[channel])

    @ror.on_read
    def _ror_read(self, channel: int) -> int:
        return self._clear_overrun(channel, RXFO)

    @tor.on_read
    def _tor_read(self, channel: int) -> int:
        return self._clear_overrun(channel, TXFO)

    def _clear_overrun(self, channel: int, bit: int) -> int:
        self._advance()
        happened = bool(self._overruns[channel] & bit)
        self._overruns[channel] &= ~bit
        self._step()
        return int(happened)

    @rxffr.on_write
    def _rx_flush_all(self, written: int) -> None:
        if written & 1:
            for channel in range(CHANNELS):
                self._flush(self._rx[channel])

    @txffr.on_write
    def _tx_flush_all(self, written: int) -> None:
        if written & 1:
            for channel in range(CHANNELS):
                self._flush(self._tx[channel])

    @rff.on_write
    def _rx_flush(self, channel: int, written: int) -> None:
        if written & 1:
            self._flush(self._rx[channel])

    @tff.on_write
    def _tx_flush(self, channel: int, written: int) -> None:
        if written & 1:
            self._flush(self._tx[channel])

    def _flush(self, fifo: deque[tuple[int, int]]) -> None:
        self._advance()
        fifo.clear()
        self._step()

    # Samples

    @left.on_write
    def _left_written(self, channel: int, written: int) -> None:
        self._left[channel] = written

    @right.on_write
    def _right_written(self, channel: int, written: int) -> None:
        self._advance()
        self._put(channel, (self._left[channel], written))
        self._step()

    def _put(self, channel: int, frame: tuple[int, int]) -> None:
        if len(self._tx[channel]) >= DEPTH:
            self._overruns[channel] |= TXFO
        else:
            self._tx[channel].append(frame)

    @left.on_read
    def _left_read(self, channel: int) -> int:
        self._advance()
        fifo = self._rx[channel]
        return fifo[0][0] if fifo else 0

    @right.on_read
    def _right_read(self, channel: int) -> int:
        self._advance()
        fifo = self._rx[channel]
        value = fifo.popleft()[1] if fifo else 0
        self._step()
        return value

    # DMA: the enabled channels in turn, left before right; with dma_divide_16 both in one word, left low.

    def _serve_dma(self) -> None:
        if not self.ier:
            return
        if self.ccr >> 8 & 1 and self.iter:
            self._pull()
        if self.ccr >> 9 & 1 and self.irer:
            self._push()

    def _pull(self) -> None:
        channels = [channel for channel in range(CHANNELS) if self.ter[channel]]
        if not channels or max(len(self._tx[channel]) - self.tfcr[channel] for channel in channels) > 0:
            return
        frames = DEPTH - max(len(self._tx[channel]) for channel in channels)
        words = frames * len(channels) * (1 if self.ccr >> 10 & 1 else 2) - len(self._dma_in)
        while words > 0 and len(items := self._tx_dma.pull(words)):
            words -= len(items)
            for item in items.tolist():
                self._take(item, channels)

    def _take(self, item: int, channels: list[int]) -> None:
        if self.ccr >> 10 & 1:
            self._dma_in += [item & 0xFFFF, item >> 16]
        else:
            self._dma_in.append(item)
        if len(self._dma_in) >= 2 * len(channels):
            samples, self._dma_in = self._dma_in, []
            for index, channel in enumerate(channels):
                self._put(channel, (samples[2 * index], samples[2 * index + 1]))

    def _push(self) -> None:
        channels = [channel for channel in range(CHANNELS) if self.rer[channel]]
        if not channels or self._rx_dma.sink is None:
            return
        if not self._dma_out and min(len(self._rx[channel]) - self.rfcr[channel] for channel in channels) <= 0:
            return
        for _ in range(min(len(self._rx[channel]) for channel in channels)):
            self._give_frame(channels)
        taken = self._rx_dma.push(np.array(self._dma_out, np.uint32))
        for _ in range(taken):
            self._dma_out.popleft()

    def _give_frame(self, channels: list[int]) -> None:
        for channel in channels:
            left, right = self._rx[channel].popleft() if self._rx[channel] else (0, 0)
            if self.ccr >> 10 & 1:
                self._dma_out.append(left & 0xFFFF | (right & 0xFFFF) << 16)
            else:
                self._dma_out += (left, right)

    @txdma.on_write
    def _txdma_written(self, written: int) -> None:
        channels = [channel for channel in range(CHANNELS) if self.ter[channel]]
        if channels:
            self._advance()
            self._take(written, channels)
            self._step()

    @rxdma.on_read
    def _rxdma_read(self) -> int:
        self._advance()
        channels = [channel for channel in range(CHANNELS) if self.rer[channel]]
        if not self._dma_out and channels and all(self._rx[channel] for channel in channels):
            self._give_frame(channels)
        value = self._dma_out.popleft() if self._dma_out else 0
        self._step()
        return value

    @rtxdma.on_write
    def _tx_order_restarts(self, written: int) -> None:
        self._dma_in.clear()

    @rrxdma.on_write
    def _rx_order_restarts(self, written: int) -> None:
        self._dma_out.clear()
