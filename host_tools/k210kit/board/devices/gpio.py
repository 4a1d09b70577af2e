"""GPIO: eight pins with one interrupt between them (DesignWare APB GPIO, port A).

Layout: Kendryte standalone SDK, drivers/include/gpio.h; behaviour: Synopsys DW_apb_gpio databook
as also told by Linux drivers/gpio/gpio-dwapb.c.
"""

from __future__ import annotations

from collections.abc import Callable

from k210kit.board.core.clock import Clock
from k210kit.board.core.device import Device
from k210kit.board.core.line import Line
from k210kit.board.core.pads import PinBank
from k210kit.board.core.registers import Field, Register

PIN_COUNT = 8
PINS = (1 << PIN_COUNT) - 1


class Gpio(Device):
    """Eight pins towards the FPIOA (`pins`) and one level-high interrupt (`irq`)."""

    data_output = Register(0x00, writable=PINS)
    direction = Register(0x04, writable=PINS, doc="1 is output")
    source = Register(0x08, [Field("hardware", 0, 8, "no hardware source on the K210")], writable=PINS)
    interrupt_enable = Register(0x30, writable=PINS)
    interrupt_mask = Register(0x34, writable=PINS)
    interrupt_level = Register(0x38, writable=PINS, doc="1 is edge, 0 is level")
    interrupt_polarity = Register(0x3C, writable=PINS, doc="1 is rising or high")
    interrupt_status = Register(0x40, writable=0)
    interrupt_status_raw = Register(0x44, writable=0)
    interrupt_debounce = Register(0x48, [Field("pins", 0, 8, "not modelled: inputs here do not bounce")], writable=PINS)
    interrupt_clear = Register(0x4C, writable=0, doc="write 1 to clear an edge")
    data_input = Register(0x50, writable=0)
    sync_level = Register(0x60, [Field("enable", 0, 1, "inputs are always in step")], writable=1)
    id_code = Register(0x64, writable=0)
    interrupt_bothedge = Register(0x68, writable=PINS)
    # The K210's value is unknown; this is "2.11*", a release with interrupt_bothedge.
    version_id = Register(0x6C, reset=0x3231_312A, writable=0)
    config_reg2 = Register(0x70, [Field("port_widths_minus_1", 0, 20)], reset=PIN_COUNT - 1, writable=0)
    config_reg1 = Register(
        0x74,
        [
            Field("apb_width", 0, 2),
            Field("ports_minus_1", 2, 2),
            Field("interrupts", 12),
            Field("debounce", 14),
            Field("encoded_params", 15),
        ],
        reset=0xD002,  # unknown on the K210: composed from the registers the SDK declares
        writable=0,
    )

    def __init__(self, name: str, clock: Clock, *, pins: PinBank | None = None, irq: Line | None = None) -> None:
        self.pins = pins or PinBank.unconnected(PIN_COUNT)
        self.irq = irq if irq is not None else Line(f"{name} irq")
        self._raw = sum(1 << pin for pin, line in enumerate(self.pins.inputs) if line.level)
        self._edges = 0
        super().__init__(name, clock)
        for pin, line in enumerate(self.pins.inputs):
            line.listen(self._input_listener(1 << pin))

    def reset(self) -> None:
        """All pins inputs, no interrupt."""
        super().reset()
        self._edges = 0
        self._drive_outputs()

    def _input_listener(self, bit: int) -> Callable[[bool], None]:
        def changed(level: bool) -> None:
            self._raw = self._raw | bit if level else self._raw & ~bit
            if self._listening() & bit & self.interrupt_level:
                wanted = bool(self.interrupt_polarity & bit)
                if self.interrupt_bothedge & bit or level == wanted:
                    self._edges |= bit
            self._refresh()

        return changed

    def _listening(self) -> int:
        """Pins that can interrupt: enabled, and inputs."""
        return int(self.interrupt_enable & ~self.direction)

    def _refresh(self) -> None:
        # An output reads back its data register, not the pad (databook; the SDK relies on neither).
        self.data_input = self._raw & ~self.direction & PINS | self.data_output & self.direction
        levels = ~(self._raw ^ self.interrupt_polarity) & ~self.interrupt_level & PINS
        raw = (levels | self._edges) & self._listening()
        self.interrupt_status_raw = raw
        self.interrupt_status = raw & ~self.interrupt_mask
        self.irq.set(self.interrupt_status != 0)

    def _drive_outputs(self) -> None:
        for pin in range(PIN_COUNT):
            self.pins.outputs[pin].set(bool(self.data_output >> pin & 1))
            self.pins.enables[pin].set(bool(self.direction >> pin & 1))
        self._refresh()

    @data_output.on_write
    def _data_output_written(self, _written: int) -> None:
        self._drive_outputs()

    @direction.on_write
    def _direction_written(self, _written: int) -> None:
        self._drive_outputs()

    @interrupt_enable.on_write
    def _interrupt_enable_written(self, _written: int) -> None:
        self._edges &= self.interrupt_enable
        self._refresh()

    @interrupt_mask.on_write
    def _interrupt_mask_written(self, _written: int) -> None:
        self._refresh()

    @interrupt_level.on_write
    def _interrupt_level_written(self, _written: int) -> None:
        self._edges &= self.interrupt_level
        self._refresh()

    @interrupt_polarity.on_write
    def _interrupt_polarity_written(self, _written: int) -> None:
        self._refresh()

    @interrupt_clear.on_write
    def _interrupt_clear_written(self, written: int) -> None:
        self._edges &= ~written
        self._refresh()
