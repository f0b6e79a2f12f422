"""Two of four stages of the shapes RTMDet, fine-tuned with a linear head on crops of one object: 96 x 96 input.

Without the other two, the last map, which class maps are drawn from, has 12 x 12 cells instead of 3 x 3. Channel
attention is left out, because it lets every cell see the whole picture.
"""

default_scope = 'mmpretrain'

data_root = 'work_dirs/shapes/'
metainfo = dict(classes=('coin_dot', 'coin_cross', 'crate_ring', 'crate_bar', 'star', 'triangle'))
side = 96

model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(
        type='ClsDataPreprocessor', mean=[103.53, 116.28, 123.675], std=[57.375, 57.12, 58.395], to_rgb=False
    ),
    backbone=dict(
        type='mmdet.CSPNeXt',
        arch_ovewrite=[
            [24, 32, 1, True, False],
            [32, 56, 1, True, False],
        ],
        out_indices=(2,),
        expand_ratio=0.5,
        channel_attention=False,
        norm_cfg=dict(type='BN'),
        act_cfg=dict(type='SiLU', inplace=True),
        init_cfg=dict(
            type='Pretrained', prefix='backbone.', checkpoint='projects/shapes/checkpoints/shapes_rtmdet.pth'
        ),
    ),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=6, in_channels=56, loss=dict(type='CrossEntropyLoss'), topk=(1,)),
)

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizeEdge', scale=108, edge='short'),
    dict(type='RandomCrop', crop_size=side),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizeEdge', scale=108, edge='short'),
    dict(type='CenterCrop', crop_size=side),
    dict(type='PackInputs'),
]


def _split(name, pipeline, **options):
    return dict(
        batch_size=32,
        num_workers=0,
        dataset=dict(
            type='CustomDataset',
            data_root=data_root,
            ann_file=f'{name}_crops.txt',
            data_prefix=f'{name}_crops',
            metainfo=metainfo,
            pipeline=pipeline,
        ),
        **options,
    )


train_dataloader = _split('train', train_pipeline, sampler=dict(type='DefaultSampler', shuffle=True))
val_dataloader = _split('held_out', test_pipeline, sampler=dict(type='DefaultSampler', shuffle=False))
test_dataloader = val_dataloader
val_evaluator = dict(type='Accuracy', topk=(1,))
test_evaluator = val_evaluator

max_epochs = 2
train_cfg = dict(by_epoch=True, max_epochs=max_epochs, val_interval=max_epochs)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=0.002, weight_decay=0.05))
param_scheduler = dict(type='LinearLR', start_factor=1.0, end_factor=0.02, by_epoch=False, begin=0, end=528)
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=20),
    checkpoint=dict(type='CheckpointHook', interval=max_epochs, max_keep_ckpts=1),
)
randomness = dict(seed=0)
