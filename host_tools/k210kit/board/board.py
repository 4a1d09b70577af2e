"""The virtual board: a chip, the parts around it, and the ways to drive them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from k210kit.board import crash, profiles, rom
from k210kit.board.core.clock import PS_PER_SECOND
from k210kit.board.core.laps import Laps
from k210kit.board.core.pads import PAD_COUNT
from k210kit.board.core.runner import Reason
from k210kit.board.core.strict import Level
from k210kit.board.devices.i2s import I2s
from k210kit.board.devices.sysctl import PIN_RESET
from k210kit.board.machine import Machine
from k210kit.board.parts import sd_image
from k210kit.board.parts.audio import AudioSource, WavSink, WavSource
from k210kit.board.parts.axp import Axp
from k210kit.board.parts.button import Button
from k210kit.board.parts.camera_socket import CameraSocket
from k210kit.board.parts.camera_source import CameraSource
from k210kit.board.parts.ft6x36 import Ft6x36
from k210kit.board.parts.i2c_bus import I2cPart
from k210kit.board.parts.i2c_wires import I2cWires
from k210kit.board.parts.lcd_panel import LcdPanel
from k210kit.board.parts.nor_flash import NorFlash
from k210kit.board.parts.reset_circuit import ResetCircuit
from k210kit.board.parts.sd_card import SdCard
from k210kit.board.parts.serial_endpoints import PtyEndpoint, SerialEndpoint, StdioEndpoint
from k210kit.board.parts.serial_line import SerialLine, SerialWiring
from k210kit.board.parts.spi_bus import Socket, SolderedBus
from k210kit.errors import K210Error
from k210kit.images import flash_files
from k210kit.images.elf import Symbols

if TYPE_CHECKING:
    from k210kit.board.core.engine import Engine
    from k210kit.board.gdb.server import Debugger
    from k210kit.board.parts.rfc2217_endpoint import Rfc2217Endpoint
    from k210kit.board.trace import Trace

I2C_PARTS: Mapping[str, Callable[[], I2cPart]] = {"axp173": Axp, "axp192": Axp, "ft6x36": Ft6x36}
"""Parts that a profile may name."""
FLASH_SIZE = 16 << 20
PICTURES = (".png", ".bmp", ".gif", ".jpg", ".jpeg", ".ppm", ".tif", ".tiff")
POLL_SECONDS = 0.002
LIVE_SLICE = PS_PER_SECOND // 100
"""How far time passes at once while a peer may send at any moment."""
LONGEST_WAIT = PS_PER_SECOND // 10
"""How much of a wait is skipped at once while nobody has said how long to run."""
AHEAD_SECONDS = 0.02
"""How far the virtual time of a board that sleeps may run ahead of a live peer's."""


class Traffic(NamedTuple):
    """Bytes on the console's line since power-on, start and stop bits not counted, and virtual seconds."""

    to_board: int
    from_board: int
    seconds: float

    def since(self, earlier: Traffic) -> Traffic:
        """What has come between."""
        return Traffic(
            self.to_board - earlier.to_board, self.from_board - earlier.from_board, self.seconds - earlier.seconds
        )


class Board:
    """A virtual K210 board.

    `firmware` is a .bin (raw or with boot header), .elf or .kfpkg, or its bytes; `flash` maps offsets to files or
    bytes; `flash_image` is the whole 16 MiB chip as a file, kept across runs; `sd` is an image file or a folder made
    into a FAT image; `camera` is what the camera sees (a photo, a folder of photos, arrays: see CameraSource), without
    it there is none, and `sensor` its chip if not the board's usual one; `serial` is "memory" (read `output`, call
    `send`), "stdio", "pty" or "rfc2217:PORT"; `board` names the wiring (profiles.PROFILES); with `strict` ("registers"
    or "all") accesses trap that the chip's documentation does not cover (core/strict.py). Use it as a context manager.
    Raises K210Error for bad input before anything is written.
    """

    def __init__(
        self,
        firmware: str | Path | bytes | None = None,
        flash: Mapping[int, str | Path | bytes] | None = None,
        *,
        flash_image: str | Path | None = None,
        sd: str | Path | None = None,
        camera: str | Path | CameraSource | Any = None,
        sensor: str | None = None,
        lcd: str | Path | None = None,
        lcd_every: float | None = None,
        serial: str = "memory",
        board: str = "maix_dock",
        reset_circuit: str | None = None,
        gdb: int | None = None,
        strict: Level | None = None,
        pure: bool = False,
    ) -> None:
        self.profile = profiles.find(board)
        pieces = self._read_pieces(firmware, flash or {})
        self.machine = Machine(pure=pure, strict=strict)
        # The flash pads are at 1.8 V: W25Q128FW or JW, which Yahboom's test firmware lists.
        self.flash_chip = NorFlash(self.machine.clock, jedec=(0xEF, 0x60, 0x18), quad_enabled=True, image=flash_image)
        self.output = bytearray()
        self.boot_problem: str | None = None
        """Why the mask ROM did not boot; '' when it did, None before power-on."""
        self.crash: crash.Crash | None = None
        self.quit = False
        self._reset_cause: int | None = PIN_RESET
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._lcd_path, self._lcd_every, self._lcd_next = lcd, lcd_every, lcd_every or 0.0
        self._circuit = ResetCircuit(reset_circuit or self.profile.reset_circuit)
        self._i2c_buses: dict[tuple[int, int], I2cWires] = {}
        self._sinks: list[WavSink] = []
        self._endpoint: SerialEndpoint | None = None
        self._server: Rfc2217Endpoint | None = None
        self.sd_card: SdCard | None = None
        self.camera: CameraSocket | None = None
        self.laps = Laps(self.machine, [self.flash_chip])
        self.flash_chip.on_wait = self.laps.hint
        self._faults = crash.FaultWatch(self.machine, self._crashed)
        self.debugger: Debugger | None = None
        try:
            self._wire_parts(sd)
            if camera is not None:
                self._plug_camera(camera, sensor or self.profile.sensor)
            if lcd is not None:
                _check_writable(Path(lcd))
            if gdb is not None:
                self._attach_debugger(gdb)
            self._connect_serial(serial)
            # Last, so that bad input overwrites nothing.
            for offset, data, _ in pieces:
                self.flash_chip.load(offset, data)
        except BaseException:
            self._lcd_path = None
            self.close()
            raise
        self._ahead, self._looked_at = 0.0, time.monotonic()
        self._poll_at = 0.0
        self._carried = 0

    # ---- Building

    def _read_pieces(
        self, firmware: str | Path | bytes | None, flash: Mapping[int, str | Path | bytes]
    ) -> list[tuple[int, bytes, str]]:
        self.symbols = Symbols()
        pieces: list[tuple[int, bytes, str]] = []
        if firmware is not None:
            if isinstance(firmware, bytes | bytearray):
                loaded = flash_files.parse(bytes(firmware), "the firmware")
            else:
                loaded = flash_files.load(firmware)
            pieces, self.symbols = list(loaded.pieces), loaded.symbols
        for offset, source in flash.items():
            data = bytes(source) if isinstance(source, bytes | bytearray) else flash_files.read_file(source)
            pieces.append((offset, data, f"--flash {source if isinstance(source, str | Path) else '(bytes)'}"))
        flash_files.check_overlaps(pieces, FLASH_SIZE)
        return pieces

    def _wire_parts(self, sd: str | Path | None) -> None:
        machine, profile = self.machine, self.profile
        machine.on_reset = self._request_reset
        rom.fill(machine.memory, strict=machine.strict is not None)
        machine.spi3.bus = SolderedBus(self.flash_chip)
        machine.spi3.bus.controller_sync = machine.spi3.sync  # type: ignore[method-assign]
        pads = machine.fpioa.pads
        self.lcd = LcdPanel(
            pads[profile.lcd_dc].line,
            rst=pads[profile.lcd_reset].line if profile.lcd_reset is not None else None,
            ips=profile.lcd_ips,
            bgr=profile.lcd_bgr,
            upright=profile.lcd_upright,
            glass=profile.lcd_glass,
            memory=profile.lcd_memory,
        )
        serial = profile.lcd.mosi is not None
        machine.spi_sockets.attach(
            Socket(
                self.lcd,
                profile.lcd.sclk,
                mosi=profile.lcd.mosi,
                cs=profile.lcd.cs,
                data_enable=None if serial else lambda: machine.sysctl.spi_dvp_data.level,
            )
        )
        self.sd_card = self._insert_card(sd) if sd is not None else None
        if self.sd_card is not None:
            where = profile.sd
            machine.spi_sockets.attach(Socket(self.sd_card, where.sclk, mosi=where.mosi, miso=where.miso, cs=where.cs))
        self.i2c_parts: dict[str, I2cPart] = {place.part: I2C_PARTS[place.part]() for place in profile.i2c}
        machine.i2c_parts += [(self.i2c_parts[place.part], place.sclk, place.sda) for place in profile.i2c]
        self.buttons = {name: Button(pads[pad]) for name, pad in profile.buttons.items()}
        self._circuit.reset.listen(self._reset_line_changed)
        self._circuit.boot.listen(lambda low: pads[profile.buttons["boot"]].drive(False if low else None, self))

    def _plug_camera(self, camera: str | Path | CameraSource | Any, sensor: str) -> None:
        machine, pads = self.machine, self.profile.camera
        source = camera if isinstance(camera, CameraSource) else CameraSource(camera)
        self.camera = CameraSocket(
            machine.clock, machine.fpioa, machine.dvp, machine.sysctl.spi_dvp_data, pads, sensor, source
        )
        machine.i2c_parts.append((self.camera.sensor, pads.sccb_sclk, pads.sccb_sda))

    @staticmethod
    def _insert_card(source: str | Path) -> SdCard:
        return SdCard(sd_image.build_image(Path(source)) if Path(source).is_dir() else source)

    def _attach_debugger(self, port: int) -> None:
        from k210kit.board.gdb.server import Debugger

        self.debugger = Debugger(self, port)
        self.laps.enabled = False

    def _connect_serial(self, serial: str) -> None:
        wiring = SerialWiring(self.machine.fpioa)
        for port in self.machine.serial_ports:
            wiring.connect(port)
        self.wiring = wiring
        self.line = SerialLine(
            self.machine.clock, wiring, rx_pad=self.profile.console_rx, tx_pad=self.profile.console_tx
        )
        self.line.listen(self.output.extend)
        kind, _, number = serial.partition(":")
        if kind == "stdio":
            self._endpoint = StdioEndpoint(self.line)
        elif kind == "pty":
            self._endpoint = PtyEndpoint(self.line)
        elif kind == "rfc2217":
            if not number.isdigit():
                raise K210Error(f"--serial {serial} needs a TCP port, as in rfc2217:2217 (0 picks a free one)")
            self._listen(int(number))
        elif kind != "memory":
            raise K210Error(f"there is no serial endpoint {serial!r}; known are stdio, pty and rfc2217:PORT")

    def _listen(self, port: int) -> None:
        # Here, because its modules take time to load and few boards need them.
        from k210kit.board.parts.rfc2217_endpoint import Rfc2217Endpoint

        self._endpoint = self._server = Rfc2217Endpoint(self.line, port, control=self._circuit)

    # ---- Life

    def __enter__(self) -> Board:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop, save the LCD picture and the flash image, give ports back."""
        self._closing = True
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        with self._lock:
            if self._endpoint is not None:
                self._endpoint.poll()
                self._endpoint.close()
                self._endpoint = None
            if self.debugger is not None:
                self.debugger.close()
            if self._lcd_path is not None:
                self.lcd.save(self._lcd_path)
                self._lcd_path = None
            self.flash_chip.close()
            if self.sd_card is not None:
                self.sd_card.close()
            for sink in self._sinks:
                sink.close()

    @property
    def now(self) -> float:
        """Virtual seconds since power-on."""
        return self.machine.clock.now / PS_PER_SECOND

    @property
    def traffic(self) -> Traffic:
        """What has gone over the console's line, and when it is now; the difference of two is what something cost."""
        return Traffic(self.line.carried_to_board, self.line.carried_from_board, self.now)

    @property
    def retired(self) -> tuple[int, int]:
        """Instructions retired by each hart since power-on."""
        first, second = (engine.state.retired for engine in self.machine.engines)
        return first, second

    @property
    def url(self) -> str:
        """What pyserial opens to talk to the board, which runs in the background from now on."""
        if self._server is None:
            if self._endpoint is not None:
                raise K210Error("this board's console is taken by its --serial endpoint")
            self._listen(0)
        self.start()
        return self.address

    @property
    def address(self) -> str:
        """Where the console is to be reached: a pseudo-terminal's path, a URL, or '' for neither."""
        if isinstance(self._endpoint, PtyEndpoint):
            return self._endpoint.path
        return self._server.url if self._server is not None else ""

    @property
    def stdio(self) -> StdioEndpoint | None:
        """The console on standard input and output, when it is there."""
        return self._endpoint if isinstance(self._endpoint, StdioEndpoint) else None

    @property
    def pty(self) -> str:
        """The path of the pseudo-terminal of serial="pty"."""
        if not isinstance(self._endpoint, PtyEndpoint):
            raise K210Error('the board has no pseudo-terminal; it was not made with serial="pty"')
        return self._endpoint.path

    def start(self) -> None:
        """Run in the background until `close()`."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run_in_background, name="k210 board", daemon=True)
            self._thread.start()

    def _run_in_background(self) -> None:
        while not self._closing:
            if self.crash is not None and self._reset_cause is None and not self._circuit.reset.level:
                self._stand_still()
            elif not self._step(None):
                return

    def _stand_still(self) -> None:
        """A crashed chip does nothing; a reset by DTR and RTS may still come."""
        with self._lock:
            self._poll(force=True)
        time.sleep(POLL_SECONDS)

    def press(self, button: str) -> None:
        """Hold a button down. Raises K210Error for a name that the board does not have."""
        with self._lock:
            self._button(button).press()

    def release(self, button: str) -> None:
        """Let a button go."""
        with self._lock:
            self._button(button).release()

    def wire(self, first: int, second: int) -> None:
        """A jumper wire between two pads (0 to 47): their levels, and what a UART sends on either."""
        with self._lock:
            pads = self.machine.fpioa.pads
            self._check_pads(first, second)
            pads[first].join(pads[second])
            self.wiring.jumper(first, second)
            self.wiring.jumper(second, first)

    def i2c_bus(self, sclk: int, sda: int) -> None:
        """Pull-ups for an I2C bus on two pads; masters that move the pads by GPIO are understood as well."""
        with self._lock:
            self._check_pads(sclk, sda)
            pads, machine = self.machine.fpioa.pads, self.machine
            if (sclk, sda) not in self._i2c_buses:
                parts = partial(machine.i2c_parts_on, sclk, sda)
                self._i2c_buses[sclk, sda] = I2cWires(machine.clock, pads[sclk], pads[sda], parts)

    def attach_i2c(self, part: I2cPart, sclk: int, sda: int) -> None:
        """Put a part on the I2C bus on two pads."""
        self.i2c_bus(sclk, sda)
        with self._lock:
            self.machine.i2c_parts.append((part, sclk, sda))

    def audio_out(self, path: str | Path | None = None, *, i2s: int = 0, channel: int = 0, bits: int = 16) -> WavSink:
        """A loudspeaker on data output `channel` of an I2S block; the WAV file is written by `close()`."""
        with self._lock:
            sink = WavSink(path, bits=bits)
            self._i2s(i2s, channel).outputs[channel] = sink
            self._sinks.append(sink)
            return sink

    def audio_in(self, source: AudioSource | str | Path, *, i2s: int = 0, channel: int = 0, loop: bool = False) -> None:
        """A microphone on data input `channel` of an I2S block: a WAV file or any AudioSource."""
        with self._lock:
            heard = WavSource(source, loop=loop) if isinstance(source, str | Path) else source
            self._i2s(i2s, channel).inputs[channel] = heard

    def _i2s(self, number: int, channel: int) -> I2s:
        if number not in range(3) or channel not in range(4):
            raise K210Error(f"there is no I2S{number} channel {channel}; the chip has I2S0 to I2S2, channels 0 to 3")
        return self.machine.i2s[number]

    @staticmethod
    def _check_pads(*numbers: int) -> None:
        for number in numbers:
            if number not in range(PAD_COUNT):
                raise K210Error(f"there is no pad {number}; the chip has 0 to {PAD_COUNT - 1}")

    def _button(self, name: str) -> Button:
        if name not in self.buttons:
            raise K210Error(f"this board has no button {name!r}; it has {', '.join(self.buttons)}")
        return self.buttons[name]

    def send(self, data: bytes) -> None:
        """Type on the console: bytes arrive at the board's baud rate."""
        with self._lock:
            self.line.send(data)

    def enter_download_mode(self) -> None:
        """Reset the chip with the boot pin low: its mask ROM takes commands on the console's pads."""
        with self._lock:
            pad = self.machine.fpioa.pads[rom.BOOT_PIN]
            pad.drive(False, rom)
            self.power_up()
            pad.drive(None, rom)

    def reset(self) -> None:
        """Press the reset button."""
        with self._lock:
            self._request_reset(PIN_RESET)

    def power_cycle(self) -> None:
        """Power fails and comes back: what the flash was writing is torn, the memories hold garbage."""
        with self._lock:
            self.flash_chip.power_cut()
            if self.sd_card is not None:
                self.sd_card.power_on()
            if self.camera is not None:
                self.camera.sensor.restart()
            ram = self.machine.memory.ram
            ram[:] = b"\xa5" * len(ram)
            self._request_reset(PIN_RESET)

    def run(self, seconds: float) -> None:
        """Let `seconds` of virtual time pass. Raises GuestCrash when the guest crashes."""
        end = self.machine.clock.now + round(seconds * PS_PER_SECOND)
        self.run_while(lambda: True, end)

    def run_until(self, text: str | bytes, seconds: float = 60.0) -> bytes:
        """Run until the console has shown `text`; returns all output up to its end, and takes it.

        Raises TimedOut after `seconds` of virtual time and GuestCrash when the guest crashes.
        """
        wanted = text.encode() if isinstance(text, str) else text
        end = self.machine.clock.now + round(seconds * PS_PER_SECOND)
        self.run_while(lambda: wanted not in self.output, end)
        at = self.output.find(wanted)
        if at < 0:
            raise TimedOut(
                f"the board did not print {wanted.decode(errors='replace')!r} within {seconds:g} virtual seconds; "
                f"its last output: {bytes(self.output[-200:]).decode(errors='replace')!r}"
            )
        seen = bytes(self.output[: at + len(wanted)])
        del self.output[: at + len(wanted)]
        return seen

    def run_while(self, wanted: Callable[[], bool], end: int) -> bool:
        """Run while `wanted()`; False when virtual time `end` (ps) came first."""
        while wanted():
            if self.crash is not None:
                raise GuestCrash(self.crash)
            if self.machine.clock.now >= end:
                return False
            if not self._step(end):
                break
        return True

    def trace(self, names: set[str], stream: TextIO) -> Trace:
        """Write every register access of these devices to `stream`. Raises K210Error for an unknown name."""
        from k210kit.board.trace import Trace

        self.laps.enabled = False
        return Trace(self.machine, names, stream)

    # ---- Running

    def _request_reset(self, cause: int) -> None:
        self._reset_cause = cause
        self.machine.runner.stop()

    def _reset_line_changed(self, low: bool) -> None:
        if not low:
            self._request_reset(PIN_RESET)

    def power_up(self, cause: int = PIN_RESET) -> None:
        """Reset the chip now and let its ROM boot; `cause` as in sysctl's reset_status."""
        self._reset_cause = None
        self.crash = None
        self.machine.reset(cause)
        for engine in self.machine.engines:
            engine.state.idle = 0
        rom.set_up(self.machine.devices)
        self._faults.reset()
        boot_pin = self.machine.fpioa.pads[rom.BOOT_PIN].line.level
        self.boot_problem = rom.boot(self.machine.memory, self.machine.engines, self.flash_chip, boot_pin)

    def _step(self, end: int | None) -> bool:
        """Run a slice of a few host milliseconds at most; False when nothing will ever happen."""
        if self._wait_for_peer():
            return True
        with self._lock:
            if self._circuit.reset.level:
                time.sleep(POLL_SECONDS)
                self._poll(force=True)
                return True
            if self._reset_cause is not None:
                self.power_up(self._reset_cause)
            if self.debugger is not None and not self.debugger.ready():
                self._poll(force=True)
                return True
            machine = self.machine
            clock = machine.clock
            due = clock.next_time()
            # Not a time from now: where the host's slices end must not decide where the harts' windows do.
            grain = LIVE_SLICE if self._live() else PS_PER_SECOND
            horizon = (clock.now // grain + 1) * grain
            until = min(time for time in (due, end, horizon) if time is not None)
            begun = self._progress() if self._live() else None
            reason = machine.runner.run(clock.cycle_at(until))
            clock.run_due(clock.time_of(machine.runner.now()))
            # What falls due in a wait ends it earlier.
            self.laps.skip(clock.now + LONGEST_WAIT if end is None else end)
            if reason == Reason.CRASHED:
                self._faults.look()
            if self.debugger is not None:
                self.debugger.ran()
            self._poll()
            if self._lcd_every and self.now >= self._lcd_next and self._lcd_path is not None:
                self._lcd_next += self._lcd_every
                self.lcd.save(self._lcd_path)
            if begun is not None:
                self._get_ahead_of_peer(begun)
        return True

    def _live(self) -> bool:
        """Whether somebody outside may still send."""
        return self._endpoint is not None and not getattr(self._endpoint, "eof", False)

    def _wait_for_peer(self) -> bool:
        """Sleep a little when the board is ahead of its peer, who has sent nothing; returns whether it did."""
        endpoint = self._endpoint
        if endpoint is None or self._ahead <= AHEAD_SECONDS or self.line.pending:
            return False
        endpoint.wait(min(self._ahead - AHEAD_SECONDS, POLL_SECONDS))
        self._ahead = max(0.0, self._ahead - self._host_seconds())
        with self._lock:
            self._poll(force=True)
        return True

    def _host_seconds(self) -> float:
        """The host's time since the last call."""
        before, self._looked_at = self._looked_at, time.monotonic()
        return self._looked_at - before

    def _progress(self) -> tuple[int, int, int, int]:
        """Time, cycles, and the instructions of either hart but those of skipped waiting loops, so far."""
        first, second = (engine.state.busy for engine in self.machine.engines)
        return self.machine.clock.now, self.machine.runner.now(), first, second

    def _get_ahead_of_peer(self, begun: tuple[int, int, int, int]) -> None:
        """Count by how many seconds the board is ahead of a live peer because it slept since `begun`.

        A peer expects a timeout on the board to last as long as one of its own; what a busy hart does lasts no longer
        than it takes. While the line carries bytes the peer waits for the board, not the other way round.
        """
        passed, cycles, first, second = (now - then for now, then in zip(self._progress(), begun, strict=True))
        slept = passed * max(0, cycles - max(first, second)) / max(cycles, 1) / PS_PER_SECOND
        carried, self._carried = self._carried, self.line.carried
        self._ahead = max(0.0, self._ahead + slept - self._host_seconds()) if carried == self._carried else 0.0

    def _poll(self, force: bool = False) -> None:
        now = time.monotonic()
        if not force and now < self._poll_at:
            return
        self._poll_at = now + POLL_SECONDS
        self._circuit.poll()
        if self._endpoint is not None:
            self._endpoint.poll()
            if getattr(self._endpoint, "quit", False):
                self.quit = True

    def _crashed(self, engine: Engine, why: str) -> None:
        if self.crash is None and not (self.debugger is not None and self.debugger.crashed(engine.number)):
            self.crash = crash.describe(engine, self.machine.memory, self.symbols, why)


def _check_writable(path: Path) -> None:
    """Raises K210Error when no picture can be written at `path`, and changes nothing."""
    if path.suffix.lower() not in PICTURES:
        raise K210Error(f"cannot write {path}: a picture's name ends in one of {' '.join(PICTURES)}")
    folder = path.parent
    if not folder.is_dir():
        raise K210Error(f"cannot write {path}: there is no folder {folder}")
    if path.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
        raise K210Error(f"cannot write {path}: it is a folder, or writing there is not permitted")


class GuestCrash(K210Error):
    """The guest crashed; `crash` has the details."""

    exit_status = 4

    def __init__(self, what: crash.Crash) -> None:
        super().__init__(what.report)
        self.crash = what


class TimedOut(K210Error):
    """The awaited text did not come."""

    exit_status = 3
