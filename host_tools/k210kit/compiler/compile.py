"""The whole way: an ONNX file and pictures in, a kernel model and how near it comes out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx

from k210kit.compiler import calibration, onnx_reader, onnx_rewriting, preprocessing, qdq
from k210kit.compiler import network as net
from k210kit.compiler.calibration import Reference
from k210kit.compiler.equalization import equalized
from k210kit.compiler.lowering import Lowering, Ranges, lower
from k210kit.compiler.quantization import Scale
from k210kit.compiler.stages import Join, KpuStage, Stage, stages_of
from k210kit.compiler.tiling import in_bands
from k210kit.errors import K210Error

METHODS = ("minmax", "percentile", "mse", "kl")
LEAST_LAYER = 1024
MARGIN = 1.03
"""Other pictures reach a little further than those that were seen."""


@dataclass(frozen=True)
class Options:
    """How a network is compiled. It takes pictures as floats (byte - mean) / std: numbers, or one for each channel.

    `swap_rb`: its first channel is blue. `ranges` is how a value's range is chosen out of what calibration has seen:
    all of it and a little more, all but the outer 0.01 %, what gives the least squared error, or the least divergence.
    `correct_bias` makes good in the biases what rounding the weights adds. `equalize` shares scales between
    neighbouring convolutions so that channels are alike. Layers of more than `largest_layer` bytes of weights become
    several, each for some channels: a streamed model needs memory for its largest.
    """

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    swap_rb: bool = False
    ranges: str = "minmax"
    correct_bias: bool = True
    equalize: bool = False
    largest_layer: int = 1 << 18

    def __post_init__(self) -> None:
        if self.ranges not in METHODS:
            raise K210Error(f"ranges={self.ranges} is not known: {', '.join(METHODS)} are")
        if any(std <= 0 for std in self.std):
            raise K210Error(f"std {self.std} has to be above 0")
        if self.largest_layer < LEAST_LAYER:
            raise K210Error(f"largest_layer={self.largest_layer:,} bytes has to be {LEAST_LAYER:,} or more")


@dataclass(frozen=True)
class Compiled:
    """`data` is the file. `values` names what each of its layers makes, `reference` computes the same in floats."""

    data: bytes
    lowering: Lowering
    reference: Reference

    @property
    def network(self) -> net.Network:
        """What was compiled."""
        return self.lowering.network


def compile_model(
    source: str | Path | onnx.ModelProto, pictures: npt.NDArray[np.uint8], options: Options | None = None
) -> Compiled:
    """Compile a network.

    `pictures` of shape (n, channels, height, width), red first, show what it will see: numbers are scaled to the ranges
    found on them. Raises K210Error that names what cannot be carried, and why.
    """
    options = options or Options()
    model = source if isinstance(source, onnx.ModelProto) else load_onnx(source)
    model = onnx_rewriting.with_channels_first(model)
    simple = onnx_reader.simplified(preprocessing.with_preprocessing(model, options.mean, options.std, options.swap_rb))
    simple, given = qdq.without_qdq(simple)
    simple = onnx_rewriting.with_simple_nodes(simple)
    if options.equalize:
        simple = equalized(simple)
    network = onnx_reader.read(simple)
    wanted = network.shapes[network.input]
    if pictures.ndim != 4 or pictures.shape[1:] != wanted or not len(pictures):
        raise K210Error(f"calibration pictures are {pictures.shape}, (n, {', '.join(map(str, wanted))}) is wanted")
    factor, offset = preprocessing.uniform(options.mean, options.std)
    reference = Reference(simple, factor, offset)
    seen = calibration.observe(reference, pictures)
    limits = {name: _limits(value, options.ranges) for name, value in seen.items()}
    means = {name: value.means.astype(np.float64) for name, value in seen.items()} if options.correct_bias else {}
    limits |= {value: limit for value, limit in given.items() if value in limits}
    limits |= {part: limits[whole] for part, whole in network.parts.items()}
    stages, network = in_bands(*stages_of(network))
    scales = _scales(stages, network, limits, Scale(factor, round(-offset / factor)))
    lowering = lower(network, stages, scales, limits, means, options.largest_layer)
    return Compiled(lowering.finish(), lowering, reference)


def _limits(seen: calibration.Seen, method: str) -> tuple[float, float]:
    if method == "percentile":
        return seen.percentile(0.9999)
    if method == "mse":
        return seen.least_error()
    if method == "kl":
        return seen.least_divergence()
    return seen.low * MARGIN, seen.high * MARGIN


def load_onnx(path: str | Path) -> onnx.ModelProto:
    """Read an ONNX file. Raises K210Error."""
    try:
        return onnx.load(str(path))
    except OSError as error:
        raise K210Error(f"cannot read {path}: {error.strerror or error}") from None
    except Exception as error:  # protobuf's own class of errors
        raise K210Error(f"{path} is no ONNX model: {error}") from None


def _scales(stages: list[Stage], network: net.Network, ranges: Ranges, picture: Scale) -> dict[str, Scale]:
    """Every value's scale. Values that are moved as bytes, or stand side by side, share one."""
    groups = _Groups()
    found: dict[str, tuple[float, float]] = {}
    for stage in stages:
        if isinstance(stage, KpuStage) and stage.measured == stage.input:
            groups.join(stage.input, stage.output)
        elif isinstance(stage, KpuStage):
            found[stage.output] = ranges[stage.measured]
        elif isinstance(stage, Join):
            for value in stage.parts:
                groups.join(value, stage.output)
        else:
            found[stage.output] = ranges[stage.output]
            if isinstance(stage, (net.Concat, net.Slice, net.Resize, net.Alias)) or (
                isinstance(stage, net.Pool) and not stage.mean
            ):
                for value in stage.inputs:
                    groups.join(value, stage.output)
    values = {network.input, *(stage.output for stage in stages)}
    members: dict[str, list[tuple[float, float]]] = {}
    for value, limits in found.items():
        members.setdefault(groups.find(value), []).append(limits)
    scales = {}
    for value in sorted(values):
        group = groups.find(value)
        if group == groups.find(network.input):
            scales[value] = picture
        else:
            lows, highs = zip(*members[group], strict=True)
            scales[value] = Scale.of_range(min(lows), max(highs))
    return scales


class _Groups:
    """Sets of values that are one."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}

    def find(self, value: str) -> str:
        while value in self._above:
            value = self._above[value]
        return value

    def join(self, one: str, other: str) -> None:
        one, other = self.find(one), self.find(other)
        if one != other:
            self._above[other] = one
