"""SYSCTL: PLLs, the clock tree, clock gates, resets, DMA handshake routing.

Layout and clock tree: Kendryte standalone SDK, drivers/include/sysctl.h and drivers/sysctl.c.
"""

from __future__ import annotations

from collections.abc import Callable

from k210kit.board.core.clock import Clock
from k210kit.board.core.clocks import ClockSignal
from k210kit.board.core.device import Device
from k210kit.board.core.line import Line
from k210kit.board.core.registers import Field, Register

CRYSTAL_HZ = 26_000_000

PERIPHERALS = """rom dma ai dvp fft gpio spi0 spi1 spi2 spi3 i2s0 i2s1 i2s2 i2c0 i2c1 i2c2 uart1 uart2 uart3
aes fpioa timer0 timer1 timer2 wdt0 wdt1 sha otp reserved28 rtc""".split()
"""Names of the bits of clk_en_peri and peri_reset, from bit 0 (no reset bit for otp)."""

CLOCK_WORDS = slice(0x08 >> 2, 0x54 >> 2)
"""The registers that the clock tree depends on."""

PIN_RESET, WDT0_RESET, WDT1_RESET, SOFT_RESET = 1 << 1, 1 << 2, 1 << 3, 1 << 4
ALL_RESETS = PIN_RESET | WDT0_RESET | WDT1_RESET | SOFT_RESET


def _pll_fields() -> list[Field]:
    return [
        Field("clkr", 0, 4),
        Field("clkf", 4, 6),
        Field("clkod", 10, 4),
        Field("bwadj", 14, 6, "loop bandwidth"),
        Field("reset", 20),
        Field("pwrd", 21),
        Field("intfb", 22, 1, "feedback"),
        Field("bypass", 23),
        Field("test", 24, 1, "not modelled"),
        Field("out_en", 25),
        Field("ckin_sel", 26, 2),
    ]


class Sysctl(Device):
    """`clock_of(name)` is the clock of a device, gated and divided as the registers say.

    `on_soft_reset()` is called when software resets the chip, `on_peripheral_reset(name)` when it
    resets one block; `spi_dvp_data` and `spi3_xip` are the two multiplexers that others listen to.
    """

    # The commit id that silicon reports is not known here.
    git_id = Register(0x00, writable=0)
    clk_freq = Register(0x04, reset=CRYSTAL_HZ)
    pll0 = Register(0x08, _pll_fields())
    pll1 = Register(0x0C, _pll_fields())
    pll2 = Register(0x10, _pll_fields())
    # Locks at once; silicon takes some microseconds.
    pll_lock = Register(
        0x18,
        [Field("lock0", 0, 2), Field("lock1", 8, 2), Field("lock2", 16, 2)],
        reset=0x00030303,
        writable=0,
    )
    rom_error = Register(0x1C, writable=0)
    clk_sel0 = Register(
        0x20,
        [
            Field("aclk_sel", 0),
            Field("aclk_divider_sel", 1, 2),
            Field("apb0_clk_sel", 3, 3),
            Field("apb1_clk_sel", 6, 3),
            Field("apb2_clk_sel", 9, 3),
            Field("spi3_clk_sel", 12),
            Field("timer0_clk_sel", 13),
            Field("timer1_clk_sel", 14),
            Field("timer2_clk_sel", 15),
        ],
    )
    clk_sel1 = Register(0x24, [Field("spi3_sample_clk_sel", 0, 1, "not modelled")])
    # Which gates the mask ROM leaves open is not known; open ones hide no bug of a running system
    # that a board would show, except software that forgets to open a gate.
    clk_en_cent = Register(
        0x28,
        [Field("cpu", 0), Field("sram0", 1), Field("sram1", 2), Field("apb0", 3), Field("apb1", 4), Field("apb2", 5)],
        reset=0x3F,
    )
    clk_en_peri = Register(0x2C, [Field(name, bit) for bit, name in enumerate(PERIPHERALS)], reset=0xFFFF_FFFF)
    soft_reset = Register(0x30, [Field("soft_reset", 0)])
    peri_reset = Register(0x34, [Field(name, bit) for bit, name in enumerate(PERIPHERALS)])
    clk_th0 = Register(
        0x38, [Field("sram0", 0, 4), Field("sram1", 4, 4), Field("ai", 8, 4), Field("dvp", 12, 4), Field("rom", 16, 4)]
    )
    clk_th1 = Register(0x3C, [Field(f"spi{n}", 8 * n, 8) for n in range(4)])
    clk_th2 = Register(0x40, [Field(f"timer{n}", 8 * n, 8) for n in range(3)])
    clk_th3 = Register(0x44, [Field("i2s0", 0, 16), Field("i2s1", 16, 16)])
    clk_th4 = Register(0x48, [Field("i2s2", 0, 16), Field("i2s0_mclk", 16, 8), Field("i2s1_mclk", 24, 8)])
    clk_th5 = Register(
        0x4C, [Field("i2s2_mclk", 0, 8), Field("i2c0", 8, 8), Field("i2c1", 16, 8), Field("i2c2", 24, 8)]
    )
    clk_th6 = Register(0x50, [Field("wdt0", 0, 8), Field("wdt1", 8, 8)])
    misc = Register(0x54, [Field("debug_sel", 0, 6, "not modelled"), Field("spi_dvp_data_enable", 10)])
    peri = Register(
        0x58,
        [
            Field("timer_pause", 0, 12, "debug pause, not modelled"),
            *(Field(f"spi{n}_xip_en", 12 + n) for n in range(4)),
            *(
                Field(f"{name}_clk_bypass", 16 + bit, 1, "not modelled")
                for bit, name in enumerate(["spi0", "spi1", "spi2", "i2s0", "i2s1", "i2s2", "jtag", "dvp", "debug"])
            ),
        ],
    )
    spi_sleep = Register(0x5C, [Field(f"ssi{n}_sleep", n, 1, "not modelled") for n in range(4)])
    reset_status = Register(
        0x60,
        [Field("clear", 0), Field("pin", 1), Field("wdt0", 2), Field("wdt1", 3), Field("soft", 4)],
        writable=0,
    )
    dma_sel0 = Register(0x64, [Field(f"dma_sel{n}", 6 * n, 6) for n in range(5)])
    dma_sel1 = Register(0x68, [Field("dma_sel5", 0, 6)])
    power_sel = Register(0x6C, [Field("power_mode_sel", 0, 8, "pad voltage, not modelled")])
    reserved = Register(0x70, count=4)

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        on_cpu_hz: Callable[[int], None] = lambda hz: None,
        on_soft_reset: Callable[[], None] = lambda: None,
        on_peripheral_reset: Callable[[str], None] = lambda name: None,
    ) -> None:
        self._on_cpu_hz, self.on_soft_reset, self.on_peripheral_reset = on_cpu_hz, on_soft_reset, on_peripheral_reset
        self._clocks: dict[str, ClockSignal] = {}
        self._clock_words = b""
        self.spi_dvp_data, self.spi3_xip = Line("spi_dvp_data"), Line("spi3_xip")
        self._resets = PIN_RESET
        super().__init__(name, clock)

    def reset(self) -> None:
        """The crystal drives everything; every gate is open."""
        super().reset()
        self.reset_status = self._resets
        self._update_muxes()
        self._update_clocks()

    def note_reset(self, cause: int) -> None:
        """Record what resets the chip now (one of the *_RESET bits); call before reset()."""
        self._resets = cause if cause == PIN_RESET else (self.reset_status & ALL_RESETS) | cause

    def clock_of(self, name: str) -> ClockSignal:
        """The clock of a device (a name of PERIPHERALS, or cpu, apb0, apb1, apb2, uarths)."""
        if name not in self._clocks:
            self._clocks[name] = ClockSignal(name, self.hz_of(name))
        return self._clocks[name]

    def dma_select(self, channel: int) -> int:
        """The handshake number (sysctl_dma_select_t) routed to that DMA channel."""
        return self.dma_sel0 >> (6 * channel) & 0x3F if channel < 5 else self.dma_sel1 & 0x3F

    def pll_hz(self, number: int) -> int:
        """Output of a PLL: in / NR * NF / OD, or its input while bypassed."""
        register = (Sysctl.pll0, Sysctl.pll1, Sysctl.pll2)[number]
        value = (self.pll0, self.pll1, self.pll2)[number]
        field = {f.name: f.get(value) for f in register.fields}
        source = CRYSTAL_HZ
        if number == 2:
            source = (CRYSTAL_HZ, self.pll_hz(0), self.pll_hz(1), 0)[field["ckin_sel"]]
        if field["bypass"]:
            return source
        return source * (field["clkf"] + 1) // ((field["clkr"] + 1) * (field["clkod"] + 1))

    def cpu_hz(self) -> int:
        """ACLK: the crystal, or PLL0 divided by 2, 4, 8 or 16."""
        if not self.clk_sel0 & 1:
            return CRYSTAL_HZ
        return self.pll_hz(0) // (2 << (self.clk_sel0 >> 1 & 3))

    def hz_of(self, name: str) -> int:
        """Frequency of the named clock in hertz, 0 while its gate is closed."""
        if name in PERIPHERALS and not self.clk_en_peri >> PERIPHERALS.index(name) & 1:
            return 0
        if name in ("cpu", "uarths", "dma", "fft"):
            return self.cpu_hz()
        if name in ("ai", "dvp", "rom"):
            source = self.pll_hz(1) if name == "ai" else self.cpu_hz()
            return source // (self._threshold(name) + 1)
        if name[:-1] in ("i2s", "spi", "i2c", "timer", "wdt"):
            return self._source_of(name) // ((self._threshold(name) + 1) * 2)
        if name == "rtc":
            return CRYSTAL_HZ
        bus = {"apb1": 1, "aes": 1, "otp": 1, "apb2": 2}.get(name, 0)
        return self.cpu_hz() // ((self.clk_sel0 >> (3 + 3 * bus) & 7) + 1)

    def _source_of(self, name: str) -> int:
        if name.startswith("i2s"):
            return self.pll_hz(2)
        if name.startswith("wdt"):
            return CRYSTAL_HZ
        bit = {"spi3": 12, "timer0": 13, "timer1": 14, "timer2": 15}.get(name)
        return CRYSTAL_HZ if bit is not None and not self.clk_sel0 >> bit & 1 else self.pll_hz(0)

    def _threshold(self, name: str) -> int:
        for offset in range(0x38, 0x54, 4):
            for field in self.registers[offset][0].fields:
                if field.name == name:
                    return field.get(self.words[offset >> 2])
        return 0

    @pll0.on_write
    @pll1.on_write
    @pll2.on_write
    @clk_sel0.on_write
    @clk_en_cent.on_write
    @clk_en_peri.on_write
    @clk_th0.on_write
    @clk_th1.on_write
    @clk_th2.on_write
    @clk_th3.on_write
    @clk_th4.on_write
    @clk_th5.on_write
    @clk_th6.on_write
    def _clock_written(self, written: int) -> None:
        # Drivers open the same gates at every transfer.
        if bytes(self.words[CLOCK_WORDS]) != self._clock_words:
            self._update_clocks()

    def _update_clocks(self) -> None:
        self._clock_words = bytes(self.words[CLOCK_WORDS])
        self._on_cpu_hz(self.cpu_hz())
        for name, signal in self._clocks.items():
            signal.set(self.hz_of(name))

    @misc.on_write
    @peri.on_write
    def _mux_written(self, written: int) -> None:
        self._update_muxes()

    def _update_muxes(self) -> None:
        self.spi_dvp_data.set(bool(self.misc >> 10 & 1))
        self.spi3_xip.set(bool(self.peri >> 15 & 1))

    @soft_reset.on_write
    def _soft_reset_written(self, written: int) -> None:
        if written & 1:
            self.on_soft_reset()

    @peri_reset.on_write
    def _peri_reset_written(self, written: int) -> None:
        for bit, name in enumerate(PERIPHERALS):
            if written >> bit & 1:
                self.on_peripheral_reset(name)

    @reset_status.on_write
    def _reset_status_written(self, written: int) -> None:
        if written & 1:
            self.reset_status = 0
