"""How good found boxes are: average precision as PASCAL VOC and as COCO count it.

VOC (2010 and later): the area under the precision envelope at an overlap of 0.5. COCO: precision at 101 recalls, the
mean over overlaps of 0.50, 0.55, ... 0.95; at most 100 boxes of a picture count. Both take a mean over those classes
that the pictures hold. Overlaps are areas of real numbers, without VOC's extra pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""

VOC_OVERLAP = 0.5
COCO_OVERLAPS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
COCO_RECALLS = np.linspace(0, 1, 101)
COCO_MOST = 100


@dataclass(frozen=True)
class Truth:
    """A thing that is in a picture."""

    cls: int
    box: Box


@dataclass(frozen=True)
class Found:
    """A thing that a model finds in a picture, and how sure it is."""

    cls: int
    score: float
    box: Box


@dataclass(frozen=True)
class Precision:
    """`voc` and `coco` are means over the classes; a row of `classes` holds class, how often it is there, its VOC and
    its COCO average precision."""

    voc: float
    coco: float
    classes: tuple[tuple[int, int, float, float], ...]


def overlap(box: Box, others: Sequence[Box]) -> Floats:
    """Intersection over union with each of the others; 0 for boxes without area."""
    if not others:
        return np.zeros(0)
    one, many = np.array(box, float), np.array(others, float)
    sides = np.minimum(one[2:], many[:, 2:]) - np.maximum(one[:2], many[:, :2])
    common = sides.clip(0).prod(1)
    union = (one[2:] - one[:2]).clip(0).prod() + (many[:, 2:] - many[:, :2]).clip(0).prod(1) - common
    return np.divide(common, union, out=np.zeros(len(many)), where=union > 0)


def judge(truths: Sequence[Sequence[Truth]], found: Sequence[Sequence[Found]]) -> Precision:
    """Both means, of what is in each picture and what was found in it."""
    rows = []
    for cls in sorted({thing.cls for picture in truths for thing in picture}):
        boxes = [[thing.box for thing in picture if thing.cls == cls] for picture in truths]
        ours = [[thing for thing in picture if thing.cls == cls] for picture in found]
        # A picture's most certain ones, over all classes.
        kept = [
            [thing for thing in sorted(picture, key=lambda f: -f.score)[:COCO_MOST] if thing.cls == cls]
            for picture in found
        ]
        count = sum(map(len, boxes))
        voc = area(*_hits(boxes, ours, VOC_OVERLAP, again=False), count)
        coco = np.mean([at_recalls(*_hits(boxes, kept, least, again=True), count) for least in COCO_OVERLAPS])
        rows.append((cls, count, voc, float(coco)))
    if not rows:
        return Precision(0.0, 0.0, ())
    return Precision(float(np.mean([row[2] for row in rows])), float(np.mean([row[3] for row in rows])), tuple(rows))


def _hits(
    boxes: Sequence[Sequence[Box]], found: Sequence[Sequence[Found]], least: float, *, again: bool
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Scores, and which of the found are right. Each thing is found once, by the most certain; `again`, a box whose
    thing is taken may have the next one that it overlaps enough (as COCO's evaluation does, VOC's does not)."""
    scores: list[float] = []
    right: list[bool] = []
    for truths, ours in zip(boxes, found, strict=True):
        taken = np.zeros(len(truths), bool)
        for thing in sorted(ours, key=lambda f: -f.score):
            share = overlap(thing.box, truths)
            if again:
                share = np.where(taken, 0, share)
            best = int(share.argmax()) if len(share) else -1
            hit = best >= 0 and share[best] >= least and not taken[best]
            if hit:
                taken[best] = True
            scores.append(thing.score)
            right.append(bool(hit))
    return np.array(scores, float), np.array(right, bool)


def _curve(scores: Floats, right: npt.NDArray[np.bool_], count: int) -> tuple[Floats, Floats]:
    """Recall, and the best precision at this or a higher recall, as more and more boxes are taken."""
    hits = np.cumsum(right[np.argsort(-scores, kind="stable")])
    precision = hits / np.arange(1, len(hits) + 1)
    return hits / count, np.maximum.accumulate(precision[::-1])[::-1]


def area(scores: Floats, right: npt.NDArray[np.bool_], count: int) -> float:
    """Average precision as VOC has it: the area under the envelope. `count` things were there."""
    if not len(scores):
        return 0.0
    recall, precision = _curve(scores, right, count)
    return float((np.diff(recall, prepend=0.0) * precision).sum())


def at_recalls(scores: Floats, right: npt.NDArray[np.bool_], count: int) -> float:
    """Average precision as COCO has it: the envelope's mean at 101 recalls."""
    if not len(scores):
        return 0.0
    recall, precision = _curve(scores, right, count)
    place = np.searchsorted(recall, COCO_RECALLS, side="left")
    return float(np.append(precision, 0.0)[place].mean())
