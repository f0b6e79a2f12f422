from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from mmlens import BoxComparison, BoxPair, ClassExplanation, ClassMap, MmlensError
from mmlens.rendering.page import Budget, Kept, digest_of, entry_of


@pytest.fixture
def two(picture, box_map, explanation):
    size = picture.shape[:2]
    given = box_map((200, 20, 300, 60), size, 1, 'cat', 0.1, index=-1)
    given.candidate, given.overlap, given.rank = np.array([201, 20, 300, 61], np.float32), 0.9, 7
    return explanation(picture, box_map((20, 30, 120, 200), size), given, notes=['a note'])


def test_what_a_page_knows_of_boxes(two):
    kept = Kept()
    entry = entry_of(two, kept, Budget())
    assert json.loads(json.dumps(entry)) == entry  # plain numbers and text
    assert (entry['w'], entry['h'], entry['picture'], entry['notes']) == (320, 240, 0, ['a note'])
    dog, cat = entry['items']
    assert (dog['name'], dog['score'], dog['box'], dog['size'], dog['key']) == (
        'dog', 0.86, [20, 30, 120, 200], 'large', '0',
    )  # fmt: skip
    assert (cat['key'], cat['candidate'], cat['overlap'], cat['rank']) == ('g1', [201, 20, 300, 61], 0.9, 7)
    assert cat['size'] == 'medium' and dog['colour'] != cat['colour']
    ((key, told),) = entry['methods'].items()
    assert told['name'] == 'gradcam' and told['detail'] == 'neck · sum' and told['target'] == 'score'
    assert [item['maps'][0]['method'] for item in (dog, cat)] == [key, key]
    assert (dog['maps'][0]['data'], dog['maps'][0]['low'], dog['maps'][0]['peak']) == (1, 0, 3)
    assert len(kept.scripts) == 3


def test_the_picture_comes_first_and_only_once(two):
    kept = Kept()
    assert entry_of(two, kept, Budget())['picture'] == 0
    assert entry_of(two, kept, Budget(), known=0)['picture'] == 0 and len(kept.scripts) == 5
    assert digest_of(two.picture) != digest_of(two.picture[:, ::-1])


def test_what_speaks_against_a_box_and_why_a_map_is_blank(picture, box_map, explanation):
    box = box_map((20, 30, 120, 200), picture.shape[:2], blank='no gradient')
    box.counter, box.against = np.ones(picture.shape[:2], np.float32), 'cat'
    (item,) = entry_of(explanation(picture, box), Kept(), Budget())['items']
    (one,) = item['maps']
    assert (one['blank'], one['against'], one['counterTitle']) == ('no gradient', 'cat', 'cat, not dog')
    assert one['counter'] == 2 and one['peak'] == 0 and 'counterBlank' not in one
    box.counter = np.zeros(picture.shape[:2], np.float32)
    (item,) = entry_of(explanation(picture, box), Kept(), Budget())['items']
    assert item['maps'][0]['counterBlank'] == 'nothing at these layers does'


def test_maps_of_a_product_are_kept_as_roots(picture, box_map, explanation):
    found = explanation(picture, box_map((20, 30, 120, 200), picture.shape[:2]), fusion='product')
    entry = entry_of(found, Kept(), Budget(), label='mine')
    assert entry['items'][0]['maps'][0]['rooted'] is True
    (told,) = entry['methods'].values()
    assert told['name'] == 'mine' and told['detail'].startswith('gradcam') and told['alpha'] == 0.75


def test_what_a_page_knows_of_classes(picture):
    heat = np.linspace(0, 1, picture.shape[0] * picture.shape[1], dtype=np.float32).reshape(picture.shape[:2])
    classes = [ClassMap(3, 'cup', 0.7, 2.0, 0, heat + 1, heat), ClassMap(5, 'bowl', 0.2, 1.0, 1, heat, heat)]
    found = ClassExplanation(
        picture, classes, np.ones(picture.shape[:2], bool), np.eye(3), (224, 224), ('norm',), 'gradcam'
    )
    cup, bowl = entry_of(found, Kept(), Budget())['items']
    assert cup['box'] is None and 'size' not in cup and (cup['key'], bowl['key']) == ('0', '1')
    assert cup['maps'][0]['low'] == pytest.approx(1, abs=1e-3) and cup['maps'][0]['peak'] == pytest.approx(2, abs=1e-3)


def test_a_comparison_has_a_map_a_side(picture, box_map, explanation):
    size = picture.shape[:2]
    one, other = box_map((20, 30, 120, 200), size, score=0.8), box_map((22, 30, 120, 200), size, score=0.6)
    alone = box_map((200, 20, 300, 60), size, 1, 'cat', 0.5, index=1)
    a, b = explanation(picture, one, alone), explanation(picture, other)
    pairs = [BoxPair('cat', alone, None), BoxPair('dog', one, other, overlap=0.9, change=0.25)]
    found = BoxComparison(picture, a, b, pairs, ('old', 'new'), False, 'why', ('neck',), 'gradcam')
    entry = entry_of(found, Kept(), Budget())
    assert sorted(told['name'] for told in entry['methods'].values()) == ['new', 'old']
    cat, dog = entry['items']
    assert cat['error'] == 'only old' and cat['told'] == 'old 0.50 · new: not found' and len(cat['maps']) == 1
    assert [each['title'] for each in dog['maps']] == ['old 0.80', 'new 0.60'] and dog['figures'] == {'change': 0.25}
    assert 'error' not in dog


def test_an_error_has_a_map_a_question(picture):
    heat = np.zeros(picture.shape[:2], np.float32)
    why = SimpleNamespace(
        title='what speaks for dog', question='not cat', values=heat, raw=heat, blank='b', counter=heat,
        counter_title='cat',
    )  # fmt: skip
    failure = SimpleNamespace(
        type='classification', box=np.array([1, 2, 30, 40.0]), label=0, class_name='dog', score=0.5, rank=4, cost=1.5,
        truth=np.array([2, 2, 30, 40.0]), truth_label=1, truth_name='cat', sentence='It is a cat.',
    )  # fmt: skip
    found = SimpleNamespace(
        picture=picture, failure=failure, maps=[why], fusion='sum', method='gradcam', notes=['n'], candidate=None
    )
    (item,) = entry_of(found, Kept(), Budget())['items']
    assert (item['error'], item['truth'], item['truthName'], item['score']) == (
        'classification',
        [2, 2, 30, 40],
        'cat',
        0.5,
    )
    assert item['sentences'] == ['It is a cat.', 'n'] and item['figures'] == {'cost in mAP50': 1.5}
    assert item['maps'][0]['title'] == 'what speaks for dog: not cat' and item['maps'][0]['counterTitle'] == 'cat'


def test_anything_else_is_refused_in_a_sentence():
    with pytest.raises(MmlensError, match='not SimpleNamespace'):
        entry_of(SimpleNamespace(), Kept(), Budget())
