"""A DINO, shrunk to 0.9 M parameters, for the evidence set: a transformer on the features of evidence_rtmdet.py.

``on_features.py`` trains it; the schedule that it inherits is not its own.
"""

_base_ = './evidence_rtmdet.py'

evidence_rtmdet = 'projects/shapes/checkpoints/evidence_rtmdet.pth'
load_from = None
embed_dims, ffn_dims, heads, levels = 64, 192, 4, 3
ffn_cfg = dict(embed_dims=embed_dims, feedforward_channels=ffn_dims, ffn_drop=0.0)
deformable = dict(embed_dims=embed_dims, num_heads=heads, num_levels=levels, num_points=2, dropout=0.0)

model = dict(
    _delete_=True,
    type='DINO',
    num_queries=40,
    with_box_refine=True,
    as_two_stage=True,
    num_feature_levels=levels,
    data_preprocessor=_base_.model.data_preprocessor,
    backbone=dict(
        frozen_stages=4,
        init_cfg=dict(type='Pretrained', checkpoint=evidence_rtmdet, prefix='backbone.'),
        **{key: value for key, value in _base_.model.backbone.items() if key != 'frozen_stages'},
    ),
    neck=[
        dict(init_cfg=dict(type='Pretrained', checkpoint=evidence_rtmdet, prefix='neck.'), **_base_.model.neck),
        dict(
            type='ChannelMapper',
            in_channels=[48, 48, 48],
            kernel_size=1,
            out_channels=embed_dims,
            act_cfg=None,
            norm_cfg=dict(type='GN', num_groups=16),
            num_outs=levels,
        ),
    ],
    encoder=dict(num_layers=1, layer_cfg=dict(self_attn_cfg=deformable, ffn_cfg=ffn_cfg)),
    decoder=dict(
        num_layers=2,
        return_intermediate=True,
        layer_cfg=dict(
            self_attn_cfg=dict(embed_dims=embed_dims, num_heads=heads, dropout=0.0),
            cross_attn_cfg=deformable,
            ffn_cfg=ffn_cfg,
        ),
        post_norm_cfg=None,
    ),
    positional_encoding=dict(num_feats=embed_dims // 2, normalize=True, offset=0.0, temperature=20),
    bbox_head=dict(
        type='DINOHead',
        num_classes=7,
        embed_dims=embed_dims,
        loss_cls=dict(type='QualityFocalLoss', use_sigmoid=True, beta=2.0, loss_weight=1.0),
        loss_bbox=dict(type='L1Loss', loss_weight=5.0),
        loss_iou=dict(type='GIoULoss', loss_weight=2.0),
    ),
    dn_cfg=dict(label_noise_scale=0.5, box_noise_scale=1.0, group_cfg=dict(dynamic=True, num_dn_queries=40)),
    train_cfg=dict(
        assigner=dict(
            type='HungarianAssigner',
            match_costs=[
                dict(type='FocalLossCost', weight=2.0),
                dict(type='BBoxL1Cost', weight=5.0, box_format='xywh'),
                dict(type='IoUCost', iou_mode='giou', weight=2.0),
            ],
        )
    ),
    test_cfg=dict(max_per_img=40),
)
