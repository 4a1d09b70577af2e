"""How near a compiled model comes to the network, layer by layer; as rows of text, or a page of HTML."""

from __future__ import annotations

import html
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from k210kit.compiler.compile import Compiled
from k210kit.kmodel import Runtime
from k210kit.kmodel.describe import KPU_HZ
from k210kit.kmodel.model import Layer as RunLayer
from k210kit.kmodel.model import Model

COLUMNS = ("layer", "node", "what", "output", "bytes", "KPU ms", "SQNR dB")


@dataclass(frozen=True)
class LayerReport:
    """`noise` is the signal-to-noise ratio in decibels, None where the network has no such value."""

    number: int
    name: str
    what: str
    shape: tuple[int, ...]
    parameters: int
    milliseconds: float
    noise: float | None

    def row(self) -> tuple[str, ...]:
        """Under COLUMNS."""
        return (
            str(self.number), self.name, self.what, "x".join(map(str, self.shape)),
            f"{self.parameters:,}" if self.parameters else "",
            f"{self.milliseconds:.2f}" if self.milliseconds else "",
            "" if self.noise is None else f"{self.noise:.1f}",
        )  # fmt: skip


def measure(compiled: Compiled, model: Model, pictures: npt.NDArray[np.uint8]) -> list[LayerReport]:
    """Runs both on the pictures: onnxruntime in floats, the kernel model with the KPU's arithmetic."""
    lowering = compiled.lowering
    signal, error = np.zeros(len(model.layers)), np.zeros(len(model.layers))
    runtime = Runtime(model)
    for picture in pictures:
        wanted = compiled.reference.run(picture)

        def watch(
            layer: RunLayer, found: npt.NDArray[np.generic], wanted: dict[str, npt.NDArray[np.float32]] = wanted
        ) -> None:
            value = lowering.layers[layer.number].value
            if value not in wanted:
                return
            numbers = np.asarray(found)
            if numbers.dtype == np.uint8:
                scale = lowering.scales[value]
                numbers = (numbers.astype(np.float64) - scale.zero) * scale.step
            shape = compiled.network.shapes[value]
            if numbers.ndim == 3 and len(shape) == 3:
                numbers = numbers[:, : shape[1], : shape[2]]
            want = wanted[value].astype(np.float64)
            channels = lowering.layers[layer.number].channels
            if channels is not None:
                want = want.reshape(shape)[channels.start : channels.stop]
            flat, want = numbers.reshape(-1), want.reshape(-1)
            if flat.size == want.size:
                signal[layer.number] += np.square(want).sum()
                error[layer.number] += np.square(want - flat).sum()

        runtime.run(picture, watch)
    return [
        LayerReport(
            number, layer.name, layer.what, layer.shape, run.parameters, run.cycles / KPU_HZ * 1e3,
            float(10 * np.log10(signal[number] / max(error[number], 1e-30))) if signal[number] else None,
        )
        for number, (layer, run) in enumerate(zip(lowering.layers, model.layers, strict=True))
    ]  # fmt: skip


def page(title: str, facts: list[tuple[str, str]], layers: list[LayerReport]) -> str:
    """A page of HTML: the facts, then the layers, the worst first."""
    worst = sorted(layers, key=lambda layer: np.inf if layer.noise is None else layer.noise)
    rows = []
    for layer in worst:
        width = 0 if layer.noise is None else max(0, min(100, layer.noise * 2))
        bar = f'<div class="bar" style="width:{width:.0f}%"></div>' if layer.noise is not None else ""
        rows.append("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in layer.row()) + f"<td>{bar}</td></tr>")
    head = "".join(f"<th>{html.escape(name)}</th>" for name in (*COLUMNS, ""))
    listed = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in facts)
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>
<style>
body {{ font: 15px/1.4 sans-serif; margin: 2em; max-width: 80em }}
dl {{ display: grid; grid-template-columns: max-content auto; gap: .2em 1em }} dd {{ margin: 0 }}
table {{ border-collapse: collapse }} td, th {{ padding: .2em .7em; border-bottom: 1px solid #ddd; text-align: left }}
td:nth-child(n+5), th:nth-child(n+5) {{ text-align: right }} td:last-child {{ width: 12em }}
.bar {{ background: #4a90d9; height: .8em }}
</style>
<h1>{html.escape(title)}</h1>
<dl>{listed}</dl>
<h2>Layers, the noisiest first</h2>
<table><tr>{head}</tr>{"".join(rows)}</table>
</html>
"""
