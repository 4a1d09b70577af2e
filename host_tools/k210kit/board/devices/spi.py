"""SPI masters: Synopsys DesignWare SSI as the K210 has it (SPI0, SPI1 and the flash's SPI3).

Layout: Kendryte standalone SDK, drivers/include/spi.h and spi.c. XIP_CTRL's fields are inferred: the
DWC_ssi order, which gives sense to the one value that Kboot and LoBo's firmware write; bits that this
value leaves clear are unverified. The transfers themselves are in spi_shift.py.
"""

from __future__ import annotations

from typing import Literal

from k210kit.board.core.device import log
from k210kit.board.core.registers import WORD_MASK, Field, Register
from k210kit.board.devices.spi_frames import frames_to_bytes
from k210kit.board.devices.spi_shift import DEPTH, IDLE, INSTRUCTION_BITS, RXO, RXU, TXO, SpiShift

XIP_LINE = 256
"""Bytes that the model reads ahead at once, which the guest cannot see; the time of these reads is not modelled."""


class SpiMaster(SpiShift):
    """What SPI0, SPI1 and SPI3 share; `bus` is the wires, see parts/spi_bus.py.

    `clk` is the controller's clock: SCLK = clk / BAUDR. Known differences to silicon: Linux'
    spi-dw-mmio.c notes that the K210's RX FIFO reports an overrun when it becomes full at 32; here it
    overruns with the 33rd frame. Microwire and TI formats are treated as Motorola's.
    """

    control_mask = WORD_MASK

    def _control_written(self, written: int) -> None:
        if not self.ssienr:
            self.ctrlr0 = written & self.control_mask

    @SpiShift.ctrlr1.on_write
    def _ctrlr1_written(self, written: int) -> None:
        if not self.ssienr:
            self.ctrlr1 = written & 0xFFFF

    @SpiShift.baudr.on_write
    def _baudr_written(self, written: int) -> None:
        if not self.ssienr:
            self.baudr = written & 0xFFFE

    @SpiShift.spi_ctrlr0.on_write
    def _spi_ctrlr0_written(self, written: int) -> None:
        if not self.ssienr:
            self.spi_ctrlr0 = written & 0x4003FB3F

    @SpiShift.ssienr.on_write
    def _ssienr_written(self, written: int) -> None:
        if written & 1:
            if not self._enabled:
                self._enabled = self._ready = True
                self._format = self._decode()
            self._catch_up(always=True)
            return
        self.ssienr = int(self._enabled)  # frames complete until now still count
        self._catch_up()
        self.ssienr, self._enabled = 0, False
        self._abort()
        self._tx.clear()
        self._rx.clear()
        self._latched = 0
        self._update()

    @SpiShift.ser.on_write
    def _ser_written(self, written: int) -> None:
        self._catch_up()
        if written & 0xF != self.ser:
            self._abort()
            self.ser, self._ready = written & 0xF, True
        self._catch_up(always=True)

    @SpiShift.txftlr.on_write
    def _txftlr_written(self, written: int) -> None:
        if written < DEPTH:  # a larger one is not taken: drivers find the FIFO's depth by that
            self.txftlr = written
            self._catch_up(always=True)

    @SpiShift.rxftlr.on_write
    def _rxftlr_written(self, written: int) -> None:
        if written < DEPTH:
            self.rxftlr = written
            self._catch_up(always=True)

    @SpiShift.imr.on_write
    def _imr_written(self, written: int) -> None:
        self._catch_up(always=True)

    @SpiShift.dmacr.on_write
    def _dmacr_written(self, written: int) -> None:
        self._catch_up(always=True)

    @SpiShift.dr.on_read
    def _dr_read(self, index: int) -> int:
        self._catch_up()
        if not self._rx:
            self._latch(RXU)
            return 0
        frame = self._rx.popleft()
        self._publish()
        if len(self._rx) == DEPTH - 1:
            self._schedule()
        return frame

    @SpiShift.dr.on_write
    def _dr_written(self, index: int, written: int) -> None:
        if not self.ssienr:
            return
        self._catch_up()
        if len(self._tx) >= DEPTH:
            self._latch(TXO)
            return
        self._tx.append(written)
        if self._phase == IDLE:
            self._catch_up(always=True)
        else:
            self._publish()

    @SpiShift.txoicr.on_read
    def _txoicr_read(self) -> int:
        return self._clear(TXO)

    @SpiShift.rxoicr.on_read
    def _rxoicr_read(self) -> int:
        return self._clear(RXO)

    @SpiShift.rxuicr.on_read
    def _rxuicr_read(self) -> int:
        return self._clear(RXU)

    @SpiShift.icr.on_read
    def _icr_read(self) -> int:
        return self._clear(TXO | RXO | RXU)

    def _latch(self, cause: int) -> None:
        self._latched |= cause
        self._publish()

    def _clear(self, causes: int) -> int:
        self._catch_up()
        found, self._latched = self._latched & causes, self._latched & ~causes
        self._publish()
        return int(bool(found))


class Spi(SpiMaster):
    """SPI0 or SPI1. CTRLR0 bits 3:0 are not writable: Linux takes that for 32-bit frames."""

    frame_size, transfer_mode, frame_format = Field("frame_size", 16, 5), Field("mode", 8, 2), Field("lines", 21, 2)
    control_mask = 0x017FFFF0
    ctrlr0 = Register(
        0x00,
        [
            Field("format", 4, 2, note="Motorola only"), Field("phase", 6, note="no effect"),
            Field("polarity", 7, note="no effect"), transfer_mode, Field("slave_output", 10, note="slaves only"),
            Field("loop", 11, note="not modelled"), Field("control_size", 12, 4, note="microwire only"), frame_size,
            frame_format, Field("select_toggle", 24, note="not modelled"),
        ],
        reset=0x00070000, writable=0,
    )  # fmt: skip

    @ctrlr0.on_write
    def _ctrlr0_written(self, written: int) -> None:
        self._control_written(written)


class Spi3(SpiMaster):
    """SPI3: other bit positions in CTRLR0, and the execute-in-place window."""

    _line_at: int
    _line: bytes

    frame_size, transfer_mode, frame_format = Field("frame_size", 0, 5), Field("mode", 10, 2), Field("lines", 22, 2)
    control_mask = 0x00CFFFDF
    ctrlr0 = Register(
        0x00,
        [
            frame_size, Field("format", 6, 2, note="Motorola only"), Field("phase", 8, note="no effect"),
            Field("polarity", 9, note="no effect"), transfer_mode, Field("slave_output", 12, note="slaves only"),
            Field("loop", 13, note="not modelled"), Field("select_toggle", 14, note="not modelled"),
            Field("control_size", 16, 4, note="microwire only"), frame_format,
        ],
        reset=0x00000007, writable=0,
    )  # fmt: skip
    xip_mode_bits = Register(0xFC, [Field("bits", 0, 16)], writable=0xFFFF)
    xip_incr_inst = Register(0x100, [Field("instruction", 0, 16)], writable=0xFFFF)
    xip_wrap_inst = Register(0x104, [Field("instruction", 0, 16, note="wrapping bursts do not occur")], writable=0xFFFF)
    xip_ctrl = Register(
        0x108,
        [
            Field("lines", 0, 2), Field("transfer_type", 2, 2), Field("address_length", 4, 4),
            Field("instruction_length", 9, 2), Field("mode_bits_enable", 12), Field("wait_cycles", 13, 5),
            Field("fixed_frame_size", 18, note="no effect"), Field("ddr", 19, 2, note="not modelled"),
            Field("instruction_enable", 22), Field("continuous", 23, note="every access is a transaction of its own"),
            Field("mode_bits_length", 26, 2), Field("prefetch", 29, note="no effect"),
        ],
    )  # fmt: skip
    xip_ser = Register(0x10C, [Field("select", 0, 4)], writable=0xF)
    xrxoicr = Register(0x110, writable=0, doc="no overflow occurs")
    xip_cnt_time_out = Register(0x114, [Field("cycles", 0, 8, note="no effect")], writable=0xFF)

    @ctrlr0.on_write
    def _ctrlr0_written(self, written: int) -> None:
        self._control_written(written)

    def takes(self, offset: int, size: int, store: bool) -> bool:
        """Also anything read through the execute-in-place window, while that is open."""
        return (self.window > 0 and not store) or super().takes(offset, size, store)

    def not_modelled(self, offset: int) -> tuple[str, str]:
        """The window is no register."""
        return super().not_modelled(offset) if offset in self.registers else ("xip", "")

    def xip_read(self, offset: int, size: int) -> int:
        """What the CPU reads: `size` (1, 2, 4, 8) bytes at `offset` of the window at 0x54000000.

        With ENDIAN 0 a word has the flash's first byte at its top, as Kboot's 32-bit reads of its
        configuration (5A A5 D0 C4 in the flash, 0x5AA5D0C4 in the register) show. Silicon's first byte
        read after word reads is said to be wrong (Kboot reads a dummy); that is not modelled.
        """
        if size == 8:
            return self.xip_read(offset, 4) | self.xip_read(offset + 4, 4) << 32
        order: Literal["little", "big"] = "little" if self.endian & 1 else "big"
        at = offset & (XIP_LINE - 1)
        if at + size > XIP_LINE:
            return int.from_bytes(self.xip_bytes(offset, size), order)
        if offset - at != self._line_at:
            self._line = self.xip_bytes(offset - at, XIP_LINE)
            # Ones may come from a flash that is busy or not there, so they are asked for again.
            self._line_at = offset - at if self._line.count(0xFF) != XIP_LINE else -1
        return int.from_bytes(self._line[at : at + size], order)

    def forget_line(self) -> None:
        """The bytes read ahead may no longer be what the flash would answer."""
        self._line_at, self._line = -1, b""

    def write(self, offset: int, size: int, value: int) -> None:
        """A register write; it may change what execute-in-place reads give."""
        self.forget_line()
        super().write(offset, size, value)

    def reset(self) -> None:
        """As SpiShift's, and nothing read ahead."""
        self.forget_line()
        super().reset()

    def xip_bytes(self, offset: int, size: int) -> bytes:
        """`size` bytes at `offset` of the window, in the flash's order, in one transaction."""
        if self._phase != IDLE:
            log.info("%s: execute-in-place read during a transfer answers ones", self.name)
            return b"\xff" * size
        control, bus = self.xip_ctrl, self.bus
        lines, kind = 1 << (control & 3), control >> 2 & 3
        address_lines = lines if kind else 1
        bus.begin(self.xip_ser, self.clk.hz // self.baudr if self.baudr else 0)
        bits = INSTRUCTION_BITS[control >> 9 & 3]
        if control >> 22 & 1 and bits:
            bus.send(frames_to_bytes([self.xip_incr_inst], bits, False), lines if kind >= 2 else 1)
        bits = (control >> 4 & 0xF) * 4
        if bits:
            bus.send(frames_to_bytes([offset], bits, False), address_lines)
        if control >> 12 & 1:
            bus.send(frames_to_bytes([self.xip_mode_bits], (2, 4, 8, 16)[control >> 26 & 3], False), address_lines)
        if control >> 13 & 0x1F:
            bus.dummy(control >> 13 & 0x1F)
        data = bus.receive(size, lines)
        bus.end()
        return data
