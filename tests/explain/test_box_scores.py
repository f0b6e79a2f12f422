"""Scores of boxes on altered pictures: one by one, in batches, and by a slower way."""

import copy

import numpy as np
import pytest
import torch

from mmlens import BoxScores, explain_boxes, metrics
from mmlens.errors import MmlensError
from mmlens.explain.post_processing import settings_of


def altered(picture, number):
    values = np.random.default_rng(0).random(picture.shape[:2])
    return list(metrics.altered_pictures(picture, values, 'deletion'))[:number]


def slow_scores(detector, boxes, labels, pictures):
    """A pass a picture, thresholds changed by hand, overlaps in torch."""
    from torchvision.ops import box_iou

    known = [(settings, settings['score_thr']) for settings in settings_of(detector.model) if 'score_thr' in settings]
    rows = []
    for settings, threshold in known:
        settings['score_thr'] = min(threshold, 0.01)
    for picture in pictures:
        with torch.no_grad():
            found = detector.predict(detector.prepare(picture))
        worth = box_iou(torch.from_numpy(boxes), found.boxes) * found.scores
        worth = worth * (torch.tensor(labels)[:, None] == found.labels)
        rows.append(worth.amax(1).numpy() if len(found) else np.zeros(len(boxes)))
    for settings, threshold in known:
        settings['score_thr'] = threshold
    return np.array(rows)


@pytest.mark.parametrize('name', ['yolox', 'faster_rcnn', 'yolov5'])
def test_scores_are_those_of_single_passes_whatever_the_batch(request, name, picture):
    detector = request.getfixturevalue(name)
    found = explain_boxes(detector, picture, score_thr=0.0, topk=3)
    boxes, labels = np.stack([box.box for box in found]), [box.label for box in found]
    pictures = altered(picture, 5)
    slow = slow_scores(detector, boxes, labels, pictures)
    assert slow[0] == pytest.approx([box.score for box in found], abs=1e-5) and slow.shape == (5, 3)
    for batch_size in (1, 2, None):
        scores = BoxScores(detector, boxes, labels, batch_size=batch_size)
        np.testing.assert_allclose(scores(pictures), slow, atol=1e-5)
        assert scores.passes == 5


def test_each_box_may_have_an_overlap_of_its_own(yolox, picture):
    found = explain_boxes(yolox, picture, score_thr=0.0, topk=1)[0]
    twice = [found.box, found.box]
    both = BoxScores(yolox, twice, [found.label] * 2, least_overlap=[None, 0.5])([picture])[0]
    for column, overlap in ((0, None), (1, 0.5)):
        alone = BoxScores(yolox, twice[:1], [found.label], least_overlap=overlap)([picture])[0, 0]
        assert both[column] == alone


def test_pictures_of_several_sizes_and_one_box_by_itself(yolox, picture):
    found = explain_boxes(yolox, picture, score_thr=0.0, topk=2)
    scores = BoxScores(yolox, [box.box for box in found], [box.label for box in found], batch_size=3)
    small = picture[:60, :80].copy()
    together = scores(iter([picture, picture, small, picture]))
    assert together.shape == (4, 2) and np.allclose(together[[1, 3]], together[0], atol=1e-5)
    np.testing.assert_allclose(scores.of(1)([small]), together[2:3, 1], atol=1e-5)
    assert scores([]).shape == (0, 2)


def test_a_detector_that_takes_one_picture_at_a_time_is_given_one(yolox, picture, monkeypatch):
    found = explain_boxes(yolox, picture, score_thr=0.0, topk=1)
    boxes, labels = [box.box for box in found], [box.label for box in found]
    expected = BoxScores(yolox, boxes, labels)([picture] * 3)
    # Patched in a copy: what is undone stays in the shared detector's own attributes, bound to its model.
    patched, sizes = copy.copy(yolox), []

    def one_only(prepared, copies=1, inputs=None):
        sizes.append(copies)
        if copies > 1:
            raise AssertionError('batch inference is not supported')
        return yolox.samples(prepared, copies, inputs)

    monkeypatch.setattr(patched, 'samples', one_only)
    scores = BoxScores(patched, boxes, labels)
    np.testing.assert_allclose(scores([picture] * 3), expected, atol=1e-5)
    assert sizes == [3, 1, 1, 1] and scores.passes == 3
    scores([picture] * 2)
    assert sizes[4:] == [1, 1]


def test_the_detector_is_given_back_as_it_was(yolox, picture, monkeypatch):
    yolox.model.train()
    before = [settings.get('score_thr') for settings in settings_of(yolox.model)]
    patched = copy.copy(yolox)
    scores = BoxScores(patched, [[0, 0, 9, 9]], [0])
    scores([picture])
    monkeypatch.setattr(patched, 'in_picture', lambda *arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        scores([picture])
    assert all(module.training for module in yolox.model.modules())
    yolox.model.eval()
    assert before == [settings.get('score_thr') for settings in settings_of(yolox.model)]
    assert torch.is_grad_enabled()


def test_with_least_overlap_boxes_count_whole_or_not_at_all(yolox, picture):
    found = explain_boxes(yolox, picture, score_thr=0.0, topk=1)
    near = found[0].box + np.array([0, 0, 0.3, 0.3]) * (found[0].box[2:] - found[0].box[:2]).min()
    (score,) = BoxScores(yolox, [near], [found[0].label], least_overlap=0.5)([picture])
    assert score == pytest.approx([found[0].score], abs=1e-5)


def test_an_empty_batch_is_refused(yolox):
    with pytest.raises(MmlensError, match='`batch_size` must be at least 1, not 0'):
        BoxScores(yolox, [], [], batch_size=0)
