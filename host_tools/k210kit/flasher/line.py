"""The serial line to a board: bytes, rate, DTR and RTS, and the time that waiting takes.

Everything above talks to a `Line`; pyserial's many ways to fail become DeviceError here.
"""

from __future__ import annotations

import contextlib
import time
from typing import Any, Protocol

from k210kit.errors import DeviceError

try:
    from termios import error as TermiosError
except ImportError:  # no POSIX terminal here
    TermiosError = OSError  # type: ignore[assignment,misc]

# TypeError: pyserial's, of a port that a pulled cable has closed meanwhile.
FAILURES = (OSError, ValueError, TypeError, NotImplementedError, TermiosError)

PIECE = 4096
"""So much is handed to the port at once: a network port has five seconds for each."""


REMOTE_BYTES_PER_SECOND = 8000.0
"""What a remote port is taken to carry until it was seen to do better."""
READ_SECONDS = 0.01
"""A port's own patience. It stays: each change of it negotiates all settings of a network port anew."""


class Clock(Protocol):
    """Host time in seconds, and how to let it pass."""

    def now(self) -> float:
        """Seconds since some moment."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        ...


class SystemClock:
    """The host's own time."""

    def now(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)


class Line:
    """An open pyserial port under `name`.

    `has_control` is False for ports without DTR and RTS; `remote` says that what is behind the port may be slower
    than its rate: a network, a virtual board. Every method raises DeviceError when the port has gone.
    """

    def __init__(
        self, port: Any, name: str, *, has_control: bool = True, remote: bool = False, clock: Clock | None = None
    ) -> None:
        self.port, self.name, self.has_control = port, name, has_control
        self._remote_rate = REMOTE_BYTES_PER_SECOND if remote else None
        self.clock: Clock = clock or SystemClock()
        self.sent = self.received = 0
        """Bytes so far."""
        self._baud: int = port.baudrate
        self._sent_by = 0.0
        self._control: tuple[bool, bool] | None = None

    def now(self) -> float:
        """Seconds of the line's clock."""
        return self.clock.now()

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.sleep(seconds)

    @property
    def baud(self) -> int:
        """The rate in bit/s."""
        return self._baud

    @baud.setter
    def baud(self, value: int) -> None:
        try:
            self.port.baudrate = value
        except FAILURES as error:
            with contextlib.suppress(*FAILURES):
                self.port.baudrate = self._baud
            raise DeviceError(
                f"{self.name} cannot run at {value} baud ({_reason(error)}); give a lower --baud"
            ) from None
        self._baud = value

    def write(self, data: bytes) -> None:
        """Send; returns when the port has taken it all, which may be before it is on the wire."""
        self._sent_by = max(self._sent_by, self.now()) + len(data) / self._bytes_per_second()
        for at in range(0, len(data), PIECE):
            try:
                self.port.write(data[at : at + PIECE])
            except FAILURES as error:
                raise self._gone(error) from None
        self.sent += len(data)

    def _bytes_per_second(self) -> float:
        return min(self._baud / 10, self._remote_rate or self._baud)

    def lag(self) -> float:
        """Seconds until what was written will be on the wire: by the rate, and by what a remote port was seen to do."""
        return max(0.0, self._sent_by - self.now())

    def on_the_way(self, size: int) -> None:
        """An answer shows that no more than `size` bytes of what was written are still to go."""
        self._sent_by = min(self._sent_by, self.now() + size / self._bytes_per_second())

    def carried(self, size: int, seconds: float) -> None:
        """So many bytes took at most so long: what a remote port is able to."""
        if self._remote_rate is not None and size >= PIECE:
            self._remote_rate = (self._remote_rate + size / max(seconds, 1e-3)) / 2

    def read(self, seconds: float) -> bytes:
        """What has come; waits some `seconds` for a first byte, in steps of the port's patience; b"" when none came."""
        end = self.now() + seconds
        try:
            while not (data := bytes(self.port.read(max(self.port.in_waiting, 1)))) and self.now() < end:
                pass
            if more := self.port.in_waiting:
                data += bytes(self.port.read(more))
        except FAILURES as error:
            raise self._gone(error) from None
        self.received += len(data)
        return data

    def drain(self, quiet: float, limit: float) -> bytes:
        """Read until nothing has come for `quiet` seconds, `limit` seconds at most; returns what came."""
        end, seen = self.now() + limit, bytearray()
        while self.now() < end:
            data = self.read(min(quiet, end - self.now()))
            if not data:
                break
            seen += data
        return bytes(seen)

    def set_control(self, dtr: bool, rts: bool) -> None:
        """Set both lines, RTS first as the boards' usual client does. Raises DeviceError when the port has none."""
        before = self._control
        try:
            # Only what changes: a network port takes its time for each.
            if before is None or rts != before[1]:
                self.port.rts = rts
            if before is None or dtr != before[0]:
                self.port.dtr = dtr
            self._control = dtr, rts
        except FAILURES as error:
            self.has_control = False
            raise DeviceError(f"{self.name} has no DTR and RTS lines ({_reason(error)})") from None

    def close(self) -> None:
        """Give the port back; never fails."""
        with contextlib.suppress(Exception):
            self.port.close()

    def _gone(self, error: Exception) -> DeviceError:
        return DeviceError(
            f"{self.name} has gone ({_reason(error)}): is the cable loose? Plug it in and give the same command again"
        )


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
