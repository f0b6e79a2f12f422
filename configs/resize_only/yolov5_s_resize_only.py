# YOLOv5-s with the Resize-only test pipeline: MMYOLO's letterbox becomes one stretch, without batch shapes.
# For your own config, change `_base_` and `img_scale`; `--resize-only` does the same to any config.
_base_ = 'mmyolo::yolov5/yolov5_s-v61_syncbn_fast_8xb16-300e_coco.py'

img_scale = (640, 640)  # width, height; multiples of the model's largest stride

test_pipeline = [
    dict(type='LoadImageFromFile', backend_args=_base_.backend_args),
    dict(type='mmdet.Resize', scale=img_scale, keep_ratio=False),
    dict(type='LoadAnnotations', with_bbox=True, _scope_='mmdet'),
    # `pad_param`, which only the letterbox writes, is gone from the keys.
    dict(type='mmdet.PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')),
]

val_dataloader = dict(dataset=dict(pipeline=test_pipeline, batch_shapes_cfg=None))
test_dataloader = val_dataloader
