"""TIDE's types of errors: by hand, and as the authors' package counts them on detectors' own detections."""

import json
from pathlib import Path

import numpy as np
import pytest

from mmlens.metrics import ERROR_TYPES, Match, error_costs, error_types, match_truths

FIXTURE = Path(__file__).with_name('tide_detections.json')
TIDECV = {'Cls': 0, 'Loc': 1, 'Both': 2, 'Dupe': 3, 'Bkg': 4, 'Miss': 5}  # its names -> places in ERROR_TYPES


def test_types_by_hand():
    truths, of = np.array([[0, 0, 10, 10], [20, 0, 30, 10], [80, 80, 90, 90], [60, 0, 70, 10]]), [0, 1, 0, 1]
    boxes = [
        [0, 0, 10, 9],  # right
        [0, 0, 10, 10],  # the same object again
        [20, 0, 30, 10],  # another class's object
        [60, 0, 70, 4],  # too small
        [0, 6, 10, 16],  # elsewhere, and the wrong class
        [50, 50, 60, 60],  # nothing there
    ]
    found = error_types(np.array(boxes), [0, 0, 0, 1, 1, 0], [0.9, 0.8, 0.7, 0.6, 0.5, 0.4], truths, of)
    assert found.types == ['', 'duplicate', 'classification', 'localisation', 'both', 'background']
    assert found.truths == [0, 0, 1, 3, 0, None]
    assert found.repairs == [None, None, 1, 3, None, None]
    assert found.missed == [2]
    assert found.counts() == dict(classification=1, localisation=1, both=1, duplicate=1, background=1, missed=1)


def test_the_thresholds_belong_to_localisation_and_to_right():
    truths = np.array([[0, 0, 10, 10]])
    half, tenth, less = [[0, 0, 10, 5]], [[0, 0, 10, 1]], [[0, 0, 10, 0.99]]
    assert error_types(np.array(half), [0], [1], truths, [0]).types == ['']
    assert error_types(np.array(tenth), [0], [1], truths, [0]).types == ['localisation']
    assert error_types(np.array(less), [0], [1], truths, [0]).types == ['background']
    # Half of an object that a better detection has taken: off, not a duplicate.
    assert error_types(np.array([*truths, *half]), [0, 0], [1, 0.5], truths, [0]).types == ['', 'localisation']


def test_a_wrong_place_comes_before_a_wrong_class():
    truths = np.array([[0, 0, 10, 10], [0, 0, 10, 20]])
    found = error_types(np.array([[0, 0, 10, 20]]), [0], [1], np.array([[0, 0, 10, 9], truths[1]]), [0, 1])
    assert (found.types, found.truths) == (['localisation'], [0])


def test_the_best_of_two_wrong_detections_is_repaired_and_the_object_is_not_missed():
    truths = np.array([[0, 0, 10, 10]])
    found = error_types(np.array([[0, 0, 10, 10], [0, 0, 10, 4]]), [1, 0], [0.3, 0.6], truths, [0])
    assert found.types == ['classification', 'localisation']
    assert found.repairs == [None, 0] and found.missed == []


def test_the_order_is_that_of_the_scores_and_only_the_best_count():
    truths = np.array([[0, 0, 10, 10]])
    found = error_types(np.array([[0, 0, 10, 9], [0, 0, 10, 10], [5, 5, 9, 9]]), [0] * 3, [0.2, 0.8, 0.1], truths, [0])
    assert found.types == ['duplicate', '', 'localisation']
    limited = error_types(np.repeat(truths, 3, 0), [0] * 3, [0.2, 0.8, 0.1], truths, [0], most=2)
    assert limited.types == ['duplicate', '', None]


def test_pictures_without_objects_or_detections():
    none = np.zeros((0, 4))
    assert error_types(np.array([[0, 0, 1, 1]]), [0], [1], none, []).types == ['background']
    assert error_types(none, [], [], np.array([[0, 0, 1, 1]]), [3]).missed == [0]
    assert error_types(none, [], [], none, []).counts() == dict.fromkeys(ERROR_TYPES, 0)


def test_crowds_are_ignored_within_their_class():
    crowd = np.array([[0, 0, 50, 50]])
    boxes = np.array([[0, 0, 10, 10], [45, 0, 60, 10]])
    for label, expected in ((0, [True, False]), (1, [False, False]), (-1, [True, False])):
        found = error_types(boxes, [0, 0], [1, 1], np.zeros((0, 4)), [], ignored_boxes=crowd, ignored_labels=[label])
        assert found.ignored.tolist() == expected


def test_matches_by_hand():
    truths = np.array([[0, 0, 10, 10], [0, 0, 10, 12]])
    # Each object is found once, and the second best is free.
    assert match_truths(np.array([[0, 0, 10, 10]] * 2), [0, 0], truths, [0, 0]) == [Match(0, ''), Match(1, '')]
    assert match_truths(np.array([[0, 0, 10, 10]]), [1], truths[:1], [0]) == [Match(0, 'classification')]
    assert match_truths(np.array([[0, 0, 1, 1]]), [0], np.zeros((0, 4)), []) == [Match(None, 'background')]
    assert match_truths(np.zeros((0, 4)), [], np.zeros((0, 4)), []) == []
    assert len(match_truths(np.repeat(truths, 60, 0), [0] * 120, truths, [0, 0])) == 120


def pictures_of(content):
    """The arguments of :func:`error_types` for each picture; boxes in the file are x, y, width and height."""

    def boxes(given):
        values = np.array(given, float).reshape(-1, 4)
        return np.concatenate([values[:, :2], values[:, :2] + values[:, 2:]], 1)

    for each in content['pictures']:
        crowd = dict(ignored_boxes=boxes(each['crowd_boxes']), ignored_labels=each['crowd_labels'])
        given = (boxes(each['boxes']), each['labels'], each['scores'], boxes(each['truths']), each['truth_labels'])
        yield given, crowd


FILES = json.loads(FIXTURE.read_text(encoding='utf-8'))


@pytest.mark.parametrize('name', FILES)
def test_counts_and_costs_are_those_that_the_authors_package_gave(name):
    found = [error_types(*given, **crowd) for given, crowd in pictures_of(FILES[name])]
    counts = {kind: sum(each.counts()[kind] for each in found) for kind in ERROR_TYPES}
    costs, expected = error_costs(found), FILES[name]['tidecv']
    assert counts == expected['counts'] and all(counts.values())
    assert costs.mean_ap == pytest.approx(expected['ap'], abs=1e-6)
    assert costs.of_type == pytest.approx(expected['costs'], abs=1e-6)


@pytest.mark.parametrize('name', FILES)
def test_the_installed_package_gives_the_same(name):
    tidecv = pytest.importorskip('tidecv', reason='tidecv is not installed: only the figures kept of it are compared')
    objects, detections = tidecv.Data('objects'), tidecv.Data('detections')
    for number, each in enumerate(FILES[name]['pictures']):
        for data in (objects, detections):
            data.add_image(number, str(number))
        for label, box in zip(each['truth_labels'], each['truths']):
            objects.add_ground_truth(number, label, box)
        for label, box in zip(each['crowd_labels'], each['crowd_boxes']):
            objects.add_ignore_region(number, label, box)
        for label, score, box in zip(each['labels'], each['scores'], each['boxes']):
            detections.add_detection(number, label, score, box)
    tide = tidecv.TIDE()
    run = tide.evaluate(objects, detections, mode=tidecv.TIDE.BOX)
    (main,) = tide.get_main_errors().values()
    kept = FILES[name]['tidecv']
    assert kept['counts'] == {ERROR_TYPES[TIDECV[k.short_name]]: n for k, n in run.count_errors().items()}
    assert kept['ap'] == pytest.approx(run.ap, abs=1e-6)
    assert kept['costs'] == pytest.approx({ERROR_TYPES[TIDECV[k]]: cost for k, cost in main.items()}, abs=1e-6)
