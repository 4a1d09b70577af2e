"""The region layer on outputs made up here; published models' boxes are in test_kmodel_host_golden.py."""

from __future__ import annotations

import numpy as np
import pytest

from k210kit.errors import K210Error
from k210kit.kmodel.yolo2 import Detection, Yolo2, label, overlap, parse_anchors

F = np.float32
FAR = -50.0
"""A logit that is as good as never."""


def output(pairs: int, classes: int, rows: int, columns: int) -> np.ndarray:
    """Nothing anywhere: shape (anchors, 5 + classes, rows, columns)."""
    out = np.zeros((pairs, 5 + classes, rows, columns), np.float32)
    out[:, 4] = FAR
    return out


def put(out: np.ndarray, anchor: int, row: int, column: int, cls: int, objectness: float = 50.0) -> None:
    out[anchor, 4, row, column] = objectness
    if out.shape[1] > 5:
        out[anchor, 5:, row, column] = FAR
        out[anchor, 5 + cls, row, column] = 0


def detect(yolo: Yolo2, out: np.ndarray) -> list[Detection]:
    return yolo.detect(out.reshape(-1, *out.shape[2:]))


def test_a_box_is_where_its_cell_and_anchor_say() -> None:
    out = output(2, 3, 4, 5)
    put(out, 1, 2, 3, 1)
    out[1, :2, 2, 3] = [np.log(3), -np.log(3)]  # 3/4 and 1/4 of the cell
    out[1, 2:4, 2, 3] = [np.log(2), np.log(0.5)]
    (found,) = detect(Yolo2((1, 1, 1.5, 3), 3), out)
    assert (found.cls, found.anchor, found.cell) == (1, 1, (3, 2))
    assert found.probability == pytest.approx(1)
    assert (found.x, found.y, found.w, found.h) == pytest.approx((3.75 / 5, 2.25 / 4, 3 / 5, 1.5 / 4))
    assert found.net_box((50, 40)) == pytest.approx((22.5, 15, 52.5, 30), abs=1e-4)
    assert found.rect_new((50, 40)) in ((22, 15, 30, 15), (22, 14, 30, 15), (22, 15, 30, 14), (22, 14, 30, 16))


def test_the_probability_is_objectness_times_softmax() -> None:
    out = output(1, 4, 1, 1)
    out[0, 4:, 0, 0] = [0.5, 1, 2, 3, 1000]
    (found,) = detect(Yolo2((1, 1), 4, threshold=0.3), out)
    assert found.cls == 3
    assert found.probability == pytest.approx(1 / (1 + np.exp(-0.5)))
    assert detect(Yolo2((1, 1), 4, threshold=0.7), out) == []


def test_without_classes_the_objectness_counts() -> None:
    out = output(1, 0, 2, 2)
    put(out, 0, 1, 0, 0, objectness=1.0)
    (found,) = detect(Yolo2((1, 1), 0), out)
    assert (found.cls, found.cell) == (0, (0, 1))
    assert found.probability == pytest.approx(1 / (1 + np.exp(-1)))


def test_of_boxes_that_overlap_the_best_of_each_class_stays() -> None:
    out = output(3, 2, 1, 6)
    anchors = (1.0, 1.0, 1.1, 1.0, 1.0, 1.2)
    put(out, 0, 0, 1, 0, objectness=2)
    put(out, 1, 0, 1, 0, objectness=3)
    put(out, 2, 0, 1, 1, objectness=1)
    put(out, 0, 0, 4, 0, objectness=1.5)
    found = detect(Yolo2(anchors, 2, nms=0.5), out)
    assert [(d.anchor, d.cell[0], d.cls) for d in found] == [(1, 1, 0), (0, 4, 0), (2, 1, 1)]
    assert [d.probability for d in found] == sorted((d.probability for d in found), reverse=True)
    # With 1 nothing overlaps too much.
    assert len(detect(Yolo2(anchors, 2, nms=1), out)) == 4


def test_a_box_that_was_suppressed_suppresses_none() -> None:
    """Three in a row, each overlapping the next: the first takes the second away, the third stays."""
    out = output(1, 1, 1, 3)
    for column, objectness in enumerate((3, 2, 1)):
        put(out, 0, 0, column, 0, objectness=objectness)
    found = detect(Yolo2((1.8, 1.0), 1, nms=0.25), out)
    assert [d.cell[0] for d in found] == [0, 2]


def test_overlap() -> None:
    one = np.array([0, 0, 2, 2], F)
    others = np.array([[0, 0, 2, 2], [1, 0, 2, 2], [2, 0, 2, 2], [9, 9, 2, 2], [1, 1, 2, 2]], F).T
    assert overlap(one, others) == pytest.approx([1, 1 / 3, 0, 0, 1 / 7])


def test_old_and_new_boxes_differ_where_the_net_is_higher_than_the_image() -> None:
    d = Detection(0, 1.0, F(0.5), F(0.5), F(0.2), F(0.25), 0, (0, 0))
    assert d.rect_new((320, 256)) == (128, 96, 64, 64)
    assert d.rect((320, 256), (320, 240)) == (128, 88, 64, 64)
    assert d.rect((320, 240), (320, 240)) == d.rect_new((320, 240))


def test_corners_left_of_the_image_become_0() -> None:
    d = Detection(0, 1.0, F(0), F(0.01), F(0.5), F(0.5), 0, (0, 0))
    assert d.rect_new((100, 100)) == (0, 0, 25, 26)
    for wild in (np.inf, np.nan):
        Detection(0, 1.0, F(0.5), F(0.5), F(wild), F(wild), 0, (0, 0)).rect((320, 256), (320, 240))


def test_outputs_without_sense_give_no_exception() -> None:
    for value in (np.nan, np.inf, -np.inf, 1e38, -1e38):
        detect(Yolo2((1, 1, 2, 2), 2), np.full((2, 7, 3, 3), value, np.float32))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (((1, 2, 3), 1), "anchors are pairs of width and height, so 3 numbers cannot be right"),
        (((), 1), "so 0 numbers"),
        (((1, 0), 1), "anchors must be above 0"),
        (((1, float("nan")), 1), "anchors must be above 0"),
        (((1, 1), -1), "classes=-1 cannot be"),
        (((1, 1), 1, 1.5), "threshold=1.5 is not between 0 and 1"),
        (((1, 1), 1, 0.5, -0.1), "nms=-0.1 is not between 0 and 1"),
    ],
)
def test_arguments_without_sense(arguments: tuple, text: str) -> None:
    with pytest.raises(K210Error, match=text):
        Yolo2(*arguments)


def test_an_output_of_another_size() -> None:
    with pytest.raises(K210Error, match=r"2 anchors and 3 classes need an output of 16 channels .* 10 x 2 x 2"):
        Yolo2((1, 1, 2, 2), 3).detect(np.zeros((10, 2, 2), np.float32))
    with pytest.raises(K210Error, match="the model's is 16;"):
        Yolo2((1, 1, 2, 2), 3).detect(np.zeros(16, np.float32))


def test_anchors_and_labels() -> None:
    assert parse_anchors("1.5,2, 3 4") == (1.5, 2, 3, 4)
    with pytest.raises(K210Error, match="anchors=1,b: give numbers"):
        parse_anchors("1,b")
    assert [label(["cat", ""], n) for n in range(3)] == ["cat", "1", "2"]
