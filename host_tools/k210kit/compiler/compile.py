"""The whole way: an ONNX file and pictures in, a kernel model and how near it comes out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx

from k210kit.compiler import calibration, onnx_reader
from k210kit.compiler import network as net
from k210kit.compiler.lowering import Ranges, lower
from k210kit.compiler.quantization import Scale
from k210kit.compiler.stages import Join, KpuStage, Stage, stages_of
from k210kit.errors import K210Error


@dataclass(frozen=True)
class Compiled:
    """`data` is the file; `layers` its layers, what each is and the shape of its result."""

    data: bytes
    layers: tuple[tuple[str, str, net.Shape], ...]
    network: net.Network


def compile_model(
    source: str | Path | onnx.ModelProto,
    pictures: npt.NDArray[np.uint8],
    *,
    mean: float = 0.0,
    std: float = 1.0,
    method: str = "minmax",
    correct_bias: bool = True,
) -> Compiled:
    """Compile a network that takes pictures as floats (byte - mean) / std.

    `pictures` of shape (n, channels, height, width) show what it will see: numbers are scaled to the ranges found on
    them. Raises K210Error that names what cannot be carried, and why.
    """
    model = source if isinstance(source, onnx.ModelProto) else _load(source)
    simple = onnx_reader.simplified(model)
    network = onnx_reader.read(simple)
    wanted = network.shapes[network.input]
    if pictures.ndim != 4 or pictures.shape[1:] != wanted or not len(pictures):
        raise K210Error(
            f"calibration pictures have the shape {pictures.shape}, (n, {', '.join(map(str, wanted))}) is wanted"
        )
    seen = calibration.observe(calibration.Reference(simple, 1 / std, -mean / std), pictures)
    ranges = {name: getattr(value, method)() for name, value in seen.items()}
    means = {name: value.means.astype(np.float64) for name, value in seen.items()} if correct_bias else {}
    stages, network = stages_of(network)
    scales = _scales(stages, network, ranges, Scale(1 / std, round(mean)))
    lowering = lower(network, stages, scales, ranges, means)
    data = lowering.finish()
    return Compiled(data, tuple((layer.name, layer.what, layer.shape) for layer in lowering.layers), network)


def _load(path: str | Path) -> onnx.ModelProto:
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
            if isinstance(stage, (net.Concat, net.Resize, net.Alias)) or (
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
