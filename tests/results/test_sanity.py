"""Verdicts worked out by hand, and the file of numbers."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest

import mmlens
from mmlens import MmlensError, SanityCheck

NAN = math.nan


def check_of(*by_method, gaussian=0.4):
    """A check of methods m0, m1, ... from correlations (D, P, N) each."""
    correlations = np.array(by_method, float)
    m, _, p, n = correlations.shape
    parts = ('head', 'neck', 'backbone, stride 8')[:p]
    boxes = tuple(f'cup 0.{9 - number}' for number in range(n))
    methods = tuple(f'm{number}' for number in range(m))
    return SanityCheck(methods, parts, boxes, (0,) * n, correlations, np.full((m, n), gaussian))


@pytest.mark.parametrize(
    ('steps', 'verdict'),
    [
        ([0.5, 0.19], 'passes'),
        ([0.5, -0.19], 'passes'),
        ([0.5, 0.2], 'in part'),
        ([0.5, -0.49], 'in part'),
        ([0.5, 0.5], 'fails'),
        ([0.5, -0.6], 'fails'),
        ([0.95, 0.0], 'fails'),  # the head does not matter to it
        ([0.94, 0.0], 'passes'),
        ([0.5, NAN], 'unknown'),
        ([0.97], 'fails'),
        ([0.1], 'passes'),
    ],
)
def test_verdicts(steps, verdict):
    assert check_of([[[step] for step in steps]]).verdict('m0') == verdict


def test_the_draw_that_is_worst_decides():
    assert check_of([[[0.5], [0.1]], [[0.5], [-0.3]]]).verdict('m0') == 'in part'
    assert check_of([[[0.99], [0.1]], [[0.5], [0.1]]]).verdict('m0') == 'passes'  # the head matters in one of them


def test_means_over_boxes_and_the_range_of_the_draws():
    check = check_of([[[0.5, 0.7], [0.1, NAN]], [[0.3, 0.3], [0.2, 0.4]]])
    np.testing.assert_allclose(check.curve('m0'), [[1, 0.6, 0.1], [1, 0.3, 0.3]])
    assert check.final('m0') == pytest.approx((0.2, 0.1, 0.3))
    assert check.rows()[0] == ('m0', 'head', *map(pytest.approx, (0.45, 0.3, 0.6)))
    with pytest.raises(MmlensError, match="^'drise' was not checked: it was m0.$"):
        check.curve('drise')


def test_sentences_say_what_the_verdict_means():
    check = check_of(
        [[[0.5], [0.1]], [[0.5], [0.12]]],
        [[[0.5], [0.3]], [[0.5], [0.3]]],
        [[[0.9], [0.9]], [[0.5], [0.9]]],
        [[[1.0], [0.1]], [[1.0], [0.1]]],
        [[[0.5], [NAN]], [[0.5], [NAN]]],
    )
    passes, part, fails, head, unknown = (check.sentence(method) for method in check.methods)
    assert passes == (
        'm0 passes: with all weights drawn anew, its maps correlate by 0.11 (0.10 to 0.12 in 2 draws) with those of '
        'the trained network within the box (a Gaussian that knows no network: 0.40); they show what the network has '
        'learnt.'
    )
    assert part.startswith('m1 passes in part: ') and 'to a lesser part where the box lies' in part
    assert fails.startswith('m2 does not pass: ') and 'rather than what it has learnt' in fails
    assert head == (
        'm3 does not pass: its maps stay the same with head drawn anew, so they do not show why the head decides as it '
        'does.'
    )
    assert unknown.startswith('m4: nothing can be said')
    assert repr(check) == '<SanityCheck on 1 box: m0 passes, m1 in part, m2 fails, m3 fails, m4 unknown>'


def test_every_correlation_is_written(tmp_path):
    check_of([[[0.5, NAN], [0.25, 1]]]).write_csv(tmp_path / 'out' / 'a.csv')
    with open(tmp_path / 'out' / 'a.csv', newline='', encoding='utf-8') as file:
        rows = list(csv.DictReader(file))
    assert [row['correlation'] for row in rows] == ['0.5000', '', '0.2500', '1.0000']
    assert rows[2] == dict(picture='0', box='cup 0.9', method='m0', draw='0', part='neck', correlation='0.2500')


def test_a_check_is_drawn_and_compared():
    check = check_of([[[0.5], [0.1]]])
    assert check.draw().dtype == np.uint8 and check._repr_png_().startswith(b'\x89PNG')
    assert check == check_of([[[0.5], [0.1]]]) and check != check_of([[[0.5], [0.2]]])


def test_a_check_is_saved_opened_and_a_table(tmp_path):
    check = check_of([[[0.5, NAN]], [[0.25, 0.125]]], [[[1.0, 1.0]], [[0.0, 0.0]]])
    check.notes, check.versions = ['a note'], {'torch': '2'}
    path = check.save(tmp_path / 'check.npz')
    assert SanityCheck.load(path) == check and mmlens.load(path) == check
    table = check.table()
    np.testing.assert_array_equal(table['correlation'], [0.5, NAN, 0.25, 0.125, 1, 1, 0, 0])
    assert table['method'] == ['m0'] * 4 + ['m1'] * 4 and table['draw'] == [0, 0, 1, 1] * 2
    assert table['box'] == ['cup 0.9', 'cup 0.8'] * 4 and set(table['part']) == {'head'}
    np.savez(path, kind=SanityCheck.kind, format=1, **dict(check.arrays(), boxes=np.array(['cup'])))
    with pytest.raises(MmlensError, match='is damaged'):
        mmlens.load(path)
