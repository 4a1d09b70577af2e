"""Which values a network's numbers take, as onnxruntime computes it on pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

from k210kit.compiler.quantization import LEVELS, Scale

Floats = npt.NDArray[np.float32]
SAMPLE = 40_000
"""So many numbers of a value are kept to choose its range by."""


class Reference:
    """Runs a model in floats, given factor * byte + offset; any value of it can be looked at."""

    def __init__(self, model: onnx.ModelProto, factor: float = 1.0, offset: float = 0.0) -> None:
        self.factor, self.offset = factor, offset
        self.outputs = [value.name for value in model.graph.output]
        whole = onnx.ModelProto()
        whole.CopyFrom(model)
        known = {value.name for value in whole.graph.output}
        for node in whole.graph.node:
            for name in node.output:
                if name and name not in known:
                    whole.graph.output.append(onnx.ValueInfoProto(name=name))
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            whole.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self._names = [value.name for value in self._session.get_outputs()]
        self.input = self._session.get_inputs()[0].name

    def _numbers(self, picture: npt.NDArray[np.uint8]) -> Floats:
        return picture[None].astype(np.float32) * np.float32(self.factor) + np.float32(self.offset)

    def run(self, picture: npt.NDArray[np.uint8]) -> dict[str, Floats]:
        """Every value, by its name, for bytes of shape (channels, height, width)."""
        values = self._session.run(self._names, {self.input: self._numbers(picture)})
        return dict(zip(self._names, values, strict=True))


@dataclass(frozen=True)
class Seen:
    """What was seen of a value: its smallest and largest number, a sample of all of them, and the channels' means."""

    low: float
    high: float
    sample: Floats
    means: Floats
    """Of each channel."""

    def percentile(self, part: float) -> tuple[float, float]:
        """Without the outer (1 - part) at either end."""
        low, high = np.quantile(self.sample, [1 - part, part])
        return float(low), float(high)

    def least_error(self) -> tuple[float, float]:
        """The range whose bytes come nearest to the numbers: what lies outside is cut off, what is inside is finer."""
        best = self.low, self.high
        least = _squared_error(self.sample, *best)
        for part in np.arange(0.98, 0.3, -0.02):
            for low, high in (
                (self.low * part, self.high * part),
                (self.low, best[1] * part),
                (best[0] * part, self.high),
            ):
                error = _squared_error(self.sample, low, high)
                if error < least:
                    best, least = (low, high), error
        return best

    def least_divergence(self) -> tuple[float, float]:
        """The range in which the bytes' distribution tells least apart from the numbers' (Kullback-Leibler)."""
        best, least = (self.low, self.high), np.inf
        for part in np.arange(1.0, 0.3, -0.02):
            low, high = self.low * part, self.high * part
            divergence = _divergence(self.sample, low, high)
            if divergence < least - 1e-9:
                best, least = (low, high), divergence
        return best


BINS = 2048


def _divergence(sample: Floats, low: float, high: float) -> float:
    """Of the numbers, clipped to the range, from what bytes make of them, in bins that are finer than bytes."""
    if high - low < 1e-12:
        return float("inf")
    clipped = np.clip(sample, low, high)
    wanted, edges = np.histogram(clipped, BINS, (low, high))
    levels = np.minimum((np.arange(BINS) * (LEVELS + 1)) // BINS, LEVELS)
    filled = wanted > 0
    spread = np.maximum(np.bincount(levels, filled, LEVELS + 1), 1)
    # What bytes keep is each level's share, evenly over its bins that hold anything; clipped numbers count as an error.
    inside = np.histogram(sample[(sample >= low) & (sample <= high)], edges)[0]
    kept = np.bincount(levels, inside, LEVELS + 1)
    found = np.where(filled, (kept / spread)[levels], 0)
    p, q = wanted / wanted.sum(), found / max(found.sum(), 1)
    both = (p > 0) & (q > 0)
    return float((p[both] * np.log(p[both] / q[both])).sum() + p[(p > 0) & (q == 0)].sum())


def _squared_error(sample: Floats, low: float, high: float) -> float:
    scale = Scale.of_range(low, high)
    back = (scale.bytes_of(sample).astype(np.float32) - scale.zero) * np.float32(scale.step)
    return float(np.square(sample - back).sum())


def observe(reference: Reference, pictures: npt.NDArray[np.uint8]) -> dict[str, Seen]:
    """What every value was on the pictures."""
    each = max(1, SAMPLE // len(pictures))
    found: dict[str, list[Floats]] = {}
    limits: dict[str, tuple[float, float]] = {}
    means: dict[str, list[Floats]] = {}
    random = np.random.default_rng(0)
    for picture in pictures:
        for name, values in reference.run(picture).items():
            flat = values.reshape(-1)
            low, high = limits.get(name, (np.inf, -np.inf))
            limits[name] = min(low, float(flat.min())), max(high, float(flat.max()))
            channels = values.shape[1] if values.ndim > 1 else 1
            means.setdefault(name, []).append(values.reshape(channels, -1).mean(1))
            found.setdefault(name, []).append(flat if flat.size <= each else random.choice(flat, each, replace=False))
    return {name: Seen(*limits[name], np.concatenate(parts), np.mean(means[name], 0)) for name, parts in found.items()}
