"""One picture measured: the boxes, the maps, and curves that are those of deletion and insertion box by box."""

import gc
import weakref

import numpy as np
import pytest
import torch

from mmlens import BoxScores, explain_boxes, metrics
from mmlens.evaluation import Case, Truth, baselines, read_row
from mmlens.evaluation.figures import MISSED
from mmlens.evaluation.measuring import boxes_of, curves_of, detect, maps_of, measure
from mmlens.models.predictions import Predictions

THRESHOLD = 0.53  # two boxes on the first picture


@pytest.fixture(scope='module')
def rows(yolox):
    arrays = [row for row in baselines(yolox) if row.name in ('edges', 'gaussian')]
    return [read_row('layercam', layers=('neck',)), read_row('same: layercam/neck'), *arrays]


@pytest.fixture(scope='module')
def measured(yolox, pictures, truths, rows):
    return measure(yolox, Case('p0', lambda: (pictures[0], truths[0])), rows, THRESHOLD)


def test_the_boxes_are_those_of_the_detector(yolox, pictures, truths, measured):
    found = explain_boxes(yolox, pictures[0], score_thr=THRESHOLD)
    assert len(found) == 2 and [box.label for box in measured.boxes] == [box.label for box in found]
    np.testing.assert_allclose([box.box for box in measured.boxes], [box.box for box in found], atol=1e-3)
    best, *rest = measured.boxes
    assert (best.truth, best.error) == (0, '') and best.mark is not None and best.mask is truths[0].masks[0]
    assert best.region.tolist() == truths[0].boxes[0].tolist() and best.others.tolist() == [[0, 0, 4, 4]]
    assert all(box.error for box in rest) and all(box.mark is None for box in rest)


@pytest.mark.parametrize('row', ['layercam', 'edges', 'gaussian'])
def test_deletion_and_insertion_are_those_of_each_box_by_itself(yolox, pictures, rows, measured, row):
    (chosen,) = (each for each in rows if each.name == row)
    picture, boxes = pictures[0], measured.boxes
    maps = maps_of(yolox, chosen, 'p0', picture, boxes, THRESHOLD).maps
    scores = BoxScores(yolox, [box.box for box in boxes], [box.label for box in boxes], batch_size=1)
    figures = measured.figures[row][1]
    for name in ('deletion', 'insertion'):
        alone = getattr(metrics, name)(maps[1], picture, scores.of(1))
        assert figures[name] == pytest.approx(alone, abs=1e-5)


def test_what_maps_share_is_run_once(yolox, pictures, measured):
    """Whole, grey, blurred; and 18 pictures for each map that differs."""
    picture, boxes = pictures[0], measured.boxes[:2]
    maps = [np.random.default_rng(seed).random((90, 128)) for seed in range(3)]
    scores = BoxScores(yolox, [box.box for box in boxes], [box.label for box in boxes])
    rows = dict(a=[maps[0], maps[0].copy()], b=[maps[1], None], c=[maps[2], maps[1] ** 3])  # the order is the same
    curves = curves_of(scores, picture, rows)
    assert scores.passes == 3 + 3 * 18
    assert curves['b'][1] == {} and curves['a'][0]['deletion'][0] == curves['c'][1]['insertion'][-1] == 1


def test_rows_of_one_method_and_maps_alone(yolox, measured, cases, rows):
    assert measured.figures['same'] == measured.figures['layercam']
    alone = measure(yolox, cases[0], rows, THRESHOLD, maps_only=True)
    assert np.isnan(alone.figures['layercam'][0]['deletion']) and alone.curves['layercam'][0] == {}
    assert alone.figures['layercam'][0]['epg'] == pytest.approx(measured.figures['layercam'][0]['epg'], abs=1e-6)
    assert alone.plain > 0 and alone.seconds['edges'] > 0
    tries = (measure(yolox, cases[0], rows, THRESHOLD, maps_only=True).seconds for _ in range(5))
    assert any(each['layercam'] > each['edges'] for each in (alone.seconds, *tries))


def test_results_do_not_depend_on_the_batch(yolox, measured, cases, rows):
    other = measure(yolox, cases[0], rows[:1] + rows[-1:], THRESHOLD, batch_size=5)
    for row in ('layercam', 'gaussian'):
        for one, two in zip(measured.figures[row], other.figures[row]):
            assert one == pytest.approx(two, abs=1e-5, nan_ok=True)


def test_a_picture_without_boxes(yolox, cases, rows):
    assert measure(yolox, cases[0], rows, 1.0).boxes == []


def test_without_annotations_the_detections_are_the_objects(yolox, pictures):
    found, picture, _ = detect(yolox, pictures[0])
    boxes = boxes_of(yolox, found, None, 0.0)
    assert picture.shape == (90, 128, 3) and not found.scores.requires_grad
    assert all(box.error is None and len(box.others) == len(boxes) - 1 for box in boxes)
    assert all((box.region == box.box).all() for box in boxes)


def test_boxes_without_area_are_left_out(yolox):
    import torch

    edges = torch.tensor([[1.0, 1, 5, 5], [3, 3, 3, 9], [0, 0, 2, 2]])
    found = Predictions(edges, torch.tensor([0.9, 0.8, 0.2]), torch.tensor([0, 1, 2]))
    assert [box.box.tolist() for box in boxes_of(yolox, found, None, 0.3)] == [[1, 1, 5, 5]]


def test_a_box_that_a_method_does_not_find_has_no_map(yolox, pictures, measured):
    import dataclasses

    moved = dataclasses.replace(measured.boxes[0], label=measured.boxes[0].label + 1)
    maps = maps_of(yolox, read_row('gradcam'), 'p0', pictures[0], [moved, measured.boxes[0]], THRESHOLD)
    assert maps.maps[0] is None and maps.maps[1] is not None


@pytest.fixture
def confused(yolox, pictures, truths):
    """The best detection's object is of another class; the second one's is not found by a box that lies on it."""
    best = explain_boxes(yolox, pictures[0], score_thr=0.0, topk=1)[0]
    return Truth(np.array([best.box], np.float64), np.array([(best.label + 1) % 3]))


def test_the_object_that_a_wrong_box_missed_is_watched_while_pixels_come(yolox, pictures, confused, rows):
    done = measure(yolox, Case('p0', lambda: (pictures[0], confused)), rows, THRESHOLD)
    wrong = done.boxes[0]
    assert wrong.error == 'classification' and wrong.missed.tolist() == confused.boxes[0].tolist()
    assert wrong.missed_label == confused.labels[0]
    maps = maps_of(yolox, rows[0], 'p0', pictures[0], done.boxes, THRESHOLD).maps
    alone = BoxScores(yolox, [wrong.missed], [wrong.missed_label], least_overlap=0.5)
    expected = alone(metrics.altered_pictures(pictures[0], maps[0], 'insertion'))[:, 0]
    np.testing.assert_allclose(done.curves['layercam'][0][MISSED], expected, atol=1e-5)
    assert done.figures['layercam'][0]['success'] == metrics.success(expected)
    for box, figures in zip(done.boxes[1:], done.figures['layercam'][1:]):
        assert np.isnan(figures['success']) == (box.missed is None)


def test_an_object_that_another_box_found_is_not_missed(yolox, pictures):
    found, _, _ = detect(yolox, pictures[0])
    boxes = found.boxes.numpy().astype(np.float64)
    truth = Truth(boxes[:1], found.labels.numpy()[:1])
    twice = Predictions(found.boxes[[0, 0]], found.scores[[0, 0]], found.labels[[0, 0]] + torch.tensor([0, 1]))
    right, wrong = boxes_of(yolox, twice, truth, 0.0)
    assert (right.error, wrong.error, right.missed, wrong.missed) == ('', 'classification', None, None)
    unknown = Truth(boxes[:1], np.array([-1]))
    assert boxes_of(yolox, twice, unknown, 0.0)[0].missed is None


def test_sanity_is_measured_when_it_is_asked_for(yolox, cases, rows):
    done = measure(yolox, cases[0], rows, THRESHOLD, maps_only=True, sanity=True)
    assert [figures['sanity'] for figures in done.figures['edges']] == [1.0, 1.0]
    assert all(-1 <= figures['sanity'] < 1 for figures in done.figures['layercam'])
    without = measure(yolox, cases[0], rows, THRESHOLD, maps_only=True)
    assert np.isnan(without.figures['layercam'][0]['sanity'])


@pytest.mark.parametrize('options', [dict(), dict(maps_only=True, sanity=True)])
def test_a_picture_is_let_go_at_once(yolox, pictures, rows, options):
    """Not when the garbage is collected, which takes hundreds of pictures."""
    held = [pictures[0].copy()]
    gone = weakref.ref(held[0])
    gc.collect()
    gc.disable()
    try:
        measure(yolox, Case('p0', lambda: (held[0], None)), rows, THRESHOLD, **options)
        held.clear()
        assert gone() is None
    finally:
        gc.enable()
