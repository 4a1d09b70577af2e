"""How near a compiled network comes to onnxruntime."""

from __future__ import annotations

import numpy as np
from random_networks import Builder

from k210kit.compiler import Options, compile_model
from k210kit.kmodel import Runtime
from k210kit.kmodel.read import read

UNIT = Options(std=(255.0,))
"""For networks that take numbers from 0 to 1."""
LEAST = 20.0
"""Decibels that bytes allow in any small network; 30 to 50 are usual."""


def noise(wanted: np.ndarray, found: np.ndarray) -> float:
    """The signal-to-noise ratio in decibels."""
    error = np.square(wanted - found).sum()
    return float("inf") if error == 0 else float(10 * np.log10(np.square(wanted).sum() / error))


def cosine(wanted: np.ndarray, found: np.ndarray) -> float:
    """Of the angle between the two, taken as vectors."""
    return float((wanted * found).sum() / np.sqrt(np.square(wanted).sum() * np.square(found).sum()))


def compiled_noise(b: Builder, *outputs: str, options: Options = UNIT) -> list[float]:
    """Of every output, over the pictures that it was calibrated with."""
    model, pictures = b.build(*outputs), b.pictures(6)
    compiled = compile_model(model, pictures, options)
    runtime = Runtime(read(compiled.data))
    names = outputs or (b.value,)
    wanted = [compiled.reference.run(picture) for picture in pictures]
    found = [runtime.run(picture) for picture in pictures]
    return [
        noise(
            np.concatenate([values[name].reshape(-1) for values in wanted]).astype(np.float64),
            np.concatenate([values[number].reshape(-1) for values in found]).astype(np.float64),
        )
        for number, name in enumerate(names)
    ]
