"""Microphones and loudspeakers as WAV files.

Samples on this side of the I2S block are frames: int32 arrays of shape (count, 2), left and right, full scale 2^31.
"""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from k210kit.errors import K210Error

Frames = NDArray[np.int32]
FRACTION = 32


class AudioSource(Protocol):
    """What drives an I2S data input."""

    def frames(self, count: int, rate: float) -> Frames:
        """The next `count` frames at `rate` frames a second."""
        ...

    def skip(self, count: int, rate: float) -> None:
        """Let `count` frames pass unheard."""
        ...


class AudioSink(Protocol):
    """What listens to an I2S data output."""

    def push(self, frames: Frames, rate: float) -> None:
        """Frames that were sent, at `rate` frames a second."""
        ...

    def silence(self, count: int, rate: float) -> None:
        """`count` frames passed with nothing to send."""
        ...


class WavSource:
    """A PCM WAV file (8 to 32 bits, mono or stereo) as a microphone; silent at its end, or from the start again.

    A file of another rate is stepped through without interpolation. Raises K210Error for files that cannot be read.
    """

    def __init__(self, path: str | Path, *, loop: bool = False) -> None:
        self.loop = loop
        self._frames, self.rate = _read_wav(Path(path))
        self._position = 0  # in frames of the file, with FRACTION bits behind the point

    def frames(self, count: int, rate: float) -> Frames:
        """See AudioSource."""
        at = (self._position + self._step(rate) * np.arange(count, dtype=np.int64)) >> FRACTION
        self.skip(count, rate)
        length = len(self._frames)
        if self.loop:
            at %= length
        found: Frames = self._frames[np.minimum(at, length - 1)]
        found[at >= length] = 0  # none when looping
        return found

    def skip(self, count: int, rate: float) -> None:
        """See AudioSource."""
        self._position += self._step(rate) * count
        if self.loop:
            self._position %= len(self._frames) << FRACTION

    def _step(self, rate: float) -> int:
        return round((self.rate << FRACTION) / rate)


def _read_wav(path: Path) -> tuple[Frames, int]:
    try:
        with wave.open(str(path), "rb") as file:
            channels, width, rate = file.getnchannels(), file.getsampwidth(), file.getframerate()
            data = file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        raise K210Error(f"cannot read {path} as a PCM WAV file: {error}") from error
    data = data[: len(data) - len(data) % (channels * width)]
    if channels > 2 or not data or not rate:
        raise K210Error(f"{path} has {channels} channels and {len(data)} bytes of sound; give mono or stereo sound")
    raw = np.frombuffer(data, np.uint8).reshape(-1, width)
    full = np.zeros((len(raw), 4), np.uint8)
    full[:, 4 - width :] = raw
    samples = full.view("<i4").reshape(-1, channels)
    if width == 1:
        samples = samples ^ np.int32(-(1 << 31))  # 8-bit WAV samples are unsigned
    return np.ascontiguousarray(np.broadcast_to(samples, (len(samples), 2)), np.int32), rate


class WavSink:
    """A loudspeaker that keeps what it hears; `close()` writes it to `path` as stereo PCM of `bits` (16, 24 or 32).

    Silence counts between sounds only, not before the first or after the last. `path` None keeps the samples only.
    """

    def __init__(self, path: str | Path | None = None, *, bits: int = 16) -> None:
        if bits not in (16, 24, 32):
            raise K210Error(f"a WAV file of {bits} bits cannot be written; choose 16, 24 or 32")
        self.path, self.bits, self.rate = path, bits, 0
        self._heard: list[Frames] = []
        self._pause = 0
        self._open = True

    def push(self, frames: Frames, rate: float) -> None:
        """See AudioSink; the file has the rate of the first sound."""
        if not len(frames):
            return
        self.rate = self.rate or round(rate)
        if self._pause:
            self._heard.append(np.zeros((self._pause, 2), np.int32))
            self._pause = 0
        self._heard.append(frames)

    def silence(self, count: int, rate: float) -> None:
        """See AudioSink."""
        if self._heard:
            self._pause += count

    @property
    def samples(self) -> Frames:
        """All frames heard so far, int32 of shape (count, 2)."""
        if len(self._heard) != 1:
            self._heard = [np.concatenate(self._heard)] if self._heard else []
        return self._heard[0] if self._heard else np.zeros((0, 2), np.int32)

    def close(self) -> None:
        """Write the file. Raises K210Error when that fails; a second call does nothing."""
        if not self._open:
            return
        self._open = False
        if self.path is None:
            return
        width = self.bits // 8
        data = np.ascontiguousarray(self.samples, "<i4").view(np.uint8).reshape(-1, 4)[:, 4 - width :]
        try:
            with open(self.path, "wb") as raw, wave.open(raw, "wb") as file:
                file.setnchannels(2)
                file.setsampwidth(width)
                file.setframerate(self.rate or 44100)
                file.writeframes(data.tobytes())
        except OSError as error:
            raise K210Error(f"cannot write the sound to {self.path}: {error.strerror}") from error
