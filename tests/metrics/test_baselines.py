"""The maps that know no network."""

import math

import numpy as np
import pytest

from mmlens.errors import MmlensError
from mmlens.metrics import epg, gaussian_map, random_map, sobel_map


def test_random_maps_are_seeded():
    assert random_map((4, 6)).shape == (4, 6)
    assert np.array_equal(random_map((4, 6), 3), random_map((4, 6), 3))
    assert not np.array_equal(random_map((4, 6), 3), random_map((4, 6), 4))


def test_edges_by_hand():
    picture = np.zeros((8, 8, 3), np.uint8)
    picture[:, 4:] = 100
    edges = sobel_map(picture)
    assert (edges[:, 3:5] == 400).all() and edges[:, :3].sum() == edges[:, 5:].sum() == 0
    picture = picture.transpose(1, 0, 2).copy()
    assert np.array_equal(sobel_map(picture), edges.T)


def test_a_gaussian_by_hand():
    values = gaussian_map((100, 200), [60, 20, 120, 50])
    # The centre (90, 35) lies between four pixels; sigmas are 20 and 10.
    assert values.max() == pytest.approx(math.exp(-((0.5 / 20) ** 2 + (0.5 / 10) ** 2) / 2))
    assert values[34, 109] == pytest.approx(math.exp(-((19.5 / 20) ** 2 + (0.5 / 10) ** 2) / 2))
    assert values[54, 89] == pytest.approx(math.exp(-((0.5 / 20) ** 2 + (19.5 / 10) ** 2) / 2))
    # 1.5 standard deviations to each side of both axes.
    assert epg(values, [60, 20, 120, 50]) == pytest.approx(math.erf(1.5 / math.sqrt(2)) ** 2, abs=0.02)
    with pytest.raises(MmlensError, match='needs an area'):
        gaussian_map((10, 10), [3, 3, 3, 5])
