"""The order of pixels, and that ties have none."""

import numpy as np
import pytest

from mmlens.errors import MmlensError
from mmlens.metrics import order_of, peak_of


def test_pixels_come_by_falling_value():
    assert order_of(np.array([[1.0, 3.0], [2.0, 0.0]])).tolist() == [1, 2, 0, 3]
    assert peak_of(np.array([[1.0, 3.0], [2.0, 0.0]])) == (0, 1)
    assert peak_of(np.array([[-1.0, -3.0], [-2.0, -0.5]])) == (1, 1)


def test_ties_come_in_random_order_of_a_fixed_seed():
    values = np.zeros((40, 50), np.float32)
    values[3, 4] = 1
    order = order_of(values)
    assert order[0] == 3 * 50 + 4
    assert sorted(order) == list(range(2000))
    rows = order[1:] // 50  # the first half of the ties lies as far down as the second
    assert abs(rows[:1000].mean() - rows[1000:].mean()) < 2
    assert np.array_equal(order, order_of(values)) and not np.array_equal(order, order_of(values, seed=1))


@pytest.mark.parametrize('kind', [np.float32, np.float64])
def test_the_order_is_that_of_a_stable_sort(kind):
    """Signs, zeros of both signs, the smallest and the largest numbers; and what float32 cannot hold."""
    random = np.random.default_rng(0)
    some = [0.0, -0.0, 1e-45, -1e-45, 1e-38, 3.4e38, -3.4e38, 1.0, -1.0]
    for values in (random.normal(size=(30, 40)), random.integers(-2, 3, (30, 40)), random.choice(some, (30, 40))):
        values = values.astype(kind)
        if kind is np.float64:
            values[0, 0] = 1e300
        shuffled = np.random.default_rng(7).permutation(values.size)
        expected = shuffled[np.argsort(-values.reshape(-1)[shuffled].astype(float), kind='stable')]
        found = order_of(values, seed=7)
        assert np.array_equal(found, expected) and found.dtype == np.int64


def test_the_peak_is_the_first_of_the_order():
    values = np.random.default_rng(0).integers(0, 3, (20, 30)).astype(float)
    for seed in range(5):
        assert np.ravel_multi_index(peak_of(values, seed), values.shape) == order_of(values, seed)[0]
    assert len({peak_of(values, seed) for seed in range(5)}) > 1


@pytest.mark.parametrize('values', [np.zeros(4), np.zeros((0, 3)), np.full((2, 2), np.nan), np.full((2, 2), np.inf)])
def test_what_is_no_map_is_refused(values):
    with pytest.raises(MmlensError, match=r'A map must be'):
        order_of(values)
