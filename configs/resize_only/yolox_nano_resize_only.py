# YOLOX-Nano with the Resize-only test pipeline: mmdet's keep-ratio Resize and Pad become one stretch.
# For your own config, change `_base_` and `img_scale`; `--resize-only` does the same to any config.
_base_ = 'mmdet::yolox/yolox_nano_8xb8-300e_coco.py'

img_scale = (416, 416)  # width, height; multiples of the data preprocessor's pad_size_divisor

test_pipeline = [
    dict(type='LoadImageFromFile', backend_args=_base_.backend_args),
    dict(type='mmdet.Resize', scale=img_scale, keep_ratio=False),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')),
]

val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
