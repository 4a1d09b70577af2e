"""The loss of YOLO version 2, with boxes judged by their generalized overlap.

A thing belongs to the cell that its centre lies in, and there to the anchor whose shape is nearest. All sizes are in
cells. (Redmon and Farhadi, YOLO9000, 2016; Rezatofighi and others, Generalized intersection over union, 2019.)
"""

from __future__ import annotations

import torch
from torch.nn import functional

IGNORED = 0.55
"""Where a prediction overlaps a thing by more than this, it is not told that nothing is there."""
BOX, CLASS, NOTHING = 3.0, 1.0, 0.6
"""Weights beside objectness, which has 1."""


def decode(output: torch.Tensor, anchors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Corners (n, anchors, rows, columns, 4) in cells, objectness (n, anchors, rows, columns) and class scores
    (..., classes), both before sigmoid and softmax, of the network's output (n, channels, rows, columns)."""
    n, _, rows, columns = output.shape
    x = output.view(n, len(anchors), -1, rows, columns).permute(0, 1, 3, 4, 2)
    place = torch.stack(torch.meshgrid(torch.arange(columns), torch.arange(rows), indexing="xy"), -1)
    middle = place + torch.sigmoid(x[..., :2])
    half = torch.exp(x[..., 2:4].clamp(max=6)) * anchors[:, None, None] / 2
    return torch.cat([middle - half, middle + half], -1), x[..., 4], x[..., 5:]


def assign(boxes: torch.Tensor, anchors: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Where each thing belongs: picture, anchor, row, column, its class (k,) and its corners (k, 4).

    `boxes` (n, most, 5) are class, left, top, right, bottom in cells; class -1 stands for none.
    """
    picture, which = torch.nonzero(boxes[..., 0] >= 0, as_tuple=True)
    found = boxes[picture, which]
    corners = found[:, 1:]
    size, middle = corners[:, 2:] - corners[:, :2], (corners[:, :2] + corners[:, 2:]) / 2
    common = torch.minimum(size[:, None], anchors).prod(-1)
    nearest = (common / (size.prod(-1)[:, None] + anchors.prod(-1) - common)).argmax(1)
    column, row = middle.long().unbind(1)
    return picture, nearest, row, column, found[:, 0].long(), corners


def overlaps(one: torch.Tensor, other: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Intersection over union and its generalized form, of corners (..., 4) that broadcast."""
    low, high = torch.maximum(one[..., :2], other[..., :2]), torch.minimum(one[..., 2:], other[..., 2:])
    common = (high - low).clamp(min=0).prod(-1)
    union = _area(one) + _area(other) - common + 1e-9
    low, high = torch.minimum(one[..., :2], other[..., :2]), torch.maximum(one[..., 2:], other[..., 2:])
    around = (high - low).prod(-1) + 1e-9
    return common / union, common / union - (around - union) / around


def _area(corners: torch.Tensor) -> torch.Tensor:
    return (corners[..., 2:] - corners[..., :2]).prod(-1)


def loss(output: torch.Tensor, boxes: torch.Tensor, anchors: torch.Tensor) -> torch.Tensor:
    """For each thing, on average. Shapes as in `decode` and `assign`."""
    corners, objectness, classes = decode(output, anchors)
    picture, anchor, row, column, cls, wanted = assign(boxes, anchors)
    count = max(1, len(cls))
    with torch.no_grad():
        there = torch.zeros_like(objectness)
        there[picture, anchor, row, column] = 1
        # Nothing has corners at 0, and so no overlap.
        known = torch.where(boxes[..., :1] >= 0, boxes[..., 1:], 0.0)
        near = overlaps(corners[..., None, :], known[:, None, None, None])[0].amax(-1) > IGNORED
        weight = torch.where(there > 0, 1.0, torch.where(near, 0.0, NOTHING))
    total = functional.binary_cross_entropy_with_logits(objectness, there, weight, reduction="sum")
    if len(cls):
        at = picture, anchor, row, column
        total = total + BOX * (1 - overlaps(corners[at], wanted)[1]).sum()
        total = total + CLASS * functional.cross_entropy(classes[at], cls, reduction="sum")
    return total / count
