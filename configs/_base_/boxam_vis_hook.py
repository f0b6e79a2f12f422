# Draws the evidence for every box of an mmdet or MMYOLO detector, epoch by epoch. In your config:
#
#     _base_ = ['./my_detector.py', '<mmlens>/configs/_base_/boxam_vis_hook.py']
#     default_hooks = dict(boxam=_base_.boxam_vis_hook)
#
# Other values: dict(_base_.boxam_vis_hook, interval=5, target='box'). Everything except `type` is optional.
boxam_vis_hook = dict(
    type='mmlens.BoxAMVisHook',
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
    # How: any method of `mmlens boxam`; layers=None and fusion=None are what the method is made for.
    method='evidencecam',
    layers=None,
    fusion=None,
    target='score',  # 'box' explains edges, 'both' both
    against=None,  # a class, or 'auto': why this class and not that one
    score_thr=0.3,
    max_boxes=10,
    norm_in_bbox=False,
    layout='overlay',  # 'panels' draws one panel per box
    # Where: every backend of the visualizer, and <work_dir>/mmlens/boxam/<picture>/, which `mmlens history` reads.
    out_dir='mmlens',
)
