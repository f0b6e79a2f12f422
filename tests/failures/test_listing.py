"""The errors of one picture."""

import copy

import numpy as np
import pytest
import torch

from mmlens.errors import PictureError
from mmlens.evaluation import Case, Truth, bare_case
from mmlens.failures.listing import errors_of
from mmlens.models.predictions import Predictions


def test_every_kind_of_error_is_listed(yolox, case, detections):
    boxes, labels, scores = detections
    errors, failures = errors_of(yolox, case, 0.0)
    by_rank = {each.rank: each for each in failures}
    assert errors.types[:3] == ['', 'classification', 'localisation']
    assert 0 not in by_rank
    confused, off = by_rank[1], by_rank[2]
    assert confused.type == 'classification' and confused.truth_label == (labels[1] + 1) % 3
    assert confused.overlap == pytest.approx(1) and confused.score == pytest.approx(scores[1])
    assert off.type == 'localisation' and off.edges_off[0][0] in ('left', 'right')
    assert off.edges['left'] == pytest.approx(0.4) and off.edges['right'] == pytest.approx(-0.4)
    (missed,) = (each for each in failures if each.type == 'missed')
    assert missed.truth.tolist() == [1, 1, 4, 5] and missed.box is None and missed.truth_name == 'cup'


def test_detections_below_the_threshold_do_not_count(yolox, case, detections):
    errors, failures = errors_of(yolox, case, detections[2][0])
    assert errors.types == ['']
    assert [each.type for each in failures] == ['missed'] * 3


def test_a_duplicate_knows_the_better_detection(yolox, noise, detections, monkeypatch):
    boxes, labels, scores = detections
    twice = Predictions(torch.tensor(boxes[[0, 0]]), torch.tensor([0.9, 0.6]), torch.tensor([labels[0]] * 2))
    patched = copy.copy(yolox)
    monkeypatch.setattr(patched, 'predict', lambda prepared: twice)
    truth = Truth(boxes[:1], np.array(labels[:1]))
    _, (duplicate,) = errors_of(patched, Case('noise', lambda: (noise, truth)), 0.0)
    assert (duplicate.type, duplicate.rank) == ('duplicate', 1)
    assert duplicate.found_at == pytest.approx(0.9)


def test_objects_of_unknown_classes_are_left_out_and_crowds_ignored(yolox, noise, detections):
    boxes, labels, _ = detections
    crowd = dict(ignored_boxes=boxes[:1], ignored_labels=np.array(labels[:1]))
    truth = Truth(boxes[1:2], np.array([-1]), **crowd)
    errors, failures = errors_of(yolox, Case('noise', lambda: (noise, truth)), 0.0)
    assert len(errors.truth_labels) == 0 and errors.ignored[0]
    assert 0 not in [each.rank for each in failures] and 1 in [each.rank for each in failures]


def test_pictures_without_annotations_are_told(yolox, noise):
    with pytest.raises(PictureError, match='bare has no annotations'):
        errors_of(yolox, bare_case('bare', noise), 0.0)
