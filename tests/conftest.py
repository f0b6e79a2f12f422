"""Small detectors with seeded random weights and real pipelines, shared by the rooms' tests."""

import gc
import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

CONFIGS = Path(__file__).parent / 'configs'


_frozen = {'modules': 0}


@pytest.fixture(autouse=True)
def modules_are_no_garbage():
    """Leave what was imported out of collections: every data set of mmengine asks for one, which took half a second."""
    yield
    if len(sys.modules) > _frozen['modules'] + 100:
        _frozen['modules'] = len(sys.modules)
        gc.collect()
        gc.freeze()


@pytest.fixture(scope='session', autouse=True)
def configs_are_written_as_they_are():
    """A Runner writes its config out five times, and yapf takes a third of a second to lay each one out."""
    from yapf.yapflib import yapf_api

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yapf_api, 'FormatCode', lambda text, **style: (text, True))
        yield


def _config(name):
    """A config of tests/configs, as if it had been written as a dict."""
    from mmengine.config import Config

    from mmlens import compat

    compat.prepare()
    return Config(Config.fromfile(str(CONFIGS / f'{name}.py')).to_dict())


def _build(config, adjust):
    import torch

    from mmlens import load_detector

    detector = load_detector(config, device='cpu')
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in detector.model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, (2 / parameter[0].numel()) ** 0.5, generator=generator)
        adjust(detector.model)
    return detector


@pytest.fixture(scope='session')
def config_of():
    """Make the config of a tiny network of any family: ``config_of('panoptic_fpn')``; see tests/configs."""
    return _config


@pytest.fixture(scope='session')
def yolox_config():
    """Config of a tiny single-stage detector: Resize(keep_ratio) + Pad to 128 x 128, three classes."""
    return _config('yolox')


@pytest.fixture(scope='session')
def yolox():
    """A tiny single-stage detector that finds six objects of differing class, score and level."""

    def adjust(model):
        head = model.bbox_head
        # Few boxes of the finest level, to be quick; activations of the coarser ones differ less.
        for objectness, bias, spread in zip(head.multi_level_conv_obj, (-3.0, -2.5, -1.5), (10, 300, 2000)):
            objectness.bias.fill_(bias)
            objectness.weight.mul_(spread)
        for classes in head.multi_level_conv_cls:
            classes.bias.fill_(0.0)
            classes.weight.mul_(16)
        for edges in head.multi_level_conv_reg:
            edges.weight.mul_(0.1)
            edges.bias.copy_(edges.bias.new_tensor([0.0, 0.0, 1.0, 1.0]))

    return _build(_config('yolox'), adjust)


@pytest.fixture(scope='session')
def faster_rcnn_config():
    """Config of a tiny two-stage detector, with the pipeline of ``yolox_config``."""
    return _config('faster_rcnn')


@pytest.fixture(scope='session')
def faster_rcnn():
    """A tiny two-stage detector."""

    def adjust(model):
        model.roi_head.bbox_head.fc_cls.weight.mul_(0.1)
        model.roi_head.bbox_head.fc_reg.weight.mul_(0.02)
        model.rpn_head.rpn_reg.weight.mul_(0.1)

    return _build(_config('faster_rcnn'), adjust)


@pytest.fixture(scope='session')
def yolov5():
    """A tiny detector of MMYOLO: letterbox to 96 x 96, three classes, always five boxes."""
    from mmengine.config import Config

    channels = [256, 512, 1024]
    thin = dict(deepen_factor=0.33, widen_factor=0.0625)
    model = dict(
        type='YOLODetector',
        data_preprocessor=dict(type='YOLOv5DetDataPreprocessor', mean=[0.0] * 3, std=[255.0] * 3, bgr_to_rgb=True),
        backbone=dict(type='YOLOv5CSPDarknet', **thin),
        neck=dict(type='YOLOv5PAFPN', in_channels=channels, out_channels=channels, num_csp_blocks=1, **thin),
        bbox_head=dict(
            type='YOLOv5Head',
            head_module=dict(
                type='YOLOv5HeadModule',
                num_classes=3,
                in_channels=channels,
                widen_factor=0.0625,
                featmap_strides=[8, 16, 32],
                num_base_priors=3,
            ),
        ),
        test_cfg=dict(
            multi_label=True, score_thr=0.0, nms_pre=100, max_per_img=5, nms=dict(type='nms', iou_threshold=0.3)
        ),
    )
    steps = [
        dict(type='LoadImageFromFile'),
        dict(type='YOLOv5KeepRatioResize', scale=(96, 96)),
        dict(type='LetterResize', scale=(96, 96), allow_scale_up=False, pad_val=dict(img=114)),
        dict(type='mmdet.PackDetInputs', meta_keys=('ori_shape', 'img_shape', 'scale_factor', 'pad_param')),
    ]
    return _build(Config(dict(default_scope='mmyolo', model=model, test_pipeline=steps)), lambda model: None)


@pytest.fixture(scope='session')
def picture():
    """A picture (90, 128, 3) of coloured blobs; no side is a multiple of a stride."""
    import cv2

    noise = np.random.default_rng(0).integers(0, 255, (9, 13, 3), np.uint8)
    return cv2.resize(noise, (128, 90), interpolation=cv2.INTER_CUBIC)


@pytest.fixture(scope='session')
def tool():
    """Import a script of dev/, which is no package; scripts import each other, when they are imported and later."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, 'path', [*sys.path, str(Path(__file__).resolve().parents[1] / 'dev')])
        yield importlib.import_module


@pytest.fixture
def drawings(tmp_path):
    """What two hooks drew of two pictures: by epoch, and by iteration."""
    import cv2

    for name, steps in (('boxam/a', range(0, 30, 2)), ('boxam/b', (0, 1)), ('cam/a', (0, 1000000))):
        folder = tmp_path / 'work' / 'mmlens' / name
        folder.mkdir(parents=True)
        for step in steps:
            file = f'iter_{step:06d}.png' if name == 'cam/a' else f'epoch_{step:04d}.png'
            cv2.imwrite(str(folder / file), np.full((60 + step % 7, 80, 3), 5 * (step % 40), np.uint8))
    (tmp_path / 'work' / 'mmlens' / 'notes_1.png').touch()
    return tmp_path / 'work' / 'mmlens'


@pytest.fixture
def full_disk(tool):
    """No file grows beyond so many bytes within ``full_disk(bytes)``, as on a disk that is full."""
    return tool('soak_disk').full_after
