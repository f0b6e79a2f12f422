"""Post-processing opened: everything comes out, with the class asked for, and settings are as before afterwards."""

import copy

import pytest
import torch
from torch import nn

from mmlens.attribution.passes.once import Once
from mmlens.attribution.restore import evaluating
from mmlens.explain.opened import LIMITS, NMS, Opened, lifted_settings, suppression_off
from mmlens.explain.post_processing import settings_of

KINDS = ['yolox', 'yolov5', 'faster_rcnn', 'mask_rcnn', 'detr', 'dino']


@pytest.fixture
def detector(request):
    return request.getfixturevalue(request.param)


def candidates_of(detector, picture, label, **options):
    prepared = detector.prepare(picture)
    with evaluating(detector.model), Once(detector.model) as once, torch.no_grad():
        detector.predict(prepared)
        once.again()
        with Opened(detector.model, [label], 3, lambda: once.depth, **options).opened():
            return detector.predict(prepared)


# Cells of three levels of 128 x 128; of 96 x 96 with three anchors each; proposals; queries.
NUMBER = dict(yolox=16 * 16 + 64 + 16, yolov5=3 * (144 + 36 + 9), faster_rcnn=30, mask_rcnn=30, detr=10, dino=10)


@pytest.mark.parametrize('label', [0, 2])
@pytest.mark.parametrize(('detector', 'number'), list(NUMBER.items()), indirect=['detector'])
def test_every_candidate_comes_out_once_for_a_class(detector, number, label, picture):
    found = candidates_of(detector, picture, label)
    of_label = found.subset((found.labels == label).nonzero().flatten().tolist())
    assert len(of_label) == number
    # What the detector finds by itself is among it.
    with evaluating(detector.model), torch.no_grad():
        plain = detector.predict(detector.prepare(picture))
    wanted = plain.subset((plain.labels == label).nonzero().flatten().tolist())
    ranks = of_label.match(wanted)
    assert -1 not in ranks
    torch.testing.assert_close(of_label.scores[ranks], wanted.scores, rtol=0, atol=0)


@pytest.mark.parametrize('detector', KINDS, indirect=True)
def test_settings_are_as_before_also_after_an_error(detector):
    from mmcv.ops.nms import NMSop

    model, before = detector.model, copy.deepcopy([dict(each) for each in settings_of(detector.model)])
    modules = list(model.modules())
    with pytest.raises(ZeroDivisionError), Opened(model, [0], 3, lambda: 0).opened():
        assert [dict(each) for each in settings_of(model)] != before
        raise ZeroDivisionError
    assert [dict(each) for each in settings_of(model)] == before
    assert list(model.modules()) == modules and 'apply' not in vars(NMSop)


def test_proposals_are_chosen_as_before(faster_rcnn):
    model = faster_rcnn.model
    before = copy.deepcopy(dict(model.rpn_head.test_cfg))
    with lifted_settings(model):
        assert dict(model.rpn_head.test_cfg) == before == dict(model.test_cfg.rpn)
        assert model.roi_head.test_cfg.score_thr == 0 and model.roi_head.test_cfg.nms.iou_threshold == 2


def test_suppression_of_others_goes_on():
    from mmlens import compat

    compat.prepare()
    from mmcv.ops import nms

    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 1, 10, 10], [20, 0, 30, 10]])
    scores = torch.tensor([0.5, 0.9, 0.7])
    with suppression_off():
        assert nms(boxes, scores, 0.5)[1].tolist() == [1, 2]
        assert nms(boxes, scores, 2.0)[1].tolist() == [1, 2, 0]
    with suppression_off(lambda boxes, scores: (boxes[:, 0] < 5).nonzero().flatten()):
        assert nms(boxes, scores, 2.0)[1].tolist() == [1, 0]


class Head(nn.Module):
    """Three kinds of choices that heads make in their own code."""

    def forward(self, logits):
        sigmoid, softmax = logits.sigmoid(), torch.softmax(logits, -1)
        return sigmoid.max(1), (sigmoid > 0).nonzero(), softmax[:, :-1].max(1), logits.flatten().topk(100)


@pytest.mark.parametrize('label', [0, 1])
def test_choices_of_heads_by_hand(label):
    logits = torch.tensor([[3.0, 1.0, 0.0], [-1.0, 2.0, 0.0]])
    head, depth = Head(), [0]
    opened = Opened(head, [label], 3, lambda: depth[0])
    with opened.opened(), opened.opened():  # the inner one does nothing
        best, above, of_softmax, topk = head(logits)
        depth[0] = 1
        inside = logits.sigmoid()
    assert best[1].tolist() == [label, label]
    torch.testing.assert_close(best[0], logits.sigmoid()[:, label])
    assert above.tolist() == [[0, label], [1, label]]
    torch.testing.assert_close(of_softmax[0], logits.softmax(1)[:, label])
    assert len(topk[0]) == 6
    assert torch.equal(inside, logits.sigmoid())


def test_candidates_that_are_told_and_sigmoids_that_do_not_count():
    logits = torch.tensor([[3.0, 1.0, 0.0], [-1.0, 2.0, 0.0]])

    def rows(squashed):
        return (squashed == logits[1]).all(-1, keepdim=True).to(squashed).expand_as(squashed)

    with Opened(Head(), [0, 1], 3, lambda: 0).opened(rows):
        assert logits.sigmoid()[0].tolist() == [0, 0, 0] and bool((logits.sigmoid()[1, :2] > 0).all())
    with Opened(Head(), [0], 3, lambda: 0, only=1).opened():
        first, second = logits.sigmoid(), logits.sigmoid()
    assert bool((first > 0).all()) and second[:, 1:].tolist() == [[0, 0], [0, 0]]


def test_some_settings_alone(faster_rcnn):
    model = faster_rcnn.model
    own = model.roi_head.test_cfg
    with lifted_settings(model, LIMITS):
        assert own.max_per_img > 1000 and own.score_thr == 0.05 and own.nms.iou_threshold == 0.3
    with lifted_settings(model, [NMS]):
        assert own.max_per_img == 6 and own.score_thr == 0.05 and own.nms.iou_threshold == 2
    assert own.max_per_img == 6 and own.nms.iou_threshold == 0.3
