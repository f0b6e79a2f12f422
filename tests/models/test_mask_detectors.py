"""Detectors that predict masks alone: their boxes are the masks' own."""

import copy

import numpy as np
import pytest
import torch


@pytest.fixture(scope='module')
def solo(yolox_config):
    from mmlens import load_detector

    config = copy.deepcopy(yolox_config)
    config['model'] = dict(
        type='SOLO',
        data_preprocessor=dict(type='DetDataPreprocessor', mean=[127.5] * 3, std=[73.5] * 3, pad_size_divisor=32),
        backbone=dict(type='ResNet', depth=18, base_channels=8, stem_channels=8, norm_eval=True),
        neck=dict(type='FPN', in_channels=[8, 16, 32, 64], out_channels=16, num_outs=5),
        mask_head=dict(
            type='SOLOHead',
            num_classes=3,
            in_channels=16,
            feat_channels=16,
            stacked_convs=1,
            strides=[8, 8, 16, 32, 32],
            num_grids=[8, 6, 4, 3, 2],
            norm_cfg=dict(type='GN', num_groups=4),
        ),
        test_cfg=dict(
            nms_pre=20, score_thr=0.0, mask_thr=0.5, filter_thr=0.0, kernel='gaussian', sigma=2.0, max_per_img=4
        ),
    )
    detector = load_detector(config, device='cpu')
    torch.manual_seed(0)
    for conv in detector.model.mask_head.conv_mask_list:
        torch.nn.init.normal_(conv.weight, std=1.0)
    return detector


def test_a_box_lies_tight_around_its_mask(solo, picture):
    from mmlens import explain_boxes

    found = explain_boxes(solo, picture, score_thr=0.0)
    assert len(found) == 4
    for box in found:
        rows, columns = np.nonzero(box.mask)
        assert box.box.tolist() == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert box.blank is None


def test_such_a_box_has_no_graph_and_its_map_says_so(solo, picture):
    from mmlens import explain_boxes

    (box,) = explain_boxes(solo, picture, score_thr=0.0, topk=1, target='box')
    assert 'not on the path' in box.blank
    assert not box.raw.any()
