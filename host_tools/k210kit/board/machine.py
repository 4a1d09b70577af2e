"""The whole chip on one page: which device sits at which address, and what it is wired to."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from k210kit.board.core.bus import BusError
from k210kit.board.core.cycle_clock import CycleClock
from k210kit.board.core.device import Device, Tracer
from k210kit.board.core.dma import DmaRequest
from k210kit.board.core.engine import Engine
from k210kit.board.core.hart import HartState
from k210kit.board.core.line import Line
from k210kit.board.core.memory import Memory
from k210kit.board.core.runner import PAGE, Runner, make_runner
from k210kit.board.core.serial import SerialPort
from k210kit.board.core.strict import Level, Strict
from k210kit.board.devices.aes import Aes
from k210kit.board.devices.clint import Clint
from k210kit.board.devices.debug_module import DebugModule
from k210kit.board.devices.dmac import Dmac
from k210kit.board.devices.dvp import Dvp
from k210kit.board.devices.fft import Fft
from k210kit.board.devices.fpioa import (
    CMOS_PWDN,
    CMOS_RST,
    CMOS_VSYNC,
    CMOS_XCLK,
    SCCB_SCLK,
    SCCB_SDA,
    Fpioa,
)
from k210kit.board.devices.gpio import Gpio
from k210kit.board.devices.gpiohs import Gpiohs
from k210kit.board.devices.i2c import I2c
from k210kit.board.devices.i2s import I2s
from k210kit.board.devices.kpu import Kpu
from k210kit.board.devices.otp import Otp
from k210kit.board.devices.plic import Plic
from k210kit.board.devices.rtc import Rtc
from k210kit.board.devices.sha256 import Sha256
from k210kit.board.devices.spi import Spi, Spi3
from k210kit.board.devices.spi_slave import SpiSlave
from k210kit.board.devices.sysctl import CRYSTAL_HZ, Sysctl
from k210kit.board.devices.timer import Timer
from k210kit.board.devices.uart import Uart
from k210kit.board.devices.uarths import Uarths
from k210kit.board.devices.wdt import Wdt
from k210kit.board.parts.i2c_bus import I2cPart
from k210kit.board.parts.spi_bus import SPI0_PINS, SPI1_PINS, PadWiring

ADDRESS_MAP = {
    # Rocket's debug block: programs that store through a null pointer live on silicon.
    "debug": 0x0000_0000,
    "clint": 0x0200_0000,
    "plic": 0x0C00_0000,
    "uarths": 0x3800_0000,
    "gpiohs": 0x3800_1000,
    "kpu": 0x4080_0000,
    "fft": 0x4200_0000,
    "dmac": 0x5000_0000,
    "gpio": 0x5020_0000,
    "uart1": 0x5021_0000,
    "uart2": 0x5022_0000,
    "uart3": 0x5023_0000,
    "spi_slave": 0x5024_0000,
    "i2s0": 0x5025_0000,
    "i2s1": 0x5026_0000,
    "i2s2": 0x5027_0000,
    "i2c0": 0x5028_0000,
    "i2c1": 0x5029_0000,
    "i2c2": 0x502A_0000,
    "fpioa": 0x502B_0000,
    "sha256": 0x502C_0000,
    "timer0": 0x502D_0000,
    "timer1": 0x502E_0000,
    "timer2": 0x502F_0000,
    "wdt0": 0x5040_0000,
    "wdt1": 0x5041_0000,
    "otp": 0x5042_0000,
    "dvp": 0x5043_0000,
    "sysctl": 0x5044_0000,
    "aes": 0x5045_0000,
    "rtc": 0x5046_0000,
    "spi0": 0x5200_0000,
    "spi1": 0x5300_0000,
    "spi3": 0x5400_0000,
}

INTERRUPTS = {
    "spi0": 1, "spi1": 2, "spi_slave": 3, "spi3": 4, "i2s0": 5, "i2s1": 6, "i2s2": 7, "i2c0": 8, "i2c1": 9,
    "i2c2": 10, "uart1": 11, "uart2": 12, "uart3": 13, "timer0a": 14, "timer0b": 15, "timer1a": 16, "timer1b": 17,
    "timer2a": 18, "timer2b": 19, "rtc": 20, "wdt0": 21, "wdt1": 22, "gpio": 23, "dvp": 24, "kpu": 25, "fft": 26,
    "dma0": 27, "uarths": 33, "gpiohs0": 34,
}  # fmt: skip
"""Numbers of the interrupt sources (plic.h of the Kendryte standalone SDK); dma and gpiohs go on from their first."""

HANDSHAKES = """spi0_rx spi0_tx spi1_rx spi1_tx spi2_rx spi2_tx spi3_rx spi3_tx i2c0_rx i2c0_tx i2c1_rx i2c1_tx
i2c2_rx i2c2_tx uart1_rx uart1_tx uart2_rx uart2_tx uart3_rx uart3_tx aes sha_rx ai_rx fft_rx fft_tx i2s0_tx i2s0_rx
i2s1_tx i2s1_rx i2s2_tx i2s2_rx i2s0_bf_dir i2s0_bf_voice""".split()
"""DMA handshakes in the order of sysctl_dma_select_t (same SDK, sysctl.h)."""

# First numbers of functions in the pin multiplexer (same SDK, fpioa.h).
FUNCTION_GPIOHS0, FUNCTION_GPIO0 = 24, 56
FUNCTION_UARTHS_RX, FUNCTION_UARTHS_TX = 18, 19
FUNCTION_UART1_RX = 64
FUNCTION_I2C0_SCLK = 126
FUNCTION_TIMER0_TOGGLE1 = 190

RESET_NAMES = {"ai": ("kpu",), "dma": ("dmac",), "sha": ("sha256",), "spi2": ("spi_slave",), "rom": ()}
"""Blocks behind the reset bits whose names differ from the device's."""

XIP_WINDOW = 16 << 20

D = TypeVar("D", bound=Device)

TIME_DEPENDENT = {"clint", "timer0", "timer1", "timer2", "rtc", "wdt0", "wdt1"}
"""Devices whose registers tell the time; reads that reach Python are counted in `time_reads`."""

MIP_SOFTWARE, MIP_TIMER, MIP_EXTERNAL = 3, 7, 11


class Machine:
    """Processor, memory, bus and devices; parts outside the chip are the board's to attach."""

    def __init__(self, *, pure: bool = False, strict: Level | None = None) -> None:
        self.memory = Memory()
        self.engines = [Engine(number, self.memory) for number in range(2)]
        self.runner: Runner = make_runner(self.engines, self.memory, pure)
        self.clock = CycleClock(self.runner.now, self.runner.shorten, CRYSTAL_HZ)
        self.requests = {number: DmaRequest(number, name) for number, name in enumerate(HANDSHAKES)}
        self.on_reset: Callable[[int], None] = lambda cause: None
        self.time_reads = 0
        self.pages_written: set[int] = set()
        """Numbers of the pages of SRAM that DMA has changed since somebody cleared this."""
        self.devices: dict[str, Device] = {}
        self._build()
        self._spans = sorted((ADDRESS_MAP[name], device) for name, device in self.devices.items())
        for name, device in self.devices.items():
            if device is not self.spi3:
                read = partial(self._read_time, device) if name in TIME_DEPENDENT else device.read
                self._map(name, device, max(device.size, 0x1000), read)
        # The flash's execute-in-place window lies over SPI3's registers and all behind them.
        self._map("spi3", self.spi3, XIP_WINDOW, self._read_spi3)
        self.sysctl.spi3_xip.listen(self._xip_switched)
        self._spi3_flags = bytes(self.spi3.flags)
        self.strict: Strict | None = None
        if strict is not None:
            self.strict = Strict(dict(self._spans))
            self.runner.be_strict(self.strict, strict == "all")

    def _map(self, name: str, device: Device, size: int, read: Callable[[int, int], int]) -> None:
        self.runner.map_device(ADDRESS_MAP[name], size, device.words, device.flags, device.masks, read, device.write)

    def _read_time(self, device: Device, offset: int, size: int) -> int:
        self.time_reads += 1
        return device.read(offset, size)

    def _xip_switched(self, on: bool) -> None:
        self.spi3.forget_line()
        self.spi3.flags[:] = bytes(len(self._spi3_flags)) if on else self._spi3_flags
        self.spi3.window = XIP_WINDOW if on else 0

    def _read_spi3(self, offset: int, size: int) -> int:
        return self.spi3.xip_read(offset, size) if self.sysctl.spi3_xip.level else self.spi3.read(offset, size)

    def _build(self) -> None:
        clock = self.clock
        self.sysctl = self._add(
            Sysctl(
                "sysctl",
                clock,
                on_cpu_hz=clock.set_hz,
                on_soft_reset=lambda: self.on_reset(1 << 4),
                on_peripheral_reset=self._reset_peripheral,
            )
        )
        self.plic = self._add(Plic("plic", clock, external=self._hart_lines(MIP_EXTERNAL)))
        self._add(Clint("clint", clock, software=self._hart_lines(MIP_SOFTWARE), timer=self._hart_lines(MIP_TIMER)))
        self.fpioa = self._add(Fpioa("fpioa", clock))
        self._build_pins()
        self._build_serial()
        self._build_buses()
        self._build_blocks()

    def _build_pins(self) -> None:
        first = INTERRUPTS["gpiohs0"]
        self._add(
            Gpiohs(
                "gpiohs",
                self.clock,
                pins=self.fpioa.bank(FUNCTION_GPIOHS0, 32),
                irqs=[self.plic.source(first + pin) for pin in range(32)],
            )
        )
        self._add(Gpio("gpio", self.clock, pins=self.fpioa.bank(FUNCTION_GPIO0, 8), irq=self._irq("gpio")))
        for block in range(3):
            outputs = [self.fpioa.output(FUNCTION_TIMER0_TOGGLE1 + 4 * block + channel) for channel in range(4)]
            self._add(
                Timer(
                    f"timer{block}",
                    self.clock,
                    irq_a=self._irq(f"timer{block}a"),
                    irq_b=self._irq(f"timer{block}b"),
                    clk=self.sysctl.clock_of(f"timer{block}"),
                    outputs=outputs,
                )
            )

    def _build_serial(self) -> None:
        self.serial_ports = [SerialPort("uarths", FUNCTION_UARTHS_TX, FUNCTION_UARTHS_RX)]
        self._add(
            Uarths(
                "uarths",
                self.clock,
                irq=self._irq("uarths"),
                clk=self.sysctl.clock_of("uarths"),
                port=self.serial_ports[0],
            )
        )
        for number in (1, 2, 3):
            name, function = f"uart{number}", FUNCTION_UART1_RX + 2 * (number - 1)
            port = SerialPort(name, function + 1, function)
            self.serial_ports.append(port)
            self._add(
                Uart(
                    name,
                    self.clock,
                    irq=self._irq(name),
                    clk=self.sysctl.clock_of(name),
                    port=port,
                    rx_dma=self._request(f"{name}_rx"),
                    tx_dma=self._request(f"{name}_tx"),
                )
            )

    def _build_buses(self) -> None:
        self.spi_sockets = PadWiring(self.fpioa)
        for name, pins in (("spi0", SPI0_PINS), ("spi1", SPI1_PINS)):
            self._add(Spi(name, self.clock, bus=self.spi_sockets.bus(pins), **self._bus_wiring(name)))
        self.spi3 = self._add(Spi3("spi3", self.clock, **self._bus_wiring("spi3")))
        self._add(
            SpiSlave(
                "spi_slave",
                self.clock,
                irq=self._irq("spi_slave"),
                rx_dma=self._request("spi2_rx"),
                tx_dma=self._request("spi2_tx"),
            )
        )
        self.i2c_parts: list[tuple[I2cPart, int, int]] = []
        self.i2c: list[I2c] = []
        self.i2s: list[I2s] = []
        for number in range(3):
            name = f"i2c{number}"
            parts = partial(self._i2c_parts_of, number)
            self.i2c.append(self._add(I2c(name, self.clock, parts=parts, **self._bus_wiring(name))))
            name = f"i2s{number}"
            self.i2s.append(self._add(I2s(name, self.clock, **self._bus_wiring(name))))

    def i2c_parts_on(self, sclk: int, sda: int) -> list[I2cPart]:
        """Who hears the clock on pad `sclk` and the data on `sda`: parts, and controllers as slaves, also by wire."""
        pads = self.fpioa.pads

        def there(part_sclk: int | None, part_sda: int | None) -> bool:
            if part_sclk is None or part_sda is None:
                return False
            return pads[sclk].joined(pads[part_sclk]) and pads[sda].joined(pads[part_sda])

        found = [part for part, part_sclk, part_sda in self.i2c_parts if there(part_sclk, part_sda)]
        for number, controller in enumerate(self.i2c):
            if there(*self._i2c_pads(number)):
                found.append(controller.port)
        return found

    def _i2c_pads(self, number: int) -> tuple[int | None, int | None]:
        function = FUNCTION_I2C0_SCLK + 2 * number
        return self.fpioa.pad_of(function), self.fpioa.pad_of(function + 1)

    def _i2c_parts_of(self, number: int) -> list[I2cPart]:
        """The parts on the pads that carry this controller's clock and data, other controllers included."""
        sclk, sda = self._i2c_pads(number)
        return self.i2c_parts_on(sclk, sda) if sclk is not None and sda is not None else []

    def _bus_wiring(self, name: str) -> dict[str, Any]:
        return {
            "clk": self.sysctl.clock_of(name),
            "irq": self._irq(name),
            "rx_dma": self._request(f"{name}_rx"),
            "tx_dma": self._request(f"{name}_tx"),
        }

    def _build_blocks(self) -> None:
        clock, sysctl = self.clock, self.sysctl
        first = INTERRUPTS["dma0"]
        self.dmac = self._add(
            Dmac(
                "dmac",
                clock,
                bus=self,
                requests=self.requests,
                select=sysctl.dma_select,
                irqs=[self.plic.source(first + channel) for channel in range(6)],
                clk=sysctl.clock_of("dma"),
            )
        )
        self._add(Aes("aes", clock, dma=self._request("aes")))
        self._add(Sha256("sha256", clock, dma=self._request("sha_rx"), clk=sysctl.clock_of("sha")))
        self._add(
            Fft(
                "fft",
                clock,
                irq=self._irq("fft"),
                tx_dma=self._request("fft_tx"),
                rx_dma=self._request("fft_rx"),
                clk=sysctl.clock_of("fft"),
            )
        )
        self._add(Otp("otp", clock))
        self._add(Rtc("rtc", clock, irq=self._irq("rtc"), clk=sysctl.clock_of("rtc")))
        for number in range(2):
            self._add(
                Wdt(
                    f"wdt{number}",
                    clock,
                    irq=self._irq(f"wdt{number}"),
                    clk=sysctl.clock_of(f"wdt{number}"),
                    on_reset=partial(self._watchdog_reset, 1 << (2 + number)),
                )
            )
        self._add(DebugModule("debug", clock))
        self.kpu = self._add(
            Kpu(
                "kpu",
                clock,
                bus=self,
                ai_ram=self.memory.ai_ram,
                irq=self._irq("kpu"),
                dma=self._request("ai_rx"),
                clk=sysctl.clock_of("ai"),
            )
        )
        self.dvp = self._add(
            Dvp(
                "dvp",
                clock,
                bus=self,
                irq=self._irq("dvp"),
                clk=sysctl.clock_of("dvp"),
                apb=sysctl.clock_of("apb1"),
                vsync=self.fpioa.input(CMOS_VSYNC),
                xclk=self.fpioa.output(CMOS_XCLK),
                reset_pin=self.fpioa.output(CMOS_RST),
                power_down_pin=self.fpioa.output(CMOS_PWDN),
                sccb=self._sccb_parts,
            )
        )

    def _sccb_parts(self) -> list[I2cPart]:
        """The parts on the pads that carry the camera interface's own control bus."""
        sclk, sda = self.fpioa.pad_of(SCCB_SCLK), self.fpioa.pad_of(SCCB_SDA)
        return self.i2c_parts_on(sclk, sda) if sclk is not None and sda is not None else []

    def _add(self, device: D) -> D:
        self.devices[device.name] = device
        return device

    def _irq(self, name: str) -> Line:
        return self.plic.source(INTERRUPTS[name])

    def _request(self, name: str) -> DmaRequest:
        return self.requests[HANDSHAKES.index(name)]

    def _hart_lines(self, bit: int) -> list[Line]:
        lines = [Line(f"hart{hart} mip{bit}") for hart in range(2)]
        for engine, line in zip(self.engines, lines, strict=True):
            line.listen(partial(self._set_mip, engine.state, bit))
        return lines

    def _watchdog_reset(self, cause: int) -> None:
        self.on_reset(cause)

    def _set_mip(self, state: HartState, bit: int, level: bool) -> None:
        mask = 1 << bit
        state.mip = state.mip | mask if level else state.mip & ~mask
        self.runner.end_window()

    def _reset_peripheral(self, name: str) -> None:
        for device in RESET_NAMES.get(name, (name,)):
            if device in self.devices:
                self.devices[device].reset()

    def reset(self, cause: int) -> None:
        """Reset processor and devices; memory keeps its contents. `cause` as in sysctl's reset_status."""
        self.sysctl.note_reset(cause)
        for device in self.devices.values():
            device.reset()
        self.runner.drop_code()
        for engine in self.engines:
            engine.reset()

    def trace(self, names: set[str], tracer: Tracer) -> None:
        """Report every register access of the named devices; they lose the fast path."""
        for name in names:
            device = self.devices[name]
            device.tracer = tracer
            device.flags[:] = bytes(len(device.flags))
            # The run loop keeps the flags that are clear now; what the device sets later goes nowhere.
            device.flags = memoryview(bytearray(len(device.flags)))
        self._spi3_flags = bytes(self.spi3.flags)

    # ---- Bus: what a DMA channel sees

    def is_memory(self, address: int, size: int) -> bool:
        """Whether the whole range lies in one memory."""
        return self.memory.find(address, size) is not None

    def read(self, address: int, size: int) -> bytes:
        """Read memory. Raises BusError outside it."""
        found = self.memory.find(address, size)
        if found is None:
            raise BusError(address)
        region, offset = found
        return bytes(region.view[offset : offset + size])

    def write(self, address: int, data: bytes) -> None:
        """Write memory; translated code there is dropped. Raises BusError outside RAM."""
        found = self.memory.find(address, len(data))
        if found is None or found[0].view is self.memory.rom:
            raise BusError(address)
        region, offset = found
        region.view[offset : offset + len(data)] = data
        self.pages_written.update(range(offset // PAGE, (offset + len(data) - 1) // PAGE + 1))
        self.runner.invalidate(offset, len(data))

    def _device_at(self, address: int, size: int) -> tuple[Device, int]:
        for base, device in self._spans:
            if base <= address and address + size <= base + max(device.size, 0x1000):
                return device, address - base
        raise BusError(address)

    def read_register(self, address: int, size: int) -> int:
        """Read a device register. Raises BusError where nothing answers."""
        device, offset = self._device_at(address, size)
        if self.strict is not None and not self.strict.permits_master(address):
            raise BusError(address)
        return device.read(offset, size)

    def write_register(self, address: int, size: int, value: int) -> None:
        """Write a device register. Raises BusError where nothing answers."""
        device, offset = self._device_at(address, size)
        if self.strict is not None and not self.strict.permits_master(address):
            raise BusError(address)
        device.write(offset, size, value)
