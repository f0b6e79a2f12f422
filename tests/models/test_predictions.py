"""What any network predicts, read off its data sample and brought into picture coordinates."""

import copy
import math

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement, InstanceData, PixelData

from mmlens.errors import ModelError
from mmlens.models.detector import Detector
from mmlens.models.families import as_network
from mmlens.models.loading import load_model, read_config
from mmlens.models.network import Network
from mmlens.models.predictions import Predictions

META = ('ori_shape', 'img_shape', 'scale_factor', 'flip', 'flip_direction')
RESIZE = dict(type='mmdet.Resize', scale=(64, 45))
FLIP = dict(type='mmdet.RandomFlip', prob=1.0)


class Told(BaseModel):
    """Returns the data fields it is told to."""

    def __init__(self, **fields):
        super().__init__(data_preprocessor=dict(type='mmdet.DetDataPreprocessor'))
        self.fields = fields

    def forward(self, inputs, data_samples=None, mode='tensor'):
        for sample in data_samples:
            sample.set_data(self.fields)
        return data_samples


class OfPoints(torch.nn.Module):
    def forward(self, packed, training):
        return dict(inputs=dict(points=packed['inputs']))


def told(steps=(), kind=Network, classes=(), **fields):
    from mmlens import compat
    from mmlens.models.inputs import default_scope

    compat.prepare()
    cfg = Config(dict(default_scope='mmdet'))
    with default_scope(cfg):
        model = Told(**fields)
    pack = dict(type='mmdet.PackDetInputs', meta_keys=META)
    cfg.test_pipeline = [dict(type='LoadImageFromFile'), *steps, pack]
    return kind(model, cfg, dict(classes=classes))


def predict(network, picture):
    with torch.no_grad():
        return network.predictions(network.prepare(picture))


def test_rotated_boxes_become_polygons_with_upright_boxes_around_them(picture):
    """A box 10 x 4 around (20, 30), a quarter turned; then mirrored in a picture 128 wide."""
    boxes = torch.tensor([[20, 30, 10, 4, math.pi / 2]])
    fields = dict(pred_instances=InstanceData(bboxes=boxes, scores=torch.ones(1), labels=torch.tensor([1])))
    found = predict(told(**fields), picture)
    torch.testing.assert_close(found.polygons, torch.tensor([[[22.0, 25], [22, 35], [18, 35], [18, 25]]]))
    torch.testing.assert_close(found.boxes, torch.tensor([[18.0, 25, 22, 35]]))
    mirrored = predict(told([FLIP], **fields), picture)
    torch.testing.assert_close(mirrored.polygons, torch.tensor([[[106.0, 25], [106, 35], [110, 35], [110, 25]]]))
    torch.testing.assert_close(mirrored.boxes, torch.tensor([[106.0, 25, 110, 35]]))


def test_boxes_of_four_corners_are_polygons(picture):
    corners = torch.tensor([[1.0, 2, 5, 2, 7, 9, 3, 9]])
    found = predict(told(pred_instances=InstanceData(bboxes=corners, scores=torch.ones(1))), picture)
    assert found.polygons.tolist() == [[[1, 2], [5, 2], [7, 9], [3, 9]]] and found.boxes.tolist() == [[1, 2, 7, 9]]
    assert found.labels.tolist() == [0]


def test_box_maps_refuse_rotated_boxes_and_name_what_draws_them(picture):
    boxes = torch.tensor([[20.0, 30, 10, 4, 0]])
    network = told(kind=Detector, pred_instances=InstanceData(bboxes=boxes, scores=torch.ones(1)))
    with pytest.raises(ModelError) as raised:
        network.predict(network.prepare(picture))
    assert str(raised.value) == ('Told returns rotated boxes: box maps need upright ones; `feature_maps()` draws them.')
    assert len(network.predictions(network.prepare(picture))) == 1


def test_objects_fall_in_score_and_keep_what_belongs_to_them(picture):
    instances = InstanceData(
        bboxes=torch.tensor([[0.0, 0, 1, 1], [2, 2, 3, 3], [4, 4, math.inf, 5]]),
        scores=torch.tensor([0.1, 0.9, 0.5]),
        labels=torch.tensor([3, 1, 2]),
        label_names=['a dog', 'a cat', 'nothing'],
        keypoints=torch.arange(12.0).reshape(3, 2, 2),
        keypoint_scores=torch.arange(6.0).reshape(3, 2),
    )
    network = told(pred_instances=instances, classes=list('wxyz'))
    found = predict(network, picture)
    assert found.positions.tolist() == [1, 0] and found.labels.tolist() == [1, 3]
    assert found.names == ['a cat', 'a dog']
    assert found.keypoints.tolist() == [[[4, 5], [6, 7]], [[0, 1], [2, 3]]]
    assert found.keypoint_scores.tolist() == [[2, 3], [0, 1]]
    prepared = network.prepare(picture)
    assert network.names_of(prepared, found) == found.names
    assert network.names_of(prepared, found.subset([1])) == ['a dog']
    found.names = None
    assert network.names_of(prepared, found) == ['x', 'z']
    found.labels = found.labels.float()  # as CrowdDet returns them
    assert network.names_of(prepared, found) == ['x', 'z']


def test_numpy_keypoints_alone_are_drawn_in_the_picture(picture):
    """mmpose returns arrays, and a box that the picture was given."""
    points = np.array([[[10, 20, 0.9], [30, 5, 0.8]]], np.float32)
    found = predict(told([FLIP], pred_instances=InstanceData(keypoints=points)), picture)
    assert found.keypoints.tolist() == [[[118, 20], [98, 5]]] and found.boxes.tolist() == [[98, 5, 118, 20]]
    given = InstanceData(keypoints=points, bboxes=np.array([[0, 0, 9, 9]]), bbox_scores=np.array([0.5]))
    found = predict(told(pred_instances=given), picture)
    assert found.boxes.tolist() == [[0, 0, 9, 9]] and found.scores.tolist() == [0.5]


def test_masks_alone_have_boxes_around_them(picture):
    mask = torch.zeros(1, 90, 128, dtype=torch.bool)
    mask[0, 10:20, 30:50] = True
    found = predict(told(pred_instances=InstanceData(masks=mask, scores=torch.ones(1))), picture)
    assert found.masks.shape == (1, 90, 128) and found.boxes.tolist() == [[30, 10, 50, 20]]


def test_objects_without_anything_to_draw_are_named_in_a_note(picture):
    instances = InstanceData(bboxes=torch.zeros(1, 7), scores=torch.ones(1))
    found = predict(told(pred_instances=instances), picture)
    assert not found.instances and len(found) == 0
    assert found.notes == ['Told describes the objects it finds by bboxes, scores, of which nothing can be drawn.']


def test_fields_that_are_not_known_are_named_in_a_note(picture):
    depth = PixelData(data=torch.zeros(1, 90, 128))
    found = predict(told(pred_depth_map=depth, pred_text='cat', gt_text='dog'), picture)
    assert found.notes == ['Told also returns pred_depth_map, pred_text, which cannot be drawn.']


def test_a_model_that_returns_no_sample_says_what_it_returns(picture):
    network = told()
    network.model._run_forward = lambda batch, mode: torch.zeros(3)
    found = predict(network, picture)
    assert found.notes == ['Told returns a Tensor, of which nothing can be drawn.'] and not found.instances


def test_panoptic_segments_are_classes_without_their_numbers(picture):
    """Class 1 twice, as objects 1 and 2; class 3 is stuff; 4 is mmdet's "none of them"."""
    segments = torch.zeros(1, 90, 128, dtype=torch.int32)
    segments[0, 0, :4] = torch.tensor([1001, 2001, 3, 4])
    network = told(pred_panoptic_seg=PixelData(sem_seg=segments), classes=['dog', 'cat', 'sky', 'sea'])
    network.model.panoptic_fusion_head = torch.nn.Module()
    network.model.panoptic_fusion_head.num_classes = 4
    found = predict(as_network(network.model, network.cfg, network.dataset_meta), picture)
    assert found.seg_map.dtype == torch.int64 and found.seg_map[0, :5].tolist() == [1, 1, 3, -1, 0]
    assert found.seg_names == ['dog', 'cat', 'sky', 'sea']


@pytest.mark.parametrize('field', ['sem_seg', 'data'])
def test_semantic_segments_of_either_package_lie_in_the_picture(field, picture):
    segments = torch.zeros(1, 90, 128)
    segments[0, :, :40] = 2
    found = predict(told([FLIP], pred_sem_seg=PixelData(**{field: segments})), picture)
    expected = segments[0].long() if field == 'data' else segments[0].long().flip(1)  # mmdet does not undo flips
    assert torch.equal(found.seg_map, expected) and found.seg_names == ['0', '1', '2']


def test_segments_of_an_odd_size_are_left_out_with_a_note(picture):
    found = predict(told(pred_sem_seg=PixelData(data=torch.zeros(1, 7, 9))), picture)
    assert found.seg_map is None
    assert found.notes == [
        'Told returns segments of 9 x 7 pixels, the size of neither the picture nor the input: they are left out.'
    ]


def test_scores_of_the_whole_picture(picture):
    found = predict(told(pred_score=torch.tensor([0.25, 0.75]), pred_label=torch.tensor([1])), picture)
    assert found.classes.tolist() == [0.25, 0.75] and not found.instances and not found.notes
    odd = predict(told(pred_score=BaseDataElement()), picture)
    assert odd.classes is None and odd.notes == [
        'Told returns scores that are not one number per class: they are left out.'
    ]


def test_what_a_model_raises_is_raised_as_it_is(picture):
    network = told()

    def fail(batch, mode):
        raise KeyError('flip_indices')

    network.model._run_forward = fail
    with pytest.raises(KeyError, match='flip_indices'):
        predict(network, picture)


def test_a_model_that_takes_no_pictures_is_one_sentence(picture):
    network = told()
    network.model.data_preprocessor = OfPoints()
    with pytest.raises(ModelError, match='^Told takes no single pictures'):
        network.prepare(picture)


def test_predictions_without_objects():
    found = Predictions.without_instances(['why'])
    assert len(found) == 0 and found.boxes.shape == (0, 4) and not found.instances and found.notes == ['why']


# Real models


def network_of(config_of, name, steps=None):
    cfg = read_config(config_of(name))
    if steps is not None:
        cfg.test_dataloader.dataset.pipeline = [dict(type='LoadImageFromFile'), *steps]
    model = load_model(cfg, None, 'cpu')
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, (2 / parameter[0].numel()) ** 0.5, generator=generator)
        if name == 'maskformer':  # queries that differ
            model.panoptic_head.query_embed.weight.mul_(20)
            model.panoptic_head.cls_embed.weight.mul_(20)
    return as_network(model)


def test_predictions_of_a_detector_are_those_that_box_maps_explain(yolox, yolov5, picture):
    for detector in (yolox, yolov5):
        prepared = detector.prepare(picture)
        with torch.no_grad():
            found, explained = detector.predictions(prepared), detector.predict(prepared)
        assert len(found) and torch.equal(found.boxes, explained.boxes) and torch.equal(found.scores, explained.scores)


@pytest.mark.parametrize('name', ['panoptic_fpn', 'maskformer'])
def test_panoptic_segments_are_what_mmdet_returns(name, config_of, picture):
    network = network_of(config_of, name)
    prepared = network.prepare(picture)
    with torch.no_grad():
        found = network.predictions(prepared)
        (sample,) = network.run(prepared)
    plain = sample.pred_panoptic_seg.sem_seg[0].long() % 1000
    assert found.seg_map.shape == (90, 128) and len(found.seg_map.unique()) > 1
    assert torch.equal(found.seg_map, torch.where(plain == 5, -1, plain))
    assert found.seg_names == ['cup', 'fork', 'knife', 'sky', 'grass'] and not found.notes and not found.instances


def test_segments_of_a_mirrored_picture_are_mirrored_back(config_of, picture):
    """The network sees the same as with the plain pipeline on a mirrored picture; so must its segments say."""
    resize, pack = dict(type='Resize', scale=(128, 96)), dict(type='PackDetInputs', meta_keys=META)
    plain = network_of(config_of, 'panoptic_fpn', [resize, pack])
    flipping = network_of(config_of, 'panoptic_fpn', [resize, dict(type='RandomFlip', prob=1.0), pack])
    theirs = predict(plain, np.ascontiguousarray(picture[:, ::-1])).seg_map
    assert len(theirs.unique()) > 1 and torch.equal(predict(flipping, picture).seg_map, theirs.flip(1))


def test_a_classifier_predicts_scores_of_the_picture(config_of, picture):
    network = network_of(config_of, 'classifier')
    prepared = network.prepare(picture)
    with torch.no_grad():
        found, logits = network.predictions(prepared), network.logits(prepared)
    torch.testing.assert_close(found.classes, logits[0].softmax(0))
    assert not found.instances and not found.notes


def test_running_leaves_the_samples_as_they_were(config_of, picture):
    network = network_of(config_of, 'maskformer')
    prepared = network.prepare(picture)
    keys = copy.deepcopy(prepared.batch['data_samples'][0].keys())
    predict(network, picture)
    network.run(prepared)
    assert prepared.batch['data_samples'][0].keys() == keys
