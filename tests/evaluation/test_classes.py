"""One picture of a classifier measured: curves that are those of deletion and insertion by its own probability."""

import math

import numpy as np
import pytest
import torch

from mmlens import explain_classes, metrics
from mmlens.evaluation import Case, class_baselines, read_row
from mmlens.evaluation.classes import CLASS_FIGURES, Probabilities, boxes_of_classes, measure_classes


@pytest.fixture(scope='module')
def rows():
    arrays = [row for row in class_baselines() if row.name in ('random', 'gaussian')]
    return [read_row('fine: layercam/backbone.layer2'), read_row('same: layercam/backbone.layer2'), *arrays]


@pytest.fixture(scope='module')
def measured(classifier, picture, rows):
    return measure_classes(classifier, Case('p', lambda: (picture, None)), rows, sanity=True)


def probability(classifier, category):
    """A pass a picture."""

    def score(pictures):
        with torch.no_grad():
            logits = [classifier.logits(classifier.prepare(picture))[0] for picture in pictures]
        return np.array([torch.softmax(each, -1)[category].item() for each in logits])

    return score


def test_the_class_is_the_one_predicted(classifier, picture, measured):
    expected = explain_classes(classifier, picture)[0]
    (box,) = measured.boxes
    assert (box.label, box.class_name) == (expected.category, expected.class_name)
    assert box.score == pytest.approx(expected.score, abs=1e-6) and measured.plain > 0
    covered = np.argwhere(expected_covered(classifier, picture))
    assert box.box.tolist() == [*covered.min(0)[::-1], *(covered.max(0)[::-1] + 1)]


def expected_covered(classifier, picture):
    return explain_classes(classifier, picture).covered


@pytest.mark.parametrize('row', ['fine', 'gaussian'])
def test_deletion_and_insertion_are_those_of_the_probability(classifier, picture, rows, measured, row):
    (box,), (figures,) = measured.boxes, measured.figures[row]
    values = explain_classes(classifier, picture, method='layercam', layers=['backbone.layer2'])[0].raw
    if row == 'gaussian':
        values = metrics.gaussian_map(picture.shape[:2], box.box)
    for name in ('deletion', 'insertion'):
        alone = getattr(metrics, name)(values, picture, probability(classifier, box.label))
        assert figures[name] == pytest.approx(alone, abs=1e-5)
    assert figures['oa'] == figures['insertion'] - figures['deletion']


def test_only_figures_without_an_object_are_there(measured):
    (figures,) = measured.figures['fine']
    assert {name for name, value in figures.items() if not math.isnan(value)} == set(CLASS_FIGURES)
    assert measured.figures['same'] == measured.figures['fine'] and measured.altered == 3 + 3 * 18
    assert measured.figures['random'][0]['sanity'] == 1


def test_maps_alone_take_no_altered_pictures(classifier, picture, rows):
    done = measure_classes(classifier, Case('p', lambda: (picture, None)), rows, maps_only=True)
    assert done.altered == 0 and math.isnan(done.figures['fine'][0]['deletion'])


@pytest.mark.parametrize('batch_size', [1, 3, None])
def test_probabilities_whatever_the_batch_and_the_sizes(classifier, picture, batch_size):
    pictures = [picture, picture[:50, :60].copy(), picture // 2, picture]
    scores = Probabilities(classifier, [1, 4], batch_size)
    expected = np.stack([probability(classifier, category)(pictures) for category in (1, 4)], 1)
    np.testing.assert_allclose(scores(iter(pictures)), expected, atol=1e-6)
    assert scores.passes == 4 and scores([]).shape == (0, 2)


def test_boxes_of_several_classes(classifier, picture):
    boxes = boxes_of_classes(classifier, classifier.prepare(picture), [3, 1])
    assert [box.label for box in boxes] == [3, 1] and boxes[0].box.tolist() == boxes[1].region.tolist()
