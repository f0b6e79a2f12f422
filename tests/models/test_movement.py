"""Steps that work on PIL's pictures and on tensors: mmpretrain's pipelines with transforms of torchvision."""

import numpy as np
import pytest
import torch
from mmcv.transforms import BaseTransform
from mmengine.config import Config
from mmengine.registry import TRANSFORMS
from PIL import Image

from mmlens import compat
from mmlens.errors import PictureError
from mmlens.models.inputs import PicturePipeline

TO_PIL, TO_NUMPY = dict(type='NumpyToPIL', to_rgb=True), dict(type='PILToNumpy', to_bgr=True)
TO_TENSOR = dict(type='torchvision/ToTensor')
NORMALISE = dict(type='torchvision/Normalize', mean=[0.5] * 3, std=[0.5] * 3)  # leaves ones as they are


def vision(name, **options):
    return dict(type=f'torchvision/{name}', **options)


def pipeline(*steps):
    compat.prepare('mmpretrain')
    load, pack = dict(type='LoadImageFromFile'), dict(type='PackInputs')
    return PicturePipeline(Config(dict(default_scope='mmpretrain', test_pipeline=[load, *steps, pack])))


def matrix_of(*steps, size=(300, 500)):
    return pipeline(*steps)(np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)).matrix


# 500 x 300 becomes 180 x 108, of which the crop leaves out 42 on the left and 6 above.
EVAL = [vision('Resize', size=108), vision('CenterCrop', size=96)]
CROPPED = [[0.36, 0, -42], [0, 0.36, -6], [0, 0, 1]]


@pytest.mark.parametrize(
    'steps',
    [
        [TO_PIL, *EVAL, TO_NUMPY],
        [TO_PIL, *EVAL],
        [TO_PIL, *EVAL, TO_TENSOR, NORMALISE],
        [TO_TENSOR, *EVAL, NORMALISE],
        [TO_TENSOR, NORMALISE, *EVAL],
        [vision('ToPILImage'), vision('Compose', transforms=[]), *EVAL, vision('PILToTensor')],
        [TO_PIL, vision('Grayscale', num_output_channels=3), *EVAL],
        [dict(type='ResizeEdge', scale=108), dict(type='CenterCrop', crop_size=96), TO_PIL, TO_TENSOR],
    ],
    ids=lambda steps: ' '.join(step['type'].split('/')[-1] for step in steps),
)
def test_what_an_evaluation_crops_is_followed(steps):
    np.testing.assert_allclose(matrix_of(*steps), CROPPED, atol=0.02)


@pytest.mark.parametrize('form', [TO_PIL, TO_TENSOR], ids=['PIL', 'tensor'])
@pytest.mark.parametrize(
    ('step', 'expected'),
    [
        (vision('RandomHorizontalFlip', p=1.0), [[-1, 0, 500], [0, 1, 0], [0, 0, 1]]),
        (vision('RandomVerticalFlip', p=1.0), [[1, 0, 0], [0, -1, 300], [0, 0, 1]]),
        (vision('Pad', padding=(7, 11, 2, 3)), [[1, 0, 7], [0, 1, 11], [0, 0, 1]]),
        # Anticlockwise: what was at the right ends up above.
        (vision('RandomRotation', degrees=(90, 90), expand=True), [[0, 1, 0], [-1, 0, 500], [0, 0, 1]]),
        (vision('Resize', size=(100, 50)), [[0.1, 0, 0], [0, 1 / 3, 0], [0, 0, 1]]),
        # Larger than the picture: torchvision pads by 50 on each side.
        (vision('CenterCrop', size=(400, 500)), [[1, 0, 0], [0, 1, 50], [0, 0, 1]]),
    ],
    ids=lambda value: value['type'] if isinstance(value, dict) else '',
)
def test_transforms_of_torchvision_are_followed(form, step, expected):
    np.testing.assert_allclose(matrix_of(form, step), expected, atol=0.02)


def test_a_crop_by_chance_is_followed_as_it_fell_out():
    """The crop is read off the pixels, and following it draws no number more."""
    y, x = np.mgrid[:200, :250]
    picture = np.stack([x, y, 0 * x], 2).astype(np.uint8)
    run = pipeline(TO_PIL, vision('RandomCrop', size=32))
    corners = set()
    for seed in range(4):
        torch.manual_seed(seed)
        sample = run(picture)
        drawn = torch.rand(1)
        left, top = (int(sample.packed['inputs'][2 - channel, 0, 0]) for channel in (0, 1))
        np.testing.assert_allclose(sample.matrix, [[1, 0, -left], [0, 1, -top], [0, 0, 1]], atol=1e-3)
        corners.add((left, top))
        torch.manual_seed(seed)
        run.steps[1](dict(img=run.steps[0](dict(img=picture))['img']))
        assert torch.equal(drawn, torch.rand(1))
    assert len(corners) == 4


class OwnTurnOfColours(BaseTransform):
    def transform(self, results):
        assert results['img'].mode == 'RGB'
        results['img'] = results['img'].rotate(180)
        return results


def test_a_step_for_pil_that_takes_no_probe_is_refused():
    TRANSFORMS.register_module(module=OwnTurnOfColours, force=True)
    with pytest.raises(PictureError, match='OwnTurnOfColours moves pixels in a way that mmlens cannot follow'):
        matrix_of(TO_PIL, dict(type='OwnTurnOfColours'))


def test_what_torchvision_warps_is_refused_by_its_own_name():
    torch.manual_seed(0)
    with pytest.raises(PictureError, match='^The pipeline step RandomPerspective moves pixels'):
        matrix_of(TO_PIL, vision('RandomPerspective', p=1.0))


@TRANSFORMS.register_module(force=True)
class LoadChannels(BaseTransform):
    """Makes a picture of another number of channels of the file's."""

    def __init__(self, channels):
        self.channels = channels

    def transform(self, results):
        shape = (300, 500, self.channels) if self.channels else (300, 500)
        return {**results, 'img': np.random.default_rng(0).integers(0, 255, shape, np.uint8)}


@TRANSFORMS.register_module(force=True)
class HalveAndPad(BaseTransform):
    """Takes every second pixel and pads above, however many channels there are, but checks that they stay as many."""

    def transform(self, results):
        img = results['img']
        assert img.shape[2:] == results.get('kept', img.shape[2:])
        padding = ((7, 0), (0, 0), (0, 0))[: img.ndim]
        return {**results, 'kept': img.shape[2:], 'img': np.pad(img[::2, ::2], padding)}


@pytest.mark.parametrize('channels', [0, 1, 2, 3, 4, 6, 12])
def test_pictures_of_any_number_of_channels_are_followed(channels, tmp_path):
    Image.new('L', (4, 4)).save(tmp_path / 'a.png')
    steps = [dict(type='LoadChannels', channels=channels), dict(type='HalveAndPad'), dict(type='PackInputs')]
    found = PicturePipeline(Config(dict(default_scope='mmpretrain', test_pipeline=steps)))(str(tmp_path / 'a.png'))
    np.testing.assert_allclose(found.matrix[:2], [[0.5, 0, 0.25], [0, 0.5, 7.25]], atol=0.02)  # centres of pixels


@pytest.mark.parametrize('size', [(240, 320), (900, 1300)])
@pytest.mark.parametrize('crop', [64, 256])
def test_steps_that_take_8_bits_only_are_followed(size, crop):
    """Resizing by Pillow: the same as by OpenCV, up to a quarter of a pixel of the picture."""
    step = dict(type='EfficientNetCenterCrop', crop_size=crop)
    found = matrix_of(dict(step, backend='pillow'), size=size)
    expected = matrix_of(dict(step, backend='cv2'), size=size)
    corners = np.array([[0, 0, 1], [size[1], size[0], 1]]).T
    off = np.linalg.inv(expected) @ (found @ corners) - corners
    assert np.abs(off).max() < max(0.25, 0.001 * max(size))
