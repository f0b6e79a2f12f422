"""The objects of a data sample in picture coordinates, worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData

from mmlens.models.geometry import Geometry, flipping
from mmlens.models.instances import instances_in_picture
from mmlens.models.prepared import Prepared

SIZE = (40, 60)


class Sample:
    """A data sample of one field."""

    def __init__(self, found, **metainfo):
        self.pred_instances = found
        self.metainfo = metainfo


def instances(**fields):
    return InstanceData(**fields)


def in_picture(found, geometry=None, positions=None):
    geometry = geometry or Geometry(np.eye(3), SIZE, SIZE)
    prepared = Prepared(np.zeros((*SIZE, 3), np.uint8), {}, geometry)
    return instances_in_picture(prepared, Sample(found, scale_factor=(1.0, 1.0)), positions)


BOXES = torch.tensor([[0.0, 0, 10, 20], [5, 5, 25, 15], [math.inf, 0, 1, 1], [1, 2, 3, 4]])
SCORES = torch.tensor([0.2, 0.9, 0.95, math.nan])


def test_the_best_come_first_and_what_overflowed_is_left_out():
    found = in_picture(instances(bboxes=BOXES, scores=SCORES, labels=torch.tensor([3, 1, 0, 2])))
    assert found.positions.tolist() == [1, 0]
    assert found.boxes.tolist() == [[5, 5, 25, 15], [0, 0, 10, 20]]
    assert (found.labels.tolist(), len(found.polygons or [])) == ([1, 3], 0)
    assert found.scores.tolist() == pytest.approx([0.9, 0.2]) and found.instances


def test_objects_may_be_asked_for_by_their_positions():
    found = in_picture(instances(bboxes=BOXES, scores=SCORES, labels=torch.arange(4)), positions=torch.tensor([3, 0]))
    assert found.labels.tolist() == [3, 0] and found.boxes[0].tolist() == [1, 2, 3, 4]


def test_what_is_not_said_is_one_score_and_the_first_class():
    found = in_picture(instances(bboxes=BOXES[:2]))
    assert (found.scores.tolist(), found.labels.tolist(), found.positions.tolist()) == ([1, 1], [0, 0], [0, 1])


def test_scores_of_boxes_count_where_those_of_objects_do_not_fit():
    points = torch.zeros(2, 5, 2)
    found = in_picture(instances(bboxes=BOXES[:2], scores=torch.zeros(2, 5), bbox_scores=SCORES[:2], keypoints=points))
    assert found.scores.tolist() == pytest.approx([0.9, 0.2])


@pytest.mark.parametrize('as_corners', [False, True])
def test_rotated_boxes_have_corners_and_upright_boxes_around_them(as_corners):
    """4 wide, 2 high around (10, 20), a quarter turn: x 9 to 11, y 18 to 22."""
    boxes = torch.tensor([[10.0, 20, 4, 2, math.pi / 2]])
    corners = [[11.0, 18], [11, 22], [9, 22], [9, 18]]
    boxes = torch.tensor(corners).reshape(1, 8) if as_corners else boxes
    found = in_picture(instances(bboxes=boxes, scores=torch.ones(1)))
    torch.testing.assert_close(found.polygons, torch.tensor([corners]))
    torch.testing.assert_close(found.boxes, torch.tensor([[9.0, 18, 11, 22]]))


def test_keypoints_alone_have_boxes_around_them():
    """As mmpose leaves them: numpy, with a third number that is no place."""
    points = np.array([[[3, 4, 9], [8, 1, 9]]], np.float64)
    found = in_picture(instances(keypoints=points, keypoint_scores=np.array([[0.5, 0.25]])))
    assert found.boxes.tolist() == [[3, 1, 8, 4]] and found.keypoints.tolist() == [[[3, 4], [8, 1]]]
    assert found.keypoint_scores.tolist() == [[0.5, 0.25]]


def test_masks_alone_have_boxes_around_them():
    masks = torch.zeros(1, *SIZE, dtype=torch.bool)
    masks[0, 5:15, 20:26] = True
    found = in_picture(instances(masks=masks, scores=torch.ones(1)))
    assert found.boxes.tolist() == [[20, 5, 26, 15]] and torch.equal(found.masks, masks)


@pytest.mark.parametrize(
    'fields', [dict(scores=torch.ones(2)), dict(bboxes=torch.zeros(2, 7)), dict(bboxes=torch.zeros(2, 3, 2))]
)
def test_objects_without_a_place_in_the_picture_are_none(fields):
    assert in_picture(instances(**fields)) is None


def test_names_that_the_model_gives_go_with_their_objects():
    found = in_picture(instances(bboxes=BOXES[:2], scores=SCORES[:2], label_names=['a dog', 'a cat']))
    assert found.names == ['a cat', 'a dog']


def test_what_the_model_left_mirrored_is_mirrored_back():
    """The input is the mirrored picture, 60 wide: x becomes 60 - x."""
    geometry = Geometry(flipping(SIZE, 'horizontal'), SIZE, SIZE)
    masks = torch.zeros(1, *SIZE, dtype=torch.bool)
    masks[0, :, :10] = True
    points = torch.tensor([[[2.0, 7.0]]])
    found = in_picture(instances(bboxes=BOXES[:1], scores=torch.ones(1), masks=masks, keypoints=points), geometry)
    torch.testing.assert_close(found.boxes, torch.tensor([[50.0, 0, 60, 20]]))
    assert found.masks[0, :, 50:].all() and not found.masks[0, :, :50].any()
    torch.testing.assert_close(found.keypoints, torch.tensor([[[58.0, 7.0]]]))


def test_boxes_keep_their_graph():
    boxes = BOXES[:2].clone().requires_grad_()
    in_picture(instances(bboxes=boxes, scores=SCORES[:2])).boxes[0, 2].backward()
    assert boxes.grad.tolist() == [[0, 0, 0, 0], [0, 0, 1, 0]]
