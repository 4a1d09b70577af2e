"""From a port to a stub that answers: reset, the ROM's greeting, the stub into RAM, the rate up."""

from __future__ import annotations

import contextlib
from importlib import resources
from types import TracebackType

from k210kit.errors import DeviceError, K210Error
from k210kit.flasher import diagnose, ports, reset, rom
from k210kit.flasher.line import Line
from k210kit.flasher.report import Report
from k210kit.flasher.stub_client import SLOWER, Chip, StubClient

DEFAULT_BAUD = 1_500_000
STUB_ADDRESS = 0x8000_0000
ROUNDS = 2
"""So often every dance is tried."""
FIRST_SECONDS = 0.15
"""For the answer of a ROM that may be in download mode already."""
BY_HAND_SECONDS = 20.0
BY_HAND = "hold the BOOT key down, press and release RESET, then let go of BOOT"


def stub_image() -> bytes:
    """The RAM stub that comes with the package. Raises K210Error when it is not there."""
    try:
        return resources.files("k210kit.flasher").joinpath("stub/flash_stub.bin").read_bytes()
    except OSError:
        raise K210Error("the flasher's RAM stub is not built; run `make flash-stub` and install anew") from None


class Session:
    """A board whose stub answers, at `port` (None: found by its USB id). Use it as a context manager.

    `reset_circuit` is a name of reset.NAMES (None: all in turn); with `no_reset` the board is in download mode already,
    or a person brings it there. Raises DeviceError with the reason when it does not come so far, and K210Error for
    names that there are not.
    """

    def __init__(
        self,
        port: str | Line | None = None,
        *,
        baud: int | None = None,
        reset_circuit: str | None = None,
        no_reset: bool = False,
        report: Report | None = None,
    ) -> None:
        self.report = report or Report()
        self.wanted_baud = baud or DEFAULT_BAUD
        if not 9600 <= self.wanted_baud <= 5_000_000:
            raise K210Error(f"--baud {self.wanted_baud}: give a rate from 9600 to 5000000")
        self.dances = [reset.find(reset_circuit)] if reset_circuit is not None else None
        self.no_reset = no_reset
        self.dance: reset.Dance | None = None
        self._stub_image = stub_image()
        self.line = self._find(port)
        self.stub = StubClient(self.line, self.report.note)
        try:
            self._connect()
            self.chip: Chip = self.stub.flash_chip()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, KeyboardInterrupt):
            # The firmware that is whole starts again; the ROM refuses one that is not.
            with contextlib.suppress(DeviceError):
                self.start_board()
        self.close()

    def close(self) -> None:
        """Let go of the board and the port."""
        with contextlib.suppress(DeviceError):
            reset.release(self.line)
        self.line.close()

    def start_board(self) -> None:
        """Start the board from its flash."""
        reset.release(self.line)
        if self.stub.reset():
            # What the program prints first is for whoever listens at this rate.
            with contextlib.suppress(DeviceError):
                self.line.baud = rom.BAUD
            return
        if self.dance is not None:
            reset.perform(self.line, self.dance.run)
        else:
            self.report.note("the board did not confirm its restart; press RESET")

    # ---- How it comes about

    def _find(self, port: str | Line | None) -> Line:
        if isinstance(port, Line):
            return port
        names = [port] if port is not None else ports.choose()
        for name in names[:-1]:
            line = ports.open_line(name)
            if self._enter(line, rounds=1):
                return line
            line.close()
        if port is None:
            self.report.note(f"the board is at {names[-1]}")
        return ports.open_line(names[-1])

    def _connect(self) -> None:
        line = self.line
        for last in (False, True):
            if not self._enter(line) and not self._stub_runs():
                raise diagnose.silence(line, self._heard, self._used_dances(), self.no_reset)
            if self._load_stub(line):
                break
            if last or self.no_reset or not line.has_control:
                raise DeviceError(
                    f"the mask ROM at {line.name} answers and has taken the {len(self._stub_image)} bytes of the RAM "
                    "stub, but the stub does not answer: reset the board and try again; if it stays so, is this a K210?"
                )
        self._raise_baud()

    _heard = b""
    _running = False

    def _used_dances(self) -> list[reset.Dance]:
        return self.dances or reset.in_turn(ports.identity(self.line.name))

    def _enter(self, line: Line, rounds: int = ROUNDS) -> bool:
        """Bring the board into download mode; whether its ROM answers."""
        client = rom.RomClient(line)
        try:
            if self.no_reset or not line.has_control:
                return self._enter_by_hand(line, client)
            identity = ports.identity(line.name)
            # A board with half a firmware is there already, and any dance would seem to be the right one.
            if self.dances is None and reset.recall(identity) is None and client.greet(FIRST_SECONDS):
                return True
            dances = self.dances or reset.in_turn(identity)
            for dance in dances * rounds:
                try:
                    reset.perform(line, dance.download)
                except DeviceError:
                    if line.has_control:
                        raise
                    return self._enter_by_hand(line, client)
                if client.greet() or client.greet():
                    self._found(identity, dance)
                    return True
            return False
        finally:
            self._heard = bytes(client.heard)

    def _found(self, identity: str, dance: reset.Dance) -> None:
        self.dance = dance
        if self.dances is None and reset.recall(identity) is not dance:
            self.report.note(f"reset circuit: {dance.name} (that of {', '.join(dance.boards)})")
            reset.remember(identity, dance)

    def _enter_by_hand(self, line: Line, client: rom.RomClient) -> bool:
        if client.greet() or client.greet():
            return True
        if self._stub_runs():
            return True
        if not self.no_reset:
            return False
        self.report.note(f"waiting {BY_HAND_SECONDS:.0f} s for download mode: {BY_HAND}")
        end = line.now() + BY_HAND_SECONDS
        while line.now() < end:
            if client.greet():
                return True
        return False

    def _stub_runs(self) -> bool:
        """Whether a stub of an earlier session answers, as after an interruption of a board without reset circuit."""
        if self._running:
            return True
        line = getattr(self, "line", None)
        if line is None:
            return False
        stub = StubClient(line)
        for baud in dict.fromkeys((rom.BAUD, self.wanted_baud)):
            try:
                line.baud = baud
                if stub.hello(seconds=0.1, tries=1):
                    self._running = True
                    return True
            except DeviceError:
                continue
        line.baud = rom.BAUD
        return False

    def _load_stub(self, line: Line) -> bool:
        """Put the stub into RAM and start it; whether it answers."""
        if self._running:
            return self.stub.hello()
        name = "stub"
        self.report.begin(name, len(self._stub_image))
        try:
            client = rom.RomClient(line)
            client.write_memory(STUB_ADDRESS, self._stub_image, lambda size: self.report.advance(name, size))
            client.boot(STUB_ADDRESS)
        finally:
            self.report.end()
        line.sleep(0.05 + line.lag())
        line.drain(quiet=0.01, limit=0.1)
        if self.stub.hello(seconds=0.3, tries=4):
            return True
        # The request to start it has no answer: it may have been lost.
        if client.greet():
            client.boot(STUB_ADDRESS)
            line.sleep(0.05 + line.lag())
            return self.stub.hello(seconds=0.3, tries=4)
        return False

    def _raise_baud(self) -> None:
        if self.wanted_baud <= self.line.baud:
            self.stub.set_baud(self.wanted_baud)
            return
        for baud in (self.wanted_baud, *(slower for slower in SLOWER if rom.BAUD < slower < self.wanted_baud)):
            if self.stub.set_baud(baud):
                return
            self.report.note(f"no answer at {baud} baud, trying a slower rate")
