"""Energy, peak, spread: by hand, and against loops over pixels."""

import math

import numpy as np
import pytest

from mmlens.errors import MmlensError
from mmlens.metrics import compactness, epg, odi, peak_of, pointing
from mmlens.metrics.regions import pixels_in, union_of


@pytest.fixture
def by_hand():
    """4 pixels of 1 in a corner, and one of 4 far away, which is the peak."""
    values = np.zeros((10, 10), np.float32)
    values[2:4, 2:4] = 1
    values[8, 8] = 4
    return values


def test_energy_and_peak_in_a_box_by_hand(by_hand):
    assert epg(by_hand, [1.6, 1.6, 4.4, 4.4]) == 0.5
    assert epg(by_hand, [0, 0, 10, 10]) == 1
    assert epg(by_hand, [-5, -5, 3, 3]) == 1 / 8
    assert pointing(by_hand, [1.6, 1.6, 4.4, 4.4]) == 0
    assert pointing(by_hand, [8, 8, 9, 9]) == 1


def test_energy_and_peak_in_a_mask_by_hand(by_hand):
    mask = np.zeros((10, 10), bool)
    mask[2, 2] = mask[8, 8] = True
    assert epg(by_hand, mask) == 5 / 8
    assert pointing(by_hand, mask) == 1
    assert pointing(by_hand, ~mask) == 0


def test_a_map_of_four_columns_is_no_box():
    values = np.arange(16.0).reshape(4, 4)
    assert epg(values, np.eye(4, dtype=bool)) == (0 + 5 + 10 + 15) / 120


def test_a_blank_map_has_no_energy_and_no_peak():
    blank = np.zeros((4, 4))
    assert epg(blank, [0, 0, 4, 4]) == pointing(blank, [0, 0, 4, 4]) == 0
    assert math.isnan(compactness(blank, [0, 0, 4, 4])) and math.isnan(odi(blank, [], [[0, 0, 4, 4]]))


def test_compactness_by_hand():
    values = np.zeros((5, 7))
    values[2, 3], values[2, 5] = 3, 1  # a quarter of the energy lies 2 pixels from the peak
    assert compactness(values, [0, 0, 6, 8]) == pytest.approx(math.sqrt(1 * 4 / (25 * 4)))
    values[2, 5] = 0
    assert compactness(values, [0, 0, 6, 8]) == 0


def test_odi_by_hand(by_hand):
    own, other = [1, 1, 4, 4], [8, 8, 9, 9]
    assert odi(by_hand, [other], [own, other]) == 0.5
    assert odi(by_hand, [], [own]) == 0
    assert odi(by_hand, [other, other], [own, other, other]) == 0.5  # a union, not a sum
    assert math.isnan(odi(by_hand, [[5, 5, 6, 6]], [[5, 5, 6, 6]]))


def slow_figures(values, box, others):
    """The same by loops over pixels."""
    height, width = values.shape
    row, column = peak_of(values)
    total = inside = moment = on_other = on_any = 0.0
    for y in range(height):
        for x in range(width):
            value = float(values[y, x])
            within = [round(b[0]) <= x < round(b[2]) and round(b[1]) <= y < round(b[3]) for b in [box, *others]]
            total += value
            inside += value * within[0]
            moment += value * ((x - column) ** 2 + (y - row) ** 2)
            on_other += value * any(within[1:])
            on_any += value * any(within)
    scale = ((box[2] - box[0]) ** 2 + (box[3] - box[1]) ** 2) / 4
    return inside / total, math.sqrt(moment / (scale * total)), on_other / on_any


@pytest.mark.parametrize('seed', range(5))
def test_figures_are_those_of_loops_over_pixels(seed):
    random = np.random.default_rng(seed)
    values = random.random((17, 23)).astype(np.float32)
    low, size = random.uniform(-2, 12, (4, 2)), random.uniform(2, 9, (4, 2))
    box, *others = np.concatenate([low, low + size], 1)
    figures = epg(values, box), compactness(values, box), odi(values, others, [box, *others])
    assert figures == pytest.approx(slow_figures(values, box, others), abs=1e-9)


def test_what_a_narrow_box_touches_lies_in_it():
    assert pixels_in([2.1, 1.2, 2.4, 5], (4, 6)) == (slice(1, 4), slice(2, 3))
    assert union_of([[0, 0, 1, 1], [2, 2, 9, 9]], (3, 3)).sum() == 2


@pytest.mark.parametrize(
    ('values', 'region', 'sentence'),
    [
        (np.full((3, 3), -1.0), [0, 0, 1, 1], 'at least 0 everywhere: this one has a value of -1'),
        (np.ones((3, 3)), np.ones((3, 2), bool), 'mask of bool of the size of the map'),
        (np.ones((3, 3)), np.ones((3, 3)), 'mask of bool of the size of the map'),
    ],
)
def test_what_does_not_belong_together_is_refused(values, region, sentence):
    for figure in (epg, pointing):
        with pytest.raises(MmlensError, match=sentence):
            figure(values, region)


def test_a_box_without_area_has_no_spread():
    with pytest.raises(MmlensError, match='needs an area'):
        compactness(np.ones((3, 3)), [1, 1, 1, 2])
