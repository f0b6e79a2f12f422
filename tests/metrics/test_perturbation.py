"""Deletion and insertion: by hand, and against a re-implementation that alters pixel by pixel."""

import math

import cv2
import numpy as np
import pytest

from mmlens.errors import MmlensError
from mmlens.metrics import (
    SHARES,
    altered_pictures,
    area_under_score,
    deletion,
    insertion,
    oa,
    order_of,
    success,
    success_rate,
)
from mmlens.metrics.perturbation import ends_of


@pytest.fixture
def bright():
    return np.full((10, 10, 3), 255, np.uint8)


def brightness(pictures):
    """Falls linearly from 1 to 0 while white turns grey."""
    return [(picture.mean() - 114) / 141 for picture in pictures]


def test_a_score_that_counts_pixels_falls_along_the_diagonal(bright):
    values = np.random.default_rng(0).random((10, 10))
    assert deletion(values, bright, brightness) == pytest.approx(0.5)
    assert SHARES.tolist() == pytest.approx([0, 0.01, 0.04, 0.09, 0.16, 0.25, 0.36, 0.49, 0.64, 0.81, 1])


def test_one_pixel_that_counts_by_hand(bright):
    """First of all: gone after 1 of 100 pixels, at the first of ten steps. Last of all: gone at the end alone."""
    values = np.random.default_rng(0).random((10, 10))
    score = lambda pictures: [float(picture[3, 4, 0] == 255) for picture in pictures]  # noqa: E731
    values[3, 4] = 2
    assert deletion(values, bright, score) == pytest.approx(0.005)
    values[3, 4] = -1
    assert deletion(values, bright, score) == pytest.approx(0.81 + 0.19 / 2)


def test_insertion_by_hand():
    """A white pixel on black is as good as gone when blurred."""
    picture = np.zeros((10, 10, 3), np.uint8)
    picture[3, 4] = 255
    score = lambda pictures: [7.0 * (each[3, 4, 0] == 255) for each in pictures]  # noqa: E731
    values = np.random.default_rng(0).random((10, 10))
    values[3, 4] = 2
    assert insertion(values, picture, score) == pytest.approx(1 - 0.005)
    assert oa(insertion(values, picture, score), deletion(values, picture, score)) == pytest.approx(0.99)


def slow_area(values, picture, score, alteration):
    """One pixel after the other, a score for each picture by itself."""
    start, end = (
        (picture.copy(), np.full_like(picture, 114))
        if alteration == 'deletion'
        else (cv2.GaussianBlur(picture, (0, 0), 20), picture)
    )
    current, curve = start.copy(), []
    order = order_of(values)
    for number in range(len(order) + 1):
        if number:
            row, column = divmod(int(order[number - 1]), values.shape[1])
            current[row, column] = end[row, column]
        curve.append(score([current])[0])
    whole = score([picture])[0]
    area = 0.0
    for step in range(10):
        low, high = (step / 10) ** 2, ((step + 1) / 10) ** 2
        first, last = math.floor(len(order) * low + 1e-9), math.floor(len(order) * high + 1e-9)
        area += (high - low) * (curve[first] + curve[last]) / 2 / whole
    return area


@pytest.mark.parametrize('ties', [False, True])
@pytest.mark.parametrize(('alteration', 'function'), [('deletion', deletion), ('insertion', insertion)])
def test_areas_are_those_of_altering_pixel_by_pixel(alteration, function, ties):
    random = np.random.default_rng(3)
    picture = random.integers(0, 255, (13, 19, 3), np.uint8)
    values = random.random((13, 19))
    values = np.round(values * 4) if ties else values
    weights = random.random((13, 19, 3))

    def score(pictures):
        return [float((weights * each).mean()) + 1 for each in pictures]

    assert function(values, picture, score) == pytest.approx(slow_area(values, picture, score, alteration), abs=1e-9)


def test_the_zero_area_of_a_map_is_not_taken_from_the_upper_left():
    """An object in the upper left must not be hit by pixels that have no order."""
    picture = np.full((40, 40, 3), 255, np.uint8)
    corner = lambda pictures: [(each[:20, :20].mean() - 114) / 141 for each in pictures]  # noqa: E731
    blank = np.zeros((40, 40))
    assert deletion(blank, picture, corner) == pytest.approx(0.5, abs=0.03)  # 0.25 from the upper left


def test_the_score_is_asked_once_for_all_pictures(bright):
    asked = []

    def score(pictures):
        asked.append(len(pictures))
        assert all(each.shape == bright.shape and each.dtype == np.uint8 for each in pictures)
        assert np.array_equal(pictures[0], bright) and (pictures[-1] == 114).all()
        return brightness(pictures)

    deletion(np.ones((10, 10)), bright, score)
    assert asked == [11] and (bright == 255).all()


def test_ends_do_not_depend_on_the_map():
    picture = np.random.default_rng(0).integers(0, 255, (12, 16, 3), np.uint8)
    for alteration in ('deletion', 'insertion'):
        for seed in (0, 1):
            pictures = list(altered_pictures(picture, np.random.default_rng(seed).random((12, 16)), alteration))
            assert len(pictures) == 11
            for one, other in zip((pictures[0], pictures[-1]), ends_of(picture, alteration)):
                assert np.array_equal(one, other)


def test_areas_of_several_boxes_at_once():
    scores = np.stack([np.full(11, 0.5), np.linspace(1, 0, 11), np.zeros(11)], 1)
    areas = area_under_score(scores, scores[0])
    assert areas[0] == pytest.approx(1) and math.isnan(areas[2])
    assert areas[1] == pytest.approx(float(area_under_score(scores[:, 1], 1.0)))


def test_success_by_hand():
    assert success([0.0, 0.36, 0.1]) == 1 and success([0.0, 0.35]) == 0
    assert success_rate([[0.9], [0.1], [0.2], [0.3]]) == 0.25
    assert math.isnan(success_rate([]))


def test_what_does_not_belong_together_is_refused(bright):
    with pytest.raises(MmlensError, match='does not have the size of the picture'):
        deletion(np.ones((9, 10)), bright, brightness)
    with pytest.raises(MmlensError, match='`score` must return a number for each of 11 pictures'):
        deletion(np.ones((10, 10)), bright, lambda pictures: [1.0])
    with pytest.raises(MmlensError, match=r'\(H, W, 3\) of uint8'):
        deletion(np.ones((10, 10)), bright.astype(float), brightness)
    with pytest.raises(MmlensError, match="no alteration 'removal'"):
        list(altered_pictures(bright, np.ones((10, 10)), 'removal'))
