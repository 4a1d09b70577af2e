"""Damaged models under the address and undefined behaviour sanitizers: a clean error or a finished run, no more."""

from __future__ import annotations

import re
import struct
import subprocess
from pathlib import Path

import kmodel_writer as w
import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared/data/kmodels"
PUBLISHED = ("voc20_detect", "yolo_face_detect", "detect_5")
MODELS = w.small_models()
SECONDS = 600


def exercise(c_build: Path, file: Path, *arguments: object) -> tuple[int, int]:
    """Run the exerciser; returns how many mutations were refused, and how many ran."""
    command = [str(c_build / "kmodel_exerciser"), str(file), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"refused (\d+) ran (\d+) too_large (\d+)", done.stdout)
    assert found, done.stdout
    return int(found[1]), int(found[2]) + int(found[3])


def published(name: str) -> Path:
    file = SHARED / f"{name}.kmodel"
    if not file.exists():
        pytest.skip("../shared/data/kmodels is not there")
    return file


def bodies(model: bytes) -> list[int]:
    """Where each layer's arguments start."""
    layers, outputs = struct.unpack_from("<I", model, 12)[0], struct.unpack_from("<I", model, 24)[0]
    table = 28 + 8 * outputs
    at, found = table + 8 * layers, []
    for i in range(layers):
        found.append(at)
        at += struct.unpack_from("<I", model, table + 8 * i + 4)[0]
    return found


@pytest.mark.parametrize("name", MODELS)
def test_small_models(c_build: Path, tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    model = MODELS[name]
    file.write_bytes(model)
    assert exercise(c_build, file, "run") == (0, 1)
    # Every byte but most of the weights that the first layer of some has.
    last = bodies(model)[-1]
    step = 1 if len(model) < 1000 else 7
    assert sum(exercise(c_build, file, "flip", 0, last, step, 1)) == -(-last // step)
    for seed in (2, 3):
        refused, ran = exercise(c_build, file, "flip", last, len(model), 1, seed)
        assert refused + ran == len(model) - last and ran
    refused, ran = exercise(c_build, file, "cut", 0, len(model), 3)
    assert refused + ran == -(-len(model) // 3) and refused and ran <= 3


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_models(c_build: Path, name: str) -> None:
    file = published(name)
    assert exercise(c_build, file, "run") == (0, 1)
    model = file.read_bytes()
    head = bodies(model)[0]
    refused, ran = exercise(c_build, file, "flip", 0, head, 1, 1)
    assert refused + ran == head and refused > 20
    for start in bodies(model)[::6]:
        # The arguments and the KPU's words; of the weights behind, some.
        refused, ran = exercise(c_build, file, "flip", start, start + 120, 1, 2)
        assert refused and ran
    exercise(c_build, file, "flip", 0, len(model), 4999, 3)
    refused, ran = exercise(c_build, file, "cut", 0, len(model), 997)
    assert refused and not ran


@pytest.mark.slow
@pytest.mark.parametrize("seed", [11, 12])
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_models_at_every_argument(c_build: Path, name: str, seed: int) -> None:
    file = published(name)
    model = file.read_bytes()
    for start in bodies(model):
        exercise(c_build, file, "flip", start, start + 124, 1, seed)
    exercise(c_build, file, "flip", 0, len(model), 601, seed)
    exercise(c_build, file, "cut", len(model) - 3000, len(model), 1)
