"""Everything that networks predict, drawn on the picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mmlens.rendering.colours import INK, PALETTE, PAPER, segment_colours
from mmlens.rendering.panels import Panel, body_height
from mmlens.rendering.predicted import NOTHING_FOUND, panel_of_predicted
from mmlens.results.predicted import Predicted

SIZE = (320, 240)
BOXES = np.array([[40, 60, 160, 160], [200, 80, 300, 200]], np.float32)


def predicted(**more: Any) -> Predicted:
    options = dict(
        boxes=BOXES, labels=np.array([0, 1]), scores=np.array([0.5, 0.4], np.float32), class_names=['cup', 'fork']
    )
    return Predicted(**{**options, **more})


def panel(found: Predicted, value: int = 100, scale: float = 1.0) -> Panel:
    plain = np.full((round(240 * scale), round(320 * scale), 3), value, np.uint8)
    made = panel_of_predicted(found, plain, SIZE)
    assert (plain == value).all() and made.picture.shape == plain.shape
    return made


def mixed(value: int, colour: tuple, opacity: float) -> np.ndarray:
    return np.rint((1 - opacity) * value + opacity * np.array(colour))


def test_nothing_asked_for_is_the_picture_alone() -> None:
    plain = np.full((240, 320, 3), 100, np.uint8)
    made = panel_of_predicted(None, plain, (640, 480))
    assert made.picture is plain and (made.title, made.detail, made.kind) == ('picture', '640 × 480', 'picture')
    assert panel(Predicted()).title == 'picture' and (panel(Predicted()).picture == 100).all()


@pytest.mark.parametrize('scale', [0.5, 1.0, 2.0])
def test_boxes_lie_where_they_are_at_any_size(scale: float) -> None:
    made = panel(predicted(), scale=scale)
    assert made.title == '2 detections' and made.note == ''
    for box, colour in zip(BOXES * scale, PALETTE):
        x1, y1, x2, y2 = np.rint(box).astype(int)
        assert tuple(made.picture[(y1 + y2) // 2, x1]) == tuple(made.picture[y2, (x1 + x2) // 2]) == colour
        assert (made.picture[y1 + 8 : y2 - 8, x1 + 8 : x2 - 8] == 100).all()


def test_a_detector_that_found_nothing_says_so() -> None:
    made = panel(Predicted(boxes=np.zeros((0, 4), np.float32)))
    assert (made.title, made.note) == ('0 detections', NOTHING_FOUND) and (made.picture == 100).all()


def test_rotated_boxes_are_drawn_as_they_lie() -> None:
    """A square that stands on its corner: its edges are drawn, those of the box around it are not."""
    diamond = np.array([[[160, 60], [220, 120], [160, 180], [100, 120]]], np.float32)
    around = np.array([[100, 60, 220, 180]], np.float32)
    made = panel(predicted(boxes=around, polygons=diamond)).picture
    for x, y in ((190, 90), (190, 150), (130, 150), (130, 90)):
        assert tuple(made[y, x]) == PALETTE[0]
    assert (made[165:178, 102:115] == 100).all() and (made[165:178, 205:218] == 100).all()
    assert (made[100:140, 140:180] == 100).all()


@pytest.mark.parametrize('value', [10, 100, 245])
def test_masks_are_tinted_and_outlined(value: int) -> None:
    masks = np.zeros((2, 240, 320), bool)
    masks[0, 70:150, 50:150] = masks[1, 90:190, 210:290] = True
    made = panel(predicted(masks=masks), value).picture
    for mask, colour in zip(masks, PALETTE):
        rows, columns = np.nonzero(mask)
        assert (
            made[rows.min() + 8 : rows.max() - 8, columns.min() + 8 : columns.max() - 8] == mixed(value, colour, 0.45)
        ).all()
        assert tuple(made[rows.min(), (columns.min() + columns.max()) // 2]) == colour
        assert np.abs(mixed(value, colour, 0.45) - value).max() >= 25
    assert (made[10:40] == value).all()


def test_of_masks_that_overlap_the_best_lies_on_top() -> None:
    masks = np.zeros((2, 240, 320), bool)
    masks[0, 70:150, 50:150] = masks[1, 90:130, 70:230] = True
    boxes = np.array([[50, 70, 150, 150], [70, 90, 230, 130]], np.float32)
    made = panel(predicted(boxes=boxes, masks=masks)).picture
    assert (made[110, 100] == mixed(100, PALETTE[0], 0.45)).all()
    assert (made[110, 200] == mixed(100, PALETTE[1], 0.45)).all()


# ---------------------------------------------------------------- segments


def seg_map() -> np.ndarray:
    """Halves of classes 2 and 7, a strip of no class on top, and a corner of class 255."""
    labels = np.full((240, 320), 2)
    labels[:, 200:] = 7
    labels[:20] = -1
    labels[200:, 280:] = 255
    return labels


@pytest.mark.parametrize('value', [10, 100, 245])
def test_segments_are_translucent_with_a_key_of_their_classes(value: int) -> None:
    made = panel(Predicted(seg_map=seg_map(), seg_names={2: 'road', 7: 'sky'}), value)
    assert made.title == '2 segmented classes'
    assert list(made.key) == [('road', PALETTE[2]), ('sky', PALETTE[7])]  # the larger first
    assert (made.picture[30:230, 10:190] == mixed(value, PALETTE[2], 0.5)).all()
    assert (made.picture[30:190, 210:270] == mixed(value, PALETTE[7], 0.5)).all()
    assert (made.picture[:18] == value).all() and (made.picture[205:, 285:] == value).all()
    assert (made.picture[30:190, 200] == INK).all()  # between the two


def test_a_segment_without_a_name_is_called_by_its_index_and_255_may_be_a_class() -> None:
    assert [name for name, _ in panel(Predicted(seg_map=seg_map(), seg_names={2: 'road'})).key] == ['road', '7']
    named = panel(Predicted(seg_map=seg_map(), seg_names={255: 'other'}))
    assert [name for name, _ in named.key] == ['2', '7', 'other'] and named.title == '3 segmented classes'


def test_segments_lie_where_they_are_at_any_size() -> None:
    for scale in (0.5, 2.0):
        made = panel(Predicted(seg_map=seg_map()), scale=scale).picture
        edge = round(200 * scale)
        row = made[round(100 * scale)]
        assert (row[: edge - 1] == row[0]).all() and (row[edge + 2 :] == row[-1]).all() and (row[0] != row[-1]).any()


def test_things_and_stuff_of_one_class_have_one_colour() -> None:
    made = panel(predicted(labels=np.array([2, 12]), seg_map=seg_map()))
    assert made.title == '2 detections'
    assert tuple(made.picture[110, 40]) == PALETTE[2] == dict(made.key)['2']
    assert tuple(made.picture[140, 200]) not in {PALETTE[2], PALETTE[7], INK}


def test_many_classes_have_shades_and_the_smallest_no_key() -> None:
    labels = np.repeat(np.arange(48), 1600).reshape(240, 320)
    made = panel(Predicted(seg_map=labels))
    assert len(made.key) == 40 and made.note == 'and 8 smaller classes'
    assert len(set(segment_colours(range(3 * len(PALETTE))))) == 3 * len(PALETTE)
    assert segment_colours([3, 1, 3]) == [PALETTE[3], PALETTE[1], PALETTE[3]]
    assert body_height(made, 320) > 240 + 10 * 16


# ---------------------------------------------------------------- keypoints


def pose() -> Predicted:
    points = np.array([[[50, 70], [100, 70], [100, 150]], [[220, 90], [280, 90], [280, 180]]], np.float32)
    return predicted(labels=np.array([0, 0]), keypoints=points, skeleton=((0, 1), (1, 2), (2, 0)))


@pytest.mark.parametrize('value', [10, 100, 245])
def test_keypoints_are_joined_by_limbs_in_a_colour_a_person(value: int) -> None:
    made = panel(pose(), value)
    for (x, y), colour in (((75, 70), PALETTE[0]), ((100, 110), PALETTE[0]), ((250, 90), PALETTE[1])):
        assert tuple(made.picture[y, x]) == colour
    assert tuple(made.picture[110, 40]) == PALETTE[0] and tuple(made.picture[140, 200]) == PALETTE[1]
    dark_halo = made.picture[60:80, 75]
    assert (dark_halo == INK).all(axis=1).any() or value < 100


def test_keypoints_that_are_not_seen_and_their_limbs_are_left_out() -> None:
    found = pose()
    found.keypoint_scores = np.array([[0.9, 0.9, 0.9], [0.9, 0.29, 0.9]])
    found.keypoints[0, 2] = np.nan
    made = panel(found).picture
    assert (made[90:140, 100] == 100).all() and (made[88:93, 240:260] == 100).all()
    assert tuple(made[70, 75]) == PALETTE[0] and tuple(made[135, 250]) == PALETTE[1]  # what is left of each


def test_poses_without_boxes_are_counted() -> None:
    found = pose()
    made = panel(Predicted(keypoints=found.keypoints))
    assert made.title == '2 poses' and tuple(made.picture[70, 50]) == PALETTE[0]
    assert (made.picture[110, 40] == 100).all() and (made.picture[70, 75] == 100).all()


# ---------------------------------------------------------------- words


def test_the_class_of_the_picture_is_its_title_and_the_next_ones_stand_below() -> None:
    classes = (('tabby, tabby cat', 0.75), ('lynx, catamount', 0.2), ('dog', 0.05))
    made = panel(Predicted(classes=classes))
    assert (made.title, made.note) == ('tabby 0.75', 'then lynx 0.20, dog 0.05')
    assert panel(predicted(classes=classes[:1])).title == 'tabby 0.75 · 2 detections'
    assert panel(Predicted(classes=classes * 4)).note.count(',') == 3


def test_what_is_left_out_is_said() -> None:
    made = panel(predicted(notes=['tracks are left out', 'depth is left out']))
    assert made.note == 'tracks are left out; depth is left out'


def test_everything_at_once_fits_a_tiny_picture() -> None:
    plain = np.full((240, 320, 3), 100, np.uint8)
    boxes = np.array([[2, 2, 20, 20], [15, 10, 39, 29]], np.float32)
    found = predicted(
        boxes=boxes,
        masks=np.ones((2, 30, 40), bool),
        seg_map=np.zeros((30, 40), np.int64),
        keypoints=boxes.reshape(2, 2, 2),
        skeleton=((0, 1),),
        classes=(('indoors', 0.5),),
    )
    made = panel_of_predicted(found, plain, (40, 30))
    assert made.picture.shape == plain.shape and (made.picture != 100).any() and (made.picture != PAPER).any()
