from __future__ import annotations

import cv2
import numpy as np
import pytest

from projects.shapes import drawing
from projects.shapes.composing import MOST_OCCLUDED
from projects.shapes.scenes import CLASSES, MARK_CLASSES, PAIRS, draw_scene

INDEXES = range(24)


@pytest.fixture(scope='module')
def scenes():
    return [draw_scene(7, index) for index in INDEXES]


def test_a_scene_depends_on_seed_and_index_alone(scenes):
    np.random.seed(1)
    again, other_seed = draw_scene(7, 3), draw_scene(8, 3)
    for name in ('picture', 'boxes', 'labels', 'masks', 'mark_masks'):
        np.testing.assert_array_equal(getattr(again, name), getattr(scenes[3], name))
    assert again.picture.shape != other_seed.picture.shape or (again.picture != other_seed.picture).any()
    assert again.picture.dtype == np.uint8 and again.masks.dtype == bool and again.mark_masks.dtype == bool


def test_swapping_the_marks_changes_no_pixel_outside_their_masks(scenes):
    """What the pairs promise: a mark is the only evidence for one class against the other."""
    twin = {a: b for pair in PAIRS for a, b in (pair, pair[::-1])}
    for index, scene in zip(INDEXES, scenes):
        swapped = draw_scene(7, index, swap_marks=True)
        assert [twin.get(label, label) for label in scene.labels] == list(swapped.labels)
        np.testing.assert_array_equal(swapped.boxes, scene.boxes)
        np.testing.assert_array_equal(swapped.masks, scene.masks)
        np.testing.assert_array_equal(swapped.mark_masks, scene.mark_masks)
        differs = (swapped.picture != scene.picture).any(-1)
        assert not (differs & ~scene.mark_masks.any(0)).any()
        for mark in scene.mark_masks:
            assert not mark.any() or (differs & mark).sum() > 0.2 * mark.sum()


def test_marks_lie_whole_within_the_visible_part_of_their_object(scenes):
    marked = 0
    for scene in scenes:
        for box, label, mask, mark in zip(scene.boxes, scene.labels, scene.masks, scene.mark_masks):
            assert mark.any() == (label in MARK_CLASSES)
            assert not (mark & ~mask).any()
            if mark.any():
                marked += 1
                # Side of the disc against the side of the body: 0.3, where the body is not occluded.
                side = np.ptp(np.flatnonzero(mark.any(0))) + 1
                assert 0.15 < side / (box[2:] - box[:2]).max() < 0.45
    assert marked > 20


def test_the_place_of_a_mark_within_its_object_varies():
    """Otherwise a map that always peaks in the middle of a box would look right."""
    places = []
    for index in range(40):
        scene = draw_scene(3, index)
        for box, mark in zip(scene.boxes, scene.mark_masks):
            if mark.any():
                rows, columns = np.nonzero(mark)
                places.append((np.array([columns.mean(), rows.mean()]) - box[:2]) / (box[2:] - box[:2]))
    assert (np.std(places, axis=0) > 0.12).all()
    np.testing.assert_allclose(np.mean(places, axis=0), 0.5, atol=0.06)


def test_masks_do_not_overlap_and_boxes_are_tight(scenes):
    for scene in scenes:
        height, width = scene.picture.shape[:2]
        assert len(scene.boxes) == len(scene.labels) == len(scene.masks) == len(scene.mark_masks) >= 1
        assert scene.masks.shape[1:] == (height, width) and max(height, width) == 320
        assert scene.masks.sum(0).max() <= 1
        for (x1, y1, x2, y2), mask in zip(scene.boxes.astype(int), scene.masks):
            assert 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height
            assert mask[y1:y2, x1:x2].sum() == mask.sum()
            assert mask[y1].any() and mask[y2 - 1].any() and mask[:, x1].any() and mask[:, x2 - 1].any()


def test_pictures_hold_every_class_many_scales_occlusion_and_both_orientations(scenes):
    assert {int(label) for scene in scenes for label in scene.labels} == set(range(len(CLASSES)))
    sides = np.array([np.sqrt(mask.sum()) for scene in scenes for mask in scene.masks])
    assert sides.max() > 2 * sides.min()
    assert {np.sign(s.picture.shape[0] - s.picture.shape[1]) for s in scenes} >= {-1, 1}
    coins = [m for s in scenes for m, label in zip(s.masks, s.labels) if label in PAIRS[0]]
    filled = [m.sum() / (cv2.minEnclosingCircle(np.argwhere(m).astype(np.float32))[1] ** 2 * np.pi) for m in coins]
    assert min(filled) < 0.85 and min(filled) > 1 - MOST_OCCLUDED - 0.1


def test_coverage_is_the_area_of_each_pixel_under_the_polygon():
    square = np.array([[1.5, 1.0], [3.0, 1.0], [3.0, 2.5], [1.5, 2.5]])
    expected = np.array([[0, 0, 0, 0], [0, 0.5, 1, 0], [0, 0.25, 0.5, 0]])
    np.testing.assert_allclose(drawing.coverage([square], (0, 0, 4, 3)), expected, atol=0.26)
    disc = drawing.coverage([drawing.place(drawing.circle(), np.array([20.0, 20.0]), 15, 0)], (0, 0, 40, 40))
    assert disc.sum() == pytest.approx(np.pi * 15**2, rel=0.05)


@pytest.mark.parametrize('kind', sorted(drawing.MARKS))
def test_ink_stays_within_the_footprint(kind):
    assert max(np.linalg.norm(p, axis=1).max() for p in drawing.MARKS[kind]) <= 0.97 + 1e-6
