"""Which candidate stands for a box, worked out by hand, and what is no box at all."""

import numpy as np
import pytest
import torch

from mmlens.errors import MmlensError, PictureError
from mmlens.explain.given import best_candidate, check_boxes, check_in_picture, one_each

GIVEN = torch.tensor([0.0, 0, 10, 10])


def of_height(*heights):
    """Boxes of the given one's left, top and right edges: their IoU with it is their height, in tenths."""
    return torch.tensor([[0.0, 0, 10, height] for height in heights])


@pytest.mark.parametrize(
    ('heights', 'scores', 'position', 'rank'),
    [
        ((10, 9.9), (0.1, 0.9), 0, 1),  # exactly a candidate's: nothing else counts
        ((9, 7.3), (0.1, 0.9), 1, 0),  # 0.9: at least 0.72 lies as well
        ((9, 7.3, 7.25), (0.1, 0.2, 0.9), 2, 0),
        ((9, 7.1), (0.1, 0.9), 0, 1),
        ((9.99, 9.81), (0.1, 0.9), 1, 0),  # 0.999: at least 0.98
        ((9.99, 9.7), (0.1, 0.9), 0, 1),
        ((9.9, 8.0), (0.1, 0.9), 1, 0),  # 0.99: at least 0.8, and 0.792
        ((5, 4.1), (0.1, 0.9), 1, 0),  # 0.5: at least 0.4
        ((5, 3.9), (0.1, 0.9), 0, 1),
        ((9, 9), (0.3, 0.4), 1, 0),
    ],
)
def test_the_candidate_by_hand(heights, scores, position, rank):
    best = best_candidate(of_height(*heights), torch.tensor(scores), GIVEN)
    assert (best.position, best.rank) == (position, rank)
    assert best.overlap == pytest.approx(heights[position] / 10)


@pytest.mark.parametrize(
    'boxes', [torch.zeros(0, 4), torch.tensor([[20.0, 20, 30, 30]]), torch.tensor([[5.0, 5, 5, 5]])]
)
def test_nothing_stands_for_a_box_that_nothing_overlaps(boxes):
    assert best_candidate(boxes, torch.ones(len(boxes)), GIVEN) is None


def test_boxes_as_they_may_come():
    assert check_boxes([[1, 2, 3, 4]], ['cup']).tolist() == [[1, 2, 3, 4]]
    assert check_boxes(np.ones((0, 4)), []).shape == (0, 4) == check_boxes([], 'cup').shape
    assert check_boxes([np.array([1, 2, 3, 4], np.float32)] * 2, 0).shape == (2, 4)
    assert one_each('cup', 2) == ['cup', 'cup'] and one_each((1, 'cup'), 2) == [1, 'cup']


@pytest.mark.parametrize(
    ('boxes', 'labels', 'sentence'),
    [
        (
            [1, 2, 3, 4],
            'cup',
            '`boxes` must be a list of boxes, each of four numbers: x1, y1, x2, y2 in picture pixels.',
        ),
        ([[1, 2, 3, 4], [1]], 'cup', '`boxes` must be a list of boxes'),
        ('a box', 'cup', '`boxes` must be a list of boxes'),
        ([[1, 2, 3, 4]], None, '`boxes` need `labels`'),
        ([[1, 2, 3, 4]], ['cup', 'cup'], 'There are 1 box and 2 classes: give each box its class.'),
        ([[1, 2, 3, 4], [5, 5, 5, 9]], 'cup', 'Box 1 (5, 5, 5, 9) has no area: x1 must be less than x2, and y1 less'),
        ([[1, 2, float('nan'), 4]], 'cup', 'Box 0 (1, 2, nan, 4) is none: its edges must be finite numbers.'),
    ],
)
def test_what_is_no_box(boxes, labels, sentence):
    with pytest.raises(MmlensError) as raised:
        check_boxes(boxes, labels)
    assert str(raised.value).startswith(sentence)


@pytest.mark.parametrize('box', [[20, 0, 30, 5], [0, 10, 5, 30], [-9, 0, 0, 5], [0, -9, 5, 0]])
def test_a_box_outside_the_picture(box):
    picture = np.zeros((10, 20, 3), np.uint8)
    check_in_picture(np.array([[19.5, 9.5, 99, 99]]), picture)
    with pytest.raises(PictureError, match='lies outside the picture, which has 20 x 10 pixels'):
        check_in_picture(np.array([box], float), picture)
