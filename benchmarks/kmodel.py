"""How long the host computes on a frame of a detector: `k210 kmodel run`, and the virtual board's KPU."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from k210kit.board.kpu import execute
from k210kit.kmodel import Runtime, load
from k210kit.kmodel.convolution import Convolve
from k210kit.kmodel.model import KPU_RAM_SIZE, Model

MODEL = Path(__file__).parent.parent.parent / "shared/data/kmodels/voc20_detect.kmodel"
FRAME = "voc20 frame (456 million MACs), host seconds"
GOAL = "0.15 s"
TIMES = 9


def seconds(frame: Callable[[], object]) -> float:
    """The best of several, after one that decodes the parameters."""
    frame()
    took = []
    for _ in range(TIMES):
        start = time.perf_counter()
        frame()
        took.append(time.perf_counter() - start)
    return min(took)


def on_virtual_kpu(model: Model) -> Callable[[], None]:
    """A frame as the virtual board's KPU computes it: each layer from the bytes of its parameters, in AI RAM."""
    ram = memoryview(bytearray(KPU_RAM_SIZE))
    layers = [layer.compute for layer in model.layers if isinstance(layer.compute, Convolve)]

    def frame() -> None:
        for layer in layers:
            # Parameters come by the bus, so they are new bytes each time.
            parameters = (bytes(bytearray(part)) for part in layer.parameters)
            image = execute.compute(layer.arguments, ram, *parameters, eight_bit=layer.eight_bit)
            execute.write_back(layer.arguments, ram, image)

    return frame


def measure() -> list[tuple[str, str, str]]:
    """Rows for the table of `make bench`: what, goal, result."""
    if not MODEL.exists():
        return [(FRAME, GOAL, "not measured: ../shared/data/kmodels/voc20_detect.kmodel is not there")]
    model = load(MODEL)
    assert not model.takes_floats
    image = np.random.default_rng(1).integers(0, 256, model.input.shape, np.uint8)
    start = time.perf_counter()
    runtime = Runtime(load(MODEL))
    runtime.run(image)
    first = time.perf_counter() - start
    return [
        (f"{FRAME}: virtual board's KPU", GOAL, f"{seconds(on_virtual_kpu(model)):.3f} s"),
        (f"{FRAME}: `k210 kmodel run`, next frames", "", f"{seconds(lambda: runtime.run(image)):.3f} s"),
        ("the model read and judged, and its first frame", "", f"{first:.3f} s"),
    ]


if __name__ == "__main__":
    for row in measure():
        print(*row)
