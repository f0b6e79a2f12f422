"""A detector and its pipeline as one: predictions in picture coordinates, whatever the pipeline did."""

import copy

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.structures import InstanceData

from mmlens import load_detector
from mmlens.errors import ModelError
from mmlens.models.detector import Detector, Predictions

RESIZE = dict(type='Resize', scale=(128, 128), keep_ratio=True)
SQUARE = dict(type='Pad', pad_to_square=True)


def predict(detector, picture, **extra):
    with torch.no_grad():
        return detector.predict(detector.prepare(picture, **extra))


def test_predictions_are_plain_inferences(yolox, faster_rcnn, picture):
    from mmdet.apis import inference_detector
    from mmengine.registry import DefaultScope

    for detector in (yolox, faster_rcnn):
        model = copy.copy(detector.model)
        model.cfg = copy.deepcopy(model.cfg)  # inference_detector changes it
        with DefaultScope.overwrite_default_scope('mmdet'):
            plain = inference_detector(model, picture).pred_instances
        found = predict(detector, picture)
        assert len(found) == len(plain) > 4
        order = plain.scores.argsort(descending=True, stable=True)
        assert torch.equal(found.scores, plain.scores[order])
        assert torch.equal(found.boxes, plain.bboxes[order])
        assert torch.equal(found.labels, plain.labels[order])


def test_predictions_fall_in_score(yolox, faster_rcnn, yolov5, picture):
    for detector in (yolox, faster_rcnn, yolov5):
        scores = predict(detector, picture).scores
        assert (scores[:-1] >= scores[1:]).all() and len(scores)


@pytest.mark.parametrize('direction', ['horizontal', 'vertical', 'diagonal'])
@pytest.mark.parametrize('order', ['before padding', 'after padding'])
@pytest.mark.parametrize('family', ['yolox', 'mask_rcnn'])
def test_boxes_and_masks_of_a_flipped_picture_are_flipped_back(direction, order, family, picture, request):
    """The network sees the same as with the plain pipeline on a mirrored picture; so must its boxes say."""
    model = request.getfixturevalue(family).model
    flip = dict(type='RandomFlip', prob=1.0, direction=direction)
    flipping = with_pipeline(model, [RESIZE, flip, SQUARE] if order == 'before padding' else [RESIZE, SQUARE, flip])
    mirror = {'horizontal': np.s_[:, ::-1], 'vertical': np.s_[::-1], 'diagonal': np.s_[::-1, ::-1]}[direction]
    height, width = picture.shape[:2]
    # Where the padding comes first, only a square picture is the same both ways; and mmdet pastes no mask
    # of a box that lies in the padding.
    if order == 'after padding' or family == 'mask_rcnn':
        picture = picture[:, :height]
        width = height
    theirs = predict(with_pipeline(model, [RESIZE, SQUARE]), np.ascontiguousarray(picture[mirror]))
    ours = predict(flipping, picture)
    assert torch.equal(ours.scores, theirs.scores) and torch.equal(ours.labels, theirs.labels)
    x1, y1, x2, y2 = theirs.boxes.unbind(1)
    if direction in ('horizontal', 'diagonal'):
        x1, x2 = width - x2, width - x1
    if direction in ('vertical', 'diagonal'):
        y1, y2 = height - y2, height - y1
    torch.testing.assert_close(ours.boxes, torch.stack([x1, y1, x2, y2], 1), atol=1e-3, rtol=0)
    if family == 'mask_rcnn':
        assert theirs.masks.any() and theirs.masks.shape[1:] == (height, width)
        np.testing.assert_array_equal(ours.masks.numpy(), theirs.masks.numpy()[(slice(None), *_both(mirror))])


def _both(mirror):
    return mirror if isinstance(mirror, tuple) else (mirror, slice(None))


@pytest.fixture(scope='module')
def mask_rcnn(faster_rcnn):
    cfg = copy.deepcopy(faster_rcnn.model.cfg)
    cfg.model.type = 'MaskRCNN'
    cfg.model.roi_head.mask_roi_extractor = copy.deepcopy(cfg.model.roi_head.bbox_roi_extractor)
    cfg.model.roi_head.mask_roi_extractor.roi_layer.output_size = 14
    cfg.model.roi_head.mask_head = dict(
        type='FCNMaskHead', num_convs=1, in_channels=16, conv_out_channels=16, num_classes=3
    )
    cfg.model.test_cfg.rcnn.mask_thr_binary = 0.5
    detector = load_detector(cfg, device='cpu')
    detector.model.load_state_dict(faster_rcnn.model.state_dict(), strict=False)
    return detector


def with_pipeline(model, steps):
    model = copy.copy(model)
    last = dict(type='mmdet.PackDetInputs', meta_keys=('ori_shape', 'img_shape', 'scale_factor'))
    model.cfg = Config(dict(default_scope='mmdet', test_pipeline=[dict(type='LoadImageFromFile'), *steps, last]))
    return Detector(model)


def test_boxes_of_a_cropped_picture_lie_in_the_whole(yolox, picture):
    crop = dict(type='mmcv.CenterCrop', crop_size=(96, 60))
    whole = predict(with_pipeline(yolox.model, [crop, RESIZE, SQUARE]), picture)
    cut = predict(with_pipeline(yolox.model, [RESIZE, SQUARE]), np.ascontiguousarray(picture[15:75, 16:112]))
    assert torch.equal(whole.scores, cut.scores)
    torch.testing.assert_close(whole.boxes, cut.boxes + torch.tensor([16.0, 15, 16, 15]), atol=1e-3, rtol=0)


def test_boxes_of_a_picture_resized_twice_lie_in_the_picture(yolox, picture):
    """mmdet forgets the first of two scales."""
    import cv2

    twice = predict(with_pipeline(yolox.model, [dict(type='Resize', scale=(64, 45)), RESIZE, SQUARE]), picture)
    small = predict(with_pipeline(yolox.model, [RESIZE, SQUARE]), cv2.resize(picture, (64, 45)))
    torch.testing.assert_close(twice.boxes, small.boxes * 2, atol=1e-3, rtol=0)


@pytest.mark.parametrize('half_pad_param', [False, True])
def test_letterboxed_boxes_are_left_to_the_model(half_pad_param, yolov5, picture, make_letterbox):
    """Half a pixel of the padding is the model's own rounding: its boxes are not touched."""
    pack = dict(type='mmdet.PackDetInputs', meta_keys=('ori_shape', 'img_shape', 'scale_factor', 'pad_param'))
    steps = make_letterbox(96, 96, half_pad_param=half_pad_param)
    model = copy.copy(yolov5.model)
    model.cfg = Config(dict(default_scope='mmyolo', test_pipeline=[dict(type='LoadImageFromFile'), *steps, pack]))
    detector = Detector(model)
    prepared = detector.prepare(picture)
    with torch.no_grad():
        boxes = detector.predict(prepared).boxes
        raw = model._run_forward(prepared.batch, mode='predict')[0].pred_instances
    assert len(boxes) and torch.equal(boxes, raw.bboxes)


def test_moved_boxes_keep_their_graph(yolox, picture):
    flip = dict(type='RandomFlip', prob=1.0)
    detector = with_pipeline(yolox.model, [RESIZE, flip, SQUARE])
    prepared = detector.prepare(picture)
    prepared.batch['inputs'].requires_grad_()
    width = (lambda box: box[2] - box[0])(detector.predict(prepared).boxes[0])
    (gradient,) = torch.autograd.grad(width, prepared.batch['inputs'])
    assert gradient.abs().sum() > 0


# Models of one's own


class Own(BaseModel):
    """Returns what it is told to."""

    def __init__(self, **found):
        super().__init__(data_preprocessor=dict(type='mmdet.DetDataPreprocessor'))
        self.found = found
        self.layer = torch.nn.Conv2d(3, 3, 1)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        self.layer(inputs)
        for sample in data_samples:
            if self.found:
                sample.pred_instances = InstanceData(**self.found)
        return data_samples


def own(**found):
    from mmlens.models.inputs import default_scope

    with default_scope(Config(dict(default_scope='mmdet'))):
        return with_pipeline(Own(**found), [RESIZE])


def test_boxes_at_infinity_and_scores_that_are_no_numbers_are_left_out(picture):
    boxes = torch.tensor([[0.0, 0, 9, 9], [0, 0, np.inf, 9], [1, 1, 8, 8], [0, np.nan, 5, 5]])
    scores = torch.tensor([0.5, 0.9, np.nan, 0.8])
    found = predict(own(bboxes=boxes, scores=scores, labels=torch.arange(4)), picture)
    assert found.labels.tolist() == [0]


def test_equal_scores_stay_in_order(picture):
    boxes = torch.arange(40.0).reshape(10, 4)
    found = predict(own(bboxes=boxes, scores=torch.full((10,), 0.5), labels=torch.arange(10)), picture)
    assert found.labels.tolist() == list(range(10))


def test_the_same_detections_are_found_in_another_order():
    def predictions(*found):
        boxes, scores, labels = zip(*found)
        return Predictions(torch.tensor(boxes), torch.tensor(scores), torch.tensor(labels))

    dog, cat, twin = ([1.0, 2, 30, 40], 0.8, 0), ([1.0, 2, 30, 40], 0.7, 1), ([1.0, 2, 30, 40], 0.5, 0)
    cup, vanished = ([50.0, 50, 60, 60], 0.7, 2), ([70.0, 70, 70, 90], 0.6, 2)
    found = predictions(dog, cat, cup, vanished, twin)
    moved = ([50.04, 50, 60, 59.95], 0.699, 2)
    assert found.match(predictions(twin, moved, dog, vanished, cat)) == [4, 2, 0, 3, 1]
    far, of_another_class = ([50.0, 50, 60, 60.2], 0.7, 2), ([50.0, 50, 60, 60], 0.7, 1)
    assert found.match(predictions(far, cup, of_another_class)) == [-1, 2, -1]
    assert found.subset([]).match(found) == [-1] * 5 and found.match(found.subset([])) == []
    assert found.subset([2, 0]).labels.tolist() == [2, 0]


def test_no_detection_is_no_error(picture):
    found = predict(own(bboxes=torch.zeros(0, 4), scores=torch.zeros(0), labels=torch.zeros(0).long()), picture)
    assert len(found) == 0 and found.boxes.shape == (0, 4)


def test_detections_without_boxes_are_refused(picture):
    with pytest.raises(ModelError, match='Own returns no boxes with scores'):
        predict(own(), picture)
    with pytest.raises(ModelError, match='Own returns no boxes with scores'):
        predict(own(labels=torch.zeros(1)), picture)


def test_rotated_boxes_are_refused(picture):
    with pytest.raises(ModelError, match='rotated boxes'):
        predict(own(bboxes=torch.zeros(1, 5), scores=torch.ones(1), labels=torch.zeros(1)), picture)


def test_models_without_a_config_or_that_are_no_detectors_are_refused(yolox):
    bare = copy.copy(yolox.model)
    del bare.cfg
    with pytest.raises(ModelError, match='carries no config'):
        Detector(bare)
    linear = torch.nn.Linear(1, 1)
    linear.cfg = yolox.model.cfg
    with pytest.raises(ModelError, match='Linear is not a detector of mmdet or mmyolo'):
        Detector(linear)


def test_a_wrapped_model_is_unwrapped(yolox):
    assert Detector(torch.nn.DataParallel(yolox.model)).model is yolox.model


def test_the_default_layer_is_the_neck_or_else_the_backbone(yolox):
    assert yolox.default_layers == ('neck',)
    bare = copy.copy(yolox.model)
    bare._modules = {name: module for name, module in bare._modules.items() if name != 'neck'}
    assert Detector(bare).default_layers == ('backbone',)


def test_a_config_changed_in_place_counts(yolox, picture):
    model = copy.copy(yolox.model)
    model.cfg = copy.deepcopy(model.cfg)
    assert Detector(model).prepare(picture).input_size == (128, 128)
    model.cfg.test_dataloader.dataset.pipeline[1].scale = (64, 64)
    assert Detector(model).prepare(picture).input_size == (64, 64)


def test_a_model_can_be_given_its_config_instead_of_carrying_it(yolox, picture):
    model = yolox.model
    kept = {name: model.__dict__.pop(name) for name in ('cfg', 'dataset_meta')}
    try:
        with pytest.raises(ModelError, match='carries no config'):
            Detector(model)
        alone = Detector(model, cfg=kept['cfg'], dataset_meta=dict(classes=('a', 'b', 'c')))
        assert alone.class_names == ['a', 'b', 'c'] and not hasattr(model, 'cfg')
        prepared = alone.prepare(picture)
        assert prepared.input_size == (128, 128)
    finally:
        model.__dict__.update(kept)
