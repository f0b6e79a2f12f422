"""Masks as what is explained, of three kinds of heads."""

import copy
import importlib

import numpy as np
import pytest
import torch

from mmlens import explain_boxes
from mmlens.attribution.layers import resolve_layers
from mmlens.attribution.methods import get_method
from mmlens.attribution.tap import Tap
from mmlens.errors import MethodError, MmlensError, ModelError
from mmlens.explain.mask_targets import MaskTargets

KINDS = ('mask_rcnn', 'rtmdet_ins', 'solo')


def build(config_of, kind):
    from mmlens import load_detector

    detector = load_detector(copy.deepcopy(config_of(kind)), device='cpu')
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in detector.model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, (2 / parameter[0].numel()) ** 0.5, generator=generator)
        if kind == 'mask_rcnn':
            detector.model.roi_head.bbox_head.fc_cls.weight.mul_(0.1)
            detector.model.roi_head.bbox_head.fc_reg.weight.mul_(0.02)
            detector.model.rpn_head.rpn_reg.weight.mul_(0.1)
        elif kind == 'rtmdet_ins':
            for kernels in detector.model.bbox_head.rtm_kernel:
                kernels.weight.mul_(100)
        else:
            for conv in detector.model.mask_head.conv_mask_list:
                conv.weight.normal_(0, 1, generator=generator)
    return detector


@pytest.fixture(scope='module')
def detectors(config_of):
    return {kind: build(config_of, kind) for kind in KINDS}


def values_of(detector, picture, region=None, topk=2):
    """The scalars, and the predicted masks."""
    targets = MaskTargets(detector, picture, 'mask', lambda found: list(range(min(topk, len(found)))), region=region)
    with Tap(detector.model, resolve_layers(detector.model, ['neck'])) as tap:
        scalars = targets.scalars(tap)
    masks = [targets.found.masks[rank].numpy().astype(bool) for rank in targets.ranks]
    return [float(scalar) for scalar in scalars], masks, targets


@pytest.mark.parametrize('kind', KINDS)
def test_every_mask_has_a_map_of_its_own(detectors, kind, picture):
    found = explain_boxes(detectors[kind], picture, target='mask', score_thr=0.0, topk=2)
    assert len(found) == 2 and found.target == 'mask'
    for box in found:
        assert box.blank is None and box.raw.shape == picture.shape[:2] and box.mask.any()
    assert not np.array_equal(found[0].raw, found[1].raw)


@pytest.mark.parametrize('kind', KINDS)
def test_masks_are_above_their_threshold_inside_and_below_outside(detectors, kind, picture):
    inside, masks, _ = values_of(detectors[kind], picture, topk=1)
    outside, _, _ = values_of(detectors[kind], picture, region=~masks[0], topk=1)
    assert inside[0] > 0
    assert outside[0] < 0 or not (~masks[0]).any()


@pytest.mark.parametrize('kind', KINDS)
def test_means_of_parts_make_the_mean_of_the_whole(detectors, kind, picture):
    whole, masks, _ = values_of(detectors[kind], picture, topk=1)
    upper = masks[0].copy()
    upper[np.nonzero(masks[0])[0].min() + 3 :] = False
    lower = masks[0] & ~upper
    parts = [values_of(detectors[kind], picture, region=each, topk=1)[0][0] for each in (upper, lower)]
    weighted = (parts[0] * upper.sum() + parts[1] * lower.sum()) / masks[0].sum()
    assert whole[0] == pytest.approx(weighted, rel=1e-4)


def test_the_mean_is_that_of_what_was_pasted(detectors, picture, monkeypatch):
    head = importlib.import_module('mmdet.models.roi_heads.mask_heads.fcn_mask_head')
    paste, pasted = head._do_paste_mask, []

    def record(*arguments, **options):
        found = paste(*arguments, **options)
        pasted.append(found[0].detach().double().numpy())
        return found

    monkeypatch.setattr(head, '_do_paste_mask', record)
    values, _, targets = values_of(detectors['mask_rcnn'], picture, topk=6)
    for value, position in zip(values, targets.found.positions.tolist()):
        p = pasted[position][pasted[position] >= 0.5]
        assert value == pytest.approx(np.log(p / (1 - p)).mean(), rel=1e-4)


def test_detectors_without_masks_are_told(yolox, picture):
    with pytest.raises(ModelError, match='predicts no masks: choose another `target`'):
        explain_boxes(yolox, picture, target='mask', score_thr=0.0)


@pytest.mark.parametrize('method', ['ablationcam', 'drise', 'integratedgradients'])
def test_methods_of_many_passes_say_why_not(detectors, picture, method):
    with pytest.raises(MethodError, match=r'method of one pass|scores and overlaps only'):
        explain_boxes(detectors['solo'], picture, target='mask', method=method)
    with pytest.raises(MethodError, match='leave out `smooth_grad`'):
        explain_boxes(detectors['solo'], picture, target='mask', smooth_grad=2, score_thr=0.0)


def test_wrong_regions_and_contrasts_are_told(detectors, picture):
    with pytest.raises(MmlensError, match='`region` must be a mask'):
        explain_boxes(detectors['solo'], picture, target='mask', region=np.zeros(picture.shape[:2], bool))
    with pytest.raises(MmlensError, match='`region` is 3 x 3 pixels, and the picture is 128 x 90'):
        explain_boxes(detectors['solo'], picture, target='mask', score_thr=0.0, region=np.ones((3, 3), bool))
    with pytest.raises(MmlensError, match="needs the `target` 'mask'"):
        explain_boxes(detectors['solo'], picture, region=np.ones(picture.shape[:2], bool))
    with pytest.raises(MmlensError, match='`against` contrasts'):
        explain_boxes(detectors['solo'], picture, target='mask', against='auto')


def test_a_region_without_any_prediction_gives_a_blank_map_with_a_reason(detectors, picture):
    found = explain_boxes(detectors['mask_rcnn'], picture, score_thr=0.0, topk=1)
    x1, y1, x2, y2 = found[0].box
    region = np.zeros(picture.shape[:2], bool)
    region[0, 0] = True
    if x1 <= 2 and y1 <= 2:
        region = np.roll(region, (-1, -1), (0, 1))
    (box,) = explain_boxes(detectors['mask_rcnn'], picture, target='mask', region=region, score_thr=0.0, topk=1)
    assert 'was not predicted in the region' in box.blank and not box.raw.any()


def test_the_detector_is_given_back_as_it_was(detectors, picture):
    model = detectors['rtmdet_ins'].model
    before = [(p.requires_grad, p.grad) for p in model.parameters()]
    MaskTargets(detectors['rtmdet_ins'], picture, 'mask', lambda found: []).check(get_method('evidencecam'))
    explain_boxes(detectors['rtmdet_ins'], picture, target='mask', score_thr=0.0, topk=1)
    assert [(p.requires_grad, p.grad) for p in model.parameters()] == before
    assert not any(module._forward_hooks for module in model.modules())
