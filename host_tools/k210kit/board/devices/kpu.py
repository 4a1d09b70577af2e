"""KPU: the neural accelerator. Layers come through a FIFO of argument words, one computes at a time.

Registers and driver: Kendryte standalone SDK, drivers/include/kpu.h and kpu.c. Arithmetic: board/kpu. Derived from how
that driver works, not documented: the FIFO holds sixteen layers, "almost empty" and "almost full" are events of the
count of waiting layers passing its threshold, a set bit of the mask keeps an interrupt back, and a layer that sends its
output to memory leaves it in AI RAM as well.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import ClassVar

import numpy as np

from k210kit.board.core.bus import Bus, BusError
from k210kit.board.core.clock import Clock, Event, duration
from k210kit.board.core.clocks import ClockSignal
from k210kit.board.core.device import Device
from k210kit.board.core.dma import DmaRequest
from k210kit.board.core.line import Line
from k210kit.board.core.registers import Field, Register
from k210kit.board.kpu import execute, timing
from k210kit.board.kpu.arithmetic import Bytes
from k210kit.board.kpu.layer import SIZE, LayerArguments

log = logging.getLogger("k210kit.board")

FIFO_LAYERS = 16
CALC_DONE, ALMOST_EMPTY, ALMOST_FULL = 1, 2, 4
INTERRUPTS = [Field("calc_done", 0), Field("layer_cfg_almost_empty", 1), Field("layer_cfg_almost_full", 2)]


class Kpu(Device):
    """`bus` reaches parameters, `ai_ram` holds the images, `dma` (AI_RX_REQ) takes results, 64 bits an item.

    `layers_run` counts the layers since power-on.
    """

    size = 0x48
    widths: ClassVar = (4, 8)

    layer_argument_low = Register(0x00)
    layer_argument_high = Register(0x04, doc="writing the upper half takes the word")
    interrupt_status = Register(0x08, INTERRUPTS, writable=0)
    interrupt_status_high = Register(0x0C, writable=0)
    interrupt_raw = Register(0x10, INTERRUPTS, writable=0)
    interrupt_raw_high = Register(0x14, writable=0)
    interrupt_mask = Register(0x18, INTERRUPTS, reset=7, writable=7, doc="1 keeps it back")
    interrupt_mask_high = Register(0x1C, writable=0)
    interrupt_clear = Register(0x20, INTERRUPTS, writable=0)
    interrupt_clear_high = Register(0x24, writable=0)
    fifo_threshold = Register(0x28, [Field("full", 0, 4), Field("empty", 4, 4)], writable=0xFF)
    fifo_threshold_high = Register(0x2C, writable=0)
    fifo_data_out = Register(0x30, writable=0)
    fifo_data_out_high = Register(0x34, writable=0, doc="reading the upper half moves on")
    fifo_ctrl = Register(
        0x38,
        [Field(f"{name}_fifo_flush_n", bit) for bit, name in enumerate(["dma", "gs", "cfg", "cmd", "resp"])],
        reset=0x1F,
        writable=0x1F,
    )
    fifo_ctrl_high = Register(0x3C, writable=0)
    eight_bit_mode = Register(0x40, [Field("eight_bit_mode", 0)], writable=1)
    eight_bit_mode_high = Register(0x44, writable=0)

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        bus: Bus,
        ai_ram: memoryview,
        irq: Line | None = None,
        dma: DmaRequest | None = None,
        clk: ClockSignal | None = None,
    ) -> None:
        self.bus, self.ai_ram = bus, ai_ram
        self.irq, self.clk = irq or Line(f"{name}.irq"), clk or ClockSignal(name)
        self.dma = dma or DmaRequest(22, "AI_RX")
        self.dma.item_bytes = 8
        self.layers_run = 0
        self._block = bytearray()
        self._waiting: deque[bytes] = deque()
        self._running: tuple[LayerArguments, Bytes | None] | None = None
        self._event: Event | None = None
        self._out = np.zeros(0, np.uint64)
        self._pushing = False
        super().__init__(name, clock)
        self.dma.on_armed = self._push
        self.clk.listen(lambda hz: self._start() if hz else None)

    def reset(self) -> None:
        """Stop, and forget layers and results; the AI RAM stays."""
        super().reset()
        if self._event is not None:
            self._event.cancel()
        self._event = self._running = None
        self._block.clear()
        self._waiting.clear()
        self._out = self._out[:0]
        self._update_irq()

    # ---- Interrupts

    def _raise(self, bits: int) -> None:
        self.interrupt_raw |= bits
        self._update_irq()

    def _update_irq(self) -> None:
        self.interrupt_status = self.interrupt_raw & ~self.interrupt_mask & 7
        self.irq.set(bool(self.interrupt_status))

    @interrupt_mask.on_write
    def _mask_written(self, _written: int) -> None:
        self._update_irq()

    @interrupt_clear.on_write
    def _clear_written(self, written: int) -> None:
        self.interrupt_raw &= ~written
        self._update_irq()

    # ---- Layers

    @layer_argument_high.on_write
    def _word_written(self, high: int) -> None:
        self._block += self.layer_argument_low.to_bytes(4, "little") + high.to_bytes(4, "little")
        if len(self._block) < SIZE:
            return
        block = bytes(self._block)
        self._block.clear()
        if len(self._waiting) >= FIFO_LAYERS:
            log.warning("%s: a layer was written to a full FIFO and is lost", self.name)
            return
        self._waiting.append(block)
        if len(self._waiting) == self.fifo_threshold & 15:
            self._raise(ALMOST_FULL)
        self._start()

    @fifo_ctrl.on_write
    def _fifo_ctrl_written(self, written: int) -> None:
        if not written & 0b01100:
            self._block.clear()
            self._waiting.clear()
        if not written & 0b10001:
            self._out = self._out[:0]

    def _start(self) -> None:
        if self._running is not None or not self._waiting or not self.clk.hz:
            return
        arguments = LayerArguments.parse(self._waiting.popleft())
        self._running = arguments, self._compute(arguments)
        took = timing.cycles(arguments, eight_bit=bool(self.eight_bit_mode))
        self._event = self.clock.after(duration(took, self.clk.hz), self._finish)
        if len(self._waiting) == (self.fifo_threshold >> 4) - 1 or not self._waiting:
            self._raise(ALMOST_EMPTY)

    def _finish(self) -> None:
        assert self._running is not None
        (arguments, image), self._running, self._event = self._running, None, None
        self.layers_run += 1
        if image is not None:
            self._write_back(arguments, image)
        if arguments.interrupt:
            self._raise(CALC_DONE)
        self._push()
        self._start()

    def _write_back(self, a: LayerArguments, image: Bytes) -> None:
        try:
            execute.write_back(a, self.ai_ram, image)
        except ValueError as error:
            log.warning("%s: a layer's output is lost: %s", self.name, error)
        if a.send_data_out:
            data = image.tobytes()[: a.dma_bytes]
            self._out = np.append(self._out, np.frombuffer(data + bytes(-len(data) % 8), np.uint64))

    def _fetch(self, address: int, size: int) -> bytes:
        try:
            return self.bus.read(address, size)
        except BusError as error:
            log.warning("%s: parameters at %#x cannot be read (%s); zeros are taken", self.name, address, error)
            return bytes(size)

    def _compute(self, a: LayerArguments) -> Bytes | None:
        """The layer's output, read and computed when it starts; None for arguments that make no sense."""
        if a.bypass_convolution or a.first_stride:
            log.warning("%s: bypass_conv and first_stride are not modelled", self.name)
        eight_bit = bool(self.eight_bit_mode)
        weights = self._fetch(a.weights_address, execute.weights_size(a, eight_bit=eight_bit))
        batchnorm = self._fetch(a.batchnorm_address, execute.batchnorm_size(a))
        activation = self._fetch(a.activation_address, execute.activation_size)
        try:
            return execute.compute(a, self.ai_ram, weights, batchnorm, activation, eight_bit=eight_bit)
        except ValueError as error:
            log.warning("%s: a layer cannot be computed: %s", self.name, error)
            return None

    # ---- Results

    def _push(self) -> None:
        if self._pushing:
            return
        self._pushing = True
        while len(self._out):
            took = self.dma.push(self._out)
            if not took:
                break
            self._out = self._out[took:]
        self._pushing = False

    @fifo_data_out.on_read
    def _data_read(self) -> int:
        return int(self._out[0]) & 0xFFFF_FFFF if len(self._out) else 0

    @fifo_data_out_high.on_read
    def _data_high_read(self) -> int:
        if not len(self._out):
            return 0
        value = int(self._out[0]) >> 32
        self._out = self._out[1:]
        return value
