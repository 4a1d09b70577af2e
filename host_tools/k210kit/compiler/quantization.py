"""Real numbers as bytes: how, and which ranges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

LEVELS = 255
ZERO_WEIGHT = 128
"""The byte that stands for 0 in weights."""


@dataclass(frozen=True)
class Scale:
    """A byte q stands for step * (q - zero)."""

    step: float
    zero: int

    @classmethod
    def of_range(cls, low: float, high: float) -> Scale:
        """That reaches from `low` to `high`, and has 0 as one of its values."""
        low, high = min(low, 0.0), max(high, 0.0)
        if high - low < 1e-8:
            high = low + 1e-8
        step = (high - low) / LEVELS
        return cls(step, int(np.clip(round(-low / step), 0, LEVELS)))

    def bytes_of(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
        """The nearest bytes."""
        return np.clip(np.rint(values / self.step) + self.zero, 0, LEVELS).astype(np.uint8)


@dataclass(frozen=True)
class Weights:
    """`data` in bytes; output channel c stands for steps[c] * (data[c] - ZERO_WEIGHT)."""

    data: npt.NDArray[np.uint8]
    steps: npt.NDArray[np.float64]


def quantize_weights(weights: npt.NDArray[np.floating]) -> Weights:
    """A step for each output channel, so that its largest weight is at the end of the range."""
    flat = np.abs(weights.reshape(weights.shape[0], -1).astype(np.float64))
    steps = np.maximum(flat.max(1), 1e-12) / (LEVELS - ZERO_WEIGHT)
    wide = steps.reshape(-1, *([1] * (weights.ndim - 1)))
    data = np.clip(np.rint(weights / wide) + ZERO_WEIGHT, 0, LEVELS).astype(np.uint8)
    return Weights(data, steps)
