"""Known evidence: distance and share by hand."""

import math

import numpy as np
import pytest

from mmlens.errors import MmlensError
from mmlens.metrics import evidence_hit
from mmlens.metrics.evidence import distance_to, size_of


@pytest.fixture
def mark():
    mark = np.zeros((20, 30), bool)
    mark[5:8, 5:8] = True
    return mark


def test_a_peak_on_the_mark(mark):
    values = np.zeros((20, 30))
    values[6, 6], values[15, 15] = 3, 1
    hit = evidence_hit(values, mark, [0, 0, 20, 20])
    assert (hit.distance, hit.share, hit.exact, hit.near) == (0, 0.75, 1, 1)


def test_distances_are_in_units_of_the_object(mark):
    values = np.zeros((20, 30))
    values[10, 11] = 1  # 3 down and 4 right of the mark's last pixel
    hit = evidence_hit(values, mark, [0, 0, 40, 90])
    assert hit.distance == pytest.approx(5 / 60) and (hit.exact, hit.near, hit.share) == (0, 1, 0)
    assert evidence_hit(values, mark, [0, 0, 40, 40]).near == 0


def test_distance_and_size_by_hand(mark):
    distance = distance_to(mark)
    assert distance[6, 6] == 0 and distance[7, 11] == pytest.approx(4) and distance[10, 11] == pytest.approx(5)
    assert size_of([10, 10, 30, 15]) == pytest.approx(10)


def test_distance_against_a_loop(mark):
    values = np.random.default_rng(2).random((20, 30))
    y, x = divmod(int(values.argmax()), 30)
    nearest = min(math.hypot(y - row, x - column) for row, column in np.argwhere(mark))
    assert evidence_hit(values, mark, [0, 0, 8, 8]).distance == pytest.approx(nearest / 8, abs=1e-6)


def test_a_blank_map_misses(mark):
    hit = evidence_hit(np.zeros((20, 30)), mark, [0, 0, 20, 20])
    assert (hit.distance, hit.exact, hit.near, hit.share) == (math.inf, 0, 0, 0)


def test_an_empty_mark_and_one_of_another_size_are_refused(mark):
    for wrong in (np.zeros((20, 30), bool), mark[:10], mark.astype(float)):
        with pytest.raises(MmlensError, match='`mark` must be a mask of bool'):
            evidence_hit(np.ones((20, 30)), wrong, [0, 0, 20, 20])
