"""The Resize-only patch: hand-worked sizes, real pipelines read with a coordinate picture, refusals."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config

from mmlens import pipelines
from mmlens.errors import ModelError

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
LOAD = dict(type='LoadImageFromFile')
PACK = dict(type='mmdet.PackDetInputs', meta_keys=('img_id', 'ori_shape', 'img_shape', 'scale_factor', 'pad_param'))
LETTERBOX = [
    dict(type='YOLOv5KeepRatioResize', scale=(640, 512)),
    dict(type='LetterResize', scale=(640, 512), allow_scale_up=False, pad_val=dict(img=114)),
]
TTA = dict(type='TestTimeAug', transforms=[[dict(type='Resize', scale=(320, 320), keep_ratio=True)], [PACK]])


def keep_ratio(*scale: int) -> dict:
    return dict(type='Resize', scale=scale, keep_ratio=True)


def config(*sizing: dict, divisor: int = 1, **dataset: object) -> Config:
    """A config with one test dataset whose pipeline is load, the given steps, pack."""
    steps = [copy.deepcopy(step) for step in (LOAD, *sizing, PACK)]
    return Config(
        dict(
            model=dict(type='ATSS', data_preprocessor=dict(type='DetDataPreprocessor', pad_size_divisor=divisor)),
            test_dataloader=dict(batch_size=1, dataset=dict(type='CocoDataset', pipeline=steps, **dataset)),
        )
    )


def stretched_to(cfg: Config) -> tuple:
    """The size of the one Resize that the patched pipeline holds."""
    patched = pipelines.test_pipeline(pipelines.resize_only(cfg))
    assert [step['type'] for step in patched] == ['LoadImageFromFile', 'mmdet.Resize', 'mmdet.PackDetInputs']
    assert patched[1]['keep_ratio'] is False
    return patched[1]['scale']


@pytest.fixture(scope='module')
def published():
    """Loads a config that mmdet or mmyolo ships, by its name."""
    from mmlens.compat import prepare

    prepare()
    import mmdet.utils
    import mmyolo.utils
    from mmengine.hub import get_config

    mmdet.utils.register_all_modules(init_default_scope=False)
    mmyolo.utils.register_all_modules(init_default_scope=False)
    return get_config


@pytest.mark.parametrize(
    ('sizing', 'divisor', 'size'),
    [
        (LETTERBOX, 1, (640, 512)),
        ([dict(type='mmdet.Resize', scale=640, keep_ratio=True)], 1, (640, 640)),
        ([keep_ratio(1333, 800)], 1, (1333, 800)),
        # 1333 = 41.66 * 32 -> 42 * 32; 800 = 25 * 32
        ([keep_ratio(1333, 800)], 32, (1344, 800)),
        # 1333 = 10.41 * 128 -> 10 * 128; 800 = 6.25 * 128 -> 6 * 128
        ([keep_ratio(1333, 800)], 128, (1280, 768)),
        ([keep_ratio(10, 10)], 32, (32, 32)),
        ([keep_ratio(600, 480), dict(type='Pad', size=(640, 512))], 1, (640, 512)),
        ([keep_ratio(416, 320), dict(type='Pad', pad_to_square=True)], 32, (416, 416)),
        # multiples of both 20 and 32: 160
        ([keep_ratio(500, 300), dict(type='Pad', size_divisor=20)], 32, (480, 320)),
        ([dict(type='Compose', transforms=LETTERBOX)], 1, (640, 512)),
        ([dict(type='FixShapeResize', width=512, height=256, keep_ratio=True)], 1, (512, 256)),
        ([dict(type='ResizeShortestEdge', scale=(480, 640), max_size=1333)], 32, (1344, 480)),
        ([dict(type='Resize', scale=(300, 300), keep_ratio=False)], 1, (300, 300)),
        ([dict(type='Resize', scale_factor=0.5, keep_ratio=True), dict(type='Pad', size=(256, 256))], 1, (256, 256)),
    ],
)
def test_the_last_step_says_the_size_and_the_preprocessor_the_multiple(sizing, divisor, size):
    assert stretched_to(config(*sizing, divisor=divisor)) == size


def test_other_steps_their_order_and_the_resize_options_stay():
    flip, load_boxes = dict(type='RandomFlip', prob=0.0), dict(type='LoadAnnotations', with_bbox=True)
    resize = dict(type='Resize', scale=(64, 32), keep_ratio=True, interpolation='area', backend='pillow')
    pad = dict(type='Pad', size=(64, 64), pad_val=dict(img=114))
    patched = pipelines.resize_only(config(flip, resize, load_boxes, pad))
    assert pipelines.test_pipeline(patched) == [
        LOAD,
        flip,
        dict(type='mmdet.Resize', scale=(64, 64), keep_ratio=False, interpolation='area', backend='pillow'),
        load_boxes,
        dict(type='mmdet.PackDetInputs', meta_keys=('img_id', 'ori_shape', 'img_shape', 'scale_factor')),
    ]


def test_the_users_config_is_not_changed():
    cfg = config(*LETTERBOX, batch_shapes_cfg=dict(type='BatchShapePolicy'))
    before = cfg.pretty_text
    steps = list(cfg.test_dataloader.dataset.pipeline)
    patched = pipelines.resize_only(cfg)
    assert cfg.pretty_text == before
    assert all(a is b for a, b in zip(cfg.test_dataloader.dataset.pipeline, steps))
    assert patched.pretty_text != before


def test_patching_twice_changes_nothing_more():
    once = pipelines.resize_only(config(keep_ratio(1333, 800), divisor=32))
    assert pipelines.resize_only(once).pretty_text == once.pretty_text


def test_validation_and_variables_are_patched_training_and_tta_are_not():
    cfg = config(*LETTERBOX)
    cfg.val_dataloader = copy.deepcopy(cfg.test_dataloader)
    cfg.train_dataloader = copy.deepcopy(cfg.test_dataloader)
    cfg.test_pipeline = copy.deepcopy(list(cfg.test_dataloader.dataset.pipeline))
    cfg.tta_pipeline = [LOAD, TTA]
    cfg.batch_shapes_cfg = dict(type='BatchShapePolicy')
    patched = pipelines.resize_only(cfg)
    expected = patched.test_dataloader.dataset.pipeline
    assert [step['type'] for step in expected] == ['LoadImageFromFile', 'mmdet.Resize', 'mmdet.PackDetInputs']
    assert patched.val_dataloader.dataset.pipeline == expected
    assert patched.test_pipeline == expected
    assert patched.batch_shapes_cfg is None
    assert patched.train_dataloader == cfg.train_dataloader
    assert patched.tta_pipeline == cfg.tta_pipeline


def wrapped_config() -> Config:
    """Repeat(Concat([ClassBalanced(coco), KFold(coco with batch shapes), coco])) as test dataset."""
    leaf = config(*LETTERBOX, batch_shapes_cfg=dict(type='BatchShapePolicy')).test_dataloader.dataset
    first, second, third = (dict(copy.deepcopy(leaf), ann_file=name) for name in 'abc')
    third['batch_shapes_cfg'] = None
    concat = dict(
        type='ConcatDataset',
        datasets=[
            dict(type='ClassBalancedDataset', oversample_thr=1e-3, dataset=first),
            dict(type='KFoldDataset', fold=1, dataset=second),
            third,
        ],
    )
    return Config(dict(test_dataloader=dict(dataset=dict(type='RepeatDataset', times=1, dataset=concat))))


def test_wrappers_are_unwrapped_at_any_depth():
    cfg = wrapped_config()
    assert [leaf['ann_file'] for leaf in pipelines.unwrap_dataset(cfg.test_dataloader.dataset)] == ['a', 'b', 'c']
    assert [step['type'] for step in pipelines.test_pipeline(cfg)] == [
        'LoadImageFromFile',
        'YOLOv5KeepRatioResize',
        'LetterResize',
        'mmdet.PackDetInputs',
    ]
    patched = pipelines.resize_only(cfg)
    leaves = pipelines.unwrap_dataset(patched.test_dataloader.dataset)
    assert [leaf['ann_file'] for leaf in leaves] == ['a', 'b', 'c']
    for leaf in leaves:
        assert leaf['batch_shapes_cfg'] is None
        assert leaf['pipeline'][1] == dict(type='mmdet.Resize', scale=(640, 512), keep_ratio=False)
    assert patched.test_dataloader.dataset.dataset.datasets[0].oversample_thr == 1e-3


def test_a_dataset_that_wraps_nothing_is_its_own_innermost():
    dataset = dict(type='CocoDataset', pipeline=[LOAD])
    assert pipelines.unwrap_dataset(dataset) == [dataset]


def test_a_wrapper_with_a_pipeline_of_its_own_runs_it_last():
    inner = dict(type='CocoDataset', pipeline=[LOAD, keep_ratio(600, 400)])
    mix = dict(type='MultiImageMixDataset', dataset=inner, pipeline=[dict(type='Pad', pad_to_square=True), PACK])
    cfg = Config(dict(test_dataloader=dict(dataset=mix)))
    assert [step['type'] for step in pipelines.test_pipeline(cfg)] == [
        'LoadImageFromFile',
        'Resize',
        'Pad',
        'mmdet.PackDetInputs',
    ]
    # A stretch to 600 x 400 and one to the square that Pad made of it: one stretch to 600 x 600.
    patched = pipelines.test_pipeline(pipelines.resize_only(cfg))
    assert [step.get('scale') for step in patched] == [None, (600, 400), (600, 600), None]
    assert not any(step.get('keep_ratio') for step in patched)


def test_pipelines_inside_broadcasters_are_patched():
    broadcaster = dict(type='ProposalBroadcaster', transforms=[keep_ratio(1333, 800)])
    patched = pipelines.test_pipeline(pipelines.resize_only(config(broadcaster, divisor=32)))
    assert patched[1]['transforms'] == [dict(type='mmdet.Resize', scale=(1344, 800), keep_ratio=False)]


def test_the_pipeline_is_found_in_order_and_copied():
    cfg = Config(dict(test_pipeline=[LOAD]))
    assert pipelines.test_pipeline(cfg) == [LOAD]
    cfg.val_dataloader = dict(dataset=dict(type='CocoDataset', pipeline=[LOAD, keep_ratio(9, 9)]))
    cfg.test_dataloader = None
    steps = pipelines.test_pipeline(cfg)
    assert len(steps) == 2
    steps[0]['type'] = 'LoadImageFromNDArray'
    assert cfg.val_dataloader.dataset.pipeline[0].type == 'LoadImageFromFile'


@pytest.mark.parametrize(
    ('cfg', 'sentence'),
    [
        (Config(dict(model=dict(type='ATSS'))), 'has no test pipeline'),
        (Config(dict(test_dataloader=dict(dataset=dict(type='CocoDataset')))), 'has no test pipeline'),
        (config(), 'resizes nothing'),
        (config(dict(type='RandomCenterCropPad', test_mode=True)), 'has RandomCenterCropPad'),
        (config(keep_ratio(256, 256), dict(type='mmpretrain.CenterCrop', crop_size=224)), 'has CenterCrop'),
        (config(TTA), 'has TestTimeAug'),
        (config('Resize'), "a dict with a type, not 'Resize': correct"),
        (config(dict(type='Resize', scale_factor=0.5, keep_ratio=True)), 'gives no size in pixels'),
        (config(dict(type='Pad', pad_to_square=True)), 'gives no size in pixels'),
        (config(dict(type='Resize', scale=(float('inf'), 800), keep_ratio=True)), 'gives no size in pixels'),
    ],
)
def test_configs_that_lead_to_no_fixed_size_are_refused_in_one_sentence(cfg, sentence):
    with pytest.raises(ModelError, match=sentence) as caught:
        pipelines.resize_only(cfg)
    assert '\n' not in str(caught.value)


def test_python_style_configs_name_classes(published, tmp_path):
    path = tmp_path / 'config.py'
    path.write_text(
        'from mmcv.transforms import LoadImageFromFile\n'
        'from mmdet.datasets import CocoDataset\n'
        'from mmdet.datasets.transforms import PackDetInputs, Pad, Resize\n'
        'pipeline = [\n'
        '    dict(type=LoadImageFromFile),\n'
        '    dict(type=Resize, scale=(96, 64), keep_ratio=True),\n'
        '    dict(type=Pad, size=(96, 96)),\n'
        '    dict(type=PackDetInputs),\n'
        ']\n'
        'test_dataloader = dict(dataset=dict(type=CocoDataset, pipeline=pipeline))\n'
    )
    patched = pipelines.test_pipeline(pipelines.resize_only(Config.fromfile(str(path), lazy_import=True)))
    assert patched[1] == dict(type='mmdet.Resize', scale=(96, 96), keep_ratio=False)
    assert [getattr(patched[i]['type'], '__name__', None) for i in (0, 2)] == ['LoadImageFromFile', 'PackDetInputs']


# ---------------------------------------------------------------- real configs, real transforms


def coordinate_picture(width: int, height: int) -> np.ndarray:
    """(H, W, 3) uint8 whose channels are x, y and 255: padding and cuts show as wrong coordinates."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x, y, np.full_like(x, 255)], axis=-1).astype(np.uint8)


def send_through(cfg: Config, picture: np.ndarray) -> tuple:
    """What the network would see of the picture (3, H, W) before normalising, and its metadata."""
    import torch
    from mmcv.transforms import Compose
    from mmdet.registry import MODELS
    from mmengine.registry import DefaultScope

    steps = pipelines.test_pipeline(cfg)
    steps[0] = dict(type='mmdet.LoadImageFromNDArray')
    normaliser = dict(cfg.model.data_preprocessor, mean=[0, 0, 0], std=[1, 1, 1], bgr_to_rgb=False)
    normaliser.pop('batch_augments', None)
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope', 'mmdet')):
        packed = Compose(steps)(dict(img=picture, img_id=0, img_path='picture'))
        preprocess = MODELS.build(normaliser)
        batch = preprocess(dict(inputs=[packed['inputs']], data_samples=[packed['data_samples']]), False)
    assert isinstance(batch['inputs'], torch.Tensor)
    return batch['inputs'][0].numpy(), batch['data_samples'][0].metainfo


REAL = {
    'yolov5': ('mmyolo::yolov5/yolov5_n-v61_syncbn_fast_8xb16-300e_coco.py', (640, 640)),
    'yolov8': ('mmyolo::yolov8/yolov8_n_syncbn_fast_8xb16-500e_coco.py', (640, 640)),
    'rtmdet': ('mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py', (640, 640)),
    'faster_rcnn': ('mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py', (1344, 800)),
    'yolox': ('mmdet::yolox/yolox_nano_8xb8-300e_coco.py', (416, 416)),
    'detr': ('mmdet::detr/detr_r50_8xb2-150e_coco.py', (1333, 800)),
}


@pytest.mark.parametrize('shape', [(240, 160), (160, 240)], ids=['landscape', 'portrait'])
@pytest.mark.parametrize('name', REAL)
def test_the_input_is_the_whole_picture_and_nothing_else(published, name, shape):
    address, size = REAL[name]
    cfg = published(address)
    picture = coordinate_picture(*shape)
    seen, meta = send_through(pipelines.resize_only(cfg), picture)
    assert seen.shape == (3, size[1], size[0])
    assert tuple(meta['img_shape'][:2]) == tuple(meta['batch_input_shape']) == (size[1], size[0])
    assert meta['scale_factor'] == pytest.approx((size[0] / shape[0], size[1] / shape[1]))
    # Half-pixel centres, clamped at the rim as the interpolation does.
    x = np.clip((np.arange(size[0]) + 0.5) * shape[0] / size[0] - 0.5, 0, shape[0] - 1)
    y = np.clip((np.arange(size[1]) + 0.5) * shape[1] / size[1] - 0.5, 0, shape[1] - 1)
    assert np.abs(seen[0] - x[None, :]).max() < 1
    assert np.abs(seen[1] - y[:, None]).max() < 1
    assert seen[2].min() == 255


@pytest.mark.parametrize('name', ['yolov5', 'rtmdet', 'faster_rcnn', 'yolox'])
def test_without_the_patch_the_same_picture_is_padded_or_another_shape(published, name):
    seen, _ = send_through(published(REAL[name][0]), coordinate_picture(240, 150))
    padded = seen[2].min() < 255
    assert padded or seen.shape[1:] != REAL[name][1][::-1]


@pytest.mark.parametrize('name', ['yolox_nano', 'yolov5_s'])
def test_the_example_configs_are_what_the_patch_makes_of_their_base(published, name):
    path = CONFIGS / 'resize_only' / f'{name}_resize_only.py'
    example = Config.fromfile(str(path))
    base = published(path.read_text().split("_base_ = '")[1].split("'")[0])
    patched = pipelines.resize_only(base)
    assert pipelines.test_pipeline(example) == pipelines.test_pipeline(patched)
    for key in ('test_dataloader', 'val_dataloader'):
        assert not example[key].dataset.get('batch_shapes_cfg')
        assert example[key].dataset.pipeline == patched[key].dataset.pipeline
    assert [step.type for step in example.train_pipeline] == [step.type for step in base.train_pipeline]
