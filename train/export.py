"""A checkpoint to ONNX and kernel model, with labels, anchors and test pictures beside them, all measured.

export.py [--build FOLDER] [--out models] [--test N]
export.py --photos FOLDER --test-photos FOLDER [--name NAME] [--build FOLDER] [--out FOLDER]     for photos
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import dataset
import numpy as np
import numpy.typing as npt
import onnx
import photos
import scenes
import torch
from card import card
from network import Detector
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from k210kit.compiler import Options, compile_model
from k210kit.errors import K210Error
from k210kit.kmodel import dataset as answers
from k210kit.kmodel import describe, evaluate, load
from k210kit.kmodel.precision import Precision
from k210kit.kmodel.yolo2 import Yolo2

CALIBRATION = 60
THRESHOLD, NMS = 0.5, 0.3
LOWEST, HIGHEST = -6.0, 8.0
"""The grid's numbers are cut to this range. What lies outside says nothing more (a sigmoid of -6 is 0.002, one of 8
0.9997), and the bytes of what lies inside, sizes above all, are several times as fine."""
BOUNDS = {"zero": 0.0, "six": 6.0, "lowest": LOWEST, "highest": HIGHEST}
SHOWN = (3, 6, 10, 12, 13, 34)
"""The pictures that models/ holds, picked by what is drawn on them: every class is there."""


def load_checkpoint(path: Path) -> tuple[Detector, dict[str, Any]]:
    """Network, ready to be used, and what train.py saved beside it. Raises K210Error when there is none yet."""
    if not path.is_file():
        raise K210Error(f"{path} is not there; train.py writes it every three minutes and at its end")
    state = torch.load(path, weights_only=True)
    model = Detector(len(state["anchors"]), len(state["labels"]))
    model.load_state_dict(state["weights"])
    return model.eval(), state


def onnx_of(model: Detector) -> onnx.ModelProto:
    """Convolutions with batch norm in their weights, and Clip for ReLU6."""
    nodes: list[onnx.NodeProto] = []
    values = [numpy_helper.from_array(np.float32(bound), name) for name, bound in BOUNDS.items()]
    name = "picture"

    def add(layer: nn.Conv2d, weight: torch.Tensor, bias: torch.Tensor, output: str) -> None:
        parts = {f"{output}_weight": weight, f"{output}_bias": bias}
        values.extend(numpy_helper.from_array(part.detach().numpy().copy(), key) for key, part in parts.items())
        pads = [*layer.padding, *layer.padding]
        nodes.append(helper.make_node(
            "Conv", [name, *parts], [output], output, kernel_shape=list(layer.kernel_size), pads=pads,
            strides=list(layer.stride), group=layer.groups,
        ))  # fmt: skip

    for number, (layer, norm, _) in enumerate(model.body):
        factor = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        weight, bias = layer.weight * factor[:, None, None, None], norm.bias - norm.running_mean * factor
        add(layer, weight, bias, f"convolution{number}")
        nodes.append(helper.make_node("Clip", [f"convolution{number}", "zero", "six"], [f"layer{number}"]))
        name = f"layer{number}"
    add(model.head, model.head.weight, model.head.bias, "head")
    nodes.append(helper.make_node("Clip", ["head", "lowest", "highest"], ["grid"], "grid"))
    rows, columns = scenes.HEIGHT // 16, scenes.WIDTH // 16
    graph = helper.make_graph(
        nodes, "signs",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, (1, 3, scenes.HEIGHT, scenes.WIDTH))],
        [helper.make_tensor_value_info("grid", TensorProto.FLOAT, (1, model.head.out_channels, rows, columns))],
        values,
    )  # fmt: skip
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8, producer_name="k210kit")
    onnx.checker.check_model(whole)
    return whole


def calibration(build: Path) -> npt.NDArray[np.uint8]:
    """The first training pictures."""
    return np.array(dataset.training(build / "calibration", CALIBRATION, 1)[0])


def measure(model: Path, pictures: Path, yolo: Yolo2, labels: list[str]) -> Precision:
    """Mean average precision of an ONNX file, or of a kernel model with the KPU's arithmetic."""
    return evaluate.precision(evaluate.Task(str(model), yolo), answers.boxed(pictures, labels), dataset.jobs())


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=Path("build/train"))
    parser.add_argument("--out", type=Path, default=Path("models"))
    parser.add_argument("--test", type=int, default=300)
    parser.add_argument("--photos", type=Path, help="what train.py was given, to calibrate with")
    parser.add_argument("--test-photos", type=Path, help="others, to measure with")
    parser.add_argument("--name", default="signs")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    model, state = load_checkpoint(given.build / "checkpoint.pt")
    floats, quantized = given.out / f"{given.name}.onnx", given.out / f"{given.name}.kmodel"
    graph = onnx_of(model)
    onnx.save(graph, str(floats))
    drawn = given.photos is None
    pictures = calibration(given.build) if drawn else photos.training(given.photos, scenes.WIDTH, scenes.HEIGHT)[0]
    quantized.write_bytes(compile_model(graph, pictures[:CALIBRATION], Options(std=(255.0,))).data)
    numbers = [round(side, 3) for anchor in state["anchors"] for side in anchor]
    description = describe_model(quantized.name, state["labels"], numbers)
    quantized.with_suffix(".json").write_text(description)
    if drawn:
        dataset.write_folder(given.out / "signs_test", "shown", list(SHOWN))
    test = given.test_photos
    if drawn:
        test = given.build / f"test-{dataset.programs_hash()}-{given.test}"
        dataset.write_folder(test, "test", list(range(given.test)))
    if test is None:
        return
    yolo = Yolo2(tuple(numbers), len(state["labels"]), evaluate.LEAST, NMS)
    results = [measure(path, test, yolo, state["labels"]) for path in (floats, quantized)]
    for name, result in zip(("float", "quantized"), results, strict=True):
        print(f"{name}: mAP@0.5 {result.voc:.4f}, mAP@0.5:0.95 {result.coco:.4f}")
    if drawn:
        facts = dict(describe.facts(load(quantized))) | {"anchors": str(len(numbers) // 2)}
        size = quantized.stat().st_size
        text = card(*results, state["seconds"], state["pictures"], given.test, size, facts)
        (given.out / "MODEL_CARD.md").write_text(text)


def describe_model(file: str, labels: list[str], anchors: list[float]) -> str:
    """What has to be known to use the model, as JSON with a line each."""
    description = {
        "model": file,
        "input": [3, scenes.HEIGHT, scenes.WIDTH],
        "mean": 0,
        "std": 255,
        "labels": labels,
        "anchors": anchors,
        "threshold": THRESHOLD,
        "nms": NMS,
    }
    text = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in description.items())
    return f"{{\n{text}\n}}\n"


if __name__ == "__main__":
    try:
        main()
    except K210Error as error:
        sys.exit(f"export.py: {error}")
