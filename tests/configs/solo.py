"""A tiny detector that predicts masks alone, with the pipeline of the single-stage one."""

_base_ = 'yolox.py'
model = dict(
    _delete_=True,
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
    test_cfg=dict(nms_pre=20, score_thr=0.0, mask_thr=0.5, filter_thr=0.0, kernel='gaussian', sigma=2.0, max_per_img=4),
)
