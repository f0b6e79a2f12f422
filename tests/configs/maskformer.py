"""A panoptic segmentor of queries, without a neck; every query is kept."""

_base_ = 'panoptic_fpn.py'
_attention = dict(embed_dims=16, num_heads=2, batch_first=True)
_feed_forward = dict(embed_dims=16, feedforward_channels=32, num_fcs=2, act_cfg=dict(type='ReLU', inplace=True))
model = dict(
    _delete_=True,
    type='MaskFormer',
    data_preprocessor=dict(
        type='DetDataPreprocessor', mean=[123.7, 116.3, 103.5], std=[58.4, 57.1, 57.4], pad_size_divisor=32
    ),
    backbone=dict(type='ResNet', depth=18, base_channels=8, stem_channels=8, norm_cfg=dict(type='BN'), norm_eval=True),
    panoptic_head=dict(
        type='MaskFormerHead',
        in_channels=[8, 16, 32, 64],
        feat_channels=16,
        out_channels=16,
        num_things_classes=3,
        num_stuff_classes=2,
        num_queries=10,
        pixel_decoder=dict(type='PixelDecoder', norm_cfg=dict(type='GN', num_groups=4), act_cfg=dict(type='ReLU')),
        positional_encoding=dict(num_feats=8, normalize=True),
        transformer_decoder=dict(
            return_intermediate=True,
            num_layers=1,
            layer_cfg=dict(self_attn_cfg=_attention, cross_attn_cfg=_attention, ffn_cfg=_feed_forward),
            init_cfg=None,
        ),
        loss_cls=dict(type='CrossEntropyLoss', class_weight=[1.0] * 5 + [0.1]),
        loss_mask=dict(type='FocalLoss', use_sigmoid=True),
        loss_dice=dict(type='DiceLoss', use_sigmoid=True),
    ),
    panoptic_fusion_head=dict(type='MaskFormerFusionHead', num_things_classes=3, num_stuff_classes=2),
    train_cfg=None,
    test_cfg=dict(
        panoptic_on=True, semantic_on=False, instance_on=False, max_per_image=10, object_mask_thr=0.0, iou_thr=0.0
    ),
)
