"""Trains the detector on pictures that scenes.py draws, or on photos, and writes checkpoints that export.py takes.

train.py [--pictures N | --photos FOLDER] [--epochs N] [--start FILE.onnx] [--mirror] [--build FOLDER]
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dataset
import numpy as np
import numpy.typing as npt
import photos
import scenes
import torch
from network import STRIDE, Detector
from yolo_loss import loss

from k210kit.errors import K210Error

SEED = 6
ANCHORS = 3
BATCH = 16
RATE = 4e-3
WARM_UP = 0.06
"""Of all steps."""
CROP = 224, 176
"""Width and height of the parts of pictures that most epochs see: twice as many things for the same work."""
WHOLE_EPOCHS = 1
"""So many at the end see whole pictures."""
SEEN = 0.4
"""A thing of which a part shows less than this is none there."""
CHECKPOINT_SECONDS = 180

Floats = npt.NDArray[np.float32]


def nearest_shapes(boxes: Floats, count: int) -> Floats:
    """Anchors (count, 2), small to large, in cells: k-means over the things' sizes with 1 - overlap as distance."""
    things = boxes[boxes[..., 0] >= 0]
    sizes = (things[:, 3:] - things[:, 1:3]) / STRIDE
    order = np.argsort(sizes.prod(1))
    centres = sizes[order[[int((i + 0.5) * len(sizes) / count) for i in range(count)]]]
    for _ in range(100):
        common = np.minimum(sizes[:, None], centres).prod(-1)
        nearest = (common / (sizes.prod(1)[:, None] + centres.prod(1) - common)).argmax(1)
        moved = np.stack([np.median(sizes[nearest == i], 0) for i in range(count)])
        if np.allclose(moved, centres):
            break
        centres = moved
    return np.round(centres[np.argsort(centres.prod(1))], 3)


def rate(step: int, steps: int) -> float:
    """Part of RATE: up in a line, then down as a cosine."""
    warm = WARM_UP * steps
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm))) + 1e-4


class Batches:
    """Training pictures and their boxes, in batches; every picture in a light of its own."""

    def __init__(
        self, pictures: npt.NDArray[np.uint8], boxes: Floats, random: np.random.Generator, mirror: bool
    ) -> None:
        self.pictures, self.boxes, self.random, self.mirror = pictures, boxes, random, mirror

    def epoch(self, size: tuple[int, int]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Parts of this width and height: pictures (BATCH, 3, height, width) from 0 to 1, boxes (BATCH, MOST, 5) in
        cells."""
        order = self.random.permutation(len(self.pictures))
        for at in range(0, len(order) - BATCH + 1, BATCH):
            parts, boxes = zip(*(self._part(int(i), size) for i in order[at : at + BATCH]), strict=True)
            gain = torch.from_numpy(self.random.uniform(0.75, 1.25, (BATCH, 3, 1, 1)).astype(np.float32))
            light = (torch.from_numpy(np.stack(parts)).float() / 255 * gain).clamp(0, 1)
            yield light.contiguous(memory_format=torch.channels_last), torch.from_numpy(np.stack(boxes))

    def _part(self, index: int, size: tuple[int, int]) -> tuple[npt.NDArray[np.uint8], Floats]:
        picture, boxes = self.pictures[index], self.boxes[index]
        left = int(self.random.integers(picture.shape[2] - size[0] + 1))
        top = int(self.random.integers(picture.shape[1] - size[1] + 1))
        moved = boxes[:, 1:] - np.array([left, top, left, top], np.float32)
        cut = moved.clip(0, np.array([*size, *size], np.float32) - 0.01)
        whole, seen = ((c[:, 2:] - c[:, :2]).prod(1) for c in (moved, cut))
        there = (boxes[:, 0] >= 0) & (seen > SEEN * whole)
        out = np.where(there[:, None], np.column_stack([boxes[:, 0], cut / STRIDE]), -1).astype(np.float32)
        part = picture[:, top : top + size[1], left : left + size[0]]
        if self.mirror and self.random.random() < 0.5:
            part, out[there, 1], out[there, 3] = part[:, :, ::-1], *(size[0] / STRIDE - out[there][:, [3, 1]]).T
        return part, out


@dataclass(frozen=True)
class Data:
    """Pictures (count, 3, height, width), boxes (count, most, 5) as dataset.py says, and the classes' names."""

    pictures: npt.NDArray[np.uint8]
    boxes: Floats
    labels: tuple[str, ...]


def train(data: Data, anchors: Floats, epochs: int, build: Path, start_from: Path | None, mirror: bool) -> Detector:
    """Returns the trained network; build/checkpoint.pt is kept up to date meanwhile."""
    torch.manual_seed(SEED)
    random = np.random.default_rng(SEED)
    pictures = data.pictures
    model = Detector(len(anchors), len(data.labels)).to(memory_format=torch.channels_last)
    if start_from is not None:
        model.start_from(start_from, torch.from_numpy(pictures[:: -(-len(pictures) // 32)].copy()).float() / 255)
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 0.02}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=RATE)
    batches, shapes = Batches(pictures, data.boxes, random, mirror), torch.from_numpy(anchors)
    steps, step, mean = epochs * (len(pictures) // BATCH), 0, 0.0
    start = saved = time.monotonic()
    for epoch in range(epochs):
        size = CROP if epoch < epochs - WHOLE_EPOCHS else (scenes.WIDTH, scenes.HEIGHT)
        for part, things in batches.epoch(size):
            for group in optimizer.param_groups:
                group["lr"] = RATE * rate(step, steps)
            value = loss(model(part), things, shapes)
            optimizer.zero_grad(set_to_none=True)
            value.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
            optimizer.step()
            step += 1
            mean = value.item() if step == 1 else 0.98 * mean + 0.02 * value.item()
            if step % 25 == 0:
                seconds = time.monotonic() - start
                left = seconds / step * (steps - step)
                where = f"epoch {epoch + 1}/{epochs} step {step}/{steps}"
                print(f"{where} loss {mean:.3f} {seconds:.0f} s, {left:.0f} s left", flush=True)
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                save(model, anchors, build, time.monotonic() - start, data)
                saved = time.monotonic()
    save(model, anchors, build, time.monotonic() - start, data)
    return model


def save(model: Detector, anchors: Floats, build: Path, seconds: float, data: Data) -> None:
    """Network, anchors, labels, and how long and on how many pictures it has been trained, for export.py."""
    state = {
        "weights": model.state_dict(), "anchors": anchors.tolist(), "labels": list(data.labels), "seconds": seconds,
        "pictures": len(data.pictures),
    }  # fmt: skip
    torch.save(state, build / "new.pt")
    (build / "new.pt").replace(build / "checkpoint.pt")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=8000)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--build", type=Path, default=Path("build/train"))
    parser.add_argument("--photos", type=Path, help="a folder of photos with boxes.json or YOLO's text files")
    parser.add_argument("--start", type=Path, help="an ONNX file of export.py to go on from, of any classes")
    parser.add_argument("--mirror", action="store_true", help="things look alike from both sides")
    parser.add_argument("--threads", type=int, default=dataset.jobs())
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    given.build.mkdir(parents=True, exist_ok=True)
    if given.photos is None:
        data = Data(*dataset.training(given.build, given.pictures, dataset.jobs()), scenes.LABELS)
    else:
        data = Data(*photos.training(given.photos, scenes.WIDTH, scenes.HEIGHT))
    if len(data.pictures) < BATCH:
        raise K210Error(
            f"{len(data.pictures)} pictures are too few: {BATCH} at least, some hundred for a good detector"
        )
    anchors = nearest_shapes(data.boxes, ANCHORS)
    print("anchors, in cells:", anchors.tolist())
    train(data, anchors, given.epochs, given.build, given.start, given.mirror)


if __name__ == "__main__":
    try:
        main()
    except K210Error as error:
        sys.exit(f"train.py: {error}")
