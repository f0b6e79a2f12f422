"""Tiny detectors of further kinds with seeded random weights, for this room's tests; one of a kind for each file."""

import copy

import pytest
import torch

RESNET = dict(type='ResNet', depth=18, base_channels=8, stem_channels=8, norm_eval=True)
ATTENTION = dict(embed_dims=16, num_heads=2, dropout=0.0, batch_first=True)
# mmdet writes to its default, which a second detector would be given.
LOSS = dict(type='CrossEntropyLoss', bg_cls_weight=0.1, use_sigmoid=False, loss_weight=1.0, class_weight=1.0)
FEED_FORWARD = dict(
    embed_dims=16, feedforward_channels=32, num_fcs=2, ffn_drop=0.0, act_cfg=dict(type='ReLU', inplace=True)
)


def _built(config, **model):
    from mmlens import load_detector

    config = copy.deepcopy(config)
    config['model'].update(model)
    detector = load_detector(config, device='cpu')
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in detector.model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, (2 / parameter[0].numel()) ** 0.5, generator=generator)
    return detector


@pytest.fixture(scope='module')
def soft(yolox):
    """The tiny YOLOX whose suppression weakens scores instead of dropping boxes."""
    detector = copy.copy(yolox)
    detector.model = copy.deepcopy(yolox.model)
    for settings in (detector.model.test_cfg, detector.model.bbox_head.test_cfg):
        settings['nms'] = dict(type='soft_nms', iou_threshold=0.05, min_score=0.001)
        settings['score_thr'] = 0.2
    return detector


@pytest.fixture(scope='module')
def mask_rcnn(faster_rcnn_config):
    config = copy.deepcopy(faster_rcnn_config)
    config['model']['type'] = 'MaskRCNN'
    config['model']['roi_head']['mask_roi_extractor'] = dict(
        type='SingleRoIExtractor',
        roi_layer=dict(type='RoIAlign', output_size=7, sampling_ratio=0),
        out_channels=16,
        featmap_strides=[4, 8, 16, 32],
    )
    config['model']['roi_head']['mask_head'] = dict(
        type='FCNMaskHead', num_convs=1, in_channels=16, conv_out_channels=16, num_classes=3
    )
    config['model']['test_cfg']['rcnn'].update(mask_thr_binary=0.5, score_thr=0.01)
    detector = _built(config)
    with torch.no_grad():
        detector.model.roi_head.bbox_head.fc_cls.weight.mul_(0.1)
        detector.model.roi_head.bbox_head.fc_reg.weight.mul_(0.02)
        detector.model.rpn_head.rpn_reg.weight.mul_(0.1)
    return detector


@pytest.fixture(scope='module')
def detr(yolox_config):
    config = copy.deepcopy(yolox_config)
    layer = dict(self_attn_cfg=ATTENTION, ffn_cfg=FEED_FORWARD)
    config['model'] = dict(
        type='DETR',
        num_queries=10,
        data_preprocessor=dict(type='DetDataPreprocessor', mean=[127.5] * 3, std=[73.5] * 3, pad_size_divisor=32),
        backbone=dict(out_indices=(3,), **RESNET),
        neck=dict(type='ChannelMapper', in_channels=[64], kernel_size=1, out_channels=16, act_cfg=None, num_outs=1),
        encoder=dict(num_layers=2, layer_cfg=layer),
        decoder=dict(num_layers=2, layer_cfg=dict(cross_attn_cfg=ATTENTION, **layer), return_intermediate=True),
        positional_encoding=dict(num_feats=8, normalize=True),
        bbox_head=dict(type='DETRHead', num_classes=3, embed_dims=16, loss_cls=LOSS),
        test_cfg=dict(max_per_img=6),
    )
    return _built(config)


@pytest.fixture(scope='module')
def dino(yolox_config):
    """Two stages: queries are chosen among the encoder's cells."""
    config = copy.deepcopy(yolox_config)
    wide = dict(embed_dims=256)  # some versions of mmdet take this for granted
    attention, feed_forward = {**ATTENTION, **wide}, {**FEED_FORWARD, **wide}
    levels = dict(num_levels=3, **attention)
    config['model'] = dict(
        type='DINO',
        num_queries=10,
        num_feature_levels=3,
        with_box_refine=True,
        as_two_stage=True,
        data_preprocessor=dict(type='DetDataPreprocessor', mean=[127.5] * 3, std=[73.5] * 3, pad_size_divisor=32),
        backbone=dict(out_indices=(2, 3), **RESNET),
        neck=dict(
            type='ChannelMapper',
            in_channels=[32, 64],
            kernel_size=1,
            out_channels=256,
            act_cfg=None,
            norm_cfg=dict(type='GN', num_groups=4),
            num_outs=3,
        ),
        encoder=dict(num_layers=1, num_cp=0, layer_cfg=dict(self_attn_cfg=levels, ffn_cfg=feed_forward)),
        decoder=dict(
            num_layers=2,
            return_intermediate=True,
            layer_cfg=dict(self_attn_cfg=attention, cross_attn_cfg=levels, ffn_cfg=feed_forward),
            post_norm_cfg=None,
        ),
        positional_encoding=dict(num_feats=128, normalize=True, offset=0.0, temperature=20),
        bbox_head=dict(type='DINOHead', num_classes=3, loss_cls=dict(type='FocalLoss', use_sigmoid=True)),
        dn_cfg=dict(label_noise_scale=0.5, box_noise_scale=1.0, group_cfg=dict(dynamic=True, num_dn_queries=10)),
        test_cfg=dict(max_per_img=6),
    )
    return _built(config)


@pytest.fixture(scope='module')
def built():
    """Build a detector of a config, with settings of the model changed: ``built(config, **model)``."""
    return _built
