"""Average precision, against cases that are computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from k210kit.kmodel.precision import Box, Found, Truth, judge, overlap

HERE, THERE, AWAY = (0.0, 0.0, 10.0, 10.0), (50.0, 50.0, 60.0, 70.0), (200.0, 0.0, 210.0, 10.0)


def truths(*boxes: Box, cls: int = 0) -> list[Truth]:
    return [Truth(cls, box) for box in boxes]


def found(*pairs: tuple[float, Box], cls: int = 0) -> list[Found]:
    return [Found(cls, score, box) for score, box in pairs]


def test_overlap_is_common_area_by_all_area() -> None:
    half, corner, empty = (0.0, 0.0, 10.0, 5.0), (5.0, 5.0, 15.0, 15.0), (3.0, 3.0, 3.0, 9.0)
    assert overlap(HERE, [HERE, half, corner, AWAY, empty]).tolist() == [1, 0.5, 25 / 175, 0, 0]
    assert overlap(HERE, []).size == 0


def test_everything_right_is_one() -> None:
    result = judge([truths(HERE, THERE)], [found((0.9, HERE), (0.2, THERE))])
    assert (result.voc, result.coco) == (1, 1)
    assert result.classes == ((0, 2, 1, 1),)


def test_a_miss_between_two_hits() -> None:
    """Precision is 1 up to recall 1/2, and 2/3 from there to 1; COCO looks at 51 and at 50 recalls of these."""
    result = judge([truths(HERE, THERE)], [found((0.9, HERE), (0.8, AWAY), (0.7, THERE))])
    assert result.voc == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert result.coco == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_precision_is_that_of_a_higher_recall_if_better() -> None:
    """Miss, hit, hit: 0, 1/2, 2/3, of which the envelope makes 2/3 all along."""
    result = judge([truths(HERE, THERE)], [found((0.9, AWAY), (0.8, HERE), (0.7, THERE))])
    assert result.voc == pytest.approx(2 / 3)
    assert result.coco == pytest.approx(2 / 3)


def test_what_is_not_found_takes_recall() -> None:
    """One of four: recall 1/4, at 26 of the 101 places."""
    result = judge([truths(HERE, THERE, AWAY), truths(HERE)], [found((0.5, THERE)), []])
    assert result.voc == pytest.approx(1 / 4)
    assert result.coco == pytest.approx(26 / 101)


def test_scores_count_over_all_pictures() -> None:
    """The second picture's miss is surer than the first one's hit."""
    result = judge([truths(HERE), []], [found((0.6, HERE)), found((0.7, HERE))])
    assert result.voc == pytest.approx(1 / 2)
    result = judge([truths(HERE), []], [found((0.7, HERE)), found((0.6, HERE))])
    assert result.voc == 1


def test_a_thing_found_twice_is_once_wrong() -> None:
    """Hit, second box of the same thing, hit: as a miss between two hits."""
    near = (0.0, 0.0, 10.0, 9.6)
    result = judge([truths(HERE, THERE)], [found((0.9, HERE), (0.8, near), (0.7, THERE))])
    assert result.voc == pytest.approx(5 / 6)


def test_coco_asks_for_more_and_more_overlap() -> None:
    """0.62 is enough for 0.50, 0.55 and 0.60, three of ten."""
    result = judge([truths(HERE)], [found((0.9, (0.0, 0.0, 10.0, 6.2)))])
    assert result.voc == 1
    assert result.coco == pytest.approx(0.3)


def test_overlap_of_exactly_a_half_is_enough() -> None:
    result = judge([truths(HERE)], [found((0.9, (0.0, 0.0, 10.0, 5.0)))])
    assert (result.voc, result.coco) == (1, pytest.approx(0.1))


def test_a_taken_thing_leaves_the_next_one_to_coco_only() -> None:
    """The second box overlaps the first thing by 9/11 and the second by 7/13: for VOC it is the first one's again."""
    first, second = (0.0, 0.0, 10.0, 10.0), (0.0, 4.0, 10.0, 14.0)
    box = (0.0, 1.0, 10.0, 11.0)
    assert overlap(box, [first, second]).tolist() == pytest.approx([9 / 11, 7 / 13])
    result = judge([truths(first, second)], [found((0.9, first), (0.8, box))])
    assert result.voc == pytest.approx(1 / 2)
    # At 0.50 both are found; above, only the first: 51 recalls of 101.
    assert result.coco == pytest.approx((1 + 9 * 51 / 101) / 10)


def test_the_mean_is_over_the_classes_that_are_there() -> None:
    pictures = [truths(HERE) + truths(THERE, cls=3)]
    boxes = [found((0.9, HERE)) + found((0.9, HERE), cls=1) + found((0.9, AWAY), cls=3)]
    result = judge(pictures, boxes)
    assert result.voc == pytest.approx(1 / 2)
    assert [row[:3] for row in result.classes] == [(0, 1, 1.0), (3, 1, 0.0)]


def test_a_class_does_not_find_another_one() -> None:
    assert judge([truths(HERE)], [found((0.9, HERE), cls=1)]).voc == 0


def test_coco_takes_a_hundred_boxes_of_a_picture() -> None:
    misses = found(*((0.9, AWAY) for _ in range(100)), cls=1)
    result = judge([truths(HERE) + truths(THERE, cls=1)], [misses + found((0.5, HERE))])
    assert [row[2:] for row in result.classes] == [(1, 0), (0, 0)]


def test_nothing_there_or_nothing_found() -> None:
    assert judge([[]], [found((0.9, HERE))]).classes == ()
    assert judge([truths(HERE)], [[]]).voc == 0


def test_against_a_direct_count() -> None:
    """The area under the envelope, of random boxes, by counting at every score."""
    random = np.random.default_rng(3)
    for _ in range(30):
        boxes = [
            [(x, 0.0, x + 10.0, 10.0) for x in 20.0 * random.permutation(6)[: random.integers(1, 6)]] for _ in "abc"
        ]
        ours = [
            [
                (float(random.random()), (x, 0.0, x + 10, 10.0))
                for x in 20.0 * random.permutation(6)[: random.integers(6)]
            ]
            for _ in "abc"
        ]
        judged = judge([truths(*part) for part in boxes], [found(*part) for part in ours])
        pairs = [(score, box in there) for there, part in zip(boxes, ours, strict=True) for score, box in part]
        count = sum(map(len, boxes))
        points = []
        for least in sorted({score for score, _ in pairs}, reverse=True):
            taken = [hit for score, hit in pairs if score >= least]
            points.append((sum(taken) / count, sum(taken) / len(taken)))
        area = sum(
            max((p for r, p in points if r >= recall / count), default=0) / count for recall in range(1, count + 1)
        )
        assert judged.voc == pytest.approx(area)
