"""The convolutions of a published kmodel of version 3, and the golden vectors for them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from k210kit.board.kpu.layer import LayerArguments
from k210kit.kmodel import read
from k210kit.kmodel.convolution import Convolve

SHARED = Path(__file__).resolve().parents[3] / "shared/data"


@dataclass(frozen=True)
class ModelLayer:
    """A convolution's block and its parameters."""

    index: int
    block: bytes
    weights: bytes
    batchnorm: bytes
    activation: bytes

    @property
    def arguments(self) -> LayerArguments:
        return LayerArguments.parse(self.block)


def convolutions(data: bytes) -> list[ModelLayer]:
    """The layers from the first on, up to the first that is no convolution."""
    model = read(data)
    assert model.eight_bit
    found = []
    for layer in model.layers:
        if not isinstance(layer.compute, Convolve):
            break
        found.append(ModelLayer(layer.number, layer.compute.block, *layer.compute.parameters))
    return found


def golden(name: str) -> dict[str, Any]:
    return json.loads((SHARED / "golden" / f"{name}.json").read_text())


def golden_input(name: str, case: dict[str, Any]) -> np.ndarray:
    """The planar bytes that enter the model, checked by their hash."""
    channels, height, width = case["input"]["shape"]
    planes = np.zeros((channels, height, width), np.uint8)
    variant = case["input"].get("variant")
    if name.endswith("ones255"):
        planes[:] = 255
    elif name.endswith("pattern"):
        i = np.arange(planes.size)
        planes = ((i * 73 + (i >> 8) * 151) & 255).astype(np.uint8).reshape(planes.shape)
    elif variant is not None:
        photo = Image.open(SHARED / "golden" / case["photo"]["input_png"]).convert("RGB")
        frame = np.asarray(photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if case["photo"]["flipped"] else photo)
        if variant == "canmv565":
            frame = _through_rgb565(frame)
        planes[:, : frame.shape[0]] = frame.transpose(2, 0, 1)
    assert hashlib.sha256(planes.tobytes()).hexdigest() == case["input"]["sha256"]
    return planes


def _through_rgb565(frame: np.ndarray) -> np.ndarray:
    out = np.empty_like(frame)
    for plane, most in ((0, 31), (1, 63), (2, 31)):
        small = frame[..., plane].astype(int) // (256 // (most + 1))
        out[..., plane] = np.floor(small * 255 / most + 0.5)
    return out
