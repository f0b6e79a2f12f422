"""Overlaps, and the score of a box: by hand."""

import numpy as np
import pytest

from mmlens.metrics import box_score, iou


def test_overlaps_by_hand():
    boxes = np.array([[1, 1, 3, 3], [5, 5, 6, 6], [0, 0, 2, 2], [1, 1, 1, 1]])
    np.testing.assert_allclose(iou([0, 0, 2, 2], boxes), [1 / 7, 0, 1, 0])
    assert iou([1, 1, 1, 1], boxes[3:]).tolist() == [0]
    assert iou([0, 0, 2, 2], np.zeros((0, 4))).shape == (0,)


def test_the_score_of_a_box_by_hand():
    boxes = np.array([[0, 0, 2, 2], [0, 0, 2, 1], [0, 0, 2, 2]], np.float32)
    labels, scores = np.array([1, 0, 0]), np.array([0.9, 0.8, 0.3], np.float32)
    assert box_score([0, 0, 2, 2], 0, boxes, labels, scores) == pytest.approx(0.4)
    assert box_score([0, 0, 2, 2], 1, boxes, labels, scores) == pytest.approx(0.9)
    assert box_score([0, 0, 2, 2], 2, boxes, labels, scores) == 0
    # IoU > 0.5 leaves out the box that covers half.
    assert box_score([0, 0, 2, 2], 0, boxes, labels, scores, least_overlap=0.5) == pytest.approx(0.3)
    assert box_score([0, 0, 2, 2], 0, np.zeros((0, 4)), np.zeros(0), np.zeros(0)) == 0


def test_the_score_is_that_of_a_loop():
    random = np.random.default_rng(0)
    low = random.random((30, 2))
    boxes, labels, scores = np.concatenate([low, low + 0.3], 1), random.integers(0, 3, 30), random.random(30)
    box = [0.2, 0.2, 0.7, 0.6]
    best = 0.0
    for (x1, y1, x2, y2), label, score in zip(boxes, labels, scores):
        shared = max(min(x2, 0.7) - max(x1, 0.2), 0) * max(min(y2, 0.6) - max(y1, 0.2), 0)
        union = 0.5 * 0.4 + (x2 - x1) * (y2 - y1) - shared
        best = max(best, shared / union * score) if label == 1 else best
    assert box_score(box, 1, boxes, labels, scores) == pytest.approx(best, abs=1e-9)
