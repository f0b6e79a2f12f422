"""A tiny semantic segmentor of mmseg: Resize(keep_ratio) to 128, padded to 128 x 128 by the preprocessor."""

default_scope = 'mmseg'
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[123.7, 116.3, 103.5],
        std=[58.4, 57.1, 57.4],
        pad_val=0,
        seg_pad_val=255,
        test_cfg=dict(size_divisor=32),
    ),
    backbone=dict(type='ResNetV1c', depth=18, stem_channels=8, base_channels=8, norm_cfg=dict(type='BN')),
    decode_head=dict(
        type='FCNHead', in_channels=64, channels=16, num_convs=1, num_classes=4, norm_cfg=dict(type='BN'), in_index=3
    ),
    test_cfg=dict(mode='whole'),
)
test_dataloader = dict(
    dataset=dict(
        type='BaseSegDataset',
        metainfo=dict(classes=('road', 'tree', 'sky', 'car')),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='Resize', scale=(128, 128), keep_ratio=True),
            dict(type='LoadAnnotations'),
            dict(type='PackSegInputs'),
        ],
    )
)
