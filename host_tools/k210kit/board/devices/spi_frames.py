"""Data frames of the SPI controllers as bytes on the wire."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from k210kit.board.core.dma import Items

Frames = Sequence[int] | Items


def frames_to_bytes(frames: Frames, bits: int, swapped: bool) -> bytes:
    """Frames of `bits` (1..32) in wire order: most significant byte first, last when `swapped`.

    A frame that is no whole number of bytes stands right-aligned in the next larger one: the parts
    here take bytes.
    """
    width = (bits + 7) // 8
    mask = (1 << bits) - 1
    if len(frames) <= 8 or not isinstance(frames, np.ndarray):
        order = "little" if swapped else "big"
        return b"".join([(int(frame) & mask).to_bytes(width, order) for frame in frames])  # type: ignore[arg-type]
    values = frames & np.uint32(mask)
    if width == 1:
        return values.astype(np.uint8).tobytes()
    if width == 3:
        columns = values.astype("<u4" if swapped else ">u4").view(np.uint8).reshape(-1, 4)
        return (columns[:, :3] if swapped else columns[:, 1:]).tobytes()
    return values.astype(f"{'<' if swapped else '>'}u{width}").tobytes()


def bytes_to_frames(data: bytes, bits: int, swapped: bool) -> Items:
    """The inverse of `frames_to_bytes`, as uint32; `data` holds whole frames."""
    width = (bits + 7) // 8
    if width == 1:
        frames = np.frombuffer(data, np.uint8).astype(np.uint32)
    elif width == 3:
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, :3] = np.frombuffer(data, np.uint8).reshape(-1, 3)[:, :: 1 if swapped else -1]
        frames = wide.view("<u4").reshape(-1).astype(np.uint32)
    else:
        frames = np.frombuffer(data, f"{'<' if swapped else '>'}u{width}").astype(np.uint32)
    return frames if bits % 8 == 0 else frames & np.uint32((1 << bits) - 1)
