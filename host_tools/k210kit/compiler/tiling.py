"""Runs of KPU layers whose images do not fit KPU RAM, done in bands of rows.

A band goes through all layers of the run before the next one, so that only bands of the images in between exist. Each
layer is given a few rows more than are wanted of it, since it takes what lies beyond its rows for padding; of the run's
result only the right rows are copied to their place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

from k210kit.board.kpu.layer import LINE
from k210kit.compiler import network as net
from k210kit.compiler.stages import Join, KpuStage, Stage, copy_stage, pool_side
from k210kit.compiler.views import Image, lines_of
from k210kit.errors import K210Error

KPU_RAM_LINES = (2 << 20) // LINE
MOST_BANDS = 32


def in_bands(stages: list[Stage], network: net.Network) -> tuple[list[Stage], net.Network]:
    """The same stages, those that do not fit in bands. Raises K210Error for what does not fit in bands either."""
    shapes = dict(network.shapes)
    done: list[Stage] = []
    at = 0
    while at < len(stages):
        run = _run_around(stages, at, network, shapes)
        if run is None:
            done.append(stages[at])
            at += 1
        else:
            first, last = run
            # What the run begins with may have been passed already.
            done = done[: len(done) - (at - first)]
            done += _bands([s for s in stages[first : last + 1] if isinstance(s, KpuStage)], shapes)
            at = last + 1
    return _with_whole_input(done, network.input, shapes), replace(network, shapes=shapes)


def _with_whole_input(stages: list[Stage], value: str, shapes: dict[str, net.Shape]) -> list[Stage]:
    """The format takes the first layer's input for the model's, which therefore cannot be a band of it."""
    first = stages[0] if stages else None
    if not isinstance(first, KpuStage) or first.window is None:
        return stages
    copy = copy_stage(f"{value}, copy", value, shapes[value][0])
    shapes[copy.output] = shapes[value]
    return [
        copy,
        *(replace(s, input=copy.output) if isinstance(s, KpuStage) and s.input == value else s for s in stages),
    ]


def _image(shapes: dict[str, net.Shape], value: str) -> Image:
    shape = shapes[value]
    return shape[0], shape[1], shape[2]


def _lines(shapes: dict[str, net.Shape], value: str) -> int:
    return lines_of(_image(shapes, value))


def _fits(shapes: dict[str, net.Shape], *values: str) -> bool:
    return sum(_lines(shapes, value) for value in values) <= KPU_RAM_LINES


def _run_around(
    stages: list[Stage], at: int, network: net.Network, shapes: dict[str, net.Shape]
) -> tuple[int, int] | None:
    """The first and last of the stages to be done in bands because of the one at `at`; None when that fits."""
    stage = stages[at]
    if not isinstance(stage, KpuStage) or _fits(shapes, stage.input, stage.output):
        return None
    for last in range(at, len(stages)):
        for first in range(at, -1, -1):
            run = stages[first : last + 1]
            if not all(isinstance(s, KpuStage) and s.cells is None for s in run) or not _is_chain(run, stages, network):
                break
            begin, end = run[0], run[-1]
            assert isinstance(begin, KpuStage) and isinstance(end, KpuStage)
            if _fits(shapes, begin.input, end.output):
                return first, last
    needed = (_lines(shapes, stage.input) + _lines(shapes, stage.output)) * LINE
    raise K210Error(
        f"{stage.name}: its input and output of {shapes[stage.input]} and {shapes[stage.output]} take {needed:,} bytes "
        f"of the KPU's {KPU_RAM_LINES * LINE:,}, and no layers around it make them smaller: make the input or the "
        "layer smaller"
    )


def _is_chain(run: list[Stage], stages: list[Stage], network: net.Network) -> bool:
    """Whether each takes what the one before makes, and nothing else does."""
    for stage, after in pairwise(run):
        users = [
            s for s in stages
            if stage.output in (s.parts if isinstance(s, Join) else (s.input,) if isinstance(s, KpuStage) else s.inputs)
        ]  # fmt: skip
        if users != [after] or stage.output in network.outputs:
            return False
    return True


@dataclass(frozen=True)
class _Part:
    """Of a layer in a band: the rows of its input that it is given, and the first row that it makes."""

    window: tuple[int, int]
    made: int


def _bands(run: list[KpuStage], shapes: dict[str, net.Shape]) -> list[Stage]:
    whole = run[-1].output
    rows = shapes[whole][1]
    room = KPU_RAM_LINES - _lines(shapes, run[0].input) - _lines(shapes, whole)
    for bands in range(2, MOST_BANDS + 1):
        edges = [rows * band // bands for band in range(bands + 1)]
        plans = [_plan(run, shapes, a, b) for a, b in pairwise(edges)]
        if all(_needs(run, shapes, plan) <= room for plan in plans):
            return _stages(run, shapes, list(pairwise(edges)), plans)
    raise K210Error(f"{run[0].name} to {run[-1].name}: even in {MOST_BANDS} bands they do not fit the KPU's RAM")


def _plan(run: list[KpuStage], shapes: dict[str, net.Shape], first: int, end: int) -> list[_Part]:
    """What each layer of the run is given so that the last one makes rows `first` to `end`."""
    parts = []
    for stage in reversed(run):
        side = pool_side(stage.pool)
        halo = side if stage.weights.shape[2] == 3 else 0
        height = shapes[stage.input][1]
        first, end = max(0, first * side - halo), min(height, end * side + halo)
        parts.append(_Part((first, end), first // side))
    return parts[::-1]


def _made(stage: KpuStage, shapes: dict[str, net.Shape], part: _Part) -> Image:
    channels, _, width = _image(shapes, stage.output)
    return channels, (part.window[1] - part.window[0]) // pool_side(stage.pool), width


def _needs(run: list[KpuStage], shapes: dict[str, net.Shape], plan: list[_Part]) -> int:
    """Lines for the band's images at the worst moment."""
    sizes = [0, *(lines_of(_made(stage, shapes, part)) for stage, part in zip(run, plan, strict=True))]
    return max(one + other for one, other in pairwise(sizes))


def _stages(
    run: list[KpuStage], shapes: dict[str, net.Shape], edges: list[tuple[int, int]], plans: list[list[_Part]]
) -> list[Stage]:
    whole = run[-1].output
    found: list[Stage] = []
    rows: list[str] = []
    for number, ((first, end), plan) in enumerate(zip(edges, plans, strict=True)):
        value, starts = run[0].input, 0
        for stage, part in zip(run, plan, strict=True):
            output = f"{stage.output}, band {number}"
            shapes[output] = _made(stage, shapes, part)
            window = part.window[0] - starts, part.window[1] - part.window[0]
            found.append(replace(stage, name=f"{stage.name}, band {number}", input=value, output=output, window=window))
            value, starts = output, part.made
        kept = f"{whole}, rows of band {number}"
        shapes[kept] = (shapes[whole][0], end - first, shapes[whole][2])
        copy = copy_stage(f"{whole}, band {number}", value, shapes[whole][0])
        found.append(replace(copy, output=kept, window=(first - starts, end - first)))
        rows.append(kept)
    found.append(Join(whole, tuple(rows), whole, by_rows=True))
    return found
