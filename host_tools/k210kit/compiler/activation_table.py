"""The KPU's activation table: sixteen lines that together come nearest to a function.

A segment holds from its start to the next one's: ((v - start) * mul >> shift) + bias, clamped to a byte. Since the bias
is a whole number, segments start where the function is one. Format: board/kpu/arithmetic.py, Activation.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from k210kit.compiler.functions import Doubles, Function
from k210kit.compiler.quantization import LEVELS, Scale

SEGMENTS = 16
LOWEST = -(1 << 35)
MOST_MUL, MOST_SHIFT = (1 << 15) - 1, 255
SAMPLES = 4096
MOST_STARTS = 160

Level = Callable[[Doubles], Doubles]


@dataclass(frozen=True)
class Segment:
    """Starts at `start` with the value `bias`; `slope` levels a unit of v."""

    start: int
    bias: int
    slope: float


def make_table(function: Function, unit: float, low: float, high: float, scale: Scale) -> bytes:
    """The table for v in units of `unit`, whose values run from `low` to `high`, with results in `scale`."""

    def level(v: Doubles) -> Doubles:
        return function.apply(v * unit) / scale.step + scale.zero

    ends = low / unit, high / unit
    if function.knots is not None:
        segments = _of_knots(level, [knot / unit for knot in function.knots], ends)
    else:
        segments = _fitted(level, ends)
    return _pack(segments)


def _byte(value: float) -> int:
    return int(np.clip(round(value), 0, LEVELS))


def _of_knots(level: Level, knots: list[float], ends: tuple[float, float]) -> list[Segment]:
    """Exact for a piecewise linear function: a segment for each piece, from where it enters the bytes' range."""
    wide = max(abs(ends[0]), abs(ends[1]), *(abs(knot) for knot in knots), 1.0) * 4
    points = [-wide, *sorted(knots), wide]
    values = level(np.array(points))
    segments = [Segment(LOWEST, _byte(values[0]), 0.0)]
    for (a, b), (qa, qb) in zip(pairwise(points), pairwise(values), strict=True):
        # What a clip makes of two numbers above its end may differ in the last bit.
        slope = (qb - qa) / (b - a) if abs(qb - qa) > 1e-6 else 0.0
        start, bias = a, qa
        if qa < 0 < qb and slope > 0:
            start, bias = a - qa / slope, 0.0
        elif qa > LEVELS > qb and slope < 0:
            start, bias = a + (LEVELS - qa) / slope, float(LEVELS)
        if max(qa, qb) <= 0 or min(qa, qb) >= LEVELS:
            slope, bias = 0.0, float(np.clip(qa, 0, LEVELS))
        elif abs(bias - round(bias)) > 1e-9 and slope:
            # The next whole level; before it the segment before goes on, less than a level off.
            whole = np.ceil(bias) if slope > 0 else np.floor(bias)
            start, bias = start + (whole - bias) / slope, whole
        segments.append(Segment(round(start), _byte(bias), slope))
    return segments


def _fitted(level: Level, ends: tuple[float, float]) -> list[Segment]:
    """For a smooth function: the choice of starts with the least squared error over the range."""
    low, high = ends
    grid = np.linspace(low, high, SAMPLES)
    wanted = np.clip(level(grid), 0, LEVELS)
    whole = np.rint(wanted)
    # Where the function passes a whole number, and the range's beginning.
    crossing = np.flatnonzero(np.diff(np.floor(wanted + 1e-9)) != 0) + 1
    starts = np.unique(np.concatenate([[0], crossing]))
    if len(starts) > MOST_STARTS:
        starts = starts[np.linspace(0, len(starts) - 1, MOST_STARTS).astype(int)]
    cost, slopes = _line_costs(grid, wanted, whole, starts)
    chosen = _best_path(cost, SEGMENTS - 1)
    segments = [Segment(LOWEST, _byte(wanted[0]), 0.0)]
    for here, after in pairwise([*chosen, len(starts)]):
        at = starts[here]
        segments.append(Segment(round(float(grid[at])), _byte(whole[at]), slopes[here, after]))
    return segments


def _line_costs(
    grid: Doubles, wanted: Doubles, whole: Doubles, starts: npt.NDArray[np.intp]
) -> tuple[Doubles, Doubles]:
    """For a line from start i to just before start j: squared error and slope."""
    count = len(starts)
    cost, slopes = np.full((count, count + 1), np.inf), np.zeros((count, count + 1))
    ends = [*starts[1:], len(grid)]
    for i, at in enumerate(starts):
        x, y = grid[at:] - grid[at], wanted[at:] - whole[at]
        xx, xy, yy = np.cumsum(x * x), np.cumsum(x * y), np.cumsum(y * y)
        for j in range(i + 1, count + 1):
            last = ends[j - 1] - at - 1
            slope = xy[last] / xx[last] if xx[last] > 0 else 0.0
            slopes[i, j] = slope
            cost[i, j] = max(0.0, yy[last] - slope * xy[last])
    return cost, slopes


def _best_path(cost: Doubles, most: int) -> list[int]:
    """The starts of at most `most` lines from the first start to the end."""
    count = cost.shape[0]
    best = np.full((most + 1, count + 1), np.inf)
    came = np.zeros((most + 1, count + 1), int)
    best[0, 0] = 0
    for lines in range(1, most + 1):
        total = best[lines - 1, :count, None] + cost
        came[lines] = total.argmin(0)
        best[lines] = total.min(0)
    lines = int(best[:, count].argmin())
    path, at = [], count
    while lines:
        at = int(came[lines, at])
        path.append(at)
        lines -= 1
    return path[::-1]


def _pack(segments: list[Segment]) -> bytes:
    words, biases = [], []
    # A start that is not above the one before would never hold.
    kept = [segment for segment, after in pairwise(segments) if after.start > segment.start] + segments[-1:]
    kept += [kept[-1]] * (SEGMENTS - len(kept))
    for segment in kept:
        mul, shift = _factor(segment.slope)
        start = max(LOWEST, segment.start)
        words.append((shift & 0xFF) | (mul & 0xFFFF) << 8 | (start & 0xF_FFFF_FFFF) << 24)
        biases.append(segment.bias)
    return struct.pack(f"<{SEGMENTS}Q", *words) + bytes(biases)


def _factor(slope: float) -> tuple[int, int]:
    """mul and shift for which mul / 2**shift is nearest to the slope."""
    if slope == 0:
        return 0, 0
    shift = int(np.clip(14 - np.floor(np.log2(abs(slope))), 0, MOST_SHIFT))
    mul = round(slope * 2.0**shift)
    if abs(mul) > MOST_MUL:
        shift -= 1
        mul = round(slope * 2.0**shift)
    return int(np.clip(mul, -MOST_MUL - 1, MOST_MUL)), shift
