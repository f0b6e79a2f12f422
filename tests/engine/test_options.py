"""What a hook is told in a config, checked value by value."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmlens.engine.options import check, check_method, check_places, is_whole, listed
from mmlens.errors import MmlensError


@pytest.mark.parametrize(
    ('given', 'kind', 'values'),
    [
        ('neck', str, ('neck',)),
        (['neck', 'backbone'], str, ('neck', 'backbone')),
        ((), str, ()),
        (3, int, (3,)),
        (np.array([3, 4]), (int, np.integer), (3, 4)),
        (Path('a.png'), (str, Path), (Path('a.png'),)),
        ({'train': 1, 'val': 2}, str, ('train', 'val')),
    ],
)
def test_one_value_stands_for_a_list_of_one(given, kind, values):
    assert listed('layers', given, kind, 'a layer') == values


@pytest.mark.parametrize('given', [None, 4, ['neck', 4], [None], [['neck']]])
def test_other_kinds_are_refused_with_their_name(given):
    with pytest.raises(MmlensError) as raised:
        listed('layers', given, str, 'a layer')
    assert str(raised.value) == f'layers must be a layer, or a list of such, not {given!r}.'


def test_true_is_no_number():
    with pytest.raises(MmlensError, match='^indexes must be a place, or a list of such, not True.$'):
        listed('indexes', True, int, 'a place')
    with pytest.raises(MmlensError, match='^topk must be a whole number, not False.$'):
        check('topk', False, int, 'a whole number')
    check('topk', 0, int, 'a whole number')
    assert not is_whole(True, 0)


@pytest.mark.parametrize(
    ('number', 'least', 'holds'),
    [(1, 1, True), (0, 1, False), (-1, -1, True), (np.int64(5), 1, True), (1.0, 1, False), ('1', 1, False)],
)
def test_whole_numbers_of_at_least(number, least, holds):
    assert bool(is_whole(number, least)) is holds


def test_a_method_is_named_its_options_are_a_dict_and_its_layers_names():
    check_method('gradcam', None, None)
    check_method('drise', {'num_masks': 5}, ('neck',))
    for arguments, sentence in (
        ((None, None, None), 'method must be a name, not None.'),
        (('gradcam', [1], None), 'method_options must be a dict, not [1].'),
        (('gradcam', None, 7), 'layers must be a layer, or a list of such, not 7.'),
    ):
        with pytest.raises(MmlensError) as raised:
            check_method(*arguments)
        assert str(raised.value) == sentence


@pytest.mark.parametrize(
    ('tag', 'good'),
    [('cam', True), ('neck/cam', True), ('./cam/', True), ('a..b', True), ('../cam', False), ('a/../b', False)]
    + [('/cam', False), ('', False), ('.', False), (None, False), (Path('cam'), False)],
)
def test_a_tag_stays_below_its_folder(tag, good):
    if good:
        check_places(tag, 'mmlens')
    else:
        with pytest.raises(MmlensError, match='^tag must be a name without'):
            check_places(tag, 'mmlens')


def test_an_out_dir_is_a_path_or_none():
    for out_dir in ('mmlens', Path('mmlens'), None):
        check_places('cam', out_dir)
    with pytest.raises(MmlensError, match='^out_dir must be a folder, or None to write no files, not 5.$'):
        check_places('cam', 5)
