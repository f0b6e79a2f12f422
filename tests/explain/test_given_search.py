"""The search for candidates: sigmoids of boxes that look like those of classes, and masks of a few candidates only."""

import copy

import numpy as np
import pytest
import torch

from mmlens import explain_boxes, load_detector
from mmlens.attribution.class_scores import ClassScores
from mmlens.attribution.graph import live_graph
from mmlens.attribution.passes.once import Once
from mmlens.attribution.tap import Tap
from mmlens.explain.given_search import Nearest, Search
from mmlens.models.geometry import Geometry


@pytest.fixture(scope='module')
def four_classes(yolov5):
    """The tiny YOLOv5 with as many classes as a box has numbers, which go through a sigmoid too."""
    config = copy.deepcopy(yolov5.cfg)
    config.model.bbox_head.head_module.num_classes = 4
    detector = load_detector(config, device='cpu')
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in detector.model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, (2 / parameter[0].numel()) ** 0.5, generator=generator)
    return detector


def test_coordinates_are_no_classes(four_classes, picture):
    found = explain_boxes(four_classes, picture, score_thr=0.0)
    given = explain_boxes(four_classes, picture, boxes=[b.box for b in found], labels=[b.label for b in found])
    for one, other in zip(found, given):
        assert other.index == one.index and other.overlap == pytest.approx(1, abs=1e-5)
        np.testing.assert_array_equal(other.raw, one.raw)


@pytest.mark.parametrize('kind', ['yolox', 'faster_rcnn', 'detr'])
def test_candidates_are_told_by_their_logits(kind, request, picture):
    detector = request.getfixturevalue(kind)
    with Tap(detector.model, {'neck': detector.model.neck}):
        seen = ClassScores(3)
        search = Search(detector, detector.prepare(picture), seen)
        with Once(detector.model) as once, live_graph(seen):
            found = search.run(once, np.array([[0.0, 0, 128, 90]] * 2), [0, 2])
        rows = search.rows(found.candidates)
        kept = rows([each.logits for each in seen.seen if each.logits.ndim < 4][-1]).flatten(0, -2)
    assert set(kept[:, 1].tolist()) == {0.0}
    assert int(kept[:, 0].sum()) >= 1 and int(kept[:, 2].sum()) >= 1
    assert kept[:, 3:].eq(1).all()  # the background's
    assert [best.rank >= 0 for best in found.best] == [True, True]


class Placed:
    """A picture of 100 x 200 in an input of twice its size."""

    geometry = Geometry(np.diag([2.0, 2, 1]), (100, 200), (200, 400))


def test_boxes_about_the_given_one_in_either_frame():
    nearest = Nearest(Placed(), torch.tensor([[10.0, 10, 20, 20]]))
    boxes = torch.tensor([[10.0, 10, 20, 20], [20, 20, 40, 40], [100, 100, 120, 120], [0, 0, 0, 0]])
    scores = torch.arange(4.0)
    assert nearest(boxes, scores).tolist() == [0, 1]
    assert nearest.scores is scores


def test_a_detected_candidate_keeps_its_mask(mask_rcnn, picture):

    detector = mask_rcnn
    found = explain_boxes(detector, picture, score_thr=0.0, topk=2)
    given = explain_boxes(detector, picture, boxes=[b.box for b in found], labels=[b.label for b in found])
    for one, other in zip(found, given):
        np.testing.assert_array_equal(other.mask, one.mask)
