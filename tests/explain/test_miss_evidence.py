"""What candidates begin as, worked out by hand and looked up in the tiny detectors."""

import pytest
import torch

from mmlens.attribution.class_scores import ClassScores
from mmlens.attribution.graph import live_graph
from mmlens.attribution.passes.once import Once
from mmlens.attribution.tap import Tap
from mmlens.explain.given_search import Search
from mmlens.explain.miss_evidence import Cover, Evidence
from mmlens.explain.opened import EVERYTHING, LIMITS

GIVEN = torch.tensor([10.0, 10, 20, 20])


@pytest.mark.parametrize(
    ('kind', 'box', 'lies'),
    [
        ('proposals', [10, 10, 20, 15], True),  # an IoU of 0.5
        ('proposals', [10, 10, 20, 14], False),
        ('proposals', [0, 0, 40, 40], False),
        ('priors', [15, 15, 15, 15], True),  # a point
        ('priors', [20, 15, 20, 15], False),
        ('priors', [5, 5, 25, 25], True),  # an anchor of twice its size
        ('priors', [-6, -6, 36, 36], False),  # more than four times
        ('priors', [14, 14, 16, 16], False),
        ('boxes', [-6, -6, 36, 36], True),
        ('boxes', [20, 20, 40, 40], False),
    ],
)
def test_what_lies_there(kind, box, lies):
    assert Cover(kind, torch.tensor([[0.0, 0, 1, 1], box])).lies(GIVEN, 0.5)[0] == lies
    assert not Cover(kind, torch.zeros(0, 4)).lies(GIVEN, 0.5)[0]


def evidence_of(detector, picture, tap, once, seen):
    search = Search(detector, detector.prepare(picture), seen)
    return Evidence(detector, search.prepared, search, once, lambda: [each.shape[-2:] for each in tap.tensors])


@pytest.mark.parametrize(
    ('kind', 'covered', 'number'), [('yolox', 'priors', 336), ('faster_rcnn', 'proposals', 30), ('detr', 'boxes', 0)]
)
def test_what_is_known_of_a_detector(kind, covered, number, request, picture):
    detector = request.getfixturevalue(kind)
    seen = ClassScores(3)
    with Tap(detector.model, {'neck': detector.model.neck}) as tap, Once(detector.model) as once, live_graph(seen):
        evidence = evidence_of(detector, picture, tap, once, seen)
        assert (evidence.cover.kind, len(evidence.cover.boxes)) == (covered, number)
        assert evidence.two_stage == (kind == 'faster_rcnn')
        plain, candidates = evidence.detected, evidence.candidates(0)
        assert len(evidence.detections(())) == len(plain) <= len(evidence.detections(LIMITS))
        assert len(evidence.detections(EVERYTHING)) >= len(candidates)
        likely = evidence.shares(candidates.scores[0], 0)
        assert likely.shape == (3,) and not likely.requires_grad and bool((likely > 0).all())
        assert evidence.candidates(0) is candidates
    if kind == 'yolox':
        assert evidence.cover.stride == 8
        # 128 x 90 pixels scaled by 1: points stand at multiples of 8.
        assert evidence.cover.boxes[1].tolist() == [8, 0, 8, 0]


def test_settings_by_the_first_name_that_there_is(faster_rcnn, picture):
    seen = ClassScores(3)
    with Tap(faster_rcnn.model, {'neck': faster_rcnn.model.neck}) as tap, Once(faster_rcnn.model) as once:
        with live_graph(seen):
            evidence = evidence_of(faster_rcnn, picture, tap, once, seen)
        assert evidence.setting(['no_such', 'score_thr']) == 0.05 and evidence.setting(['no_such']) == 0
