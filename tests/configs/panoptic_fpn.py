"""A panoptic segmentor: three classes of things, two of stuff.

No padding but the preprocessor's: it is the only one that mmdet's segmentors take off again.
"""

_base_ = 'mask_rcnn.py'
model = dict(
    type='PanopticFPN',
    semantic_head=dict(
        type='PanopticFPNHead',
        num_things_classes=3,
        num_stuff_classes=2,
        in_channels=16,
        inner_channels=16,
        norm_cfg=dict(type='GN', num_groups=4),
    ),
    panoptic_fusion_head=dict(type='HeuristicFusionHead', num_things_classes=3, num_stuff_classes=2),
    test_cfg=dict(
        panoptic=dict(
            score_thr=0.05,
            max_per_img=10,
            mask_thr_binary=0.5,
            mask_overlap=0.5,
            nms=dict(type='nms', iou_threshold=0.5, class_agnostic=True),
            stuff_area_limit=16,
        )
    ),
)
test_dataloader = dict(
    dataset=dict(
        metainfo=dict(classes=('cup', 'fork', 'knife', 'sky', 'grass')),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='Resize', scale=(128, 128), keep_ratio=True),
            dict(type='LoadPanopticAnnotations'),
            dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')),
        ],
    )
)
