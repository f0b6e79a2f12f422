"""A tiny classifier: the picture is stretched to 64 x 64; six classes."""

default_scope = 'mmpretrain'
model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(mean=[123.7, 116.3, 103.5], std=[58.4, 57.1, 57.4], num_classes=6),
    backbone=dict(type='ResNet', depth=18, stem_channels=8, base_channels=8),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=6, in_channels=64),
)
test_dataloader = dict(
    dataset=dict(
        type='CustomDataset',
        metainfo=dict(classes=('ant', 'bee', 'cat', 'dog', 'elk', 'fox')),
        pipeline=[dict(type='LoadImageFromFile'), dict(type='Resize', scale=(64, 64)), dict(type='PackInputs')],
    )
)
