"""The figure of an evaluation: what is in it can be seen."""

import math

import numpy as np
import pytest

from mmlens.rendering.evaluation import draw_evaluation

SHARES = np.linspace(0, 1, 5)


@pytest.fixture
def means():
    return {
        'EPG': dict(mine=(0.6, 0.5, 0.7), random=(0.2, 0.1, 0.3)),
        'x': dict(mine=(math.nan,) * 3, random=(1, 1, 1)),
    }


def test_methods_have_colours_and_baselines_are_grey(means):
    curves = {'deletion': dict(mine=np.array([SHARES[::-1]] * 2), random=np.full((2, 5), np.nan))}
    drawn = draw_evaluation(means, curves, SHARES, ['random'])
    assert drawn.dtype == np.uint8 and drawn.shape[2] == 3 and drawn.shape[1] == 1360
    colourful = (drawn.max(2).astype(int) - drawn.min(2)) > 60
    assert colourful.any()
    without = draw_evaluation(means, curves, SHARES, ['mine', 'random'])
    assert not ((without.max(2).astype(int) - without.min(2)) > 60).any()


def test_a_figure_without_curves_is_lower(means):
    curves = {'deletion': dict(mine=np.ones((1, 5)), random=np.ones((1, 5)))}
    assert len(draw_evaluation(means, {}, SHARES)) < len(draw_evaluation(means, curves, SHARES))
    assert draw_evaluation({}, {}, SHARES).size
