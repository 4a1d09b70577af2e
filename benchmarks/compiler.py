"""How near compiled networks come to onnxruntime, beside nncase 1.9's results, and how long compiling takes."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
from nearness import cosine, noise

from k210kit.compiler import Options, compile_model
from k210kit.kmodel import Runtime
from k210kit.kmodel.read import read

VECTORS = Path(__file__).parent.parent.parent / "shared/data/kmodel_v5"


def rows(folder: Path) -> list[str]:
    """A row of the table for each output of a network."""
    start = time.perf_counter()
    compiled = compile_model(folder / "model.onnx", np.load(folder / "calib.npy"), Options(std=(255.0,)))
    took = time.perf_counter() - start
    runtime = Runtime(read(compiled.data))
    found = [runtime.run(picture) for picture in np.load(folder / "inputs.npy")]
    out = []
    for number in range(len(json.loads((folder / "meta.json").read_text())["output_shapes"])):
        wanted, theirs = (
            np.load(folder / f"{kind}_out{number}.npy").astype(float).reshape(len(found), -1) for kind in ("ort", "sim")
        )
        ours = np.stack([values[number].reshape(-1) for values in found]).astype(float)
        out.append(
            f"| {folder.name}{f', output {number}' if number else ''} | {noise(wanted, ours):.1f} | "
            f"{noise(wanted, theirs):.1f} | {cosine(wanted, ours):.6f} | {cosine(wanted, theirs):.6f} | {took:.2f} |"
        )
    return out


def table() -> str:
    """The table for docs/benchmarks.md."""
    if not VECTORS.exists():
        return "Not measured: ../shared/data is not there."
    head = [
        "`make bench`: signal-to-noise ratio in dB and cosine against onnxruntime; nncase 1.9 by its simulator. "
        "(nncase takes 3.2 s for yolov2_tiny, measured on another machine of two cores.)",
        "",
        "| network | dB | nncase's | cosine | nncase's | seconds to compile |",
        "|---|---|---|---|---|---|",
    ]
    folders = sorted(path for path in VECTORS.iterdir() if path.is_dir())
    rows(folders[0])  # what is loaded once is loaded
    return "\n".join([*head, *(row for folder in folders for row in rows(folder))])
