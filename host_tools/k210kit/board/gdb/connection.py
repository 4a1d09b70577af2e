"""Packets of the gdb remote serial protocol over a socket."""

from __future__ import annotations

import select
import socket

PACKET_SIZE = 0x4000
INTERRUPT_BYTE = b"\x03"


class Connection:
    """Packets over a socket: framing, checksums, acknowledgements."""

    def __init__(self, peer: socket.socket) -> None:
        self._peer = peer
        self._buffer = bytearray()
        self.acknowledge = True
        self.open = True
        self.interrupted = False
        peer.setblocking(False)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def poll(self, seconds: float) -> None:
        """Take in what has come, waiting up to `seconds`."""
        try:
            if select.select([self._peer], [], [], seconds)[0]:
                data = self._peer.recv(1 << 16)
                self._buffer += data
                self.open = bool(data)
        except OSError:
            self.open = False

    def next_packet(self) -> str | None:
        """The next whole packet's contents, or None."""
        while True:
            if self._buffer[:1] == INTERRUPT_BYTE:
                del self._buffer[:1]
                self.interrupted = True
                continue
            start = self._buffer.find(b"$")
            if start > 0:
                if INTERRUPT_BYTE in self._buffer[:start]:
                    self.interrupted = True
                del self._buffer[:start]
            end = self._buffer.find(b"#")
            if start < 0 or end < 0 or len(self._buffer) < end + 3:
                if start < 0:
                    self.interrupted |= INTERRUPT_BYTE in self._buffer
                    self._buffer.clear()
                return None
            body, checksum = bytes(self._buffer[1:end]), bytes(self._buffer[end + 1 : end + 3])
            del self._buffer[: end + 3]
            if not self.acknowledge:
                return body.decode("latin-1")
            good = b"%02x" % (sum(body) & 255) == checksum.lower()
            self._write(b"+" if good else b"-")
            if good:
                return body.decode("latin-1")

    def send(self, text: str) -> None:
        """Send a packet."""
        body = text.encode("latin-1")
        for special in b"}#$*":
            body = body.replace(bytes((special,)), bytes((0x7D, special ^ 0x20)))
        self._write(b"$%s#%02x" % (body, sum(body) & 255))

    def _write(self, data: bytes) -> None:
        try:
            while data and self.open:
                select.select([], [self._peer], [], 1)
                data = data[self._peer.send(data) :]
        except OSError:
            self.open = False

    def close(self) -> None:
        """Hang up."""
        self.open = False
        self._peer.close()


def unescape(payload: str) -> bytes:
    """The bytes of a binary payload, whose } escapes the next one."""
    data, source = bytearray(), iter(payload.encode("latin-1"))
    for byte in source:
        data.append(next(source, 0) ^ 0x20 if byte == 0x7D else byte)
    return bytes(data)
