"""A miss in words: every mechanism has a sentence and a piece of advice that read, with its numbers in them."""

import numpy as np
import pytest

import mmlens
from mmlens.results.misses import _ADVICE, _SENTENCES, MECHANISMS, Miss, Misses

NUMBERS = dict(
    overlap=0.497,
    score=0.299,
    least=0.5,
    threshold=0.3,
    rank=4.0,
    coverage=0.21,
    proposals=1000.0,
    stride=8.0,
    width=11.4,
    height=6.4,
    cut=80.4,
    limit=100.0,
    min_size=10.0,
    rival_score=0.72,
    rival_overlap=0.66,
)


def miss_of(mechanism, kind='', **more):
    box = np.array([10, 20, 40, 50.4], np.float32)
    rival = dict(rival=np.array([1, 2, 3, 4], np.float32), rival_label=1, rival_name='truck')
    return Miss(box, 0, 'car', mechanism, kind, numbers=NUMBERS, **{**rival, **more})


@pytest.mark.parametrize(('mechanism', 'kind'), list(_SENTENCES))
def test_each_has_a_sentence_and_advice(mechanism, kind):
    miss = miss_of(mechanism, kind)
    for text in (miss.sentence, miss.advice):
        assert text[0].isupper() and text.endswith('.') and '{' not in text
    assert miss.sentence in repr(miss) and repr(miss).startswith('<Miss of car at (10, 20, 40, 50): ')


def test_nothing_is_said_of_something_else():
    assert {mechanism for mechanism, _ in _SENTENCES} == set(MECHANISMS) and _SENTENCES.keys() == _ADVICE.keys()


def test_sentences_by_hand():
    assert miss_of('background').sentence == (
        'A candidate lies there (IoU 0.49), and no class reaches 0.30: car has 0.29.'  # not 0.30
    )
    assert miss_of('suppressed', 'NMS').sentence == (
        'It was found as car 0.29 and suppressed by truck at (1, 2, 3, 4) 0.72, which overlaps it with IoU 0.66.'
    )
    assert miss_of('uncovered', 'priors').sentence == (
        'No prior lies there: it has 11 x 6 pixels in the input, and the finest stride is 8.'
    )
    assert miss_of('outvoted', rival=None).sentence == (
        'A candidate lies there (IoU 0.49), and another class wins: truck has 0.72, car 0.29.'
    )
    assert miss_of('regressed', stage='RoI head').sentence.startswith('The RoI head moves its proposal to a box')


def test_the_question_of_its_map():
    assert miss_of('outvoted').question == ('score', (1,), True)
    assert miss_of('regressed').question == ('box', (), False)
    assert miss_of('background').question == ('score', (), True)
    assert miss_of('suppressed', 'NMS').question == ('score', (), False)


def test_two_misses_are_equal_if_all_is():
    assert miss_of('background') == miss_of('background') != miss_of('outvoted')


def test_misses_are_saved_and_opened(tmp_path):
    box = np.array([10, 20, 40, 50], np.float32)
    numbers = dict(score=0.1, overlap=0.7, rival_score=1 / 3)
    outvoted = Miss(box, 1, 'van', 'outvoted', '', 'RoI head', numbers, box + 1, box + 2, 4, 'car')
    misses = Misses([Miss(box, 0, 'Straße', 'filtered', 'crop', numbers=dict(cut=60.0)), outvoted])
    path = misses.save(tmp_path / 'misses.npz')
    for opened in (mmlens.load(path), Misses.load(path)):
        assert opened == misses and type(opened) is Misses and repr(opened[1]) == repr(outvoted)
    assert mmlens.load(Misses().save(path)) == []
    np.savez(path, kind='misses', format=1, **dict(misses.arrays(), labels=np.zeros(1)))
    with pytest.raises(mmlens.MmlensError, match='is damaged'):
        mmlens.load(path)
