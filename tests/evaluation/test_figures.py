"""All figures of one map, by hand and by the functions that they come from."""

import math

import numpy as np
import pytest

from mmlens import metrics
from mmlens.evaluation.figures import FIGURES, LOWER_IS_BETTER, MISSED, Box, figures_of


@pytest.fixture
def box():
    mask, mark = np.zeros((2, 20, 30), bool)
    mask[5:10, 5:15] = True
    mark[5:7, 5:7] = True
    own, other = np.array([5.0, 5, 15, 15]), np.array([[20.0, 0, 30, 10]])
    return Box(own + 1, 2, 'cow', 0.9, own, mask, mark, other, 0, '')


def test_figures_are_those_of_the_functions(box):
    values = np.random.default_rng(0).random((20, 30))
    curves = dict(deletion=[1.0] + [0.5] * 9 + [0.0], insertion=list(np.linspace(0, 1, 11)))
    found = figures_of(values, box, curves)
    assert list(found) == list(FIGURES) and set(LOWER_IS_BETTER) <= set(FIGURES)
    assert found['deletion'] == pytest.approx(0.5 + 0.01 * 0.25 - 0.19 * 0.25)
    assert found['oa'] == found['insertion'] - found['deletion']
    assert found['epg'] == metrics.epg(values, box.region) != metrics.epg(values, box.box)
    assert found['epg_mask'] == metrics.epg(values, box.mask)
    assert found['pointing_mask'] == metrics.pointing(values, box.mask)
    assert found['compactness'] == metrics.compactness(values, box.box)
    assert found['odi'] == metrics.odi(values, box.others, [box.region, *box.others])
    hit = metrics.evidence_hit(values, box.mark, box.region)
    assert [found[f'evidence_{name}'] for name in ('exact', 'near', 'share')] == [hit.exact, hit.near, hit.share]
    assert found['blank'] == 0 and box.area == 100


def test_figures_that_have_no_meaning_are_missing(box):
    bare = Box(box.box, 2, 'cow', 0.9, box.box)
    found = figures_of(np.ones((20, 30)), bare, {})
    known = {name for name, value in found.items() if not math.isnan(value)}
    assert known == {'pointing', 'epg', 'compactness', 'blank'}
    assert all(map(math.isnan, figures_of(None, box, {}).values()))
    assert figures_of(np.zeros((20, 30)), bare, {})['blank'] == 1


@pytest.mark.parametrize(('largest', 'expected'), [(0.351, 1), (0.35, 0), (0.0, 0)])
def test_an_object_that_was_missed_is_explained_if_it_is_found_at_some_share(box, largest, expected):
    curves = {MISSED: [0.0] * 4 + [largest] + [0.2 * largest] * 6}
    found = figures_of(np.ones((20, 30)), box, curves, sanity=0.25)
    assert found['success'] == expected and found['sanity'] == 0.25
    assert math.isnan(found['deletion']) and math.isnan(found['insertion'])
