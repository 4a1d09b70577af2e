"""GPIOHS: 32 pins, each with an interrupt of its own (SiFive's GPIO block).

Layout: Kendryte standalone SDK, drivers/include/gpiohs.h; behaviour: SiFive FE310-G000 manual,
chapter GPIO.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from k210kit.board.core.clock import Clock
from k210kit.board.core.device import Device
from k210kit.board.core.line import Line
from k210kit.board.core.pads import PinBank
from k210kit.board.core.registers import WORD_MASK, Field, Register

PIN_COUNT = 32


class Gpiohs(Device):
    """32 pins towards the FPIOA (`pins`), 32 interrupt lines (`irqs`, level high while pending)."""

    input_val = Register(0x00, writable=0)
    input_en = Register(0x04)
    output_en = Register(0x08)
    output_val = Register(0x0C)
    pullup_en = Register(0x10, [Field("pins", 0, 32, "pulls of the K210 are in the FPIOA; no effect")])
    drive = Register(0x14, [Field("pins", 0, 32, "drive strength is in the FPIOA; no effect")])
    rise_ie = Register(0x18)
    rise_ip = Register(0x1C, writable=0, doc="write 1 to clear")
    fall_ie = Register(0x20)
    fall_ip = Register(0x24, writable=0, doc="write 1 to clear")
    high_ie = Register(0x28)
    high_ip = Register(0x2C, writable=0, doc="write 1 to clear; set again while the pin is high")
    low_ie = Register(0x30)
    low_ip = Register(0x34, writable=0, doc="write 1 to clear; set again while the pin is low")
    iof_en = Register(0x38, [Field("pins", 0, 32, "no hardware functions hang on the K210's; no effect")])
    iof_sel = Register(0x3C, [Field("pins", 0, 32, "as iof_en")])
    output_xor = Register(0x40)

    def __init__(
        self, name: str, clock: Clock, *, pins: PinBank | None = None, irqs: Sequence[Line] | None = None
    ) -> None:
        self.pins = pins or PinBank.unconnected(PIN_COUNT)
        self.irqs = irqs or [Line(f"{name} {pin}") for pin in range(PIN_COUNT)]
        self._raw = sum(1 << pin for pin, line in enumerate(self.pins.inputs) if line.level)
        self._pending = self._driven = self._enabled = 0
        super().__init__(name, clock)
        for pin, line in enumerate(self.pins.inputs):
            line.listen(self._input_listener(1 << pin))

    def reset(self) -> None:
        """All pins inputs that are switched off; no interrupt pending but "low"."""
        super().reset()
        self._drive_outputs()
        self._sample()

    def _input_listener(self, bit: int) -> Callable[[bool], None]:
        def changed(level: bool) -> None:
            self._raw = self._raw | bit if level else self._raw & ~bit
            if self.input_en & bit:
                self._sample()

        return changed

    def _sample(self) -> None:
        """Take in the pins: value, edges and levels follow the gated input."""
        before, now = self.input_val, self._raw & self.input_en
        if now != before:
            self.input_val = now
            self.rise_ip |= now & ~before
            self.fall_ip |= before & ~now
        self.high_ip |= now
        self.low_ip |= ~now & WORD_MASK
        self._raise_irqs()

    def _raise_irqs(self) -> None:
        pending = (
            self.rise_ip & self.rise_ie
            | self.fall_ip & self.fall_ie
            | self.high_ip & self.high_ie
            | self.low_ip & self.low_ie
        )
        changed = pending ^ self._pending
        self._pending = pending
        while changed:
            pin = changed.bit_length() - 1
            changed ^= 1 << pin
            self.irqs[pin].set(bool(pending >> pin & 1))

    @input_en.on_write
    def _input_en_written(self, _written: int) -> None:
        self._sample()

    @output_val.on_write
    def _output_val_written(self, _written: int) -> None:
        self._drive_outputs()

    @output_en.on_write
    def _output_en_written(self, _written: int) -> None:
        self._drive_outputs()

    @output_xor.on_write
    def _output_xor_written(self, _written: int) -> None:
        self._drive_outputs()

    def _drive_outputs(self) -> None:
        levels, enables = self.output_val ^ self.output_xor, self.output_en
        changed, self._driven = levels ^ self._driven, levels
        while changed:
            pin = changed.bit_length() - 1
            changed ^= 1 << pin
            self.pins.outputs[pin].set(bool(levels >> pin & 1))
        changed, self._enabled = enables ^ self._enabled, enables
        while changed:
            pin = changed.bit_length() - 1
            changed ^= 1 << pin
            self.pins.enables[pin].set(bool(enables >> pin & 1))

    @rise_ie.on_write
    def _rise_ie_written(self, _written: int) -> None:
        self._raise_irqs()

    @fall_ie.on_write
    def _fall_ie_written(self, _written: int) -> None:
        self._raise_irqs()

    @high_ie.on_write
    def _high_ie_written(self, _written: int) -> None:
        self._raise_irqs()

    @low_ie.on_write
    def _low_ie_written(self, _written: int) -> None:
        self._raise_irqs()

    @rise_ip.on_write
    def _rise_ip_written(self, written: int) -> None:
        self.rise_ip &= ~written
        self._raise_irqs()

    @fall_ip.on_write
    def _fall_ip_written(self, written: int) -> None:
        self.fall_ip &= ~written
        self._raise_irqs()

    @high_ip.on_write
    def _high_ip_written(self, written: int) -> None:
        self.high_ip = self.high_ip & ~written | self.input_val
        self._raise_irqs()

    @low_ip.on_write
    def _low_ip_written(self, written: int) -> None:
        self.low_ip = self.low_ip & ~written | ~self.input_val
        self._raise_irqs()
