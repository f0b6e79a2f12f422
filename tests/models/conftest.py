import copy

import numpy as np
import pytest

LOAD = dict(type='LoadImageFromFile', to_float32=True)
PACK = dict(type='mmdet.PackDetInputs', meta_keys=('ori_shape', 'img_shape', 'scale_factor', 'pad_param', 'border'))


@pytest.fixture(scope='session')
def pack():
    return PACK


def letterbox(width, height, **options):
    """MMYOLO's two steps, for a scale of (width, height)."""
    options = dict(allow_scale_up=False, pad_val=dict(img=114), **options)
    return [
        dict(type='YOLOv5KeepRatioResize', scale=(width, height)),
        dict(type='LetterResize', scale=(width, height), **options),
    ]


@pytest.fixture(scope='session')
def make_letterbox():
    return letterbox


@pytest.fixture
def with_steps(yolox, yolov5):
    """Make a detector whose test pipeline holds some steps between loading and packing."""
    from mmengine.config import Config

    from mmlens.models.detector import Detector

    def make(steps, family='mmdet', load=None, divisor=32):
        model = copy.copy((yolox if family == 'mmdet' else yolov5).model)
        model._modules = dict(model._modules)  # a model beside the shared one, with the same layers
        model.data_preprocessor = copy.deepcopy(model.data_preprocessor)
        model.data_preprocessor.pad_size_divisor = divisor
        model.cfg = Config(dict(default_scope=family, test_pipeline=[load or LOAD, *steps, PACK]))
        return Detector(model)

    return make


@pytest.fixture(scope='session')
def mapping_error():
    """The oracle: where each pixel of the input comes from, told by a picture whose channels hold x and y.

    The picture goes through the transforms that mmcv's Compose builds from the same config and through the model's
    own data preprocessor; mmlens takes no part in it.
    """

    def measure(detector, size, **extra):
        """Largest distance in picture pixels between the mapping read off and the geometry's; and the input's size."""
        from mmcv.transforms import Compose

        from mmlens.models.inputs import default_scope

        height, width = size
        y, x = np.mgrid[:height, :width].astype(np.float32) + 0.5
        coordinates = np.stack([x, y, np.ones_like(x)], 2)
        cfg = copy.deepcopy(detector.model.cfg)
        with default_scope(cfg):
            run = Compose([dict(type='mmdet.LoadImageFromNDArray'), *cfg.test_pipeline[1:]])
            packed = run(dict(img=coordinates, img_id=0, **extra))
        preprocessor = copy.deepcopy(detector.model.data_preprocessor)
        preprocessor._enable_normalize = preprocessor._channel_conversion = False
        batch = preprocessor({key: [value] for key, value in packed.items()}, False)
        of_x, of_y, ones = batch['inputs'][0].numpy()
        rows, columns = np.nonzero(np.abs(ones - 1) < 1e-3)
        assert len(rows) > 200
        came_from = np.stack([of_x[rows, columns], of_y[rows, columns]], 1)
        geometry = detector.prepare(np.zeros((height, width, 3), np.uint8), **extra).geometry
        assert geometry.input_size == tuple(batch['inputs'].shape[-2:])
        told = geometry.points_to_picture(np.stack([columns, rows], 1) + 0.5)
        return float(np.linalg.norm(told - came_from, axis=1).max()), geometry

    return measure
