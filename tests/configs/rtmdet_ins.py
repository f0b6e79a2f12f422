"""A tiny RTMDet-Ins: masks by a convolution of each object's own."""

_base_ = 'yolox.py'
model = dict(
    _delete_=True,
    type='RTMDet',
    data_preprocessor=dict(type='DetDataPreprocessor', mean=[127.5] * 3, std=[73.5] * 3, pad_size_divisor=32),
    backbone=dict(type='CSPNeXt', deepen_factor=0.33, widen_factor=0.125, norm_cfg=dict(type='BN')),
    neck=dict(
        type='CSPNeXtPAFPN', in_channels=[32, 64, 128], out_channels=16, num_csp_blocks=1, norm_cfg=dict(type='BN')
    ),
    bbox_head=dict(
        type='RTMDetInsSepBNHead',
        num_classes=3,
        in_channels=16,
        stacked_convs=1,
        feat_channels=16,
        num_prototypes=4,
        anchor_generator=dict(type='MlvlPointGenerator', offset=0, strides=[8, 16, 32]),
        bbox_coder=dict(type='DistancePointBBoxCoder'),
        norm_cfg=dict(type='BN'),
        share_conv=True,
        pred_kernel_size=1,
    ),
    test_cfg=dict(
        nms_pre=100,
        min_bbox_size=0,
        score_thr=0.0,
        mask_thr_binary=0.5,
        nms=dict(type='nms', iou_threshold=0.3),
        max_per_img=4,
    ),
)
