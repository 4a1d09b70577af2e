"""How good a model is on pictures with known answers, with the KPU's exact arithmetic, in several processes.

An ONNX file in a kernel model's place is run in floats by onnxruntime, on the same bytes and with the same decoding of
boxes: what quantization costs is the difference.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from k210kit.errors import K210Error
from k210kit.kmodel import picture
from k210kit.kmodel.dataset import Boxed, Classed
from k210kit.kmodel.model import Array
from k210kit.kmodel.precision import Found, Precision, judge
from k210kit.kmodel.read import load
from k210kit.kmodel.run import Runtime
from k210kit.kmodel.yolo2 import Yolo2

LEAST = 0.01
"""Boxes down to this probability count: precision is asked for at every recall."""

Progress = Callable[[int], None]
"""Told how many pictures are done."""


@dataclass(frozen=True)
class Scaling:
    """What an ONNX model takes for a byte: (byte - mean) / std. Kernel models take bytes."""

    mean: float = 0.0
    std: float = 255.0


@dataclass(frozen=True)
class Task:
    """What a worker does with each picture."""

    model: str
    yolo: Yolo2 | None = None
    camera: bool = False
    scaling: Scaling = Scaling()


@dataclass(frozen=True)
class Accuracy:
    """Parts of the pictures whose class was the model's first, and among its first `most`, choices; and for each class
    how many pictures there are, and for how many it was so."""

    first: float
    among: float
    most: int
    classes: tuple[tuple[int, int, int], ...]


def precision(task: Task, data: Boxed, jobs: int = 1, progress: Progress = lambda done: None) -> Precision:
    """How good a detector's boxes are. Raises K210Error when model and pictures do not fit each other."""
    if task.yolo is None:
        raise K210Error("boxes are found with the layer's anchors: give them")
    classes = max(1, task.yolo.classes)
    for path, things in zip(data.pictures, data.truths, strict=True):
        for thing in things:
            if thing.cls >= classes:
                raise K210Error(f"{path} holds class {thing.cls}, the model knows {classes}, from 0")
    return judge(data.truths, list(_each(task, data.pictures, jobs, progress)))


def accuracy(
    task: Task, data: Classed, most: int = 5, jobs: int = 1, progress: Progress = lambda done: None
) -> Accuracy:
    """How often a classifier is right. Raises K210Error when it has fewer outputs than there are classes."""
    counts = np.zeros((len(data.labels), 3), int)
    for cls, values in zip(data.classes, _each(task, data.pictures, jobs, progress), strict=True):
        if len(values) < len(data.labels):
            raise K210Error(f"the model tells {len(values)} classes apart, the folders are {len(data.labels)}")
        order = np.argsort(-values, kind="stable")[:most]
        counts[cls] += (1, order[0] == cls, cls in order)
    total, first, among = map(int, counts.sum(0))
    return Accuracy(first / total, among / total, most, tuple((int(n), int(f), int(a)) for n, f, a in counts))


def output_shape(model: str) -> tuple[int, ...]:
    """Of the first output. Raises K210Error."""
    return _runner(Task(model)).output_shape


def _each(task: Task, pictures: Sequence[Path], jobs: int, progress: Progress) -> Iterator[Any]:
    """What the model says of each picture, in order."""
    work = [(task, str(path)) for path in pictures]
    if jobs <= 1 or len(work) < 2:
        for done, item in enumerate(work, 1):
            answer = _work(item)
            progress(done)
            yield answer
        return
    # Not forked: a caller's threads (of onnxruntime, of torch) would not be in the child.
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(min(jobs, len(work)), context) as pool:
            for done, answer in enumerate(pool.map(_work, work, chunksize=max(1, min(8, len(work) // jobs))), 1):
                progress(done)
                yield answer
    except BrokenProcessPool:
        raise K210Error("a worker process was ended; with --jobs 1 there is none, and less memory is used") from None


def _work(item: tuple[Task, str]) -> Any:
    task, path = item
    runner = _runner(task)
    image = picture.load(path)
    output = runner.run(picture.planes(image, runner.shape, camera=task.camera))
    if task.yolo is None:
        return np.asarray(output, np.float64).reshape(-1)
    net = runner.shape[2], runner.shape[1]
    grow = picture.scale(image, net)
    found = []
    for thing in task.yolo.detect(output.astype(np.float32)):
        left, top, right, bottom = (edge * grow for edge in thing.net_box(net))
        inside = max(0.0, left), max(0.0, top), min(float(image.width), right), min(float(image.height), bottom)
        found.append(Found(thing.cls, thing.probability, inside))
    return found


class _KernelModel:
    """A kmodel file, as the board runs it."""

    def __init__(self, path: str) -> None:
        model = load(path)
        if model.takes_floats:
            raise K210Error(f"{path} takes {model.input.shape[0]} floats, not a picture")
        self.shape, self.output_shape = model.input.shape, model.outputs[0].shape
        self._runtime = Runtime(model)

    def run(self, data: Array) -> Array:
        """The first output for the picture's bytes."""
        return self._runtime.run(data)[0]


class _FloatModel:
    """An ONNX file in floats."""

    def __init__(self, path: str, scaling: Scaling) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise K210Error(f"{path} needs onnxruntime: pip install 'k210kit[compiler]'") from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has no class of errors for it
            raise K210Error(f"cannot load {path}: {error}") from None
        self._input = self._session.get_inputs()[0]
        self.shape = tuple(self._input.shape[1:])
        if len(self.shape) != 3 or not all(isinstance(side, int) for side in self.shape):
            raise K210Error(f"{path} takes {self._input.shape}, not one picture of a fixed size")
        self.output_shape = tuple(self._session.get_outputs()[0].shape[1:])
        self._scaling = scaling

    def run(self, data: Array) -> Array:
        """The first output for the picture's bytes."""
        floats = (data[None].astype(np.float32) - np.float32(self._scaling.mean)) / np.float32(self._scaling.std)
        output: Array = self._session.run(None, {self._input.name: floats})[0][0]
        return output


@cache
def _runner(task: Task) -> _KernelModel | _FloatModel:
    """One a process and task: decoding a model's parameters takes longer than a picture."""
    if task.model.endswith(".onnx"):
        return _FloatModel(task.model, task.scaling)
    return _KernelModel(task.model)
