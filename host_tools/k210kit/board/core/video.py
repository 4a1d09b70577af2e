"""What a camera sensor puts on its parallel bus: frames of bytes, with their timing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

Bytes = NDArray[Any]
"""uint8; the bytes of a frame have the shape (lines, bytes of a line)."""


@dataclass(frozen=True)
class VideoFrame:
    """A frame that begins with the rising edge of VSYNC: its lines' number and times, and what they carry.

    Times are picoseconds: `first_line` from VSYNC to the first HREF, `line_time` from line to line. `data` gives the
    bytes; it is called at most once, when somebody takes the frame.
    """

    lines: int
    first_line: int
    line_time: int
    data: Callable[[], Bytes]
