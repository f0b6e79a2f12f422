"""The gradient of mmcv's soft-NMS; its values are tested with the other kernels."""

import math
import sys

import pytest
import torch

# The first two overlap by 1/3, the third lies apart; the order of the scores is 1, 0, 2.
BOXES = torch.tensor([[0.0, 0, 2, 2], [1, 0, 3, 2], [8, 8, 9, 9]])
SCORES = torch.tensor([0.6, 0.8, 0.3])
FACTORS = {'linear': 2 / 3, 'gaussian': math.exp(-(1 / 9) / 0.5), 'naive': 0.0}


@pytest.mark.parametrize('method', FACTORS)
def test_a_score_is_followed_to_the_score_it_was_before(ops, method):
    boxes, scores = BOXES.clone().requires_grad_(), SCORES.clone().requires_grad_()
    dets, kept = ops.soft_nms(boxes, scores, 0.3, sigma=0.5, min_score=-1.0, method=method)
    assert kept.tolist() == ([1, 0, 2] if method != 'naive' else [1, 2, 0])
    weights = torch.tensor([1.0, 10, 100])[kept]
    by_score, by_box = torch.autograd.grad((dets[:, 4] * weights).sum() + 7 * dets[0, 2], [scores, boxes])
    torch.testing.assert_close(by_score, torch.tensor([FACTORS[method], 10.0, 100.0]))
    expected = torch.zeros(3, 4)
    expected[1, 2] = 7
    torch.testing.assert_close(by_box, expected)


def test_what_is_dropped_gets_nothing(ops):
    scores = SCORES.clone().requires_grad_()
    dets, kept = ops.soft_nms(BOXES, scores, 0.3, min_score=0.5, method='linear')
    assert kept.tolist() == [1]
    assert torch.autograd.grad(dets[:, 4].sum(), scores)[0].tolist() == [0, 1, 0]


def test_gradients_pass_batched_soft_nms(ops):
    boxes, scores = BOXES.clone().requires_grad_(), SCORES.clone().requires_grad_()
    labels = torch.tensor([0, 0, 1])
    dets, kept = ops.batched_nms(boxes, scores, labels, dict(type='soft_nms', iou_threshold=0.3, method='linear'))
    row = kept.tolist().index(0)
    by_score = torch.autograd.grad(dets[row, 4], scores)[0]
    torch.testing.assert_close(by_score, torch.tensor([2 / 3, 0, 0]))


def test_installing_twice_changes_nothing(ops):
    from mmlens.compat import mmcv_soft_nms

    op = sys.modules['mmcv.ops.nms'].SoftNMSop
    before = op.forward, op.backward
    mmcv_soft_nms.install()
    assert (op.forward, op.backward) == before


def test_an_mmcv_imported_before_is_served_too(fresh):
    done = fresh(
        'from mmlens.compat import mmcv_ops\n'
        'mmcv_ops.install()\n'
        'from mmcv.ops import soft_nms\n'
        'import torch\n'
        'from mmlens import compat\n'
        'compat.prepare()\n'
        'scores = torch.tensor([0.5], requires_grad=True)\n'
        'dets, _ = soft_nms(torch.tensor([[0.0, 0, 2, 2]]), scores, 0.3)\n'
        'dets[0, 4].backward()\n'
        'assert scores.grad.item() == 1\n'
    )
    assert done.returncode == 0, done.stderr
