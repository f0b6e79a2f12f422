from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass, replace

import numpy as np
import pytest

from mmlens.results.later import Later, later_field, part_of


@dataclass
class _Map:
    name: str
    values: np.ndarray = later_field()
    other: object = later_field(None)


def _ramp(stop: int) -> np.ndarray:
    return np.arange(stop, dtype=np.float32)


def test_it_is_an_array_to_whoever_looks():
    found = _Map('a', Later(_ramp, 3), Later(_ramp, 2))
    assert found.values.tolist() == [0, 1, 2] and found.other.tolist() == [0, 1]


def test_arrays_stay_what_they_are():
    values = np.zeros(2)
    found = _Map('a', values)
    assert found.values is values and found.other is None


def test_without_a_default_it_is_required():
    with pytest.raises(TypeError, match='values'):
        _Map('a')


def test_it_is_made_anew_only_when_nobody_holds_it():
    made = []

    def make():
        made.append(1)
        return np.zeros(2)

    found = _Map('a', Later(make))
    assert not made
    held = found.values
    assert found.values is held and len(made) == 1
    del held
    assert found.values.tolist() == [0, 0] and len(made) == 2


def test_what_would_be_forgotten_cannot_be_written():
    found = _Map('a', Later(_ramp, 3))
    with pytest.raises(ValueError, match='read-only'):
        found.values[0] = 1
    found.values = found.values + 1
    assert found.values.tolist() == [1, 2, 3]


@pytest.mark.parametrize('again', [copy.copy, copy.deepcopy, replace, lambda one: pickle.loads(pickle.dumps(one))])
def test_copies_are_equal(again):
    found = _Map('a', Later(_ramp, 3))
    held = found.values
    np.testing.assert_array_equal(again(found).values, held)


def test_a_part_is_made_without_the_whole_where_that_is_known() -> None:
    def never(stop: int) -> np.ndarray:
        raise AssertionError(stop)

    known = _Map('a', Later(never, 4, part=lambda stop: (np.full((1, 1), stop), (2, 3))))
    part, corner = part_of(known, 'values')
    assert part.tolist() == [[4]] and corner == (2, 3)


def test_elsewhere_the_part_is_the_whole() -> None:
    values = np.ones((2, 3))
    assert part_of(_Map('a', values), 'values')[0] is values
    part, corner = part_of(_Map('a', Later(_ramp, 3)), 'values')
    assert part.tolist() == [0, 1, 2] and corner == (0, 0)
    made = _Map('a', Later(_ramp, 3, part=lambda stop: (np.zeros(1), (1, 1))))
    held = made.values
    assert part_of(made, 'values')[0] is held
