"""UART1..3: 16550 with 16-character FIFOs, programmable THRE and DMA (DesignWare APB UART).

Layout: Kendryte standalone SDK, drivers/include/uart.h; behaviour: Synopsys DW_apb_uart databook.
Not modelled: IrDA, RS-485 direction control, the 9-bit address modes (their registers keep values),
RTS falling by itself in auto flow control, "busy" while a character is being received.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from k210kit.board.core.clock import PS_PER_SECOND, Clock, Event
from k210kit.board.core.clocks import ClockSignal
from k210kit.board.core.device import READ_FAST, Device
from k210kit.board.core.dma import DmaRequest
from k210kit.board.core.line import Line
from k210kit.board.core.registers import Field, Register
from k210kit.board.core.serial import Character, SerialFormat, SerialPort, Transmitter

FIFO_DEPTH = 16
DLAB, BREAK = 0x80, 0x40  # LCR
PTIME, EDSSI, ELSI, ETBEI, ERBFI = 0x80, 8, 4, 2, 1  # IER
RFE, TEMT, THRE, BI, FE, PE, OE, DR = 0x80, 0x40, 0x20, 0x10, 8, 4, 2, 1  # LSR
SIRE, AFCE, LOOPBACK = 0x40, 0x20, 0x10  # MCR
NO_INTERRUPT, LINE_STATUS, RECEIVED, TIMEOUT, THR_EMPTY, MODEM, BUSY = 1, 6, 4, 0xC, 2, 0, 7  # IIR
TX_THRESHOLDS = (0, 2, FIFO_DEPTH // 4, FIFO_DEPTH // 2)
RX_TRIGGERS = (1, FIFO_DEPTH // 4, FIFO_DEPTH // 2, FIFO_DEPTH - 2)
TIMEOUT_CHARACTERS = 4


@dataclass
class ModemLines:
    """Handshake wires as they are on the pins: all active low (low means "on")."""

    cts: Line = field(default_factory=Line)
    dsr: Line = field(default_factory=Line)
    ri: Line = field(default_factory=Line)
    dcd: Line = field(default_factory=Line)
    dtr: Line = field(default_factory=Line)
    rts: Line = field(default_factory=Line)
    out1: Line = field(default_factory=Line)
    out2: Line = field(default_factory=Line)


class Uart(Device):
    """`clk` is the APB0 clock; `irq` is level high; `port` leads to the pads.

    `busy_detect`: LCR ignores writes while busy and IIR says 7. It is the block's default; whether
    the K210's was built 16550 compatible (without it) is not known. Linux' k210.dtsi does not
    say that it was.
    """

    size = 0x100

    rbr = Register(0x00, [Field("data", 0, 8)], writable=0, doc="RBR, THR; DLL while LCR.DLAB")
    ier = Register(
        0x04,
        [Field("erbfi", 0), Field("etbei", 1), Field("elsi", 2), Field("edssi", 3), Field("ptime", 7)],
        writable=0,
        doc="IER; DLH while LCR.DLAB",
    )
    iir = Register(0x08, [Field("id", 0, 4), Field("fifos", 6, 2)], reset=NO_INTERRUPT, writable=0, doc="IIR, FCR")
    lcr = Register(
        0x0C,
        [Field("dls", 0, 2), Field("stop", 2), Field("pen", 3), Field("eps", 4), Field("sp", 5), Field("bc", 6),
         Field("dlab", 7)],
        writable=0,
    )  # fmt: skip
    mcr = Register(
        0x10,
        [Field("dtr", 0), Field("rts", 1), Field("out1", 2), Field("out2", 3), Field("lb", 4), Field("afce", 5),
         Field("sire", 6, note="IrDA: not modelled")],
        writable=0x7F,
    )  # fmt: skip
    lsr = Register(
        0x14,
        [Field("dr", 0), Field("oe", 1), Field("pe", 2), Field("fe", 3), Field("bi", 4), Field("thre", 5),
         Field("temt", 6), Field("rfe", 7)],
        reset=THRE | TEMT,
        writable=0,
    )  # fmt: skip
    msr = Register(0x18, [Field("delta", 0, 4), Field("cts", 4), Field("dsr", 5), Field("ri", 6), Field("dcd", 7)],
                   writable=0)  # fmt: skip
    scr = Register(0x1C, writable=0xFF)
    lpdll = Register(0x20, [Field("value", 0, 8, "IrDA low power: not modelled")])
    lpdlh = Register(0x24, [Field("value", 0, 8, "IrDA low power: not modelled")])
    srbr = Register(0x30, count=16, writable=0, doc="shadows of RBR and THR")
    far = Register(0x70, [Field("test", 0)], writable=1, doc="FIFO access test mode")
    tfr = Register(0x74, writable=0, doc="takes from the transmit FIFO in test mode")
    rfw = Register(0x78, [Field("data", 0, 8), Field("pe", 8), Field("fe", 9)], writable=0)
    usr = Register(
        0x7C, [Field("busy", 0), Field("tfnf", 1), Field("tfe", 2), Field("rfne", 3), Field("rff", 4)], writable=0
    )
    tfl = Register(0x80, writable=0)
    rfl = Register(0x84, writable=0)
    srr = Register(0x88, [Field("ur", 0), Field("rfr", 1), Field("xfr", 2)], writable=0)
    srts = Register(0x8C, writable=0, doc="shadow of MCR.RTS; the shadows here also read back")
    sbcr = Register(0x90, writable=0)
    sdmam = Register(0x94, writable=0)
    sfe = Register(0x98, writable=0)
    srt = Register(0x9C, writable=0)
    stet = Register(0xA0, writable=0)
    htx = Register(0xA4, [Field("halt", 0)], writable=1)
    dmasa = Register(0xA8, writable=0, doc="DMA software acknowledge: nothing waits for it here")
    tcr = Register(0xAC, [Field("rs485", 0, 5, "RS-485: not modelled")], writable=0x1F)
    de_en = Register(0xB0, [Field("enable", 0, 1, "RS-485: not modelled")], writable=1)
    re_en = Register(0xB4, [Field("enable", 0, 1, "RS-485: not modelled")], writable=1)
    det = Register(0xB8, [Field("times", 0, 32, "RS-485: not modelled")], writable=0x00FF_00FF)
    tat = Register(0xBC, [Field("times", 0, 32, "RS-485: not modelled")])
    dlf = Register(0xC0, [Field("sixteenths", 0, 4)], writable=0xF)
    rar = Register(0xC4, [Field("address", 0, 8, "9-bit mode: not modelled")], writable=0xFF)
    tar = Register(0xC8, [Field("address", 0, 8, "9-bit mode: not modelled")], writable=0xFF)
    lcr_ext = Register(0xCC, [Field("mode", 0, 4, "9-bit mode: not modelled")], writable=0xF)
    # CPR and UCV of the K210 are not known: CPR is composed of what the SDK uses, UCV says "401*".
    cpr = Register(0xF4, reset=0x0001_3F72, writable=0)
    ucv = Register(0xF8, reset=0x3430_312A, writable=0)
    ctr = Register(0xFC, reset=0x4457_0110, writable=0)

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        irq: Line | None = None,
        clk: ClockSignal | None = None,
        port: SerialPort | None = None,
        rx_dma: DmaRequest | None = None,
        tx_dma: DmaRequest | None = None,
        modem: ModemLines | None = None,
        busy_detect: bool = True,
    ) -> None:
        self.irq = irq if irq is not None else Line(f"{name} irq")
        self.clk = clk or ClockSignal("apb0")
        self.port = port or SerialPort(name)
        self.rx_dma = rx_dma or DmaRequest(-1, f"{name} rx")
        self.tx_dma = tx_dma or DmaRequest(-1, f"{name} tx")
        self.modem = modem or ModemLines()
        self.busy_detect = busy_detect
        self._tx = Transmitter(clock, 1, self._sent)
        self._rx: deque[Character] = deque()
        self._event: Event | None = None
        self._hidden = False
        self._timeout_event: Event | None = None
        super().__init__(name, clock)
        self.port.receive, self.port.quiet, self.port.hide = self._receive, self._quiet, self._hide
        self.clk.listen(lambda _hz: self._configure())
        self.rx_dma.on_armed = self.tx_dma.on_armed = self._dma_armed
        for line in (self.modem.cts, self.modem.dsr, self.modem.ri, self.modem.dcd):
            line.listen(lambda _level: self._modem_changed())

    def reset(self) -> None:
        """FIFOs off and empty, no baud rate, no interrupt enabled."""
        self.port.sync()
        super().reset()
        self._tx.clear()
        self._tx.depth = 1
        self._rx.clear()
        self._last_received = 0
        for event in (self._event, self._timeout_event):
            if event is not None:
                event.cancel()
        self._event = self._timeout_event = None
        self._divisor = self._ier = self._fcr = 0
        self._errors = self._delta = 0
        self._flawed = 0
        self._pulling = self._pushing = False
        self._thre_pending = self._thre_low = self._timed_out = self._busy_hit = False
        self._last_activity = 0
        self._modem_inputs = self._read_modem_inputs()
        self._drive_modem()
        self.port.set_break(False)
        self._configure()

    # Characters that have arrived and are not here yet

    def read(self, offset: int, size: int) -> int:
        """What a guest reads."""
        self.port.sync()
        return super().read(offset, size)

    def write(self, offset: int, size: int, value: int) -> None:
        """What a guest writes."""
        self.port.sync()
        super().write(offset, size, value)
        if offset:
            self.port.replan()

    def _quiet(self) -> int:
        """How many characters may arrive before that interrupts."""
        plain = self._fcr & 1 and self._ier & ERBFI and not self.mcr & LOOPBACK and not self.far & 1
        return max(1, self._rx_trigger - len(self._rx)) if plain and self.rx_dma.sink is None else 1

    def _hide(self, on: bool) -> None:
        self._hidden = on
        self.flags[0x84 >> 2] = 0 if on else READ_FAST
        self._raise_irq()

    # Settings

    def _configure(self) -> None:
        """Rate, frame and FIFO settings have changed."""
        self._tx.sync()
        lcr = self.lcr
        stop = 2 if not lcr & 4 else 4 if lcr & 3 else 3
        parity = "N" if not lcr & 8 else ("MS" if lcr & 0x20 else "OE")[lcr >> 4 & 1]
        self.port.format = SerialFormat(5 + (lcr & 3), parity, stop)
        # A divisor of zero switches the baud generator off (databook).
        sixteenths = self._divisor * 16 + self.dlf if self._divisor else 0
        self.port.baud = self.clk.hz / sixteenths if sixteenths else 0.0
        running = sixteenths and self.clk.hz
        half_bits = self.port.format.half_bits
        time = half_bits * sixteenths * PS_PER_SECOND // (2 * self.clk.hz) if running else 0
        self._tx.depth = FIFO_DEPTH if self._fcr & 1 else 1
        blocked = self.mcr & AFCE and self.modem.cts.level and not self.mcr & LOOPBACK
        self._tx.enabled = not (self.far & 1 or (self.htx & 1 and self._fcr & 1) or blocked)
        self._tx.set_character_time(max(1, time) if running else 0)
        self._tx.start()
        self._refresh()

    @property
    def _user_thre(self) -> bool:
        """Programmable THRE: LSR bit 5 means "FIFO full", the interrupt follows FCR.TET."""
        return bool(self._ier & PTIME and self._fcr & 1)

    def _refresh(self) -> None:
        """Bring stored status, interrupt, DMA and the next event in line with the FIFOs."""
        if self.tx_dma.source is not None:
            self._fill_from_dma()
        if self.rx_dma.sink is not None:
            self._drain_to_dma()
        level, user = len(self._tx.fifo), self._user_thre
        low = level <= TX_THRESHOLDS[self._fcr >> 4 & 3] if user else level == 0
        if low and not self._thre_low:
            self._thre_pending = True
        elif not low:
            self._thre_pending = False
        self._thre_low = low
        bit5 = level >= FIFO_DEPTH if user else level == 0
        lsr = self._errors | (THRE if bit5 else 0) | (0 if self._tx.busy else TEMT) | (DR if self._rx else 0)
        if self._flawed and self._fcr & 1:
            lsr |= RFE
        self.lsr = lsr
        self.rfl = len(self._rx)
        self._raise_irq()
        self._schedule(level, user, low)

    def _refresh_rx(self) -> None:
        """As _refresh() when only the receive FIFO has changed."""
        if self.rx_dma.sink is not None or self.tx_dma.source is not None:
            self._refresh()
            return
        lsr = self.lsr & (THRE | TEMT) | self._errors | (DR if self._rx else 0)
        self.lsr = lsr | RFE if self._flawed and self._fcr & 1 else lsr
        self.rfl = len(self._rx)
        self._raise_irq()

    def _raise_irq(self) -> None:
        ier = self._ier
        if self._errors & (OE | PE | FE | BI) and ier & ELSI:
            cause = LINE_STATUS
        elif ier & ERBFI and len(self._rx) >= self._rx_trigger:
            cause = RECEIVED
        elif ier & ERBFI and self._timed_out:
            cause = TIMEOUT
        elif ier & ETBEI and self._thre_pending:
            cause = THR_EMPTY
        elif ier & EDSSI and self._delta:
            cause = MODEM
        else:
            cause = BUSY if self._busy_hit else NO_INTERRUPT
        self.iir = cause | (0xC0 if self._fcr & 1 else 0)
        # Reads without an effect need not come here.
        self.flags[2] = 0 if cause == THR_EMPTY else READ_FAST
        self.flags[5] = 0 if self._errors or self._hidden else READ_FAST
        self.irq.set(cause != NO_INTERRUPT)

    @property
    def _rx_trigger(self) -> int:
        return RX_TRIGGERS[self._fcr >> 6 & 3] if self._fcr & 1 else 1

    # Time

    def _schedule(self, level: int, user: bool, low: bool) -> None:
        """One event, for the next change that somebody can see without asking."""
        if self.port.prompt or self.mcr & LOOPBACK:
            target = level - 1
        elif user and level >= FIFO_DEPTH:
            target = FIFO_DEPTH - 1
        elif user and not low and (self._ier & ETBEI or self.tx_dma.source is not None):
            target = TX_THRESHOLDS[self._fcr >> 4 & 3]
        else:
            target = -1 if user or not level else 0
        due = self._tx.time_of_level(target)
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

    def _watch_timeout(self) -> None:
        """Character timeout: data below the trigger and nothing moved for four characters' time."""
        event = self._timeout_event
        wanted = self._rx and self._fcr & 1 and (self._ier & ERBFI or self.rx_dma.sink is not None)
        if (event is None or not event.pending) and wanted and not self._timed_out and self.port.baud:
            self._timeout_event = self.clock.at(self._last_activity + self._timeout, self._look_for_timeout)

    @property
    def _timeout(self) -> int:
        return TIMEOUT_CHARACTERS * self.port.format.character_time(self.port.baud) if self.port.baud else 0

    def _look_for_timeout(self) -> None:
        self.port.sync()
        if self._rx and self.clock.now >= self._last_activity + self._timeout:
            self._timed_out = True
            self._refresh()
        else:
            self._watch_timeout()

    # Data

    def _sent(self, data: bytes) -> None:
        if self.mcr & LOOPBACK:
            for byte in data:
                self._receive(Character(byte), from_pad=False)
        else:
            self.port.transmit(data)

    def _receive(self, character: Character, from_pad: bool = True) -> None:
        if (from_pad and self.mcr & LOOPBACK) or not self.port.baud or self.far & 1:
            return
        self._store(character)

    def _store(self, character: Character) -> None:
        if len(self._rx) >= self._tx.depth:  # both FIFOs have the same depth
            self._errors |= OE
            if not self._fcr & 1:
                self._rx.clear()
                self._flawed = 0
                self._append(character)
        else:
            self._append(character)
        self._last_activity = self.clock.now if self.port.arrived is None else self.port.arrived
        self._refresh_rx()
        self._watch_timeout()

    def _append(self, character: Character) -> None:
        self._rx.append(character)
        self._flawed += character.flawed
        if len(self._rx) == 1:
            self._note_errors()

    def _pop(self) -> int:
        character = self._rx.popleft()
        self._flawed -= character.flawed
        self._note_errors()
        return character.byte

    def _note_errors(self) -> None:
        """The character at the top of the FIFO shows its errors in LSR."""
        if self._rx:
            top = self._rx[0]
            self._errors |= top.parity_error * PE | top.framing_error * FE | top.is_break * BI

    def _take(self) -> int:
        if self._rx:
            self._last_received = self._pop()
        self._timed_out = False
        self._last_activity = self.clock.now
        self._refresh_rx()
        self._watch_timeout()
        return self._last_received

    def _put(self, byte: int) -> None:
        self._tx.sync()
        self._thre_low = False  # a write clears the THRE interrupt; it comes back while still low
        self._thre_pending = False
        self._tx.put(bytes([byte & 0xFF]))  # what does not fit is lost
        self._refresh()

    def _fill_from_dma(self) -> None:
        if self._pulling:
            return  # the DMAC armed the next block while it gave us the last of this one
        self._pulling = True
        threshold = TX_THRESHOLDS[self._fcr >> 4 & 3] if self._user_thre else 0
        while (level := len(self._tx.fifo)) <= threshold:
            # In one go: silicon fills up to just above the threshold, a character at a time.
            items = self.tx_dma.pull(self._tx.depth - level)
            if not len(items):
                break
            self._tx.put((items & 0xFF).astype(np.uint8).tobytes())
        self._pulling = False

    def _drain_to_dma(self) -> None:
        enough = self._rx_trigger if self._fcr & 8 else 1
        if not self._pushing and self._rx and (len(self._rx) >= enough or self._timed_out):
            self._pushing = True
            took = self.rx_dma.push(np.array([character.byte for character in self._rx], np.uint32))
            for _ in range(min(took, len(self._rx))):
                self._last_received = self._pop()
            self._timed_out = self._pushing = False

    def _dma_armed(self) -> None:
        self.port.sync()
        self._tx.sync()
        self._refresh()
        self._watch_timeout()

    def _clear_rx(self) -> None:
        self._rx.clear()
        self._flawed = 0
        self._timed_out = False
        self._errors &= OE

    # Modem

    def _read_modem_inputs(self) -> int:
        if self.mcr & LOOPBACK:
            mcr: int = self.mcr
            return (mcr >> 1 & 1) | (mcr & 1) << 1 | (mcr >> 2 & 1) << 2 | (mcr >> 3 & 1) << 3
        lines = (self.modem.cts, self.modem.dsr, self.modem.ri, self.modem.dcd)
        return sum(1 << bit for bit, line in enumerate(lines) if not line.level)

    def _modem_changed(self) -> None:
        now, before = self._read_modem_inputs(), self._modem_inputs
        self._modem_inputs = now
        changed = now ^ before
        self._delta |= changed & 0b1011 | changed & before & 0b100  # RI: trailing edge only
        self.msr = self._delta | now << 4
        self.flags[6] = 0 if self._delta else READ_FAST
        self._configure()

    def _drive_modem(self) -> None:
        on = 0 if self.mcr & LOOPBACK else self.mcr
        lines = (self.modem.dtr, self.modem.rts, self.modem.out1, self.modem.out2)
        for bit, line in enumerate(lines):
            line.set(not on >> bit & 1)
        self.msr = self._delta | self._modem_inputs << 4

    # Registers

    @rbr.on_read
    def _rbr_read(self) -> int:
        return self._divisor & 0xFF if self.lcr & DLAB else self._take()

    @rbr.on_write
    def _thr_written(self, written: int) -> None:
        if self.lcr & DLAB:
            self._divisor = self._divisor & 0xFF00 | written & 0xFF
            self._configure()
        else:
            self._put(written)

    @ier.on_write
    def _ier_written(self, written: int) -> None:
        if self.lcr & DLAB:
            self._divisor = self._divisor & 0xFF | (written & 0xFF) << 8
            self.ier = written & 0xFF
            self._configure()
            return
        if written & ~self._ier & ETBEI:
            self._thre_low = False  # enabling it with the FIFO low interrupts at once
        self._ier = self.ier = written & 0x8F
        self._tx.sync()
        self._refresh()
        self._watch_timeout()

    @iir.on_read
    def _iir_read(self) -> int:
        value: int = self.iir
        if value & 0xF == THR_EMPTY:
            self._thre_pending = False
            self._raise_irq()
        return value

    @iir.on_write
    def _fcr_written(self, written: int) -> None:
        before, self._fcr = self._fcr, written & 0xF9
        self._tx.sync()
        if (before ^ written) & 1 or written & 2:
            self._clear_rx()
        if (before ^ written) & 1 or written & 4:
            self._tx.fifo.clear()
        self.sfe, self.sdmam = self._fcr & 1, self._fcr >> 3 & 1
        self.stet, self.srt = self._fcr >> 4 & 3, self._fcr >> 6
        self._configure()

    @lcr.on_write
    def _lcr_written(self, written: int) -> None:
        self._tx.sync()
        if self.busy_detect and (self._tx.busy or self._rx):
            self._busy_hit = True
            self._refresh()
            return
        self.lcr = written & 0xFF
        self.ier = self._divisor >> 8 if written & DLAB else self._ier
        self._set_break(bool(written & BREAK))
        self._configure()

    def _set_break(self, low: bool) -> None:
        self.sbcr = int(low)
        self.port.set_break(low and not self.mcr & LOOPBACK)

    @mcr.on_write
    def _mcr_written(self, _written: int) -> None:
        self._tx.sync()
        self.srts = self.mcr >> 1 & 1
        self._modem_changed()
        self._drive_modem()

    @lsr.on_read
    def _lsr_read(self) -> int:
        value: int = self.lsr
        if self._errors:
            self._errors = 0
            self._refresh()
        return value

    @msr.on_read
    def _msr_read(self) -> int:
        value: int = self.msr
        self._delta = 0
        self.msr = value & 0xF0
        self.flags[6] = READ_FAST
        self._raise_irq()
        return value

    @srbr.on_read
    def _srbr_read(self, _index: int) -> int:
        return self._take()

    @srbr.on_write
    def _sthr_written(self, _index: int, written: int) -> None:
        self._put(written)

    @far.on_write
    def _far_written(self, _written: int) -> None:
        self._tx.sync()
        self._tx.fifo.clear()
        self._clear_rx()
        self._configure()

    @tfr.on_read
    def _tfr_read(self) -> int:
        if not self.far & 1 or not self._tx.fifo:
            return 0
        byte = self._tx.fifo.pop(0)
        self._refresh()
        return byte

    @rfw.on_write
    def _rfw_written(self, written: int) -> None:
        if self.far & 1:
            self._store(Character(written & 0xFF, bool(written & 0x100), bool(written & 0x200)))

    @usr.on_read
    def _usr_read(self) -> int:
        self._tx.sync()
        waiting, received, depth = len(self._tx.fifo), len(self._rx), self._tx.depth
        busy = self._tx.busy or received
        if self._busy_hit:
            self._busy_hit = False
            self._raise_irq()
        return (
            bool(busy)
            | (waiting < depth) << 1
            | (waiting == 0) << 2
            | (received > 0) << 3
            | (received >= depth) << 4
        )  # fmt: skip

    @tfl.on_read
    def _tfl_read(self) -> int:
        self._tx.sync()
        return len(self._tx.fifo)

    @srr.on_write
    def _srr_written(self, written: int) -> None:
        if written & 1:
            self.reset()
            return
        self._fcr_written(self._fcr | written & 6)

    @srts.on_write
    def _srts_written(self, written: int) -> None:
        self.mcr = self.mcr & ~2 | (written & 1) << 1
        self._mcr_written(self.mcr)

    @sbcr.on_write
    def _sbcr_written(self, written: int) -> None:
        self.lcr = self.lcr & ~BREAK | (written & 1) << 6
        self._set_break(bool(written & 1))

    @sdmam.on_write
    def _sdmam_written(self, written: int) -> None:
        self._fcr_written(self._fcr & ~8 | (written & 1) << 3)

    @sfe.on_write
    def _sfe_written(self, written: int) -> None:
        self._fcr_written(self._fcr & ~1 | written & 1)

    @srt.on_write
    def _srt_written(self, written: int) -> None:
        self._fcr_written(self._fcr & ~0xC0 | (written & 3) << 6)

    @stet.on_write
    def _stet_written(self, written: int) -> None:
        self._fcr_written(self._fcr & ~0x30 | (written & 3) << 4)

    @htx.on_write
    def _htx_written(self, _written: int) -> None:
        self._configure()

    @dlf.on_write
    def _dlf_written(self, _written: int) -> None:
        self._configure()
