"""The region layer of YOLO version 2: a model's output to boxes with classes.

All in 32-bit floats and in the order of the vendor's region_layer.c (kendryte-standalone-demo, face_detect), so that
the same boxes come out as on a board.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from k210kit.errors import K210Error

Floats = npt.NDArray[np.float32]
Size = tuple[int, int]
"""Width, height."""
Rect = tuple[int, int, int, int]
"""Left, top, width, height."""

COORDINATES = 4
F = np.float32


@dataclass(frozen=True)
class Detection:
    """One object. `x`, `y` (its centre), `w`, `h` are fractions of the model's input, as 32-bit floats."""

    cls: int
    probability: float
    x: np.float32
    y: np.float32
    w: np.float32
    h: np.float32
    anchor: int
    cell: tuple[int, int]

    def net_box(self, net: Size) -> tuple[float, float, float, float]:
        """Left, top, right and bottom in pixels of the model's input."""
        return _corners((self.x, self.y, self.w, self.h), net)

    def rect(self, net: Size, image: Size) -> Rect:
        """As `regionlayer_yolo2()` of the old API returns it: it takes the image as centred in the input."""
        width, height = net
        if F(width) / F(image[0]) < F(height) / F(image[1]):
            new = width, image[1] * width // image[0]
        else:
            new = image[0] * height // image[1], height
        x, y = (
            F((float(at) - (side - inner) / 2.0 / side) / float(F(inner) / F(side)))
            for at, side, inner in zip((self.x, self.y), net, new, strict=True)
        )
        w, h = (size * (F(side) / F(inner)) for size, side, inner in zip((self.w, self.h), net, new, strict=True))
        return _whole(_corners((x, y, w, h), image))

    def rect_new(self, net: Size) -> Rect:
        """As `Yolo2.run()` of the new API returns it, in pixels of the model's input."""
        return _whole(self.net_box(net))


def _corners(box: tuple[np.float32, ...], size: Size) -> tuple[float, float, float, float]:
    x, y, w, h = box
    width, height = F(size[0]), F(size[1])
    half_w, half_h = w * width / F(2), h * height / F(2)
    return float(x * width - half_w), float(y * height - half_h), float(x * width + half_w), float(y * height + half_h)


def _whole(corners: tuple[float, ...]) -> Rect:
    """Corners as unsigned integers, clamped as the chip's conversion does, then the differences."""
    left, top, right, bottom = (min(max(0, int(c)), 2**32 - 1) if np.isfinite(c) else 0 for c in corners)
    return left, top, right - left, bottom - top


@dataclass(frozen=True)
class Yolo2:
    """Parameters of the layer. `anchors` are pairs of width and height in cells; `classes` may be 0: one kind only,
    told by the objectness. Raises K210Error for what cannot be meant."""

    anchors: tuple[float, ...]
    classes: int
    threshold: float = 0.5
    nms: float = 0.3

    def __post_init__(self) -> None:
        if not self.anchors or len(self.anchors) % 2:
            raise K210Error(f"anchors are pairs of width and height, so {len(self.anchors)} numbers cannot be right")
        if not all(0 < anchor < 1e6 for anchor in self.anchors):
            raise K210Error("anchors must be above 0; give widths and heights in cells of the output's grid")
        if self.classes < 0:
            raise K210Error(f"classes={self.classes} cannot be: give their number, or 0 when there is only one kind")
        for name, value in (("threshold", self.threshold), ("nms", self.nms)):
            if not 0 <= value <= 1:
                raise K210Error(f"{name}={value:g} is not between 0 and 1")

    def detect(self, output: Floats) -> list[Detection]:
        """Objects in a model's output of shape (channels, rows, columns), the most probable first.

        Raises K210Error when anchors and classes do not give the number of channels.
        """
        pairs = len(self.anchors) // 2
        wanted = pairs * (COORDINATES + 1 + self.classes)
        if output.ndim != 3 or output.shape[0] != wanted:
            raise K210Error(
                f"{pairs} anchors and {self.classes} classes need an output of {wanted} channels in a grid, "
                f"the model's is {' x '.join(map(str, output.shape))}; check anchors and classes"
            )
        with np.errstate(all="ignore"):
            boxes, scores = self._boxes(output.reshape(pairs, -1, *output.shape[1:]).astype(F))
            _suppress(boxes, scores, F(self.nms))
        return self._found(boxes, scores, output.shape[2])

    def _boxes(self, x: Floats) -> tuple[Floats, Floats]:
        """Of every anchor and cell: (4, n) centre and size, (classes, n) probabilities above the threshold, else 0."""
        pairs, _, rows, columns = x.shape
        anchors = np.asarray(self.anchors, F).reshape(pairs, 2, 1, 1)
        column, row = np.arange(columns, dtype=F), np.arange(rows, dtype=F)[:, None]
        boxes = np.stack([
            (column + _sigmoid(x[:, 0])) / F(columns),
            (row + _sigmoid(x[:, 1])) / F(rows),
            np.exp(x[:, 2]) * anchors[:, 0] / F(columns),
            np.exp(x[:, 3]) * anchors[:, 1] / F(rows),
        ])  # fmt: skip
        scores = _sigmoid(x[:, 4])[:, None]
        if self.classes:
            scores = scores * _softmax(x[:, COORDINATES + 1 :])
        scores = np.where(scores > F(self.threshold), scores, F(0))
        return boxes.reshape(4, -1), scores.transpose(1, 0, 2, 3).reshape(scores.shape[1], -1)

    def _found(self, boxes: Floats, scores: Floats, columns: int) -> list[Detection]:
        best = scores.argmax(0)
        most = scores.max(0)
        cells = boxes.shape[1] // (len(self.anchors) // 2)
        found = []
        for i in np.flatnonzero(most > F(self.threshold)):
            cell = int(i) % cells
            place = cell % columns, cell // columns
            x, y, w, h = boxes[:, i]
            found.append(Detection(int(best[i]), float(most[i]), x, y, w, h, int(i) // cells, place))
        return sorted(found, key=lambda d: -d.probability)


def _sigmoid(x: Floats) -> Floats:
    return F(1) / (F(1) + np.exp(-x))


def _softmax(x: Floats) -> Floats:
    """Over the second axis, summed one after the other."""
    e = np.exp(x - x.max(1, keepdims=True))
    return e / np.add.accumulate(e, axis=1, dtype=F)[:, -1:]


def _suppress(boxes: Floats, scores: Floats, nms: np.float32) -> None:
    """For each class, put to 0 what overlaps a more probable box by more than `nms`."""
    for row in scores:
        order = np.argsort(-row, kind="stable")
        for place, i in enumerate(order):
            if not row[i] > 0:
                # In falling order, so all that come are 0; those put to 0 by an earlier one are skipped.
                if not (row[order[place:]] > 0).any():
                    break
                continue
            later = order[place + 1 :]
            row[later[overlap(boxes[:, i], boxes[:, later]) > nms]] = 0


def overlap(one: Floats, others: Floats) -> Floats:
    """Intersection over union of a box (4,) with each of (4, n): centre and size."""
    low, high = one[:2] - one[2:] / F(2), one[:2] + one[2:] / F(2)
    sides = np.minimum(high[:, None], others[:2] + others[2:] / F(2)) - np.maximum(
        low[:, None], others[:2] - others[2:] / F(2)
    )
    common = np.where((sides < 0).any(0), F(0), sides[0] * sides[1])
    return common / (one[2] * one[3] + others[2] * others[3] - common)


def parse_anchors(text: str) -> tuple[float, ...]:
    """Numbers with commas between. Raises K210Error."""
    try:
        return tuple(float(number) for number in text.replace(",", " ").split())
    except ValueError:
        raise K210Error(f"anchors={text}: give numbers with commas between, as in 1.32,1.73,3.19,4.0") from None


def label(labels: Sequence[str], cls: int) -> str:
    """The class's name, or its number when there is none."""
    return (labels[cls] if cls < len(labels) else "") or str(cls)
