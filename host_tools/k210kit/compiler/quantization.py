"""Real numbers as bytes: how, and which ranges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

LEVELS = 255


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
    """`data` in bytes; output channel c stands for steps[c] * (data[c] - zero)."""

    data: npt.NDArray[np.uint8]
    steps: npt.NDArray[np.float64]
    zero: int

    def real(self) -> npt.NDArray[np.float64]:
        """The numbers that the bytes stand for."""
        steps = self.steps.reshape(-1, *([1] * (self.data.ndim - 1)))
        return (self.data.astype(np.float64) - self.zero) * steps


ZEROS = range(64, 193, 8)


def quantize_weights(weights: npt.NDArray[np.floating]) -> Weights:
    """A step for each output channel, which reaches its largest weight, and one zero for all, as the KPU has it.

    The zero is the one with the least squared error. Each kernel's sum is kept as near as can be, since neighbours in
    pictures are alike.
    """
    shape = weights.shape
    kernels = weights.reshape(shape[0], shape[1], -1).astype(np.float64)
    best = min((_steps(kernels, zero) for zero in ZEROS), key=lambda found: (found[0], abs(found[2] - 128)))
    _, steps, zero = best
    whole = _rounded(kernels / steps[:, None, None])
    data = np.clip(whole + zero, 0, LEVELS).astype(np.uint8)
    return Weights(data.reshape(shape), steps, zero)


def _steps(kernels: npt.NDArray[np.float64], zero: int) -> tuple[float, npt.NDArray[np.float64], int]:
    """Squared error, each channel's step for a zero, and the zero."""
    flat = kernels.reshape(len(kernels), -1)
    steps = np.maximum(np.maximum(flat.max(1) / (LEVELS - zero), -flat.min(1) / zero), 1e-12)
    back = np.rint(flat / steps[:, None]) * steps[:, None]
    return float(np.square(flat - back).sum()), steps, zero


def _rounded(kernels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Whole numbers, of each kernel (last axis) with a sum within half of its own: those nearest to the other side are
    rounded the other way."""
    whole = np.rint(kernels)
    if kernels.shape[-1] == 1:
        return whole
    left = kernels - whole
    missing = np.rint(left.sum(-1)).astype(int)
    order = np.argsort(-np.sign(missing)[..., None] * left, axis=-1, kind="stable")
    rank = np.argsort(order, axis=-1, kind="stable")
    moved = rank < np.abs(missing)[..., None]
    return whole + moved * np.sign(missing)[..., None]
