"""Which detections of two sides are the same object: by hand."""

import numpy as np
import torch

from mmlens.explain.same_objects import Found, change_between, match_sides
from mmlens.models.predictions import Predictions


def found(*detections):
    """Of ``(box, name, score)``."""
    boxes, names, scores = zip(*detections) if detections else ((), (), ())
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    return Found(Predictions(boxes, torch.tensor(scores), torch.zeros(len(scores), dtype=torch.int64)), names)


BOX, BESIDE = [0.0, 0, 10, 10], [50.0, 0, 60, 10]


def test_matches_by_hand():
    a = found((BOX, 'cup', 0.9), (BESIDE, 'cup', 0.6), (BOX, 'fork', 0.4), (BESIDE, 'knife', 0.2))
    b = found((BESIDE, 'fork', 0.8), ([0, 0, 10, 8], 'cup', 0.25), ([0, 0, 10, 4], 'fork', 0.7))
    # The cup is below the threshold in b alone; the fork of b lies elsewhere; the knife scores too little.
    expected = [(0, 1, None), (1, None, None), (2, None, None), (None, 0, None), (None, 2, None)]
    assert match_sides(a, b, 0.3) == expected
    assert match_sides(a, b, 0.85) == [(0, 1, None)]
    assert match_sides(found(), found(), 0.3) == []


def test_detections_are_matched_by_the_annotated_object_first():
    truth = [0.0, 0, 10, 12]
    a, b = found(([0, 0, 10, 8], 'cup', 0.9)), found(([0, 4, 10, 16], 'cup', 0.8))
    assert match_sides(a, b, 0.3) == [(0, None, None), (None, 0, None)]
    ((of_a, of_b, box),) = match_sides(a, b, 0.3, np.array([truth]), ['cup'])
    assert (of_a, of_b, box.tolist()) == (0, 0, truth)
    assert len(match_sides(a, b, 0.3, np.array([truth]), ['fork'])) == 2


def test_a_change_by_hand():
    one = np.array([[1.0, 1, 0, 0]])
    assert change_between(one, 3 * one) == 0
    assert change_between(one, np.array([[0, 0, 5.0, 0]])) == 1
    assert change_between(one, np.array([[0, 2.0, 2, 0]])) == 0.5
    assert (change_between(0 * one, one), change_between(0 * one, 0 * one)) == (1, 0)
