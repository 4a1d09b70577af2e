"""What is in a model: a row for each layer, totals, and what a board needs for it."""

from __future__ import annotations

from dataclasses import dataclass

from k210kit.kmodel.model import FLOAT, SRAM_SIZE, KpuImage, Layer, Model, Place, Region

KPU_HZ = 400_000_000
"""The clock that CanMV and this project's firmware give the KPU."""

COLUMNS = ("layer", "type", "input", "output", "MACs", "parameters", "KPU ms")


@dataclass(frozen=True)
class Totals:
    """Sums over the layers; `seconds` on the KPU alone."""

    macs: int
    parameters: int
    seconds: float


def totals(model: Model) -> Totals:
    """Of all layers."""
    layers = model.layers
    return Totals(
        sum(layer.macs for layer in layers),
        sum(layer.parameters for layer in layers),
        sum(layer.cycles for layer in layers) / KPU_HZ,
    )


def shape(place: Place) -> str:
    """A tensor's size in the order of its bytes, as 3x256x320."""
    return "x".join(map(str, place.shape))


def details(layer: Layer) -> str:
    """The layer's type, with what tells one convolution from another."""
    arguments = getattr(layer.compute, "arguments", None)
    if arguments is None:
        return layer.name
    side = "3x3" if arguments.kernel else "1x1"
    pool = f", pool {arguments.pool}" if arguments.pool else ""
    return f"{layer.name} {side}{' depthwise' if arguments.depthwise else ''}{pool}"


def rows(model: Model) -> list[tuple[str, ...]]:
    """A row of text for each layer, under COLUMNS."""
    out: list[tuple[str, ...]] = []
    for layer in model.layers:
        out.append((
            str(layer.number),
            details(layer),
            " + ".join(shape(place) for place in layer.inputs),
            shape(layer.outputs[0]),
            f"{layer.macs:,}" if layer.macs else "",
            f"{layer.parameters:,}" if layer.parameters else "",
            f"{layer.cycles / KPU_HZ * 1e3:.2f}" if layer.cycles else "",
        ))  # fmt: skip
    return out


def sum_row(model: Model) -> tuple[str, ...]:
    """The row under them."""
    total = totals(model)
    return "", "sum", "", "", f"{total.macs:,}", f"{total.parameters:,}", f"{total.seconds * 1e3:.2f}"


def tensor(place: Place) -> str:
    """A tensor in words: 3x256x320 bytes."""
    kind = "bytes" if isinstance(place, KpuImage) or place.kind != FLOAT else "floats"
    return f"{shape(place)} {kind}"


def facts(model: Model) -> list[tuple[str, str]]:
    """Name and value of what concerns the whole model."""
    total = totals(model)
    outputs: list[tuple[str, Region]] = [
        (f"output {i}" if len(model.outputs) > 1 else "output", output) for i, output in enumerate(model.outputs)
    ]
    return [
        ("version", f"{model.version}, weights of {8 if model.eight_bit else 16} bits"),
        ("input", tensor(model.input)),
        *((name, tensor(output)) for name, output in outputs),
        ("layers", f"{len(model.layers)}, {sum(bool(layer.cycles) for layer in model.layers)} on the KPU"),
        ("multiply-accumulates", f"{total.macs:,}"),
        (
            "memory on the board",
            f"{model.board_memory:,} bytes: model {model.size:,} + main memory {model.main_memory:,} "
            f"(of {SRAM_SIZE:,} for all)",
        ),
        (
            "memory when streamed",
            f"{model.streamed_memory:,} bytes: one layer at a time from flash or card, at each run",
        ),
        ("time on the KPU", f"about {total.seconds * 1e3:.1f} ms at {KPU_HZ // 1_000_000} MHz"),
    ]
