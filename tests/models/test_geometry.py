"""Geometry by hand, and maps that are laid over the picture: an object's map lies on the object."""

import cv2
import numpy as np
import pytest

from mmlens.models.geometry import Geometry, apply, flipping, scaling, translation

# A picture of 100 x 200 (height, width), halved, 10 pixels of padding left and 30 above, in an input of 120 x 130.
LETTERBOX = Geometry(translation(10, 30) @ scaling(0.5, 0.5), (100, 200), (120, 130))


def test_points_by_hand():
    points = np.array([[0, 0], [200, 100], [50, 20]])
    there = np.array([[10, 30], [110, 80], [35, 40]])
    np.testing.assert_allclose(LETTERBOX.points_to_input(points), there)
    np.testing.assert_allclose(LETTERBOX.points_to_picture(there), points)


def test_flips_by_hand():
    points = np.array([[0.5, 1.5]])
    np.testing.assert_allclose(apply(flipping((10, 20), 'horizontal'), points), [[19.5, 1.5]])
    np.testing.assert_allclose(apply(flipping((10, 20), 'vertical'), points), [[0.5, 8.5]])
    np.testing.assert_allclose(apply(flipping((10, 20), 'diagonal'), points), [[19.5, 8.5]])


def test_a_single_point_and_none_are_points():
    assert LETTERBOX.points_to_input(np.zeros((0, 2))).shape == (0, 2)
    np.testing.assert_allclose(LETTERBOX.points_to_input(np.array([2.0, 4.0])), [[11, 32]])


def naive_map_to_picture(geometry, values):
    """Each picture pixel's centre looked up in the map, linearly between the four nearest cells of the picture's."""
    height, width = geometry.picture_size
    corners = geometry.points_to_input(np.array([[0, 0], [width, height]])).round().astype(int)
    low = corners.min(0).clip(0)[::-1]
    high = np.minimum(corners.max(0)[::-1], geometry.input_size)
    laid = np.zeros((height, width))
    for row in range(height):
        for column in range(width):
            x, y = geometry.points_to_input(np.array([[column + 0.5, row + 0.5]]))[0]
            if not (0 <= x <= geometry.input_size[1] and 0 <= y <= geometry.input_size[0]):
                continue
            left, top = int(np.floor(x - 0.5)), int(np.floor(y - 0.5))
            for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):
                share = (1 - abs(x - 0.5 - left - dx)) * (1 - abs(y - 0.5 - top - dy))
                at = np.clip([top + dy, left + dx], low, high - 1)
                laid[row, column] += share * values[at[0], at[1]]
    return laid


GEOMETRIES = {
    'letterbox': Geometry(translation(3, 7) @ scaling(0.5, 0.5), (30, 44), (32, 32)),
    'enlarged': Geometry(scaling(2.5, 2.5), (12, 16), (32, 40)),
    'stretched': Geometry(scaling(0.8, 1.6), (20, 40), (32, 32)),
    'flipped, padded': Geometry(flipping((32, 32), 'horizontal') @ scaling(0.75, 0.75), (32, 40), (32, 32)),
    'cropped': Geometry(translation(-10, -4), (40, 50), (32, 32)),
    'turned': Geometry(np.array([[0, 1.0, 0], [-1, 0, 30], [0, 0, 1]]), (24, 30), (30, 24)),
    'between pixels': Geometry(scaling(0.7, 0.7), (30, 41), (21, 29)),
}


@pytest.mark.parametrize('name', GEOMETRIES)
def test_maps_are_laid_over_the_picture_as_the_slow_way_lays_them(name):
    geometry = GEOMETRIES[name]
    values = np.random.default_rng(0).random(geometry.input_size).astype(np.float32)
    laid = geometry.map_to_picture(values)
    assert laid.dtype == np.float32 and laid.shape == geometry.picture_size
    # cv2 counts positions in 32nds of a pixel
    np.testing.assert_allclose(laid, naive_map_to_picture(geometry, values), atol=2 / 32)


@pytest.mark.parametrize('name', GEOMETRIES)
def test_an_objects_map_lies_on_the_object(name):
    geometry = GEOMETRIES[name]
    y, x = np.mgrid[: geometry.input_size[0], : geometry.input_size[1]] + 0.5
    for at in ([0.5, 0.5], [0.4, 0.6]):
        there = np.array([[at[0] * geometry.picture_size[1], at[1] * geometry.picture_size[0]]])
        centre_x, centre_y = geometry.points_to_input(there)[0]
        blob = np.exp(-((x - centre_x) ** 2 + (y - centre_y) ** 2) / 4).astype(np.float32)
        laid = geometry.map_to_picture(blob)
        rows, columns = np.mgrid[: laid.shape[0], : laid.shape[1]] + 0.5
        centroid = np.array([(laid * columns).sum(), (laid * rows).sum()]) / laid.sum()
        np.testing.assert_allclose(centroid, there[0], atol=0.2)


def test_a_level_map_with_square_cells_lands_without_a_shift():
    """Half-pixel centres: a cell's energy is centred on the cell's square, not on a corner of it."""
    import torch.nn.functional as F
    from torch import as_tensor

    cells = np.zeros((4, 4), np.float32)
    cells[1, 2] = 1  # over x 16..24, y 8..16 of a 32 x 32 input
    grid = F.interpolate(as_tensor(cells)[None, None], (32, 32), mode='bilinear', align_corners=False)[0, 0].numpy()
    laid = Geometry(scaling(0.5, 0.5), (64, 64), (32, 32)).map_to_picture(grid)
    rows, columns = np.mgrid[:64, :64] + 0.5
    centroid = np.array([(laid * columns).sum(), (laid * rows).sum()]) / laid.sum()
    np.testing.assert_allclose(centroid, [40, 24], atol=0.05)


def test_what_is_seen_of_a_cropped_picture():
    crop = Geometry(translation(-10, -4), (40, 50), (32, 32))
    expected = np.zeros((40, 50), bool)
    expected[4:36, 10:42] = True
    np.testing.assert_array_equal(crop.covered(), expected)
    laid = crop.map_to_picture(np.ones((32, 32), np.float32))
    np.testing.assert_array_equal(laid, expected.astype(np.float32))


@pytest.mark.parametrize('name', ['letterbox', 'enlarged', 'stretched', 'flipped, padded', 'turned', 'between pixels'])
def test_a_whole_picture_is_seen_to_its_last_pixel(name):
    geometry = GEOMETRIES[name]
    assert geometry.covered().all()
    assert (geometry.map_to_picture(np.ones(geometry.input_size, np.float32)) == 1).all()


def test_rounding_by_half_a_pixel_hides_no_edge():
    """199 x 0.5 = 99.5 pixels, of which the resize made 99: the last column is seen all the same."""
    almost = Geometry(scaling(0.5, 0.5), (100, 199), (50, 99))
    assert almost.covered().all()


def test_padding_does_not_get_into_the_picture():
    values = np.ones((120, 130), np.float32)
    values[30:80, 10:110] = 0
    assert not LETTERBOX.map_to_picture(values).any()


@pytest.mark.parametrize('picture_size', [(720, 1280), (90, 160), (375, 500), (54, 96), (47, 101)])
@pytest.mark.parametrize('seen', [(0, 1, 0, 1), (40, 52, 60, 90), (100, 108, 180, 192), (0, 108, 0, 192), (5, 5, 5, 5)])
def test_a_part_is_what_the_whole_is_there_and_the_rest_of_it_is_zero(picture_size, seen):
    height, width = picture_size
    geometry = Geometry(scaling(192 / width, 108 / height), picture_size, (192, 192))  # padded below
    values, (top, bottom, left, right) = np.zeros((192, 192), np.float32), seen
    values[top:bottom, left:right] = 1 + np.random.default_rng(1).random((bottom - top, right - left))
    whole = cv2.resize(values[:108], (width, height), interpolation=cv2.INTER_LINEAR)
    part, (y, x) = geometry.part_of_picture(values)
    laid = np.zeros(picture_size, np.float32)
    laid[y : y + part.shape[0], x : x + part.shape[1]] = part
    np.testing.assert_allclose(laid, whole, atol=1e-5)
    np.testing.assert_array_equal(geometry.map_to_picture(values), laid)
    assert geometry.shows(values) == bool(whole.any())


def test_a_small_map_on_a_large_picture_has_a_small_part():
    geometry, values = Geometry(scaling(0.1, 0.1), (800, 1200), (80, 120)), np.zeros((80, 120), np.float32)
    values[10:12, 20:24] = 1
    part, corner = geometry.part_of_picture(values)
    assert part.shape == (40, 60) and corner == (90, 190)  # one more cell on each side


def test_a_map_in_the_padding_shows_nothing():
    values = np.zeros(LETTERBOX.input_size, np.float32)
    values[:20] = 1
    assert not LETTERBOX.shows(values)
    values[40, 40] = 1e-45  # the smallest there is, of which nothing is left between cells
    assert LETTERBOX.shows(values) == bool(LETTERBOX.map_to_picture(values).any())


def test_the_part_of_a_warped_map_is_the_whole():
    geometry = Geometry(translation(0.5, 0) @ scaling(0.5, 0.5), (100, 200), (60, 130))
    values = np.ones((60, 130), np.float32)
    part, corner = geometry.part_of_picture(values)
    assert part.shape == (100, 200) and corner == (0, 0) and geometry.shows(values)
