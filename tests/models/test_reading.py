"""What is read off a data sample, and what is said of the rest."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.structures import BaseDataElement, InstanceData, PixelData

from mmlens.models.geometry import Geometry
from mmlens.models.prepared import Prepared
from mmlens.models.reading import read_predictions

SIZE = (4, 6)


class Speaker:
    """What a network says of itself."""

    name = 'Net'
    pixel_classes = 3
    class_names = ('sky', 'sea')
    skeleton = ((0, 1),)

    def class_name(self, label):
        return self.class_names[label] if label < len(self.class_names) else str(label)


def read(returned, network=None):
    prepared = Prepared(np.zeros((*SIZE, 3), np.uint8), {}, Geometry(np.eye(3), SIZE, SIZE))
    return read_predictions(network or Speaker(), prepared, returned)


def sample(**fields):
    found = BaseDataElement(metainfo=dict(scale_factor=(1.0, 1.0), ori_shape=SIZE, img_shape=SIZE))
    found.set_data(fields)
    return found


@pytest.mark.parametrize('returned', [dict(loss=1), torch.zeros(2), [1, 2], None])
def test_what_is_no_sample_is_named(returned):
    found = read(returned)
    assert found.notes == [f'Net returns a {type(returned).__name__}, of which nothing can be drawn.']
    assert not found.instances and found.seg_map is None and found.classes is None


def test_a_sample_that_says_nothing_is_nothing():
    found = read(sample())
    assert (len(found), found.instances, found.notes, found.seg_names) == (0, False, [], [])


def test_fields_that_cannot_be_drawn_are_named_once_in_order():
    found = read(sample(pred_track=BaseDataElement(), pred_depth=BaseDataElement(), gt_label=1, pred_label=1))
    assert found.notes == ['Net also returns pred_depth, pred_track, which cannot be drawn.']


def test_objects_without_a_place_are_described_by_what_they_have():
    found = read(sample(pred_instances=InstanceData(scores=torch.ones(2), texts=['a', 'b'])))
    assert found.notes == ['Net describes the objects it finds by scores, texts, of which nothing can be drawn.']
    assert not found.instances


def test_a_skeleton_goes_with_keypoints_only():
    boxes = torch.tensor([[0.0, 0, 2, 2]])
    assert read(sample(pred_instances=InstanceData(bboxes=boxes))).skeleton == []
    points = InstanceData(bboxes=boxes, keypoints=torch.ones(1, 2, 2))
    assert read(sample(pred_instances=points)).skeleton == ((0, 1),)


LABELS = torch.tensor([[0, 1, 2, 0, 1, 2]] * 4)


@pytest.mark.parametrize(
    'field', [dict(pred_sem_seg=PixelData(data=LABELS[None])), dict(pred_sem_seg=PixelData(sem_seg=LABELS[None]))]
)
def test_semantic_segments_of_either_package(field):
    found = read(sample(**field))
    assert torch.equal(found.seg_map, LABELS) and found.seg_names == ['sky', 'sea', '2']


def test_panoptic_segments_lose_the_numbers_of_their_objects():
    """1000 times the object's number plus the class; 3 is mmdet's `none of them` for three classes."""
    panoptic = LABELS + 1000 * torch.arange(6)
    panoptic[0, 0] = 3
    found = read(sample(pred_panoptic_seg=PixelData(sem_seg=panoptic[None]), pred_sem_seg=PixelData(data=LABELS * 0)))
    expected = LABELS.clone()
    expected[0, 0] = -1
    assert torch.equal(found.seg_map, expected)


def test_a_network_that_does_not_know_its_classes_keeps_all():
    network = Speaker()
    network.pixel_classes = None
    found = read(sample(pred_sem_seg=PixelData(data=LABELS[None] + 5)), network)
    assert int(found.seg_map.max()) == 7 and len(found.seg_names) == 8


def test_one_class_means_it_or_nothing():
    """A binary segmentor of one class returns 0 and 1."""
    network = Speaker()
    network.pixel_classes = 1
    assert read(sample(pred_sem_seg=PixelData(data=LABELS[None] % 2)), network).seg_map.unique().tolist() == [0, 1]


def test_segments_of_another_size_are_left_out_with_a_note():
    found = read(sample(pred_sem_seg=PixelData(data=torch.zeros(1, 3, 5).long())))
    assert found.seg_map is None and found.seg_names == []
    assert found.notes == [
        'Net returns segments of 5 x 3 pixels, the size of neither the picture nor the input: they are left out.'
    ]


def test_scores_of_the_picture_are_one_number_a_class():
    scores = torch.tensor([0.2, 0.5, 0.3])
    assert torch.equal(read(sample(pred_score=scores)).classes, scores)
    for other in (torch.zeros(3, 2), dict(a=scores)):
        found = read(sample(pred_score=other))
        assert found.classes is None
        assert found.notes == ['Net returns scores that are not one number per class: they are left out.']
