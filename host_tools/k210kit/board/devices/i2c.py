"""I2C 0 to 2: Synopsys DesignWare DW_apb_i2c, master and slave, FIFOs 8 deep.

Layout: Kendryte standalone SDK, drivers/include/i2c.h. Behaviour: DesignWare DW_apb_i2c databook 1.22a, configured as
that driver needs it: STOP when the transmit FIFO runs empty (IC_EMPTYFIFO_HOLD_MASTER_EN = 0), dynamic target address.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from k210kit.board.core.clock import Clock, Event, duration
from k210kit.board.core.clocks import ClockSignal
from k210kit.board.core.device import Device
from k210kit.board.core.dma import DmaRequest
from k210kit.board.core.line import Line
from k210kit.board.core.registers import Field, Register
from k210kit.board.parts.i2c_bus import I2cBus, I2cPart, Parts

DEPTH = 8
RX_UNDER, RX_OVER, RX_FULL, TX_OVER, TX_EMPTY, RD_REQ = (1 << bit for bit in range(6))
TX_ABRT, RX_DONE, ACTIVITY, STOP_DET, START_DET, GEN_CALL = (1 << bit for bit in range(6, 12))
LEVELS = RX_FULL | TX_EMPTY
MASTER_MODE, TEN_BIT_SLAVE, RESTART_EN, SLAVE_DISABLE = 1 << 0, 1 << 3, 1 << 5, 1 << 6
STOP_IF_ADDRESSED, TX_EMPTY_CTRL = 1 << 7, 1 << 8
READ, STOP, RESTART = 1 << 8, 1 << 9, 1 << 10
ENABLE, ABORT, BLOCK = 1, 2, 4
LEAST_STEP = 10**6  # picoseconds
NOACK_7BIT, NOACK_10BIT, NOACK_DATA, NOACK_GENERAL, GENERAL_READ = 1 << 0, 1 << 1, 1 << 3, 1 << 4, 1 << 5
NO_RESTART_10BIT_READ, MASTER_DISABLED, SLAVE_FLUSH, USER_ABORT = 1 << 10, 1 << 11, 1 << 13, 1 << 16

_INTERRUPTS = [
    Field("rx_under", 0),
    Field("rx_over", 1),
    Field("rx_full", 2),
    Field("tx_over", 3),
    Field("tx_empty", 4),
    Field("rd_req", 5),
    Field("tx_abrt", 6),
    Field("rx_done", 7),
    Field("activity", 8),
    Field("stop_det", 9),
    Field("start_det", 10),
    Field("gen_call", 11, note="general calls of other masters do not reach the slave"),
]


class _SlavePort(I2cPart):
    """The controller as others on its bus see it while it is a slave."""

    def __init__(self, device: I2c) -> None:
        self._device = device

    @property
    def address(self) -> int:  # type: ignore[override]
        return self._device.slave_address

    @property
    def ten_bit(self) -> bool:  # type: ignore[override]
        return bool(self._device.con & TEN_BIT_SLAVE)

    def start(self, read: bool) -> bool:
        return self._device.slave_start(read)

    def write(self, byte: int) -> bool:
        return self._device.slave_write(byte)

    def read(self) -> int | None:
        return self._device.slave_read()

    def read_done(self, acknowledged: bool) -> None:
        self._device.slave_read_done(acknowledged)

    def stop(self) -> None:
        self._device.slave_stop()


class I2c(Device):
    """One I2C controller. `parts` gives what is on its pads now; `port` is its own part for other masters."""

    con = Register(
        0x00,
        [
            Field("master_mode", 0),
            Field("speed", 1, 2, note="the SDK's layout has no fast or high speed counts: ss_scl_* always time SCL"),
            Field("ten_bit_slave", 3),
            Field("ten_bit_master", 4, note="read-only copy; tar holds the bit"),
            Field("restart_en", 5),
            Field("slave_disable", 6),
            Field("stop_det_ifaddressed", 7),
            Field("tx_empty_ctrl", 8),
        ],
        reset=0x65,
        writable=0x1EF,
    )
    tar = Register(
        0x04,
        [Field("address", 0, 10), Field("gc_or_start", 10), Field("special", 11), Field("ten_bit_master", 12)],
        reset=0x55,
        writable=0x1FFF,
    )
    sar = Register(0x08, [Field("address", 0, 10)], reset=0x55, writable=0x3FF)
    hs_maddr = Register(0x0C, reset=1, writable=7, doc="reserved in the SDK; no high-speed mode here")
    data_cmd = Register(
        0x10, [Field("data", 0, 8), Field("read", 8), Field("stop", 9), Field("restart", 10)], writable=0
    )
    ss_scl_hcnt = Register(0x14, [Field("count", 0, 16)], reset=400, writable=0xFFFF)
    ss_scl_lcnt = Register(0x18, [Field("count", 0, 16)], reset=470, writable=0xFFFF)
    fs_scl_hcnt = Register(0x1C, reset=60, writable=0xFFFF, doc="reserved in the SDK; no effect here")
    fs_scl_lcnt = Register(0x20, reset=130, writable=0xFFFF, doc="reserved in the SDK; no effect here")
    hs_scl_hcnt = Register(0x24, reset=6, writable=0xFFFF, doc="reserved in the SDK; no effect here")
    hs_scl_lcnt = Register(0x28, reset=16, writable=0xFFFF, doc="reserved in the SDK; no effect here")
    intr_stat = Register(0x2C, _INTERRUPTS, writable=0)
    intr_mask = Register(0x30, _INTERRUPTS, reset=0x8FF, writable=0xFFF)
    raw_intr_stat = Register(0x34, _INTERRUPTS, writable=0)
    rx_tl = Register(0x38, [Field("level", 0, 8)], writable=0xFF)
    tx_tl = Register(0x3C, [Field("level", 0, 8)], writable=0xFF)
    clears = Register(0x40, writable=0, count=11, doc="clr_intr, then one a condition; reading clears")
    enable = Register(0x6C, [Field("enable", 0), Field("abort", 1), Field("tx_cmd_block", 2)], writable=7)
    status = Register(
        0x70,
        [
            Field("activity", 0),
            Field("tfnf", 1),
            Field("tfe", 2),
            Field("rfne", 3),
            Field("rff", 4),
            Field("mst_activity", 5),
            Field("slv_activity", 6),
        ],
        reset=0x6,
        writable=0,
    )
    txflr = Register(0x74, [Field("level", 0, 4)], writable=0)
    rxflr = Register(0x78, [Field("level", 0, 4)], writable=0)
    sda_hold = Register(0x7C, [Field("tx", 0, 16, note="no waveform"), Field("rx", 16, 8)], reset=1, writable=0xFF_FFFF)
    tx_abrt_source = Register(0x80, [Field("source", 0, 17)], writable=0)
    slv_data_nack_only = Register(0x84, [Field("nack", 0, note="slave data is always acknowledged")], writable=1)
    dma_cr = Register(0x88, [Field("rdmae", 0), Field("tdmae", 1)], writable=3)
    dma_tdlr = Register(0x8C, [Field("level", 0, 3)], writable=7)
    dma_rdlr = Register(0x90, [Field("level", 0, 3)], writable=7)
    sda_setup = Register(0x94, [Field("count", 0, 8, note="no waveform")], reset=0x64, writable=0xFF)
    general_call = Register(0x98, [Field("acknowledge", 0)], reset=1, writable=1)
    enable_status = Register(
        0x9C, [Field("ic_en", 0), Field("slv_dis_busy", 1), Field("slv_rx_data_lost", 2)], writable=0
    )
    fs_spklen = Register(0xA0, [Field("count", 0, 8)], reset=5, writable=0xFF)
    hs_spklen = Register(0xA4, reset=1, writable=0xFF)
    # 32-bit APB, standard speed, DMA, parameters encoded, both buffers 8 deep; version 1.22a. Not read on silicon here.
    comp_param_1 = Register(0xF4, reset=(DEPTH - 1) << 16 | (DEPTH - 1) << 8 | 0xE6, writable=0)
    comp_version = Register(0xF8, reset=0x3132_322A, writable=0)
    comp_type = Register(0xFC, reset=0x4457_0140, writable=0)

    _CLEARED = (None, RX_UNDER, RX_OVER, TX_OVER, RD_REQ, TX_ABRT, RX_DONE, ACTIVITY, STOP_DET, START_DET, GEN_CALL)

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        parts: Parts | None = None,
        irq: Line | None = None,
        clk: ClockSignal | None = None,
        rx_dma: DmaRequest | None = None,
        tx_dma: DmaRequest | None = None,
    ) -> None:
        self._parts: Parts = parts if parts is not None else list
        self._irq = irq or Line(f"{name} irq")
        self._clk = clk or ClockSignal(name)
        self._rx_dma = rx_dma or DmaRequest(-1, f"{name} rx")
        self._tx_dma = tx_dma or DmaRequest(-1, f"{name} tx")
        self._bus = I2cBus()
        self._event: Event | None = None
        self._refilling = False
        self.port: I2cPart = _SlavePort(self)
        self._tx: deque[int] = deque()
        self._rx: deque[int] = deque()
        self._rx_dma.on_armed = self._serve_dma
        self._tx_dma.on_armed = self._serve_dma
        self._clk.listen(lambda hz: self._serve_dma())
        super().__init__(name, clock)

    def reset(self) -> None:
        """Release the bus, empty the FIFOs, drop the interrupt."""
        super().reset()
        self._release()
        self._tx.clear()
        self._rx.clear()
        self._slave_active = self._slave_waits = self._slave_asked = False
        self._flushed = False
        self._irq.set(False)

    def _release(self) -> None:
        """The master lets go of the bus at once."""
        if self._event is not None:
            self._event.cancel()
            self._event = None
        self._bus.stop()
        self._owner = False  # between START and STOP
        self._reading = False
        self._command: int | None = None  # popped, not finished
        self._general = False

    # Registers

    @con.on_write
    def _con_written(self, written: int) -> None:
        self._update()

    @data_cmd.on_write
    def _data_written(self, written: int) -> None:
        if not self.enable & ENABLE or self._flushed:
            return
        if len(self._tx) >= DEPTH:
            self._raise(TX_OVER)
        else:
            self._tx.append(written & 0x7FF)
            self._slave_asked = False
            self._go()
        self._update()

    @data_cmd.on_read
    def _data_read(self) -> int:
        if not self._rx:
            if self.enable & ENABLE:
                self._raise(RX_UNDER)
                self._update()
            return 0
        value = self._rx.popleft()
        self._update()
        return value

    @intr_mask.on_write
    def _mask_written(self, written: int) -> None:
        self._update()

    @rx_tl.on_write
    def _rx_level_written(self, written: int) -> None:
        self.rx_tl = min(self.rx_tl, DEPTH - 1)
        self._update()

    @tx_tl.on_write
    def _tx_level_written(self, written: int) -> None:
        self.tx_tl = min(self.tx_tl, DEPTH)
        self._update()

    @clears.on_read
    def _clear(self, index: int) -> int:
        bits = self._CLEARED[index]
        if bits is None:
            bits = 0xFFF & ~LEVELS
        value = 1 if self.raw_intr_stat & bits else 0
        if bits & ACTIVITY and self._busy():
            bits &= ~ACTIVITY
        if bits & TX_ABRT:
            self.tx_abrt_source = 0
            self._flushed = False
        self.raw_intr_stat &= ~bits
        self._update()
        return value

    @enable.on_write
    def _enable_written(self, written: int) -> None:
        if not self.enable & ENABLE:
            # The databook lets a byte under way finish first; here a disabled master stops at once.
            self._release()
            self._tx.clear()
            self._rx.clear()
            self._flushed = False
            self._slave_waits = self._slave_asked = False
            self.enable &= ~ABORT
        elif self.enable & ABORT:
            self.enable &= ~ABORT
            if self._owner:
                self._abort(USER_ABORT)
        self.enable_status = self.enable & ENABLE
        self._serve_dma()

    @dma_cr.on_write
    def _dma_written(self, written: int) -> None:
        self._serve_dma()

    @dma_tdlr.on_write
    def _dma_tx_level_written(self, written: int) -> None:
        self._serve_dma()

    @dma_rdlr.on_write
    def _dma_rx_level_written(self, written: int) -> None:
        self._serve_dma()

    # State that follows from the FIFOs

    def _busy(self) -> bool:
        return self._owner or self._slave_active

    def _raise(self, bits: int) -> None:
        self.raw_intr_stat |= bits

    def _update(self) -> None:
        tx, rx = len(self._tx), len(self._rx)
        raw = self.raw_intr_stat & ~LEVELS
        if rx > self.rx_tl:
            raw |= RX_FULL
        shifted_out = not (self.con & TX_EMPTY_CTRL) or self._command is None
        if self.enable & ENABLE and tx <= self.tx_tl and shifted_out:
            raw |= TX_EMPTY
        if self._busy():
            raw |= ACTIVITY
        self.raw_intr_stat = raw
        self.intr_stat = raw & self.intr_mask
        self.txflr, self.rxflr = tx, rx
        self.status = (
            self._busy()
            | (tx < DEPTH) << 1
            | (not tx) << 2
            | bool(rx) << 3
            | (rx >= DEPTH) << 4
            | self._owner << 5
            | self._slave_active << 6
        )
        self._irq.set(self.intr_stat != 0)

    def _serve_dma(self) -> None:
        if self.enable & ENABLE and self.dma_cr & 1 and len(self._rx) > self.dma_rdlr:
            taken = self._rx_dma.push(np.array(self._rx, np.uint32))
            for _ in range(taken):
                self._rx.popleft()
        self._refill()
        self._go()
        self._update()

    def _refill(self) -> None:
        ready = self.enable & ENABLE and self.dma_cr & 2 and not self._flushed
        if ready and not self._refilling and len(self._tx) <= self.dma_tdlr:
            self._refilling = True  # a channel may be armed again while it is being served
            while len(items := self._tx_dma.pull(DEPTH - len(self._tx))):
                self._tx.extend(item & 0x7FF for item in items.tolist())
                self._slave_asked = False
            self._refilling = False

    # Master

    def _bits(self, count: int) -> int:
        """Picoseconds of `count` SCL periods; the counts have the databook's offsets and least values."""
        high = max(self.ss_scl_hcnt, 6) + self.fs_spklen + 7
        low = max(self.ss_scl_lcnt, 8) + 1
        # A clock gated in the middle of a byte must not make time stand still.
        return max(duration(count * (high + low), self._clk.hz), LEAST_STEP)

    def _go(self) -> None:
        """Begin with the next command when the master is free to."""
        if self._event is not None or self._command is not None or not self._tx or not self._clk.hz:
            return
        if self.enable & (ENABLE | BLOCK) != ENABLE:
            return
        if not self.con & MASTER_MODE:
            if self.con & SLAVE_DISABLE:
                self._abort(MASTER_DISABLED)
            return
        self._command = self._tx.popleft()
        read = bool(self._command & READ)
        changes = self._owner and (read != self._reading or bool(self._command & RESTART))
        if not self._owner or changes:
            self._event = self.clock.after(self._bits(10), lambda: self._address(read, changes))
            self._owner = True
            self._raise(START_DET | ACTIVITY)
        else:
            self._event = self.clock.after(self._bits(9), self._byte)
        self._refill()

    def _address(self, read: bool, again: bool) -> None:
        """START and the address byte are over."""
        self._event = None
        if again and not self.con & RESTART_EN:
            self._bus.stop()  # without RESTART the master makes a STOP and a START of it
            self._raise(STOP_DET)
        # special with gc_or_start is a START byte, which nobody acknowledges, before the address: not on the bus here.
        self._general = self.tar & 0xC00 == 0x800
        ten_bit = bool(self.tar & 0x1000) and not self._general
        address = 0 if self._general else self.tar & (0x3FF if ten_bit else 0x7F)
        if self._general and read:
            self._abort(GENERAL_READ)
        elif ten_bit and read and not self.con & RESTART_EN:
            self._abort(NO_RESTART_10BIT_READ)
        elif self._bus.start(address, read, ten_bit, self._others()):
            self._reading = read
            self._event = self.clock.after(self._bits(9), self._byte)
            self._update()
        else:
            self._abort(NOACK_GENERAL if self._general else NOACK_10BIT if ten_bit else NOACK_7BIT)

    def _others(self) -> list[I2cPart]:
        return [part for part in self._parts() if part is not self.port]

    def _byte(self) -> None:
        """A data byte and its acknowledge are over."""
        self._event = None
        command = self._command if self._command is not None else 0
        if command & READ:
            value = self._bus.read()
            if value is None:  # the part holds the clock: ask again
                self._event = self.clock.after(self._bits(9), self._byte)
                return
            self._received(value)
        elif not self._bus.write(command & 0xFF):
            self._abort(NOACK_DATA)
            return
        self._command = None
        self._refill()
        last = bool(command & STOP) or not self._tx
        following = self._tx[0] if self._tx else 0
        if command & READ:
            self._bus.read_done(not (last or following & RESTART or not following & READ))
        if last:
            self._event = self.clock.after(self._bits(1), self._stopped)
        else:
            self._go()
        if self.dma_cr & 1:
            self._serve_dma()
        self._update()

    def _received(self, value: int) -> None:
        if len(self._rx) >= DEPTH:
            self._raise(RX_OVER)
        else:
            self._rx.append(value)

    def _stopped(self) -> None:
        self._event = None
        self._owner = False
        self._bus.stop()
        self._raise(STOP_DET)
        self._go()
        self._update()

    def _abort(self, source: int) -> None:
        """TX_ABRT: STOP, and the transmit FIFO stays empty until the guest reads clr_tx_abrt."""
        owned = self._owner
        self._release()
        self._tx.clear()
        self._flushed = True
        self.tx_abrt_source = source
        self._raise(TX_ABRT | (STOP_DET if owned else 0))
        self._update()

    # Slave

    @property
    def slave_address(self) -> int:
        """The address this controller answers to on its bus, or -1 while it is no slave."""
        enabled = self.enable & ENABLE and not self.con & SLAVE_DISABLE
        return self.sar & (0x3FF if self.con & TEN_BIT_SLAVE else 0x7F) if enabled else -1

    def slave_start(self, read: bool) -> bool:
        """Another master addresses this controller."""
        if self.slave_address < 0:
            return False
        self._slave_active = True
        self._raise(START_DET | ACTIVITY)
        if read and self._tx:
            # Left-over data belong to no request: flushed, and the guest is told.
            self._tx.clear()
            self._flushed = True
            self.tx_abrt_source = SLAVE_FLUSH
            self._raise(TX_ABRT)
        self._slave_asked = False
        self._update()
        return True

    def slave_write(self, byte: int) -> bool:
        """A byte from another master; refused when the receive FIFO is full."""
        full = len(self._rx) >= DEPTH
        self._received(byte)
        if self.dma_cr & 1:
            self._serve_dma()
        self._update()
        return not full

    def slave_read(self) -> int | None:
        """The byte for another master; None while the guest has not written it (the clock is held)."""
        if self._tx:
            value = self._tx.popleft() & 0xFF
            self._update()
            return value
        if self.slave_address < 0:
            return 0xFF
        if not self._slave_asked:
            self._slave_asked = True
            self._raise(RD_REQ)
            self._serve_dma()
        return self._tx.popleft() & 0xFF if self._tx else None

    def slave_read_done(self, acknowledged: bool) -> None:
        """The other master's acknowledge; refusing the byte ends its read."""
        if not acknowledged:
            self._raise(RX_DONE)
            self._update()

    def slave_stop(self) -> None:
        """The transfer with this controller is over."""
        self._slave_active = self._slave_asked = False
        self._raise(STOP_DET)
        self._update()
