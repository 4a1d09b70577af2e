"""SLIP (RFC 1055): frames on a line of bytes."""

from __future__ import annotations

END, ESC, ESC_END, ESC_ESC = 0xC0, 0xDB, 0xDC, 0xDD
LONGEST = 0x20000
"""No frame of either protocol is longer; what is goes as damaged."""


def encode(data: bytes) -> bytes:
    """`data` as a frame, END before and after."""
    escaped = data.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")
    return b"\xc0" + escaped + b"\xc0"


class Decoder:
    """Takes bytes as they come and gives whole frames.

    Every END both ends a frame and begins one, so that a lost END costs a frame and not all that follow. `damaged`
    counts frames with a wrong escape or of impossible length.
    """

    def __init__(self) -> None:
        self._frame = bytearray()
        self.damaged = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that end within `data`; empty ones are left out."""
        frames = []
        first, *rest = data.split(b"\xc0")
        self._add(first)
        for part in rest:
            frame = self._take()
            if frame:
                frames.append(frame)
            self._add(part)
        return frames

    def clear(self) -> None:
        """Forget what has come of an unfinished frame."""
        self._frame.clear()

    def _add(self, part: bytes) -> None:
        # One byte beyond the limit is enough to be seen as too long.
        self._frame += part[: 2 * LONGEST + 1 - len(self._frame)]

    def _take(self) -> bytes:
        raw = bytes(self._frame)
        self._frame.clear()
        if ESC not in raw:
            frame = raw
        else:
            first, *parts = raw.split(b"\xdb")
            pieces = [first]
            for part in parts:
                if part[:1] not in (b"\xdc", b"\xdd"):
                    self.damaged += 1
                    return b""
                pieces.append((b"\xc0" if part[0] == ESC_END else b"\xdb") + part[1:])
            frame = b"".join(pieces)
        if len(frame) > LONGEST:
            self.damaged += 1
            return b""
        return frame
