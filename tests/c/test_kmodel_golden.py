"""Published models through the C runtime: every layer's bytes, and the floats, as in the golden vectors."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from kmodel_layers import SHARED, golden, golden_input
from kmodel_runtime import Runtime

MODELS = ("voc20_detect", "yolo_face_detect", "detect_5")
CASES = [f"{model}__{photo}__canmv565" for model in MODELS for photo in ("dog", "person")]
MORE = [f"{model}__{case}" for model in MODELS for case in ("dog__rgb888", "dog_flip__canmv565", "zeros", "ones255")]


@pytest.mark.parametrize("name", CASES + [pytest.param(name, marks=pytest.mark.slow) for name in MORE])
def test_every_layer_is_golden(runtime: Runtime, name: str) -> None:
    if not (SHARED / "golden" / f"{name}.json").exists():
        pytest.skip("../shared/data/golden is not there")
    case = golden(name)
    model = runtime.load((SHARED / "kmodels" / case["model"]["file"]).read_bytes())
    # The library's own packing for one photo, the Python one for the other.
    model.upload = "person" in name
    image = golden_input(name, case)
    shape = model.model.input
    assert image.shape == (shape.channels, shape.height, shape.width) and not model.model.float_input
    (output,) = model.run(image)
    for layer in case["layers"]:
        index = layer["i"]
        data = model.layers[index].tobytes() if index in model.layers else output
        assert hashlib.sha256(data).hexdigest() == layer["sha256"], index
    assert len(case["layers"]) == model.model.facts.layers
    assert (np.frombuffer(output, "<f4") == np.load(SHARED / "golden" / case["output_npy"]).ravel()).all()


def test_a_second_run_gives_the_same(runtime: Runtime) -> None:
    file = SHARED / "kmodels/detect_5.kmodel"
    if not file.exists():
        pytest.skip("../shared/data/kmodels is not there")
    model = runtime.load(file.read_bytes())
    random = np.random.default_rng(1)
    image, other = random.integers(0, 256, (2, 3, 256, 320), np.uint8)
    first = model.run(image)
    assert model.run(other) != first
    assert model.run(image) == first
