"""X-Powers AXP173 and AXP192: the power chips of Amigo, Cube and M5StickV, as far as firmware talks to them.

Registers and scales: X-Powers AXP192 datasheet (0x46 key interrupts, cleared by writing ones; ADC results in pairs,
high eight bits first: 0x56 VBUS 1.7 mV, 0x78 battery 1.1 mV a step). The AXP173 differs in outputs that are not
modelled. No output switches anything here: the panel's light is taken to be on.
"""

from __future__ import annotations

from k210kit.board.parts.register_part import RegisterPart

STATUS, MODE, KEYS, VBUS, BATTERY = 0x00, 0x01, 0x46, 0x56, 0x78
SHORT_PRESS, LONG_PRESS = 2, 1
INTERRUPT_STATUS = range(0x44, 0x48)


class Axp(RegisterPart):
    """A power chip on USB power with a charged battery. `battery` and `vbus` are in volts."""

    address = 0x34

    def __init__(self, *, battery: float = 4.1, vbus: float = 5.0) -> None:
        super().__init__()
        self.registers[STATUS] = 0xF0  # adapter and VBUS there and usable
        self.registers[MODE] = 0x20  # a battery is connected
        self._set_voltage(BATTERY, battery, 0.0011)
        self._set_voltage(VBUS, vbus, 0.0017)

    def _set_voltage(self, register: int, volts: float, step: float) -> None:
        value = min(round(volts / step), 0xFFF)
        self.registers[register : register + 2] = bytes((value >> 4, value & 0xF))

    def press_power(self, long: bool = False) -> None:
        """The power key was pressed shortly, or long."""
        self.registers[KEYS] |= LONG_PRESS if long else SHORT_PRESS

    def store(self, register: int, value: int) -> None:
        """Interrupt flags clear where ones are written; status and ADC results are read-only."""
        if register in INTERRUPT_STATUS:
            self.registers[register] &= ~value & 0xFF
        elif register > MODE and not VBUS <= register < 0x80:
            self.registers[register] = value
