"""Networks that people use, compiled."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from known_networks import mobilenet_v2, resnet18, shufflenet_v2, yolov8n
from nearness import LEAST, UNIT, noise
from random_networks import Builder

from k210kit.compiler import compile_model
from k210kit.kmodel import Runtime
from k210kit.kmodel.read import read

FREE_ON_THE_BOARD = 5_484_000
"""Bytes, at the prompt (docs/benchmarks.md)."""


@pytest.mark.parametrize("network", [yolov8n, shufflenet_v2, mobilenet_v2])
def test_networks_that_people_use(network: Callable[[int, int], tuple[Builder, list[str]]]) -> None:
    """They fit the board's memory; with random weights bytes allow what they do."""
    b, outputs = network(224, 224)
    model, pictures = b.build(*outputs), b.pictures(3)
    compiled = compile_model(model, pictures, UNIT)
    kernel_model = read(compiled.data)
    assert kernel_model.board_memory < FREE_ON_THE_BOARD
    wanted, found = compiled.reference.run(pictures[0]), Runtime(kernel_model).run(pictures[0])
    for name, values in zip(outputs, found, strict=True):
        assert noise(wanted[name].reshape(-1).astype(np.float64), values.reshape(-1).astype(np.float64)) > LEAST


def test_a_network_for_streaming() -> None:
    """ResNet-18 is larger than the board's memory; no layer of it is."""
    b, outputs = resnet18(128)
    compiled = compile_model(b.build(), b.pictures(2), UNIT)
    model = read(compiled.data)
    assert model.board_memory > 2 * FREE_ON_THE_BOARD and model.streamed_memory < 1 << 20
    picture = b.pictures(1)[0]
    wanted, (found,) = compiled.reference.run(picture)[outputs[0]], Runtime(model).run(picture)
    assert noise(wanted.reshape(-1).astype(np.float64), found.reshape(-1).astype(np.float64)) > LEAST
