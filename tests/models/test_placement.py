"""What models return, brought into picture coordinates: hand-worked."""

import math

import numpy as np
import pytest
import torch

from mmlens.models.geometry import Geometry, flipping, scaling, translation
from mmlens.models.instances import corners_of
from mmlens.models.placement import labels_to_picture, place_segments, remaining_movement

LABELS = torch.arange(6).reshape(2, 3)


def test_a_map_on_the_input_is_laid_by_the_nearest_pixel():
    """A picture of 2 x 4, doubled in height, moved by (1, 1) into an input of 6 x 6."""
    geometry = Geometry(translation(1, 1) @ scaling(1, 2), (2, 4), (6, 6))
    values = np.arange(36).reshape(6, 6)
    # Row i of the picture lies at 2 i + 2, the edge between two rows: the lower one is taken.
    np.testing.assert_array_equal(labels_to_picture(values, geometry), [[13, 14, 15, 16], [25, 26, 27, 28]])


def test_the_picture_outside_the_input_has_no_class():
    geometry = Geometry(translation(-2, 0), (2, 4), (2, 2))
    np.testing.assert_array_equal(
        labels_to_picture(np.array([[5, 6], [7, 8]]), geometry), [[-1, -1, 5, 6], [-1, -1, 7, 8]]
    )


def test_a_map_on_a_turned_input_is_turned_back():
    turned = np.array([[0.0, -1, 2], [1, 0, 0], [0, 0, 1]])  # x, y -> 2 - y, x: a quarter turn of a 2 x 3 picture
    geometry = Geometry(turned, (2, 3), (3, 2))
    np.testing.assert_array_equal(labels_to_picture(np.array([[3, 0], [4, 1], [5, 2]]), geometry), LABELS.numpy())


@pytest.mark.parametrize('direction', ['horizontal', 'vertical', 'diagonal'])
def test_flips_are_undone_once(direction):
    """mmdet's segmentors return what they saw mirrored, mmseg's mirror it back."""
    geometry = Geometry(flipping((2, 3), direction), (2, 3), (4, 4))
    meta = dict(img_shape=(2, 3), flip=True, flip_direction=direction, img_padding_size=(0, 1, 0, 2))
    mirrored = LABELS.flip(
        [dim for dim, name in enumerate(['vertical', 'horizontal']) if direction in (name, 'diagonal')]
    )
    assert torch.equal(place_segments(mirrored, geometry, meta, False), LABELS)
    assert torch.equal(place_segments(LABELS, geometry, meta, True), LABELS)


def test_a_map_of_a_crop_is_laid_over_the_crop():
    """mmseg stretches what it saw, the right two thirds of the picture, to the picture's size."""
    geometry = Geometry(scaling(4, 4) @ translation(-1, 0), (2, 3), (8, 8))
    seen = torch.tensor([[1, 1, 2], [4, 4, 5]])
    assert place_segments(seen, geometry, {}, True).tolist() == [[-1, 1, 2], [-1, 4, 5]]


def test_a_map_of_the_inputs_size_is_laid_by_the_geometry_and_any_other_is_left_out():
    geometry = Geometry(scaling(2, 2), (2, 3), (4, 8))
    fine = LABELS.repeat_interleave(2, 0).repeat_interleave(2, 1)
    padded = torch.nn.functional.pad(fine, (0, 2), value=9)
    assert torch.equal(place_segments(padded, geometry, {}, False), LABELS)
    assert place_segments(torch.zeros(1, 2).long(), geometry, {}, False) is None


def test_mmpose_goes_back_to_the_box_that_was_cut_out():
    """A box of 40 x 80 around (50, 60), shown as 20 x 40."""
    meta = dict(input_center=np.array([50, 60]), input_scale=np.array([40, 80]), input_size=(20, 40))
    cut = Geometry(scaling(0.5, 0.5) @ translation(-30, -20), (200, 100), (40, 20))
    assert remaining_movement(cut, meta) is None
    halved = Geometry(scaling(0.5, 0.5) @ translation(-30, -20) @ scaling(0.5, 0.5), (200, 100), (40, 20))
    np.testing.assert_allclose(remaining_movement(halved, meta), scaling(2, 2))


def test_corners_of_a_rotated_box():
    """4 wide and 2 high around (10, 20); a quarter turn swaps the sides; 3-4-5 in between."""
    boxes = torch.tensor([[10, 20, 4, 2, 0], [10, 20, 4, 2, math.pi / 2], [0, 0, 10, 5, math.atan2(4, 3)]])
    upright, quarter, slanted = corners_of(boxes)
    assert upright.tolist() == [[8, 19], [12, 19], [12, 21], [8, 21]]
    torch.testing.assert_close(quarter, torch.tensor([[11.0, 18], [11, 22], [9, 22], [9, 18]]))
    torch.testing.assert_close(slanted, torch.tensor([[-1.0, -5.5], [5, 2.5], [1, 5.5], [-5, -2.5]]))
