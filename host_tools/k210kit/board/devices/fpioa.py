"""FPIOA: routes 256 functions to 48 pads, with pulls, inverters and enables in each pad.

Layout and per-function settings: Kendryte standalone SDK, drivers/include/fpioa.h and fpioa.c;
the enable formula (enable AND (inverter XOR the function's own signal)), "raw data input" and the
strong pull-up that does not exist: Linux drivers/pinctrl/pinctrl-k210.c.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable

from k210kit.board.core.clock import Clock
from k210kit.board.core.device import Device
from k210kit.board.core.line import Line
from k210kit.board.core.pads import PAD_COUNT, Pad, PinBank
from k210kit.board.core.registers import Field, Register

FUNCTION_COUNT = 256

JTAG_TCLK, UARTHS_RX, UARTHS_TX = 0, 18, 19
GPIOHS0, GPIO0, RESV0 = 24, 56, 120
SPI0_D0, SPI0_SS0, SPI0_ARB, SPI0_SCLK = 4, 12, 16, 17
SPI1_D0, SPI1_SS0, SPI1_ARB, SPI1_SCLK = 70, 78, 82, 83
SPI_SLAVE_D0, SPI_SLAVE_SS, SPI_SLAVE_SCLK = 84, 85, 86
I2S_MCLK = (87, 98, 109)
I2C_SCLK, I2C_SDA = (126, 128, 130), (127, 129, 131)
CMOS_XCLK, CMOS_RST, CMOS_PWDN, CMOS_VSYNC, CMOS_HREF, CMOS_PCLK, CMOS_D0 = 132, 133, 134, 135, 136, 137, 138
SCCB_SCLK, SCCB_SDA = 146, 147
UART_RX, UART_TX = (64, 66, 68), (65, 67, 69)
UART_CTS, UART_DSR, UART_DCD, UART_RI = (148, 162, 176), (149, 163, 177), (150, 164, 178), (151, 165, 179)
UART_DTR, UART_RTS, UART_OUT2, UART_OUT1 = (153, 167, 181), (154, 168, 182), (155, 169, 183), (156, 170, 184)
TIMER_TOGGLE1 = (190, 194, 198)

OE, OE_INV, DO_SEL, DO_INV = 1 << 12, 1 << 13, 1 << 14, 1 << 15
PU, PD, IE, DI_INV, DI = 1 << 16, 1 << 17, 1 << 20, 1 << 22, 1 << 31

_INPUT = IE | 1 << 23
_OUTPUT = 0xF00 | OE
_GPIO = _INPUT | _OUTPUT


def _io_at_reset(pad: int) -> int:
    """Register io[pad] after reset: the pad's default function with the SDK's settings for it.

    Which function sits where: K210 datasheet, pin table (JTAG on 0..3, ISP UART on 4 and 5, 6 and 7
    floating, GPIO0..7 on 8..15, GPIOHS0..31 on 16..47), from memory and not checked against the
    document. Drive strength and the like at reset are not documented; the SDK's table (fpioa.c,
    function_config) is taken.
    """
    if pad < 4:
        return pad | (_OUTPUT if pad == 3 else _INPUT)
    if pad < 8:
        return (UARTHS_RX | _INPUT, UARTHS_TX | _OUTPUT, RESV0, RESV0)[pad - 4]
    return (GPIO0 + pad - 8 if pad < 16 else GPIOHS0 + pad - 16) | _GPIO


class Fpioa(Device):
    """The pad multiplexer: `pads` face the outside, `output`/`input`/`output_enable` the devices.

    A function that no device drives (`output` never asked for) leaves its pads undriven: that is
    how transaction-level models of SPI or I2C share pads with parts attached to them.
    """

    size = 0x100

    io = Register(
        0x00,
        [
            Field("ch_sel", 0, 8),
            Field("ds", 8, 4, "drive strength: not modelled; the K210 is said to use three of the bits"),
            Field("oe_en", 12),
            Field("oe_inv", 13),
            Field("do_sel", 14),
            Field("do_inv", 15),
            Field("pu", 16),
            Field("pd", 17),
            Field("spu", 18, note="strong pull-up: not in the K210"),
            Field("sl", 19, note="slew rate: not modelled"),
            Field("ie_en", 20),
            Field("ie_inv", 21, note="the function's own input enable is not modelled"),
            Field("di_inv", 22),
            Field("st", 23, note="Schmitt trigger: not modelled"),
            Field("pad_di", 31),
        ],
        writable=0x00FB_FFFF,
        count=PAD_COUNT,
    )
    tie_en = Register(0xC0, count=8, doc="one bit a function: its input is tie_val, not a pad")
    tie_val = Register(0xE0, count=8)

    def __init__(self, name: str, clock: Clock, *, pads: list[Pad] | None = None) -> None:
        self.pads = pads if pads is not None else [Pad(number) for number in range(PAD_COUNT)]
        self._inputs: dict[int, Line] = {}
        self._outputs: dict[int, Line] = {}
        self._enables: dict[int, Line] = {}
        self._routes: list[list[int]] = [[] for _ in range(FUNCTION_COUNT)]
        self._selected = [-1] * PAD_COUNT
        super().__init__(name, clock)
        for pad in self.pads:
            pad.line.listen(self._pad_listener(pad.number))

    def output(self, function: int) -> Line:
        """The line by which a device drives `function`; it reaches every pad routed to it."""
        return self._claim(self._outputs, function, False)

    def output_enable(self, function: int) -> Line:
        """The function's own output enable (low until driven); without one the output is always on."""
        return self._claim(self._enables, function, False)

    def input(self, function: int) -> Line:
        """The line on which a device hears `function`: the lowest pad routed to it, or its tie.

        Reads 0 with no pad routed or the pad's input off (undocumented; the tie exists for that).
        """
        line = self._inputs.get(function)
        if line is None:
            line = self._inputs[function] = Line(f"function {function} in")
            self._feed(function)
        return line

    def bank(self, first: int, count: int) -> PinBank:
        """Input, output and output-enable lines of `count` functions from `first` on."""
        functions = range(first, first + count)
        return PinBank(
            [self.input(f) for f in functions],
            [self.output(f) for f in functions],
            [self.output_enable(f) for f in functions],
        )

    def pad_of(self, function: int) -> int | None:
        """The lowest pad routed to `function`, or None."""
        route = self._routes[function]
        return route[0] if route else None

    def function_of(self, pad: int) -> int:
        """The function that pad number `pad` (0..47) is routed to."""
        return self.words[pad] & 0xFF

    def input_enabled(self, pad: int) -> bool:
        """Whether the pad's input buffer is on (io.ie_en)."""
        return bool(self.words[pad] & IE)

    def reset(self) -> None:
        """Every pad back at its default function."""
        super().reset()
        for pad in range(PAD_COUNT):
            self.words[pad] = _io_at_reset(pad) | (DI if self.pads[pad].line.level else 0)
            self._apply(pad)
        for function in self._inputs:
            self._feed(function)

    def _claim(self, lines: dict[int, Line], function: int, level: bool) -> Line:
        line = lines.get(function)
        if line is None:
            line = lines[function] = Line(f"function {function}", level)
            line.listen(lambda _level: self._drive_all(function))
            self._drive_all(function)
        return line

    @io.on_write
    def _io_written(self, pad: int, _written: int) -> None:
        self._apply(pad)

    @tie_en.on_write
    def _tie_en_written(self, index: int, _written: int) -> None:
        self._feed_block(index)

    @tie_val.on_write
    def _tie_val_written(self, index: int, _written: int) -> None:
        self._feed_block(index)

    def _apply(self, pad: int) -> None:
        value = self.words[pad]
        function, before = value & 0xFF, self._selected[pad]
        if function != before:
            if before >= 0:
                self._routes[before].remove(pad)
            insort(self._routes[function], pad)
            self._selected[pad] = function
        pulls = value & (PU | PD)
        # Both pulls at once: the level is undefined; the SDK reads that back as "no pull".
        self.pads[pad].chip_pull(None if pulls in (0, PU | PD) else pulls == PU)
        self._drive(pad)
        if before >= 0:
            self._feed(before)
        self._feed(function)

    def _drive_all(self, function: int) -> None:
        for pad in self._routes[function]:
            self._drive(pad)

    def _drive(self, pad: int) -> None:
        value = self.words[pad]
        function = value & 0xFF
        data = self._outputs.get(function)
        if data is None or not value & OE:
            self.pads[pad].chip_drive(None)
            return
        line = self._enables.get(function)
        enable = line.level if line is not None else True
        if enable == bool(value & OE_INV):
            self.pads[pad].chip_drive(None)
        else:
            level = enable if value & DO_SEL else data.level
            self.pads[pad].chip_drive(level != bool(value & DO_INV))

    def _pad_listener(self, pad: int) -> Callable[[bool], None]:
        def changed(level: bool) -> None:
            value = self.words[pad]
            self.words[pad] = value | DI if level else value & ~DI
            self._feed(value & 0xFF)

        return changed

    def _feed(self, function: int) -> None:
        line = self._inputs.get(function)
        if line is None:
            return
        word, bit = function >> 5, 1 << (function & 31)
        if self.tie_en[word] & bit:
            line.set(bool(self.tie_val[word] & bit))
            return
        route = self._routes[function]
        value = self.words[route[0]] if route else 0
        line.set(bool(value & IE) and bool(value & DI) != bool(value & DI_INV))

    def _feed_block(self, index: int) -> None:
        for function in self._inputs:
            if function >> 5 == index:
                self._feed(function)
