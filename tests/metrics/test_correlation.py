"""Rank correlation, against scipy."""

import math

import numpy as np
import pytest
from scipy import stats

from mmlens.errors import MmlensError
from mmlens.metrics import sanity_correlation, spearman
from mmlens.metrics.correlation import mean_ranks


@pytest.mark.parametrize('levels', [3, 1000])
def test_ranks_and_correlation_are_those_of_scipy(levels):
    random = np.random.default_rng(levels)
    one, other = random.integers(0, levels, (2, 200)).astype(float)
    np.testing.assert_array_equal(mean_ranks(one), stats.rankdata(one))
    assert spearman(one, other) == pytest.approx(stats.spearmanr(one, other)[0], abs=1e-12)


def test_only_the_pixels_of_the_box_count():
    random = np.random.default_rng(0)
    one, other = random.random((2, 12, 16))
    other[2:6, 3:9] = -(one[2:6, 3:9] ** 3)  # the reverse order there
    assert sanity_correlation(one, other, [3, 2, 9, 6]) == pytest.approx(-1)
    assert abs(sanity_correlation(one, other, [0, 0, 16, 12])) < 0.5
    assert sanity_correlation(one, 2 * one, [-4, -4, 40, 40]) == pytest.approx(1)


def test_a_map_without_order_has_no_correlation():
    assert math.isnan(sanity_correlation(np.zeros((4, 4)), np.arange(16.0).reshape(4, 4), [0, 0, 4, 4]))
    assert math.isnan(sanity_correlation(np.ones((4, 4)), np.ones((4, 4)), [9, 9, 12, 12]))


def test_maps_of_two_sizes_are_refused():
    with pytest.raises(MmlensError, match='must have one size'):
        sanity_correlation(np.ones((4, 4)), np.ones((4, 5)), [0, 0, 4, 4])
