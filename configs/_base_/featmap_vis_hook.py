# Draws the feature maps of a detector or classifier, epoch by epoch. In your config:
#
#     _base_ = ['./my_model.py', '<mmlens>/configs/_base_/featmap_vis_hook.py']
#     default_hooks = dict(featmap=_base_.featmap_vis_hook)
#
# Other values: dict(_base_.featmap_vis_hook, layers=['neck']). Everything except `type` is optional.
featmap_vis_hook = dict(
    type='mmlens.FeatmapVisHook',
    # When: after every epoch, after the last, and before the first iteration. by_epoch=False counts iterations.
    interval=1,
    by_epoch=True,
    at_start=True,
    during='train',  # or 'val', 'test', or several: ('train', 'test')
    # What: the first pictures of the validation set; pictures=['a.jpg', 'b.jpg'] or indexes=[3, 14] choose others.
    num=4,
    every=1,
    draw_gt=False,  # the ground truth alongside
    use_ema=False,  # the averaged weights of an EMAHook
    # How: every level of these layers.
    layers=['backbone'],
    reduction='select_max',  # or 'squeeze_mean'; None draws the topk strongest channels separately
    topk=4,
    arrangement=None,  # rows and columns of the channels, such as (2, 2)
    score_thr=0.3,
    # Where: every backend of the visualizer, and <work_dir>/mmlens/featmap/<picture>/, which `mmlens history` reads.
    out_dir='mmlens',
)
