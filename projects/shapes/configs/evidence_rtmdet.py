"""The RTMDet of shapes_rtmdet.py for the evidence set, trained on from its weights."""

_base_ = './shapes_rtmdet.py'

load_from = 'projects/shapes/checkpoints/shapes_rtmdet.pth'
data_root = 'work_dirs/evidence/'
metainfo = dict(
    classes=('hut_flag', 'hut_lamp', 'plate_dot_cross', 'plate_dot_bar', 'plate_cross_bar', 'card_ring', 'card_cross'),
    palette=[
        (255, 122, 89),
        (88, 134, 255),
        (54, 200, 146),
        (240, 190, 40),
        (190, 104, 230),
        (60, 200, 230),
        (160, 160, 60),
    ],
)
model = dict(backbone=dict(frozen_stages=1), bbox_head=dict(num_classes=7))
train_dataloader = dict(dataset=dict(data_root=data_root, metainfo=metainfo))
val_dataloader = dict(dataset=dict(data_root=data_root, metainfo=metainfo))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + 'held_out.json')
test_evaluator = val_evaluator

max_epochs = 6
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=150),
    dict(
        type='CosineAnnealingLR',
        eta_min=_base_.base_lr * 0.02,
        begin=1,
        end=max_epochs,
        T_max=max_epochs - 1,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
default_hooks = dict(checkpoint=dict(interval=max_epochs))
