# Draws which part of a picture supports a class of an mmpretrain classifier, epoch by epoch. In your config:
#
#     _base_ = ['./my_classifier.py', '<mmlens>/configs/_base_/cam_vis_hook.py']
#     default_hooks = dict(cam=_base_.cam_vis_hook)
#
# Other values: dict(_base_.cam_vis_hook, method='layercam'). Everything except `type` is optional.
cam_vis_hook = dict(
    type='mmlens.CAMVisHook',
    # When: after every epoch, after the last, and before the first iteration. by_epoch=False counts iterations.
    interval=1,
    by_epoch=True,
    at_start=True,
    during='train',  # or 'val', 'test', or several: ('train', 'test')
    # What: the first pictures of the validation set; pictures=['a.jpg', 'b.jpg'] or indexes=[3, 14] choose others.
    num=4,
    every=1,
    draw_gt=False,  # the picture with its annotated class alongside
    use_ema=False,  # the averaged weights of an EMAHook
    # How: any method of `mmlens cam`; layers=None is the last layer with a map.
    method='gradcam',
    layers=None,
    classes='truth',  # the annotated class; None is the predicted one; or name classes: ['cat', 'dog']
    # Where: every backend of the visualizer, and <work_dir>/mmlens/cam/<picture>/, which `mmlens history` reads.
    out_dir='mmlens',
)
