"""Pins, timers, PWM, watchdogs and the clock in our MicroPython, also as a part outside the chip sees them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from device_script import FIRMWARE, ROOT, run_script

from k210kit.board.board import Board
from k210kit.board.core.clock import PS_PER_SECOND

US = PS_PER_SECOND // 1_000_000
OUT, BACK = 10, 11


@pytest.fixture
def board() -> Iterator[Board]:
    if not FIRMWARE.exists():
        pytest.skip("build/firmware.bin is not there: make firmware")
    with Board(FIRMWARE, strict="registers") as board:
        board.wire(OUT, BACK)
        board.wire(12, 13)
        board.run_until(">>> ")
        yield board


class Probe:
    """The edges on a pad, as (ps, level)."""

    def __init__(self, board: Board, pad: int) -> None:
        self.edges: list[tuple[int, bool]] = []
        clock = board.machine.clock
        board.machine.fpioa.pads[pad].line.listen(lambda level: self.edges.append((clock.now, level)))

    def phases(self) -> list[tuple[bool, int]]:
        """Each whole phase between two edges: its level, and how long it took (ps)."""
        pairs = zip(self.edges, self.edges[1:], strict=False)
        return [(level, later - sooner) for (sooner, level), (later, _) in pairs]


def script(name: str) -> bytes:
    return (ROOT / "tests/device" / f"{name}.py").read_bytes()


@pytest.mark.parametrize("name", ["pin", "timer", "pwm", "rtc", "softbus"])
def test_script(board: Board, name: str) -> None:
    assert run_script(board, script(name), 500).endswith("done\n")


def test_output_starts_without_a_glitch(board: Board) -> None:
    probe = Probe(board, 20)
    run_script(board, b"from machine import Pin\np = Pin(20, Pin.OUT, value=1)")
    assert [level for _, level in probe.edges] == [True]
    run_script(board, b"p.off()\np = Pin(20, Pin.OUT)")
    assert [level for _, level in probe.edges] == [True, False]


def test_key(board: Board) -> None:
    run_script(board, b"from machine import Pin\nn = []\nkey = Pin('BOOT_KEY', Pin.IN)\nassert key() == 1")
    run_script(board, b"key.irq(lambda pin: n.append(pin()), Pin.IRQ_FALLING | Pin.IRQ_RISING)")
    board.press("boot")
    board.run(0.01)
    board.release("boot")
    board.run(0.01)
    assert run_script(board, b"print(n)") == "[0, 1]\n"


def test_soft_reset_ends_interrupts_and_timers(board: Board) -> None:
    run_script(
        board,
        b"from machine import Pin, Timer, PWM\n"
        b"lamp = Pin(20, Pin.OUT, value=1)\n"
        b"Pin(11, Pin.IN).irq(lambda p: print('edge'), hard=True)\n"
        b"def on(t): Pin(20).toggle()\n"
        b"timers = [Timer(n, period=7, callback=on) for n in (0, 6, -1)]\n"
        b"hard = Timer(5, period=7, callback=on, hard=True)\n"
        b"pwm = PWM(23, freq=1000, duty_u16=20000)",
    )
    lamp, wave = Probe(board, 20), Probe(board, 23)
    board.run(0.1)
    assert len(lamp.edges) > 20 and len(wave.edges) > 100
    board.send(b"\x04")
    board.run_until("soft reboot")
    board.run_until(">>> ")
    lamp.edges.clear()
    wave.edges.clear()
    board.machine.fpioa.pads[BACK].drive(True)
    board.run(0.1)
    assert not lamp.edges and not wave.edges
    assert b"edge" not in board.output
    # And all is there to be used again.
    assert run_script(board, script("timer"), 500).endswith("done\n")


@pytest.mark.parametrize(
    ("frequency", "duty", "high", "low"),
    [
        (1000, 32768, 500, 500),
        (50, 4915, 1500, 18500),
        (100_000, 16384, 2.5, 7.5),
    ],
)
def test_pwm_on_the_pad(board: Board, frequency: int, duty: int, high: float, low: float) -> None:
    probe = Probe(board, OUT)
    run_script(board, b"from machine import PWM\np = PWM(%d, freq=%d, duty_u16=%d)" % (OUT, frequency, duty))
    probe.edges.clear()
    board.run(5 / frequency)
    phases = probe.phases()
    assert len(phases) >= 8
    # The counter's clock is 13 MHz.
    for level, length in phases:
        assert abs(length - (high if level else low) * US) <= US / 13, phases


@pytest.mark.parametrize(
    ("frequency", "duty", "high", "low"), [(200_000, 16384, 16, 49), (6_500_000, 32768, 1, 1), (2_000_000, 60000, 6, 1)]
)
def test_pwm_too_fast_for_edges(board: Board, frequency: int, duty: int, high: int, low: int) -> None:
    # The virtual board shows no single edges above 100 kHz, but tells the phases in clocks of 13 MHz.
    run_script(board, b"from machine import PWM\np = PWM(%d, freq=%d, duty_u16=%d)" % (OUT, frequency, duty))
    assert board.machine.fpioa.function_of(OUT) == 201, "TIMER2_TOGGLE4"
    assert board.machine.devices["timer2"].waveform(3) == (low, high, 13_000_000)


def test_duty_changes_make_no_short_pulse(board: Board) -> None:
    run_script(board, b"from machine import PWM\nimport time\np = PWM(%d, freq=10000, duty_u16=32768)" % OUT)
    probe = Probe(board, OUT)
    run_script(board, b"for i in range(40):\n p.duty_u16(30000 + 100 * i)\n time.sleep_us(333)")
    assert min(length for _, length in probe.phases()) > 40 * US
    assert max(length for _, length in probe.phases()) < 60 * US


def test_ws2812(board: Board) -> None:
    probe = Probe(board, OUT)
    colours = bytes((0x00, 0xFF, 0x5A, 0xC3, 0x01, 0x80))
    run_script(
        board, b"import machine\nmachine.bitstream(machine.Pin(%d), 0, (400, 850, 800, 450), %r)" % (OUT, colours)
    )
    while probe.edges and not probe.edges[0][1]:
        del probe.edges[0]
    phases = probe.phases()
    highs, lows = [p for level, p in phases if level], [p for level, p in phases if not level]
    assert len(highs) == 8 * len(colours) and len(lows) == len(highs) - 1
    bits = [byte >> (7 - bit) & 1 for byte in colours for bit in range(8)]
    for bit, high in zip(bits, highs, strict=True):
        # The chip's data sheet allows 150 ns.
        assert abs(high - (800_000 if bit else 400_000)) < 60_000, (bit, high)
    for bit, low in zip(bits, lows, strict=False):
        assert abs(low - (450_000 if bit else 850_000)) < 60_000, (bit, low)


def test_watchdog_resets_the_chip(board: Board) -> None:
    cause = (
        b"import machine\nnames = [n for n in dir(machine) if n.endswith('_RESET')]\n"
        b"print([n for n in names if getattr(machine, n) == machine.reset_cause()])"
    )
    assert run_script(board, cause) == "['PWRON_RESET']\n"
    assert run_script(board, script("wdt")).endswith("fed\n")
    fed = board.now
    board.run_until("MicroPython", 1)
    # Fed last some milliseconds ago; the divider rounds 100 ms up.
    assert 0.05 < board.now - fed < 0.25
    board.run_until(">>> ")
    assert run_script(board, cause) == "['WDT_RESET']\n"
    board.send(b"machine.reset()\r\n")
    board.run_until("MicroPython", 1)
    board.run_until(">>> ")
    assert run_script(board, cause) == "['HARD_RESET']\n"
    # No watchdog runs after a reset.
    board.run(3)
    assert run_script(board, cause) == "['HARD_RESET']\n"


def test_clock_runs_on_over_a_soft_reset(board: Board) -> None:
    run_script(board, b"from machine import RTC\nRTC().datetime((2027, 5, 6, 0, 7, 8, 9, 0))")
    begin = board.now
    board.send(b"\x04")
    board.run_until("soft reboot")
    board.run_until(">>> ")
    seconds = float(
        run_script(board, b"import time\nprint(time.time_ns() / 1e9 - time.mktime((2027, 5, 6, 7, 8, 9, 0, 0)))")
    )
    assert 0 <= seconds - (board.now - begin) + 0.5 < 0.6


class OneWirePart:
    """A part on one wire that answers READ ROM, and as `dht` what a DHT22 sends."""

    def __init__(self, board: Board, pad: int, answer: bytes, *, dht: bool = False) -> None:
        self.clock, self.pad, self.answer, self.dht = board.machine.clock, board.machine.fpioa.pads[pad], answer, dht
        self.fell = 0
        self.command: list[int] | None = None
        self.bits: list[int] = []
        self.driving = False
        self.pad.board_pull(True)
        self.pad.line.listen(self.changed)

    def later(self, us: float, level: bool | None) -> None:
        self.clock.at(self.clock.now + round(us * US), lambda: self.drive(level))

    def drive(self, level: bool | None) -> None:
        self.driving = True
        self.pad.drive(level, self)
        self.driving = level is False

    def changed(self, level: bool) -> None:
        if self.driving:
            return
        now = self.clock.now
        if not level:
            self.fell = now
            if self.bits and self.command is None and not self.dht and self.bits.pop(0) == 0:
                self.drive(False)
                self.later(30, None)
            return
        held = (now - self.fell) // US
        if self.dht:
            if held > 1000:
                self.send_dht()
        elif held > 400:
            self.command, self.bits = [], []
            self.later(30, False)
            self.later(150, None)
        elif self.command is not None:
            self.command.append(int(held < 15))
            if len(self.command) == 8:
                code = sum(bit << index for index, bit in enumerate(self.command))
                self.command = None
                self.bits = [byte >> bit & 1 for byte in self.answer for bit in range(8)] if code == 0x33 else []

    def send_dht(self) -> None:
        at = 30.0
        for byte in (None, *self.answer):
            for bit in range(7, -1, -1) if byte is not None else (None,):
                low, high = (80, 80) if byte is None or bit is None else (50, 70 if byte >> bit & 1 else 26)
                self.later(at, False)
                self.later(at + low, None)
                at += low + high
        self.later(at, False)
        self.later(at + 50, None)


def test_one_wire(board: Board) -> None:
    run_script(board, b"import _onewire as ow\nfrom machine import Pin\np = Pin(20, Pin.OPEN_DRAIN, Pin.PULL_UP)")
    assert run_script(board, b"print(ow.reset(p))") == "False\n"
    rom = bytes.fromhex("28 a5 5a 01 ff 00 80")
    OneWirePart(board, 20, rom + b"\x5c")
    source = b"print(ow.reset(p))\now.writebyte(p, 0x33)\nprint(bytes(ow.readbyte(p) for _ in range(8)).hex())"
    assert run_script(board, source) == f"True\n{(rom + bytes([0x5C])).hex()}\n"


def test_dht(board: Board) -> None:
    source = b"from machine import Pin, dht_readinto\nb = bytearray(5)\ndht_readinto(Pin(20), b)\nprint(b.hex())"
    answer = bytes.fromhex("02 8c 01 5f ee")
    OneWirePart(board, 20, answer, dht=True)
    assert run_script(board, source) == f"{answer.hex()}\n"


def test_dht_that_is_not_there(board: Board) -> None:
    source = (
        b"from machine import Pin, dht_readinto\nPin(20, Pin.IN, Pin.PULL_UP)\n"
        b"try:\n dht_readinto(Pin(20), bytearray(5))\nexcept OSError as e:\n print(e.errno)"
    )
    assert run_script(board, source) in ("110\n", "116\n")
