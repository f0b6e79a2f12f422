"""A comparison in numbers, saved and opened."""

import numpy as np
import pytest

import mmlens
from mmlens import BoxComparison, BoxExplanation, BoxMap, BoxPair

PICTURE = np.full((6, 8, 3), 100, np.uint8)


def box(index, score, raw):
    values = np.full((6, 8), raw, np.float32)
    return BoxMap(index, np.array([1, 1, 4, 4], np.float32), 0, 'cup', score, values, values / max(raw, 1))


def side(*boxes):
    return BoxExplanation(PICTURE, list(boxes), ('neck',), 'gradcam', 'score', fusion='sum')


@pytest.fixture
def compared():
    a, b = side(box(0, 0.75, 2), box(1, 0.5, 1)), side(box(0, 0.5, 4))
    pairs = [BoxPair('cup', a[1], None), BoxPair('cup', a[0], b[0], 4.0, 1.0, 0.25, np.array([1.0, 1, 4, 5]))]
    return BoxComparison(PICTURE, a, b, pairs, ('x', 'y'), True, 'why', ('neck',), 'gradcam', ['note'], {'torch': '2'})


def test_pairs_in_numbers(compared):
    alone, both = compared
    assert both.score_change == -0.25 and alone.score_change == -0.5
    assert (both.shown('a') == 0.5).all() and (both.shown('b') == 1).all() and (both.difference == 0.5).all()
    assert (both.found, alone.found) == ((True, True), (True, False))
    given = box(-1, 0.25, 1)
    given.overlap = 0.5
    lost = BoxPair('cup', given, box(0, 0.5, 1))
    assert lost.found == (False, True) and lost.score_change == 0.25 and lost.difference is not None
    assert repr(lost) == '<BoxPair cup: not found and 0.50, change 1.00>'
    assert alone.difference is None and alone.shown('b') is None
    assert repr(both) == '<BoxPair cup: 0.75 and 0.50, change 0.25>'
    assert repr(alone) == '<BoxPair cup: 0.50 and not found, change 1.00>'
    names = 'cup 0.50 -> not found, cup 0.75 -> 0.50'
    assert repr(compared) == f'<BoxComparison of 2 objects in 8 x 6 pixels ({names}): gradcam at neck>'


def test_pairs_as_a_table(compared):
    table = compared.table()
    assert (
        table['class'] == ['cup', 'cup'] and table['change'] == [1.0, 0.25] and table['score_change'] == [-0.5, -0.25]
    )
    assert table['a_found'] == [True, True] and table['b_found'] == [True, False][::-1]
    np.testing.assert_array_equal(table['b_score'], [np.nan, 0.5])
    np.testing.assert_array_equal(table['a_x2'], [4, 4])
    np.testing.assert_array_equal(table['b_x2'], [np.nan, 4])


def test_without_a_common_scale_each_map_has_its_own():
    pair = BoxPair('cup', box(0, 0.5, 2), box(0, 0.5, 4))
    assert (pair.shown('a') == 1).all() and (pair.shown('b') == 1).all()


def test_a_comparison_is_saved_and_opened(compared, tmp_path):
    compared.save(tmp_path / 'c.npz')
    opened = mmlens.load(tmp_path / 'c.npz')
    assert opened == compared and opened.names == ('x', 'y')
    assert opened[1].truth.tolist() == [1, 1, 4, 5] and opened[0].truth is None
    empty = BoxComparison(PICTURE, side(), side(), [], ('x', 'y'), False, '', ('neck',), 'gradcam')
    empty.save(tmp_path / 'e.npz')
    assert BoxComparison.load(tmp_path / 'e.npz') == empty
