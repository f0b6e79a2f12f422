from __future__ import annotations

import numpy as np

from mmlens.report.judging import judge, known_values


def item(name, box, score, index=0):
    return dict(name=name, box=list(box), score=score, index=index, key=str(index), colour='#010203', ink='#fff')


def test_errors_by_type_and_what_was_missed():
    items = [
        item('dog', (0, 0, 10, 10), 0.9, 0),
        item('cat', (20, 0, 30, 10), 0.8, 1),
        item('dog', (0, 0, 10, 9), 0.7, 2),
        item('dog', (80, 80, 90, 90), 0.6, 3),
        item('dog', (50, 50, 60, 60), 0.1, -1),  # given, not detected
    ]
    objects = [((0, 0, 10, 10), 'dog'), ((20, 0, 30, 10), 'dog'), ((40, 40, 60, 60), 'dog'), ((1, 1, 4, 4), 'cow')]
    missed = judge(items, objects)
    assert [each.get('error') for each in items[:4]] == ['', 'classification', 'duplicate', 'background']
    assert items[1]['truthName'] == 'dog' and items[1]['truth'] == [20, 0, 30, 10]
    assert 'truth' not in items[0] and 'error' not in items[4]
    assert [name for _, name in missed] == ['dog', 'cow']
    dog, cow = items[5:]
    assert dog['missed'] and dog['error'] == 'missed' and dog['maps'] == [] and dog['box'] == [40, 40, 60, 60]
    assert dog['colour'] == '#010203' and cow['key'] == 'missed1'


def test_a_picture_without_objects_has_false_alarms_only():
    items = [item('dog', (0, 0, 10, 10), 0.9)]
    assert judge(items, []) == [] and items[0]['error'] == 'background'
    assert judge([], [((0, 0, 5, 5), 'dog')]) == [((0, 0, 5, 5), 'dog')]


def test_only_known_numbers_are_kept_as_plain_ones():
    given = dict(epg=np.float32(0.5), odi=float('nan'), none=None, deletion=np.array([1.0, 0.5]), bad=[1.0, np.inf])
    assert known_values(given) == {'epg': 0.5, 'deletion': [1.0, 0.5]}
    assert type(known_values(given)['epg']) is float and known_values({}) == {}
