from __future__ import annotations

import math

import numpy as np
import pytest
import torch


def slow_iou(a, b, offset=0):
    width = min(a[2], b[2]) - max(a[0], b[0]) + offset
    height = min(a[3], b[3]) - max(a[1], b[1]) + offset
    shared = max(width, 0) * max(height, 0)
    sizes = [(box[2] - box[0] + offset) * (box[3] - box[1] + offset) for box in (a, b)]
    return shared / (sum(sizes) - shared)


def slow_nms(boxes, scores, threshold, offset=0):
    kept = []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        if all(slow_iou(boxes[i], boxes[j], offset) <= threshold for j in kept):
            kept.append(i)
    return kept


def slow_soft_nms(boxes, scores, threshold, sigma, min_score, method, offset=0):
    scores, left, taken = list(scores), list(range(len(boxes))), []
    while left:
        best = max(left, key=lambda i: scores[i])
        left.remove(best)
        taken.append((best, scores[best]))
        for i in list(left):
            overlap = slow_iou(boxes[best], boxes[i], offset)
            if method == 'gaussian':
                scores[i] *= math.exp(-(overlap**2) / sigma)
            elif overlap >= threshold:
                scores[i] *= (1 - overlap) if method == 'linear' else 0
            if scores[i] < min_score:
                left.remove(i)
    return [i for i, _ in taken], [score for _, score in taken]


def random_boxes(count, dtype=torch.float32):
    corner = torch.rand(count, 2, dtype=dtype) * 20
    return torch.cat([corner, corner + 2 + torch.rand(count, 2, dtype=dtype) * 20], dim=1), torch.rand(
        count, dtype=dtype
    )


@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('threshold', [0.2, 0.5, 0.8])
def test_nms_keeps_what_a_loop_keeps(ops, offset, threshold):
    boxes, scores = random_boxes(60)
    dets, kept = ops.nms(boxes, scores, threshold, offset)
    assert kept.tolist() == slow_nms(boxes.tolist(), scores.tolist(), threshold, offset)
    assert torch.equal(dets, torch.cat([boxes, scores[:, None]], 1)[kept])


def test_the_offset_of_nms_decides_about_touching_pixels(ops):
    # Widths 2 and 2, sharing 1: IoU 1/3. As pixels, with offset 1: widths 3 and 3, sharing 2: IoU 1/2.
    boxes = torch.tensor([[0.0, 0, 2, 2], [1, 0, 3, 2]])
    scores = torch.tensor([0.9, 0.8])
    assert len(ops.nms(boxes, scores, 0.4, offset=0)[1]) == 2
    assert len(ops.nms(boxes, scores, 0.4, offset=1)[1]) == 1


def test_nms_takes_half_precision_numpy_and_nothing(ops):
    boxes, scores = random_boxes(20)
    expected = ops.nms(boxes.half().float(), scores, 0.5)[1].tolist()
    assert ops.nms(boxes.half(), scores, 0.5)[1].tolist() == expected
    assert ops.nms(boxes.numpy(), scores.numpy(), 0.5)[1].tolist() == ops.nms(boxes, scores, 0.5)[1].tolist()
    assert ops.nms(boxes[:0], scores[:0], 0.5)[1].tolist() == []


def test_batched_nms_works_class_by_class(ops):
    boxes, scores = random_boxes(60)
    labels = torch.arange(60) % 3
    _, kept = ops.batched_nms(boxes, scores, labels, dict(type='nms', iou_threshold=0.4))
    expected = []
    for label in range(3):
        places = torch.where(labels == label)[0]
        expected += places[slow_nms(boxes[places].tolist(), scores[places].tolist(), 0.4)].tolist()
    assert kept.tolist() == sorted(expected, key=lambda i: -scores[i])


@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('method', ['naive', 'linear', 'gaussian'])
def test_soft_nms_rescores_as_a_loop_does(ops, method, offset):
    boxes, scores = random_boxes(40, torch.float64)
    dets, kept = ops.soft_nms(boxes, scores, 0.3, sigma=0.4, min_score=0.05, method=method, offset=offset)
    expected, rescored = slow_soft_nms(boxes.tolist(), scores.tolist(), 0.3, 0.4, 0.05, method, offset)
    assert kept.tolist() == expected
    assert 1 < len(kept) < 40
    np.testing.assert_allclose(dets[:, 4].numpy(), rescored, rtol=1e-12)
    assert torch.equal(dets[:, :4], boxes[kept])


def test_soft_nms_by_hand(ops):
    # The second box shares half of itself with the first: IoU 8 / 24 = 1/3, its score falls to 0.6 * 2/3.
    boxes = torch.tensor([[0.0, 0, 4, 4], [2, 0, 6, 4], [20, 20, 24, 24]])
    dets, kept = ops.soft_nms(boxes, torch.tensor([0.9, 0.6, 0.5]), 0.3, method='linear')
    assert kept.tolist() == [0, 2, 1]
    np.testing.assert_allclose(dets[:, 4].numpy(), [0.9, 0.5, 0.4], rtol=1e-6)
    assert len(ops.soft_nms(boxes[:0], torch.zeros(0))[1]) == 0


def test_nms_match_groups_every_box_once(ops):
    boxes, scores = random_boxes(40)
    groups = [group.tolist() for group in ops.nms_match(torch.cat([boxes, scores[:, None]], 1), 0.4)]
    assert sorted(sum(groups, [])) == list(range(40))
    assert [group[0] for group in groups] == slow_nms(boxes.tolist(), scores.tolist(), 0.4)
    for first, *others in groups:
        assert all(slow_iou(boxes[first].tolist(), boxes[i].tolist()) >= 0.4 for i in others)
        assert others == sorted(others, key=lambda i: -scores[i])
