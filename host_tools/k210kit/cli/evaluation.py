"""What `k210 kmodel eval` prints."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import Progress

from k210kit.cli.tables import show
from k210kit.kmodel import dataset, evaluate
from k210kit.kmodel.yolo2 import label

if TYPE_CHECKING:
    from k210kit.kmodel.evaluate import Progress as Report
    from k210kit.kmodel.evaluate import Task


@contextmanager
def _progress(total: int) -> Iterator[Report]:
    with Progress(transient=True, disable=not sys.stdout.isatty()) as progress:
        task = progress.add_task("pictures", total=total)
        yield lambda done: progress.update(task, completed=done)


def detector(task: Task, folder: str, labels: Sequence[str], jobs: int) -> None:
    """Average precision, class by class. Raises K210Error."""
    data = dataset.boxed(folder, labels)
    with _progress(len(data.pictures)) as report:
        result = evaluate.precision(task, data, jobs, report)
    rows = [(label(data.labels, cls), str(n), f"{voc:.4f}", f"{coco:.4f}") for cls, n, voc, coco in result.classes]
    rows.append(("mean", str(sum(row[1] for row in result.classes)), f"{result.voc:.4f}", f"{result.coco:.4f}"))
    show(("class", "things", "AP@0.5", "AP@0.5:0.95"), rows, right=(1, 2, 3))


def classifier(task: Task, folder: str, most: int, jobs: int) -> None:
    """How often each class is told right. Raises K210Error."""
    data = dataset.by_folder(folder)
    with _progress(len(data.pictures)) as report:
        result = evaluate.accuracy(task, data, most, jobs, report)
    rows = [
        (name, str(count), f"{first / count:.4f}", f"{among / count:.4f}")
        for name, (count, first, among) in zip(data.labels, result.classes, strict=True)
        if count
    ]
    rows.append(("all", str(len(data.pictures)), f"{result.first:.4f}", f"{result.among:.4f}"))
    show(("class", "pictures", "top 1", f"top {most}"), rows, right=(1, 2, 3))
