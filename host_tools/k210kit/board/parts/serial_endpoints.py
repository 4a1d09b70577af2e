"""The host's end of a serial line: standard streams, a pseudo-terminal, memory.

Every endpoint has `poll()`, which moves what there is in both directions and never waits, and
`close()`. The RFC 2217 server is in rfc2217_endpoint.py.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import time
from typing import Any, Protocol

from k210kit.board.parts.serial_line import SerialLine
from k210kit.errors import K210Error

READ_AHEAD = 4096
"""Bytes read from the host that may wait for the line; more is left with the operating system."""

BACKLOG = 1 << 20
"""Bytes from the board kept for a host that does not read; then the oldest are dropped."""

CLOSE_SECONDS = 5.0

QUIT_KEY = 0x1D  # Ctrl-]


class SerialEndpoint(Protocol):
    """What the board's run loop calls."""

    def poll(self) -> None:
        """Move what there is; returns at once."""
        ...

    def wait(self, seconds: float) -> None:
        """Sleep so long, less when the host has something for the board."""
        ...

    def close(self) -> None:
        """Let go of terminals and sockets; may be called twice."""
        ...


class MemoryEndpoint:
    """An endpoint for programs and tests: `write()` to the board, `read()` what came back."""

    def __init__(self, line: SerialLine) -> None:
        self.line = line

    def write(self, data: bytes) -> None:
        """Send `data` to the board."""
        self.line.send(data)

    def read(self) -> bytes:
        """Everything received since the last call."""
        return self.line.take()

    def poll(self) -> None:
        """Nothing to move."""

    def wait(self, seconds: float) -> None:
        """Sleep; what is written meanwhile goes to the line itself."""
        time.sleep(seconds)

    def close(self) -> None:
        """Nothing to let go of."""


class _Descriptors:
    """Reading and writing file descriptors without ever waiting for them."""

    def __init__(self, line: SerialLine, read_fd: int, write_fd: int) -> None:
        self.line, self._read_fd, self._write_fd = line, read_fd, write_fd
        self._out = bytearray()
        self.eof = False

    def _read(self) -> bytes:
        room = READ_AHEAD - self.line.pending
        if self.eof or room <= 0 or not self._ready(self._read_fd, reading=True):
            return b""
        try:
            data = os.read(self._read_fd, room)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EINTR):
                return b""
            data = b""
        self.eof = not data
        return data

    def _write(self) -> None:
        self._out += self.line.take()
        del self._out[:-BACKLOG]
        # A descriptor that select() calls writable takes PIPE_BUF bytes without blocking.
        while self._out and self._ready(self._write_fd, reading=False):
            try:
                done = os.write(self._write_fd, self._out[: select.PIPE_BUF])
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EINTR):
                    self._out.clear()  # the reader has gone
                return
            del self._out[:done]

    def wait(self, seconds: float) -> None:
        """Sleep so long, less when there is something to read."""
        listening = not self.eof and self.line.pending < READ_AHEAD
        select.select([self._read_fd] if listening else [], [], [], seconds)

    @staticmethod
    def _ready(fd: int, *, reading: bool) -> bool:
        try:
            readable, writable, _ = select.select([fd] if reading else [], [] if reading else [fd], [], 0)
        except (OSError, ValueError):
            return False
        return bool(readable or writable)


class StdioEndpoint(_Descriptors):
    """The program's own terminal, or plain pipes.

    A terminal goes to raw mode, so that Ctrl-C reaches the board; Ctrl-] sets `quit`, and `close()`
    restores the terminal. On a pipe `eof` tells that all input has been read. While `hold` is set
    nothing is read.
    """

    def __init__(self, line: SerialLine, stdin: int = 0, stdout: int = 1) -> None:
        super().__init__(line, stdin, stdout)
        self.quit = False
        self.hold = False
        self._saved: list[Any] | None = None
        if os.isatty(stdin):
            import termios

            self._saved = termios.tcgetattr(stdin)
            raw = termios.tcgetattr(stdin)
            raw[0] &= ~(termios.ICRNL | termios.IXON | termios.BRKINT | termios.INPCK | termios.ISTRIP)
            raw[3] &= ~(termios.ECHO | termios.ICANON | termios.IEXTEN | termios.ISIG)
            raw[6][termios.VMIN], raw[6][termios.VTIME] = 1, 0
            termios.tcsetattr(stdin, termios.TCSADRAIN, raw)

    def wait(self, seconds: float) -> None:
        """Sleep so long, less when there is something to read."""
        if self.hold:
            time.sleep(seconds)
        else:
            super().wait(seconds)

    def poll(self) -> None:
        """Keys to the board, the board's output to the screen."""
        data = b"" if self.hold else self._read()
        if self._saved is not None and QUIT_KEY in data:
            self.quit = True
            data = data[: data.index(QUIT_KEY)]
        self.line.send(data)
        self._write()

    def close(self) -> None:
        """Write what is left, to a slow reader for some seconds, and restore the terminal."""
        deadline = time.monotonic() + CLOSE_SECONDS
        self._write()
        while self._out and time.monotonic() < deadline:
            select.select([], [self._write_fd], [], deadline - time.monotonic())
            self._write()
        if self._saved is not None:
            import termios

            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._read_fd, termios.TCSADRAIN, self._saved)
            self._saved = None


class PtyEndpoint(_Descriptors):
    """A pseudo-terminal; `path` is its name for the client. Clients may come and go.

    What the board sends while nobody reads waits for the next client. Raises K210Error when the
    system has no pseudo-terminal left.
    """

    def __init__(self, line: SerialLine) -> None:
        import tty

        try:
            # The client's side stays open here as well: reading would fail between two clients.
            self._master, self._slave = os.openpty()
        except OSError as error:
            raise K210Error(
                f"The system gives no pseudo-terminal ({error.strerror}); close some terminals or use --serial stdio."
            ) from error
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        super().__init__(line, self._master, self._master)

    def poll(self) -> None:
        """Move what there is in both directions."""
        self.line.send(self._read())
        self._write()

    def close(self) -> None:
        """Give the pseudo-terminal back."""
        for fd in (self._master, self._slave):
            if fd >= 0:
                os.close(fd)
        self._master = self._slave = -1
        self.eof = True
        self._read_fd = self._write_fd = -1
