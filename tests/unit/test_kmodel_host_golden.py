"""Published models on the host: every layer's bytes, the floats and the detections of the golden vectors."""

from __future__ import annotations

import functools
import hashlib

import numpy as np
import pytest
from kmodel_layers import SHARED, golden, golden_input

from k210kit.kmodel import Runtime, load, read
from k210kit.kmodel.yolo2 import Detection, Yolo2

MODELS = ("voc20_detect", "yolo_face_detect", "detect_5")
CASES = sorted(file.stem for file in SHARED.glob("golden/*.json") if file.stem.split("__")[0] in MODELS)
needs_data = pytest.mark.skipif(not CASES, reason="../shared/data/golden is not there")


@functools.cache
def runtime(name: str) -> Runtime:
    """One for all inputs of a model, as a user would: a run must leave nothing behind."""
    return Runtime(load(SHARED / f"kmodels/{name}.kmodel"))


@needs_data
def test_there_are_all_cases() -> None:
    assert len(CASES) == 24


@needs_data
@pytest.mark.parametrize("name", CASES)
def test_a_golden_case(name: str) -> None:
    case = golden(name)
    model = runtime(name.split("__")[0])
    hashes = []
    (output,) = model.run(
        golden_input(name, case), lambda _, result: hashes.append(hashlib.sha256(result.tobytes()).hexdigest())
    )
    assert hashes == [layer["sha256"] for layer in case["layers"]]
    assert (output.ravel() == np.load(SHARED / "golden" / case["output_npy"]).ravel()).all()
    if "yolo2" in case:
        check_detections(case, output)


def check_detections(case: dict, output: np.ndarray) -> None:
    told = case["yolo2"]
    net, image = tuple(told["net"]), tuple(told["image"])
    assert output.shape[:0:-1] == tuple(told["layer"])
    for key, threshold in (("detections", told["threshold"]), ("detections_at_0_25", 0.25)):
        found = Yolo2(tuple(told["anchors"]), told["classes"], threshold, told["nms"]).detect(output)
        assert [facts(d, net, image) for d in found] == [
            {k: tuple(v) if isinstance(v, list) else v for k, v in wanted.items() if k != "label"}
            for wanted in case[key]
        ]


def facts(d: Detection, net: tuple[int, int], image: tuple[int, int]) -> dict:
    """As the golden files tell a detection."""
    return {
        "cls": d.cls,
        "prob": round(d.probability, 6),
        "rect": d.rect(net, image),
        "rect_new": d.rect_new(net),
        "net_box": tuple(round(corner, 2) for corner in d.net_box(net)),
        "anchor": d.anchor,
        "cell": d.cell,
    }


@needs_data
@pytest.mark.parametrize("name", MODELS)
def test_cut_files_are_told_with_both_sizes(name: str) -> None:
    data = (SHARED / f"kmodels/{name}.kmodel").read_bytes()
    from k210kit.errors import K210Error

    random = np.random.default_rng(6)
    for size in [*random.integers(8, len(data) - 8, 40).tolist(), 8, 27, 28, 35, 36, len(data) - 8]:
        with pytest.raises(K210Error, match=rf"truncated: it has {size:,} bytes and needs [\d,]+; copy it again"):
            read(data[:size])
