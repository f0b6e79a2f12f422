"""The figures that maps are measured with, by hand."""

import numpy as np
import pytest


@pytest.fixture
def quality(tool):
    return tool('measure_quality')


def test_energy_and_pointing_by_hand(quality):
    values = np.zeros((10, 10), np.float32)
    values[2:4, 2:4] = 1  # in the box
    values[8, 8] = 4  # outside, and the largest
    assert quality.energy_in_box(values, [1.6, 1.6, 4.4, 4.4]) == 0.5
    assert quality.points_at_box(values, [1.6, 1.6, 4.4, 4.4]) == 0
    assert quality.points_at_box(values, [8, 8, 9, 9]) == 1
    assert quality.energy_in_box(np.zeros((4, 4)), [0, 0, 4, 4]) == 0
    np.testing.assert_allclose(
        quality.overlaps(np.array([0, 0, 2, 2]), np.array([[1, 1, 3, 3], [5, 5, 6, 6]])), [1 / 7, 0]
    )


def test_the_area_by_hand(quality):
    """A score that counts bright pixels falls linearly with what is taken away, whatever comes first."""
    start, end = np.full((10, 10, 3), 255, np.uint8), np.zeros((10, 10, 3), np.uint8)
    values = np.random.default_rng(0).random((10, 10))
    assert quality.area_under_score(lambda p: p.mean() / 255, start, end, values) == pytest.approx(0.5)
    # All that counts is one pixel. First of all: gone after 1 of 100, at the first of ten steps. Last of all: gone at
    # the end alone.
    score = lambda p: float(p[3, 4, 0] > 0)  # noqa: E731
    values[3, 4] = 2
    assert quality.area_under_score(score, start, end, values) == pytest.approx(0.005)
    values[3, 4] = -1
    assert quality.area_under_score(score, start, end, values) == pytest.approx(0.81 + 0.19 / 2)
