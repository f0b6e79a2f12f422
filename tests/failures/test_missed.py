"""Why an object was missed, and the map that belongs to that."""

import numpy as np
import pytest

from mmlens import BoxExplanation, BoxMap, explain_miss, why_missed
from mmlens.errors import LayerError
from mmlens.failures.explaining import explain_failure
from mmlens.failures.listing import errors_of
from mmlens.failures.missed import _maps
from mmlens.results.misses import Miss


@pytest.fixture
def missed(yolox, case):
    (failure,) = (each for each in errors_of(yolox, case, 0.0)[1] if each.type == 'missed')
    failure.truth = np.array([20.0, 20, 60, 70])
    return failure


def test_the_step_that_lost_the_object_chooses_the_map(yolox, noise, truth, missed):
    explained = explain_failure(yolox, noise, missed, truth, 0.3)
    boxes, labels = [missed.truth.tolist(), *truth.boxes.tolist()], [missed.truth_label, *truth.labels.tolist()]
    miss = why_missed(yolox, noise, boxes, labels, score_thr=0.3)[0]
    plain = explain_miss(yolox, noise, miss)
    assert miss.mechanism != 'found' and missed.mechanism == miss.mechanism
    assert explained.notes[0] == miss.sentence
    np.testing.assert_array_equal(explained.maps[0].values, plain[0].normalised)
    np.testing.assert_array_equal(explained.candidate, miss.candidate)
    assert missed.as_json()['mechanism'] == miss.mechanism


def test_without_the_other_objects_and_without_gradients(yolox, noise, missed):
    alone = explain_failure(yolox, noise, missed)
    assert alone.maps[0].blank is None
    explained = explain_failure(yolox, noise, missed, method='scorecam', layers=['neck'])
    assert explained.maps[0].counter is None
    with pytest.raises(LayerError):
        explain_failure(yolox, noise, missed, layers=['nowhere'])


def test_objects_that_cannot_be_explained_say_why(yolox, noise, missed):
    missed.truth = np.array([10.0, 10, 10, 20])  # without area, as some annotations are
    explained = explain_failure(yolox, noise, missed)
    assert explained.maps[0].blank and explained.candidate is None and explained.draw().ndim == 3


@pytest.mark.parametrize(
    ('mechanism', 'target', 'titles', 'counter'),
    [
        ('outvoted', 'score', ['what speaks for cup'], 'what speaks for fork'),
        ('background', 'score', ['what speaks for cup'], 'what speaks against cup'),
        ('regressed', 'box', ['what sets the edges of its cup'], 'what speaks against cup'),
        ('suppressed', 'score', ['what speaks for cup', 'what speaks for fork, which suppressed it'], None),
    ],
)
def test_what_is_written_above_the_maps(mechanism, target, titles, counter):
    values = np.ones((4, 4), np.float32)
    box = BoxMap(-1, np.arange(4.0), 0, 'cup', 0.1, values, values, counter=None if counter is None else values)
    found = BoxExplanation(np.zeros((4, 4, 3), np.uint8), [box] * len(titles), ('neck',), 'gradcam', target)
    miss = Miss(np.arange(4.0), 0, 'cup', mechanism, rival_label=1, rival_name='fork')
    maps = _maps(found, miss)
    assert [why.title for why in maps] == titles
    assert counter is None or maps[0].counter_title == counter
