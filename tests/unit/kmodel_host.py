"""Kernel models on the host behind the interface that the tests of the C runtime use, so that they run on either."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from k210kit.kmodel import Model, Runtime, read

# What writes small models lives there.
sys.path.append(str(Path(__file__).resolve().parents[1] / "c"))


class HostModel:
    """As kmodel_runtime.Loaded."""

    def __init__(self, model: Model) -> None:
        self.runtime, self.kmodel = Runtime(model), model
        shape = (1, 1, *model.input.shape)[-3:] if len(model.input.shape) == 3 else (model.input.shape[0], 1, 1)
        self.model = SimpleNamespace(
            float_input=model.takes_floats,
            input=SimpleNamespace(channels=shape[0], height=shape[1], width=shape[2]),
            facts=SimpleNamespace(eight_bit=model.eight_bit, layers=len(model.layers)),
        )
        self.upload = False

    def run(self, data: np.ndarray) -> list[bytes]:
        kind = np.float32 if self.kmodel.takes_floats else np.uint8
        data = np.ascontiguousarray(data).reshape(-1).view(np.uint8).view(kind)
        return [output.tobytes() for output in self.runtime.run(data.reshape(self.kmodel.input.shape))]


class HostRuntime:
    """As kmodel_runtime.Runtime."""

    @staticmethod
    def load(data: bytes) -> HostModel:
        return HostModel(read(data))
