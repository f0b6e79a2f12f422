"""mmdet's post-processing, with lower thresholds and with its choices kept; afterwards it is as before."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from mmlens.attribution.passes.selection import Selection
from mmlens.explain.post_processing import following_post_processing, lowered_thresholds, settings_of


class Settings(dict):
    """mmengine's ConfigDict stands for any dict."""


def model_of(**settings):
    model = nn.Sequential(nn.Identity(), nn.Identity())
    model.test_cfg = Settings(rcnn=dict(score_thr=0.05, nms=dict(type='nms')), rpn=dict(nms_pre=1000))
    model[0].test_cfg = model.test_cfg['rcnn']  # a part shares the settings of the whole
    model[1].test_cfg = settings
    return model


def test_settings_are_found_at_any_depth_each_once():
    model = model_of(score_thr=0.3, stages=[dict(score_thr=0.7)])
    found = list(settings_of(model))
    assert len(found) == len({id(each) for each in found}) == 5
    for each in (model.test_cfg, model.test_cfg['rcnn'], model.test_cfg['rcnn']['nms'], model[1].test_cfg):
        assert any(each is one for one in found)


@pytest.mark.parametrize('fails', [False, True])
def test_thresholds_are_low_within_and_as_before_after(fails):
    model = model_of(score_thr=0.0001, mask_thr_binary=0.5)
    before = copy.deepcopy([dict(each) for each in settings_of(model)])
    try:
        with lowered_thresholds(model):
            assert model.test_cfg['rcnn']['score_thr'] == model[0].test_cfg['score_thr'] == 1e-3
            assert model[1].test_cfg == dict(score_thr=0.0001, mask_thr_binary=0.5)  # low already
            if fails:
                raise ZeroDivisionError
    except ZeroDivisionError:
        assert fails
    assert [dict(each) for each in settings_of(model)] == before


def test_a_detector_finds_more_below_its_threshold(yolox, picture):
    detector = copy.copy(yolox)
    detector.model = copy.deepcopy(yolox.model)
    detector.model.test_cfg = detector.model.bbox_head.test_cfg = copy.deepcopy(yolox.model.test_cfg)
    detector.model.test_cfg.score_thr = 0.9999
    prepared = detector.prepare(picture)
    with torch.no_grad():
        assert len(detector.predict(prepared)) == 0
        with lowered_thresholds(detector.model):
            found = detector.predict(prepared)
        assert len(detector.predict(prepared)) == 0
    assert len(found) > 0 and float(found.scores.max()) < 0.9999


# Two pairs of boxes that overlap by more than half, in falling score.
BOXES = torch.tensor([[0.0, 0, 10, 10], [0, 1, 10, 10], [20, 0, 30, 10], [20, 0, 30, 9]])


@pytest.fixture
def nms():
    from mmlens import compat

    compat.prepare()
    from mmcv.ops import nms, soft_nms

    return nms, soft_nms


def test_suppression_chooses_again_what_it_chose_first(nms):
    hard, _ = nms
    selection = Selection(lambda: 0)
    first, second = torch.tensor([0.9, 0.8, 0.7, 0.6]), torch.tensor([0.1, 0.8, 0.2, 0.6])
    assert hard(BOXES, first, 0.5)[1].tolist() == [0, 2] and hard(BOXES, second, 0.5)[1].tolist() == [1, 3]
    with selection.record(), following_post_processing(selection):
        assert hard(BOXES, first, 0.5)[1].tolist() == [0, 2]
    with selection.follow(), following_post_processing(selection):
        kept = hard(BOXES, second, 0.5)
        assert kept[1].tolist() == [0, 2]
        assert kept[0][:, 4].tolist() == pytest.approx([0.1, 0.2])  # with the scores of now
    assert hard(BOXES, second, 0.5)[1].tolist() == [1, 3]


def test_soft_suppression_weakens_scores_as_it_did_first(nms):
    _, soft = nms
    selection = Selection(lambda: 0)
    first, second = torch.tensor([0.9, 0.8, 0.7, 0.6]), torch.tensor([0.45, 0.8, 0.7, 0.3])
    plain, kept = soft(BOXES, first, 0.5)
    with selection.record(), following_post_processing(selection):
        recorded, _ = soft(BOXES, first, 0.5)
    torch.testing.assert_close(recorded, plain)
    with selection.follow(), following_post_processing(selection):
        again, kept_again = soft(BOXES, second, 0.5)
    assert kept_again.tolist() == kept.tolist()
    torch.testing.assert_close(again[:, 4], plain[:, 4] / first[kept] * second[kept])


@pytest.mark.parametrize('fails', [False, True])
def test_mmcv_and_mmdet_are_as_before(nms, fails):
    from mmcv.ops.nms import NMSop, SoftNMSop
    from mmdet.models.roi_heads.mask_heads import FCNMaskHead

    paste = FCNMaskHead.predict_by_feat
    try:
        with following_post_processing(Selection(lambda: 0)):
            assert 'apply' in vars(NMSop) and 'apply' in vars(SoftNMSop)
            assert FCNMaskHead.predict_by_feat is not paste
            if fails:
                raise ZeroDivisionError
    except ZeroDivisionError:
        assert fails
    assert 'apply' not in vars(NMSop) and 'apply' not in vars(SoftNMSop)
    assert FCNMaskHead.predict_by_feat is paste
