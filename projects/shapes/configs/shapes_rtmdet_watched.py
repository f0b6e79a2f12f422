"""Train shapes_rtmdet and watch it: the evidence for its boxes every 50 iterations, feature maps every epoch."""

_base_ = [
    './shapes_rtmdet.py',
    '../../../configs/_base_/boxam_vis_hook.py',
    '../../../configs/_base_/featmap_vis_hook.py',
]

default_hooks = dict(
    boxam=dict(
        _base_.boxam_vis_hook,
        by_epoch=False,
        interval=50,
        pictures=['projects/shapes/pictures/000005.jpg', 'projects/shapes/pictures/000008.jpg'],
        # Before training all scores are low: show the best boxes whatever their scores.
        score_thr=0.0,
        max_boxes=3,
        # Where marks are still visible as marks: at the neck, the evidence has moved to the box's own cell.
        method='layercam',
        layers=['backbone.stage1'],
    ),
    featmap=dict(_base_.featmap_vis_hook, layers=['backbone', 'neck'], num=2),
)
