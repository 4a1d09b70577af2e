"""UARTHS: the console UART next to the harts (SiFive's UART block).

Layout: Kendryte standalone SDK, drivers/include/uarths.h; behaviour: SiFive FE310-G000 manual,
chapter UART. It has no error flags: a character lost to a full FIFO is lost without a trace.
"""

from __future__ import annotations

from collections import deque

from k210kit.board.core.clock import Clock, Event
from k210kit.board.core.clocks import ClockSignal
from k210kit.board.core.device import READ_FAST, Device
from k210kit.board.core.line import Line
from k210kit.board.core.registers import Field, Register
from k210kit.board.core.serial import Character, SerialFormat, SerialPort, Transmitter

FIFO_DEPTH = 8
TXWM, RXWM = 1, 2
FLAG = 1 << 31  # txdata: full; rxdata: empty


class Uarths(Device):
    """`clk` is the CPU clock; `irq` is high while an enabled watermark is met."""

    txdata = Register(0x00, [Field("data", 0, 8), Field("full", 31)], writable=0)
    rxdata = Register(0x04, [Field("data", 0, 8), Field("empty", 31)], reset=FLAG, writable=0)
    txctrl = Register(0x08, [Field("txen", 0), Field("nstop", 1), Field("txcnt", 16, 3)], writable=0x7_0003)
    rxctrl = Register(0x0C, [Field("rxen", 0), Field("rxcnt", 16, 3)], writable=0x7_0001)
    ie = Register(0x10, [Field("txwm", 0), Field("rxwm", 1)], writable=3)
    ip = Register(0x14, [Field("txwm", 0), Field("rxwm", 1)], writable=0)
    # The divisor after reset is not documented for the K210: 115200 from the 26 MHz crystal here.
    div = Register(0x18, [Field("div", 0, 16)], reset=26_000_000 // 115_200 - 1, writable=0xFFFF)

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        irq: Line | None = None,
        clk: ClockSignal | None = None,
        port: SerialPort | None = None,
    ) -> None:
        self.irq = irq if irq is not None else Line(f"{name} irq")
        self.clk = clk or ClockSignal("cpu")
        self.port = port or SerialPort(name)
        self._tx = Transmitter(clock, FIFO_DEPTH, self._sent)
        self._rx: deque[int] = deque()
        self._event: Event | None = None
        super().__init__(name, clock)
        self.port.receive = self._receive
        self.clk.listen(lambda _hz: self._configure())

    def reset(self) -> None:
        """FIFOs empty, both directions off."""
        super().reset()
        self._tx.clear()
        self._rx.clear()
        if self._event is not None:
            self._event.cancel()
        self._configure()

    def _configure(self) -> None:
        self._tx.sync()
        self.port.baud = self.clk.hz / (self.div + 1)
        self.port.format = SerialFormat(8, "N", 4 if self.txctrl & 2 else 2)
        self._tx.enabled = bool(self.txctrl & 1)
        self._tx.set_character_time(self.port.format.character_time(self.port.baud) if self.clk.hz else 0)
        self._tx.start()
        self._refresh()

    def _sent(self, data: bytes) -> None:
        self.port.transmit(data)

    def _receive(self, character: Character) -> None:
        if self.rxctrl & 1 and self.clk.hz and len(self._rx) < FIFO_DEPTH:
            self._rx.append(character.byte)
            self._refresh()

    def _refresh(self) -> None:
        """Bring the stored status, the interrupt and the next event in line with the FIFOs."""
        level, watermark = len(self._tx.fifo), self.txctrl >> 16
        self.txdata = FLAG if level >= FIFO_DEPTH else 0
        self.rxdata = self._rx[0] if self._rx else FLAG
        # Only a read that takes something has to come here.
        self.flags[1] = 0 if self._rx else READ_FAST
        self.ip = (TXWM if level < watermark else 0) | (RXWM if len(self._rx) > self.rxctrl >> 16 else 0)
        self.irq.set(bool(self.ip & self.ie))
        self._schedule(level, watermark)

    def _schedule(self, level: int, watermark: int) -> None:
        if level >= FIFO_DEPTH:
            due = self._tx.time_of_level(FIFO_DEPTH - 1)
        elif watermark and level >= watermark:
            due = self._tx.time_of_level(watermark - 1)
        elif self.port.prompt:
            due = self._tx.time_of_level(level - 1)
        else:
            due = self._tx.time_of_level(-1)
        event = self._event
        if event is not None and event.pending:
            # An event that comes too early looks again; only one that comes too late is a mistake.
            if due is not None and event.time <= due:
                return
            event.cancel()
        self._event = self.clock.at(due, self._elapsed) if due is not None else None

    def _elapsed(self) -> None:
        self._event = None
        self._tx.sync()
        self._refresh()

    @txdata.on_write
    def _txdata_written(self, written: int) -> None:
        self._tx.sync()
        self._tx.put(bytes([written & 0xFF]))  # what does not fit is ignored
        self._refresh()

    @rxdata.on_read
    def _rxdata_read(self) -> int:
        if not self._rx:
            return FLAG
        byte = self._rx.popleft()
        self._refresh()
        return byte

    @txctrl.on_write
    def _txctrl_written(self, _written: int) -> None:
        self._configure()

    @rxctrl.on_write
    def _rxctrl_written(self, _written: int) -> None:
        self._refresh()

    @ie.on_write
    def _ie_written(self, _written: int) -> None:
        self._refresh()

    @div.on_write
    def _div_written(self, _written: int) -> None:
        self._configure()
