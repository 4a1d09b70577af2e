"""The programs in train/: the pictures that they draw, and the loss."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "train"))
import draw_signs  # noqa: E402
import photos  # noqa: E402
import scenes  # noqa: E402

from k210kit.errors import K210Error  # noqa: E402

SHOWN = ROOT / "models/signs_test"


def test_the_committed_pictures_are_drawn_again() -> None:
    """Box for box; and pixel for pixel but for what another version of Pillow may round otherwise."""
    content = json.loads((SHOWN / "boxes.json").read_text())
    assert content["labels"] == list(scenes.LABELS)
    for name in reversed(content["pictures"]):
        picture, things = scenes.scene("shown", int(name[5:8]))
        assert [[scenes.LABELS[thing.cls], *thing.box] for thing in things] == content["pictures"][name]
        with Image.open(SHOWN / name) as kept:
            assert np.abs(np.asarray(kept, int) - np.asarray(picture, int)).mean() < 1


def test_splits_and_numbers_give_other_pictures() -> None:
    pictures = [scenes.scene(*key)[0].tobytes() for key in (("train", 0), ("train", 1), ("test", 0), ("shown", 0))]
    assert len(set(pictures)) == 4


def test_boxes_fit_what_is_drawn() -> None:
    """A sign alone, before and after: what has changed is its box."""
    random = np.random.default_rng(5)
    for _ in range(40):
        picture = Image.new("RGB", (scenes.WIDTH, scenes.HEIGHT), (123, 45, 67))
        before = np.asarray(picture, int)
        random_state = random.bit_generator.state
        thing = scenes.place_sign(picture, [], random)
        assert thing is not None and random_state != random.bit_generator.state
        left, top, right, bottom = thing.box
        assert 0 <= left < right <= scenes.WIDTH and 0 <= top < bottom <= scenes.HEIGHT
        assert scenes.SMALLEST - 3 <= max(right - left, bottom - top) <= scenes.LARGEST + 3
        changed = np.abs(np.asarray(picture, int) - before).max(2) > 8
        # Above its lower end a post may show only within the box.
        columns = np.flatnonzero(changed[: int(bottom)].any(0))
        rows = np.flatnonzero(changed.any(1))
        assert abs(columns[0] - left) <= 2 and abs(columns[-1] + 1 - right) <= 2
        assert abs(rows[0] - top) <= 2


@pytest.mark.parametrize("name", draw_signs.LABELS)
def test_every_sign_fills_its_canvas_one_way(name: str) -> None:
    alpha = np.asarray(draw_signs.draw(name, np.random.default_rng(0)))[..., 3]
    rows, columns = np.flatnonzero(alpha.any(1)), np.flatnonzero(alpha.any(0))
    assert max(np.ptp(rows), np.ptp(columns)) > 0.9 * draw_signs.SIZE
    assert set(np.unique(alpha)) == {0, 255}


def test_the_loss_knows_where_things_belong() -> None:
    """The right answer costs nearly nothing; in another cell, with another class or size, it costs."""
    torch = pytest.importorskip("torch")
    import yolo_loss

    anchors = torch.tensor([[1.0, 1.0], [3.0, 3.0]])
    boxes = torch.full((2, 3, 5), -1.0)
    boxes[1, 0] = torch.tensor([2.0, 3.2, 1.1, 6.2, 4.1])
    picture, anchor, row, column, cls, corners = yolo_loss.assign(boxes, anchors)
    assert [part.item() for part in (picture, anchor, row, column, cls)] == [1, 1, 2, 4, 2]

    def output(row: int, column: int, cls: int, size: float) -> object:
        x = torch.zeros(2, 2, 8, 4, 7)
        x[:, :, 4] = -12
        x[1, 1, :, row, column] = torch.tensor([math.log(0.7 / 0.3), math.log(0.6 / 0.4), size, size, 12, 0, 0, 0])
        x[1, 1, 5 + cls, row, column] = 12
        return x.view(2, 16, 4, 7)

    right = yolo_loss.loss(output(2, 4, 2, 0.0), boxes, anchors).item()
    assert right < 0.01
    for wrong in ((1, 4, 2, 0.0), (2, 5, 2, 0.0), (2, 4, 1, 0.0), (2, 4, 2, 0.3)):
        assert yolo_loss.loss(output(*wrong), boxes, anchors).item() > 0.5
    found, sure, classes = yolo_loss.decode(output(2, 4, 2, 0.0), anchors)
    assert torch.allclose(found[1, 1, 2, 4], corners[0], atol=1e-5)
    assert sure[1, 1, 2, 4] == 12 and classes.shape == (2, 2, 4, 7, 3)


def annotated(folder: Path, lines: str, names: str = "") -> Path:
    """A folder with one photo of 640x360 and what is marked on it."""
    folder.mkdir()
    Image.new("RGB", (640, 360), (200, 100, 50)).save(folder / "one.png")
    (folder / "one.txt").write_text(lines)
    if names:
        (folder / "classes.txt").write_text(names)
    return folder


def test_photos_are_scaled_with_their_boxes(tmp_path: Path) -> None:
    folder = annotated(tmp_path / "photos", "1 0.5 0.5 0.25 0.5\n0 0.1 0.1 0.1 0.1\n", "cat\ndog\n")
    pictures, boxes, labels = photos.training(folder, 320, 240)
    assert labels == ("cat", "dog")
    assert pictures.shape == (1, 3, 240, 320) and boxes.shape == (1, 2, 5)
    # 320x180 in the upper left corner, and nothing below.
    assert pictures[0, :, 179, 319].tolist() == [200, 100, 50] and not pictures[0, :, 180:].any()
    assert boxes[0, 0].tolist() == [1, 120, 45, 200, 135]
    assert np.allclose(boxes[0, 1], [0, 16, 9, 48, 27])


def test_classes_without_names_are_numbered(tmp_path: Path) -> None:
    assert photos.training(annotated(tmp_path / "a", "2 0.5 0.5 0.2 0.2\n"), 320, 240)[2][2] == "class 2"


@pytest.mark.parametrize(
    ("lines", "names", "words"),
    [("", "cat\n", "1 pictures and not one thing"), ("1 0.5 0.5 0.2 0.2\n", "cat\n", "class 1 is annotated")],
)
def test_photos_that_cannot_be_trained_on(tmp_path: Path, lines: str, names: str, words: str) -> None:
    with pytest.raises(K210Error, match=words):
        photos.training(annotated(tmp_path / "a", lines, names), 320, 240)


def test_mirrored_pictures_have_mirrored_boxes() -> None:
    pytest.importorskip("torch")
    from network import STRIDE
    from train import Batches

    pictures, boxes = np.zeros((1, 3, 240, 320), np.uint8), np.full((1, 2, 5), -1, np.float32)
    pictures[0, :, 30:60, 40:90], boxes[0, 0] = 255, (3, 40, 30, 90, 60)
    seen = set()
    for seed in range(20):
        batches = Batches(pictures, boxes, np.random.default_rng(seed), mirror=True)
        part, things = batches._part(0, (320, 240))
        left, top, right, bottom = (round(side * STRIDE) for side in things[0, 1:].tolist())
        assert part[:, top:bottom, left:right].min() == 255 and part.sum() == 255 * 3 * 30 * 50
        assert things[0, 0] == 3 and things[1, 0] == -1
        seen.add(left)
    assert seen == {40, 230}
