"""Bootstrap: against a loop, and against what is known of means."""

import math

import numpy as np
import pytest

from mmlens.errors import MmlensError
from mmlens.metrics import bootstrap, intervals, paired_difference


def test_the_interval_is_that_of_a_loop_over_drawn_pictures():
    random = np.random.default_rng(0)
    figures, pictures = random.random(40), [f'{number:02d}' for number in random.integers(0, 12, 40)]
    names = sorted(set(pictures))
    draws = np.random.default_rng(5).integers(len(names), size=(200, len(names)))
    means = []
    for draw in draws:
        boxes = [value for number in draw for value, name in zip(figures, pictures) if name == names[number]]
        means.append(np.mean(boxes))
    found = bootstrap(figures, pictures, draws=200, seed=5)
    assert found.mean == pytest.approx(figures.mean(), abs=1e-12) and found.boxes == 40
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(means, [2.5, 97.5])), abs=1e-12)


@pytest.mark.parametrize('largest', [1, 100, 1 << 30])
def test_draws_are_the_same_however_many_are_drawn_at_a_time(monkeypatch, largest):
    random = np.random.default_rng(3)
    figures, pictures = random.random(90), random.integers(0, 37, 90).tolist()
    expected = bootstrap(figures, pictures)
    monkeypatch.setattr(intervals, '_LARGEST', largest)
    assert bootstrap(figures, pictures) == expected


def test_the_interval_is_about_that_of_the_normal_distribution():
    figures = np.random.default_rng(1).normal(3, 2, 400)
    found = bootstrap(figures, range(400))
    half = 1.96 * figures.std() / 20
    assert (found.low, found.high) == pytest.approx((figures.mean() - half, figures.mean() + half), abs=0.05)
    assert found == bootstrap(figures, range(400))  # a fixed seed


def test_boxes_of_one_picture_are_drawn_together():
    """Ten equal boxes in each picture say as little as one."""
    figures = np.random.default_rng(2).random(20)
    once = bootstrap(figures, range(20))
    often = bootstrap(np.repeat(figures, 10), np.repeat(np.arange(20), 10))
    assert (often.low, often.high) == pytest.approx((once.low, once.high))


def test_figures_that_are_missing_do_not_count():
    found = bootstrap([1.0, math.nan, 3.0], ['a', 'b', 'c'])
    assert (found.mean, found.boxes) == (2, 2)
    nothing = bootstrap([math.nan], ['a'])
    assert math.isnan(nothing.mean) and math.isnan(nothing.low) and nothing.boxes == 0


def test_a_paired_difference_is_surer_than_two_intervals():
    random = np.random.default_rng(3)
    base = random.random(50)
    better = base + 0.1 + random.normal(0, 0.01, 50)
    found = paired_difference(better, base, range(50), draws=300)
    assert found.mean == pytest.approx(0.1, abs=0.01) and found.low > 0.09 and found.high < 0.11
    assert paired_difference([0.9, math.nan], [0.5, 0.6], ['a', 'b']).boxes == 1


def test_figures_without_pictures_are_refused():
    with pytest.raises(MmlensError, match='Each figure needs its picture'):
        bootstrap([1.0, 2.0], ['a'])
    with pytest.raises(MmlensError, match='a figure for each box'):
        paired_difference([1.0, 2.0], [1.0], ['a', 'b'])
