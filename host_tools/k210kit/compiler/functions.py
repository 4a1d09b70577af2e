"""Functions of one number that the KPU's activation may compute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Function:
    """`knots` are the places where a piecewise linear function bends; None for a smooth one."""

    name: str
    apply: Callable[[Doubles], Doubles]
    knots: tuple[float, ...] | None = None

    @classmethod
    def identity(cls) -> Function:
        """The number itself."""
        return cls("identity", lambda x: x, ())

    @classmethod
    def clip(cls, low: float, high: float) -> Function:
        """Relu is clip(0, infinity), relu6 clip(0, 6)."""
        knots = tuple(limit for limit in (low, high) if np.isfinite(limit))
        return cls(f"clip {low:g}..{high:g}", lambda x: np.clip(x, low, high), knots)

    @classmethod
    def leaky(cls, slope: float) -> Function:
        """`slope` below 0, 1 above."""
        return cls(f"leaky relu {slope:g}", lambda x: np.where(x < 0, slope * x, x), (0.0,))

    @classmethod
    def sigmoid(cls) -> Function:
        """1 / (1 + exp(-x))."""
        return cls("sigmoid", lambda x: 0.5 * (1 + np.tanh(x / 2)))

    @classmethod
    def hard_sigmoid(cls, alpha: float, beta: float) -> Function:
        """alpha * x + beta between 0 and 1."""
        return cls("hard sigmoid", lambda x: np.clip(alpha * x + beta, 0, 1), (-beta / alpha, (1 - beta) / alpha))

    @classmethod
    def tanh(cls) -> Function:
        """The hyperbolic tangent."""
        return cls("tanh", np.tanh)

    @classmethod
    def scaled_sigmoid(cls) -> Function:
        """x * sigmoid(x), called SiLU or swish."""
        return cls("silu", lambda x: x * 0.5 * (1 + np.tanh(x / 2)))

    @classmethod
    def hard_swish(cls) -> Function:
        """x * clip(x / 6 + 1/2, 0, 1)."""
        return cls("hard swish", lambda x: x * np.clip(x / 6 + 0.5, 0, 1))

    @classmethod
    def elu(cls, alpha: float) -> Function:
        """alpha * (exp(x) - 1) below 0."""
        return cls(f"elu {alpha:g}", lambda x: np.where(x < 0, alpha * np.expm1(np.minimum(x, 0)), x))

    @classmethod
    def affine(cls, factor: float, offset: float) -> Function:
        """factor * x + offset."""
        return cls(f"{factor:g} x + {offset:g}", lambda x: factor * x + offset, ())

    def then(self, other: Function) -> Function:
        """This one, then the other."""
        if self.name == "identity":
            return other
        first, second = self.apply, other.apply
        knots = self.knots if other.knots == () else None
        return Function(f"{self.name}, {other.name}", lambda x: second(first(x)), knots)
