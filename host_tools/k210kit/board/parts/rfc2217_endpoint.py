"""A serial port over the network: an RFC 2217 server for one client at a time.

The Telnet side is pyserial's PortManager, given an object that looks like a serial port and a
connection that only collects bytes; so nothing here waits and there is no thread.
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import struct
from typing import Protocol

from serial.rfc2217 import IAC, M_NORMAL, PortManager

from k210kit.board.core.serial import SerialFormat
from k210kit.board.parts.serial_endpoints import BACKLOG, READ_AHEAD
from k210kit.board.parts.serial_line import SerialLine
from k210kit.errors import K210Error

log = logging.getLogger("k210kit.board")


class ControlLines(Protocol):
    """What listens to DTR and RTS: see ResetCircuit."""

    def set_lines(self, dtr: bool, rts: bool) -> None:
        """The client has set DTR and RTS."""
        ...

    def poll(self) -> None:
        """Called with every poll of the endpoint."""
        ...


class Rfc2217Endpoint:
    """Listens on TCP `port` (0 picks a free one) of `host`; `url` is what pyserial opens.

    The client's baud rate and format become the line's while it is connected. DTR and RTS go to
    `control` once the client has set both, as a real port sets them together when it is opened.
    Raises K210Error when the port is taken.
    """

    def __init__(
        self, line: SerialLine, port: int = 0, host: str = "127.0.0.1", control: ControlLines | None = None
    ) -> None:
        self.line, self.control = line, control
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._listener.bind((host, port))
            self._listener.listen(1)
        except (OSError, OverflowError) as error:
            self._listener.close()
            reason = getattr(error, "strerror", None) or str(error)
            raise K210Error(
                f"Cannot listen on TCP port {port} of {host} ({reason}); choose another with --serial rfc2217:PORT."
            ) from error
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"rfc2217://{host}:{self.port}"
        self._client: _Client | None = None

    @property
    def connected(self) -> bool:
        """Whether a client is there."""
        return self._client is not None

    def poll(self) -> None:
        """Accept a client, move bytes and settings; returns at once."""
        # First whether the old client has gone: flashing tools close the port and open it again at once.
        if self._client is not None and not self._client.poll():
            self._drop()
        self._accept()
        if self._client is None:
            waiting = self.line.take()  # nobody is plugged in: what the board says is lost
            if waiting:
                log.debug("rfc2217: %d bytes sent to nobody", len(waiting))
        if self.control is not None:
            self.control.poll()

    def wait(self, seconds: float) -> None:
        """Sleep so long, less when a client comes or has sent something."""
        sources: list[socket.socket] = [self._listener]
        if self._client is not None and self.line.pending < READ_AHEAD:
            sources.append(self._client.socket)
        select.select(sources, [], [], seconds)

    def close(self) -> None:
        """Drop the client and stop listening."""
        self._drop()
        self._listener.close()

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        if self._client is not None:
            connection.close()
            return
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client = _Client(connection, self.line, self.control)

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


class _Client:
    """One connection; also the "connection" that PortManager writes its answers to."""

    def __init__(self, connection: socket.socket, line: SerialLine, control: ControlLines | None) -> None:
        self.socket, self._line = connection, line
        self._out = bytearray()
        self._port = _Port(line, control, self)
        self._manager = PortManager(self._port, self)  # type: ignore[arg-type]

    def write(self, data: bytes) -> None:
        """Queue Telnet bytes for the client."""
        self._out += data

    def drop_output(self) -> None:
        """The client purges what the board has sent."""
        self._line.take()

    def poll(self) -> bool:
        """Move what there is; False when the client has gone."""
        return self._receive() and self._send()

    def _receive(self) -> bool:
        room = READ_AHEAD - self._line.pending
        if room <= 0:
            return True  # TCP makes the client wait
        try:
            data = self.socket.recv(room)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not data:
            return False
        manager = self._manager
        if IAC not in data and manager.mode == M_NORMAL and manager.suboption is None:
            self._line.send(data)
            return True
        try:
            for byte in manager.filter(data):
                self._line.send(byte)  # one by one: a purge or a new rate takes its place in the stream
        except (ValueError, TypeError, KeyError, IndexError, struct.error) as error:
            log.warning("rfc2217: client dropped, it does not speak RFC 2217 (%s)", error)
            return False
        return True

    def _send(self) -> bool:
        self._out += self._line.take().replace(IAC, IAC + IAC)
        if len(self._out) > BACKLOG:
            log.warning("rfc2217: client dropped, it left %d bytes unread", len(self._out))
            return False
        try:
            while self._out:
                del self._out[: self.socket.send(self._out)]
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Hang up: the line follows the board's rate again, DTR and RTS fall."""
        with contextlib.suppress(OSError):
            self._send()
        self.socket.close()
        self._port.hang_up()


class _Port:
    """What PortManager takes for a serial.Serial."""

    cts = dsr = cd = True
    ri = False
    xonxoff = rtscts = False

    def __init__(self, line: SerialLine, control: ControlLines | None, client: _Client) -> None:
        self._line, self._control, self._client = line, control, client
        self._baudrate, self._bytesize, self._parity, self._stopbits = 115_200, 8, "N", 1.0
        self._dtr: bool | None = None
        self._rts: bool | None = None
        self._break = False

    def hang_up(self) -> None:
        self._line.set_baud(None)
        self._line.set_format(None)
        if self._break:
            self._line.set_break(False)
        if self._control is not None and self._dtr is not None and self._rts is not None:
            self._control.set_lines(False, False)

    @property
    def baudrate(self) -> int:
        return self._baudrate

    @baudrate.setter
    def baudrate(self, baud: int) -> None:
        self._baudrate = baud
        self._line.set_baud(float(baud))

    @property
    def bytesize(self) -> int:
        return self._bytesize

    @bytesize.setter
    def bytesize(self, bits: int) -> None:
        if not 5 <= bits <= 8:
            raise ValueError(f"{bits} data bits")
        self._bytesize = bits
        self._set_format()

    @property
    def parity(self) -> str:
        return self._parity

    @parity.setter
    def parity(self, parity: str) -> None:
        self._parity = parity
        self._set_format()

    @property
    def stopbits(self) -> float:
        return self._stopbits

    @stopbits.setter
    def stopbits(self, stopbits: float) -> None:
        self._stopbits = stopbits
        self._set_format()

    def _set_format(self) -> None:
        self._line.set_format(SerialFormat(self._bytesize, self._parity, int(self._stopbits * 2)))

    def _set_control(self) -> None:
        if self._control is not None and self._dtr is not None and self._rts is not None:
            self._control.set_lines(self._dtr, self._rts)

    @property
    def dtr(self) -> bool:
        return bool(self._dtr)

    @dtr.setter
    def dtr(self, on: bool) -> None:
        self._dtr = on
        self._set_control()

    @property
    def rts(self) -> bool:
        return bool(self._rts)

    @rts.setter
    def rts(self, on: bool) -> None:
        self._rts = on
        self._set_control()

    @property
    def break_condition(self) -> bool:
        return self._break

    @break_condition.setter
    def break_condition(self, on: bool) -> None:
        self._break = on
        self._line.set_break(on)

    def reset_input_buffer(self) -> None:
        self._client.drop_output()

    def reset_output_buffer(self) -> None:
        self._line.purge(to_board=True)
