"""The convolutions of a published kmodel of version 3, and the golden vectors for them.

Layout: Kendryte standalone SDK, drivers/include/kpu.h (kpu_kmodel_header_t and what follows).
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from k210kit.board.kpu.arithmetic import ACTIVATION_SIZE, BATCHNORM_SIZE
from k210kit.board.kpu.layer import SIZE, LayerArguments

SHARED = Path(__file__).resolve().parents[3] / "shared/data"
CONVOLUTION = 10240


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


def convolutions(model: bytes) -> Iterator[ModelLayer]:
    """The layers from the first on, up to the first that is no convolution."""
    _, flags, _, count, _, _, outputs = struct.unpack_from("<7I", model)
    assert flags & 1, "8-bit weights"
    headers = 28 + 8 * outputs
    body = headers + 8 * count
    for index in range(count):
        kind, size = struct.unpack_from("<2I", model, headers + 8 * index)
        if kind != CONVOLUTION:
            return
        _, _, layer, weights, batchnorm, activation = struct.unpack_from("<6I", model, body)
        block = model[layer : layer + SIZE]
        arguments = LayerArguments.parse(block)
        side = 3 if arguments.kernel else 1
        inputs = 1 if arguments.depthwise else arguments.input_channels
        weights_size = arguments.output_channels * inputs * side * side
        yield ModelLayer(
            index,
            block,
            model[weights : weights + weights_size],
            model[batchnorm : batchnorm + BATCHNORM_SIZE * arguments.output_channels],
            model[activation : activation + ACTIVATION_SIZE],
        )
        body += size


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
