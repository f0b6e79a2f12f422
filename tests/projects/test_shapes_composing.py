from __future__ import annotations

import numpy as np
import pytest

from projects.shapes import drawing
from projects.shapes.composing import MOST_OCCLUDED, Composition, footprint, ground, mask_of, paint_mark


def rectangle_mask(x1, y1, x2, y2, height=20, width=30):
    mask = np.zeros((height, width), bool)
    mask[y1:y2, x1:x2] = True
    return mask


@pytest.fixture()
def scene():
    """An object of 10 x 10 pixels with a mark of 2 x 2."""
    scene = Composition(np.zeros((20, 30, 3), np.float32))
    scene.put(rectangle_mask(5, 5, 15, 15), rectangle_mask(7, 7, 9, 9))
    return scene


@pytest.mark.parametrize(
    ('mask', 'fits'),
    [
        (rectangle_mask(12, 5, 20, 15), True),  # hides 30 of 100 pixels
        (rectangle_mask(11, 5, 20, 15), False),  # 40
        (rectangle_mask(5, 11, 15, 14), True),
        (rectangle_mask(5, 10, 15, 12), False),  # two pixels from the mark
        (rectangle_mask(20, 0, 30, 20), True),
    ],
)
def test_a_new_object_hides_no_mark_and_not_much_of_any_object(scene, mask, fits):
    assert MOST_OCCLUDED == 0.35
    assert scene.fits(mask) is fits


def test_boxes_are_tight_around_what_is_visible(scene):
    scene.put(rectangle_mask(12, 4, 20, 16))
    np.testing.assert_array_equal(scene.boxes(), [[5, 5, 12, 15], [12, 4, 20, 16]])
    np.testing.assert_array_equal(scene.masks[0], rectangle_mask(5, 5, 12, 15))
    np.testing.assert_array_equal(scene.wholes[0], rectangle_mask(5, 5, 15, 15))
    assert len(scene.kept) == 1


def test_an_empty_picture_has_boxes_and_masks_of_no_object():
    scene = Composition(np.full((4, 6, 3), 300.4, np.float32))
    assert scene.boxes().shape == (0, 4) and scene.stack([]).shape == (0, 4, 6)
    assert scene.rounded().dtype == np.uint8 and (scene.rounded() == 255).all()


def test_sticks_never_hide_a_mark():
    for seed in range(8):
        rng = np.random.default_rng(seed)
        scene = ground(rng, 160)
        height, width = scene.picture.shape[:2]
        mark = footprint(np.array([width / 2, height / 2]), 25, height, width)
        scene.put(mark, mark)
        before = scene.picture.copy()
        scene.put_sticks(rng, 160)
        np.testing.assert_array_equal(scene.picture[mark], before[mark])
        assert max(scene.picture.shape) == 160


def test_a_mask_may_lie_partly_or_wholly_outside_of_the_picture():
    square = np.array([[-2.0, -2.0], [1.5, -2.0], [1.5, 2.0], [-2.0, 2.0]])
    np.testing.assert_array_equal(mask_of([square], 3, 4), rectangle_mask(0, 0, 2, 2, 3, 4))
    np.testing.assert_array_equal(mask_of([square], 3, 4, least=0.9), rectangle_mask(0, 0, 1, 2, 3, 4))
    assert not mask_of([square - 10], 3, 4).any()


@pytest.mark.parametrize(('base', 'low', 'high'), [(200, 5, 40), (60, 215, 250)])
def test_ink_is_dark_on_light_and_light_on_dark(base, low, high):
    rng, picture = np.random.default_rng(0), np.full((20, 20, 3), base, np.float32)
    square = drawing.place(drawing.rectangle(1, 1), np.array([10.0, 10.0]), 4, 0)
    paint_mark(rng, picture, [square], picture.mean((0, 1)))
    assert low <= picture[10, 10, 0] <= high and (picture[:5] == base).all()


def test_ink_that_is_not_there_changes_no_pixel_and_draws_the_same_random_numbers():
    square = drawing.place(drawing.rectangle(1, 1), np.array([10.0, 10.0]), 4, 0)
    later = []
    for opacity in (0.0, 0.5, 1.0):
        rng, picture = np.random.default_rng(3), np.full((20, 20, 3), 200, np.float32)
        paint_mark(rng, picture, [square], picture.mean((0, 1)), opacity)
        later.append(rng.uniform())
        assert (picture == 200).all() == (opacity == 0)
    assert len(set(later)) == 1
