"""Where the input's pixels lie in the picture: the coordinate-picture oracle, and pictures of all kinds."""

import copy
import random

import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import BaseTransform
from mmengine.config import Config
from mmengine.registry import TRANSFORMS

from mmlens import load_detector
from mmlens.errors import ModelError, PictureError
from mmlens.models.inputs import PicturePipeline
from mmlens.pipelines import test_pipeline as steps_of

LANDSCAPE, PORTRAIT, ODD = (300, 500), (500, 300), (97, 211)
SIZES = pytest.mark.parametrize('size', [LANDSCAPE, PORTRAIT, ODD], ids=['landscape', 'portrait', 'odd'])

KEEP_RATIO = dict(type='Resize', scale=(416, 416), keep_ratio=True)
SQUARE = dict(type='Pad', pad_to_square=True, pad_val=dict(img=(114.0, 114.0, 114.0)))


def flip(direction):
    return dict(type='RandomFlip', prob=1.0, direction=direction)


CENTRE_PAD = dict(
    type='RandomCenterCropPad',
    ratios=None,
    border=None,
    mean=[0, 0, 0],
    std=[1, 1, 1],
    to_rgb=True,
    test_mode=True,
    test_pad_mode=['logical_or', 31],
    test_pad_add_pix=1,
)

MMDET = {
    'resize, pad to square': [KEEP_RATIO, SQUARE],
    'resize, padded by the preprocessor': [dict(type='Resize', scale=(333, 200), keep_ratio=True)],
    'resize, pad to a divisor': [
        dict(type='Resize', scale=(333, 200), keep_ratio=True),
        dict(type='Pad', size_divisor=64),
    ],
    'resize, pad to a size': [KEEP_RATIO, dict(type='Pad', size=(480, 448))],
    'stretch': [dict(type='Resize', scale=(320, 224), keep_ratio=False)],
    'twice resized': [KEEP_RATIO, dict(type='Resize', scale=(200, 250), keep_ratio=False)],
    'fixed shape': [dict(type='FixShapeResize', width=300, height=200, keep_ratio=False)],
    'fixed scale': [dict(type='FixScaleResize', scale=(300, 200), keep_ratio=True)],
    'shortest edge': [dict(type='ResizeShortestEdge', scale=(200, 200), max_size=320)],
    'pad, flip': [dict(type='Pad', size_divisor=32), flip('horizontal')],
    'flip horizontal, pad': [KEEP_RATIO, flip('horizontal'), SQUARE],
    'flip vertical, pad': [KEEP_RATIO, flip('vertical'), SQUARE],
    'flip diagonal, pad': [KEEP_RATIO, flip('diagonal'), SQUARE],
    'pad, flip horizontal': [KEEP_RATIO, SQUARE, flip('horizontal')],
    'pad, flip vertical': [KEEP_RATIO, SQUARE, flip('vertical')],
    'pad, flip diagonal': [KEEP_RATIO, SQUARE, flip('diagonal')],
    'resize, centre crop': [KEEP_RATIO, dict(type='mmcv.CenterCrop', crop_size=(200, 150))],
    'centre crop, resize': [dict(type='mmcv.CenterCrop', crop_size=(90, 60)), KEEP_RATIO, SQUARE],
    "CenterNet's padding": [CENTRE_PAD],
    'inside Compose': [dict(type='Compose', transforms=[KEEP_RATIO, flip('vertical'), SQUARE])],
}


@SIZES
@pytest.mark.parametrize('case', MMDET)
def test_mmdet_pipelines_are_followed(case, size, with_steps, mapping_error, record_property):
    error, _ = mapping_error(with_steps(MMDET[case]), size)
    record_property('error_in_picture_pixels', error)
    assert error < 1


@SIZES
@pytest.mark.parametrize('half_pad_param', [False, True])
@pytest.mark.parametrize('use_mini_pad', [False, True])
@pytest.mark.parametrize('scale', [(416, 416), (640, 384), (131, 97)], ids=str)
def test_letterboxes_are_followed(
    scale, use_mini_pad, half_pad_param, size, with_steps, make_letterbox, mapping_error, record_property
):
    steps = make_letterbox(*scale, use_mini_pad=use_mini_pad, half_pad_param=half_pad_param)
    error, _ = mapping_error(with_steps(steps, 'mmyolo', divisor=1), size)
    record_property('error_in_picture_pixels', error)
    assert error < 1


@SIZES
@pytest.mark.parametrize('half_pad_param', [False, True])
@pytest.mark.parametrize('extra_pad_ratio', [0.5, 0.0])
def test_batch_shapes_of_the_policy_are_followed(
    extra_pad_ratio, half_pad_param, size, with_steps, make_letterbox, mapping_error, record_property
):
    from mmyolo.datasets.utils import BatchShapePolicy

    # A picture of another shape in the batch: the padding is not this picture's own.
    pictures = [dict(height=size[0], width=size[1]), dict(height=400, width=360)]
    policy = BatchShapePolicy(batch_size=2, img_size=416, size_divisor=32, extra_pad_ratio=extra_pad_ratio)
    shape = next(p['batch_shape'] for p in policy(pictures) if p['width'] == size[1])
    detector = with_steps(make_letterbox(416, 416, half_pad_param=half_pad_param), 'mmyolo', divisor=1)
    error, geometry = mapping_error(detector, size, batch_shape=shape)
    record_property('error_in_picture_pixels', error)
    assert geometry.input_size == tuple(shape)
    assert error < 1


@pytest.mark.parametrize('allow_scale_up', [False, True])
def test_a_letterbox_alone_is_followed(allow_scale_up, with_steps, mapping_error):
    letter = dict(type='LetterResize', scale=(301, 222), allow_scale_up=allow_scale_up, pad_val=dict(img=114))
    for size in (LANDSCAPE, PORTRAIT, (50, 60)):
        assert mapping_error(with_steps([letter], 'mmyolo', divisor=1), size)[0] < 1


def test_a_letterbox_that_stretches_is_followed(with_steps, mapping_error):
    letter = dict(type='LetterResize', scale=(320, 224), stretch_only=True)
    assert mapping_error(with_steps([letter], 'mmyolo', divisor=1), PORTRAIT)[0] < 1


@SIZES
@pytest.mark.parametrize('family', ['mmdet', 'mmyolo'])
def test_resize_only_is_followed_and_pads_nothing(family, size, yolox, yolov5, mapping_error):
    detector = load_detector((yolox if family == 'mmdet' else yolov5).model.cfg, resize_only=True, device='cpu')
    detector.model.cfg.test_pipeline = [step for step in steps_of(detector.model.cfg) if 'Anno' not in step.type]
    error, geometry = mapping_error(detector, size)
    assert error < 1
    height, width = geometry.input_size
    np.testing.assert_allclose(geometry.points_to_input(np.array([[size[1], size[0]]])), [[width, height]])


def own_step(function):
    """The config of a transform that applies a function to the picture."""

    class Step(BaseTransform):
        def transform(self, results):
            results['img'] = function(results['img'])
            return results

    Step.__name__ = f'Own{function.__name__.title()}'
    TRANSFORMS.register_module(module=Step, force=True)
    return dict(type=Step.__name__)


def quarter_turn(img):
    return np.ascontiguousarray(np.rot90(img))


def shift_by_ten(img):
    return np.concatenate([np.zeros_like(img[:, :10]), img[:, :-10]], 1)


def cut_a_corner(img):
    return img[13:, 29:]


def smaller_by_numpy(img):
    return img.reshape(img.shape[0] // 2, 2, img.shape[1] // 2, 2, 3).mean((1, 3), dtype=np.float32)


@pytest.mark.parametrize('function', [quarter_turn, shift_by_ten, cut_a_corner, smaller_by_numpy])
def test_unknown_steps_are_measured(function, with_steps, mapping_error):
    for size in (LANDSCAPE, PORTRAIT, (200, 200)):
        steps = [own_step(function), dict(type='Resize', scale=(96, 96), keep_ratio=True), SQUARE]
        assert mapping_error(with_steps(steps), size)[0] < 1


def darker(img):
    return img * 0.5


def without_colour(img):
    return np.repeat(img.mean(2, keepdims=True), 3, 2)


def for_uint8_only(img):
    assert img.dtype == np.uint8
    return cv2.equalizeHist(img[..., 0])[..., None].repeat(3, 2)


@pytest.mark.parametrize('function', [darker, without_colour, for_uint8_only])
def test_steps_that_change_values_alone_move_nothing(function, with_steps):
    detector = with_steps([own_step(function)], load=dict(type='LoadImageFromFile'))
    geometry = detector.prepare(np.full((60, 80, 3), 100, np.uint8)).geometry
    np.testing.assert_array_equal(geometry.matrix, np.eye(3))


def barrel(img):
    y, x = np.mgrid[: img.shape[0], : img.shape[1]].astype(np.float32)
    radius = ((x / img.shape[1] - 0.5) ** 2 + (y / img.shape[0] - 0.5) ** 2) * 0.4 + 0.8
    return cv2.remap(
        img,
        (x - img.shape[1] / 2) * radius + img.shape[1] / 2,
        (y - img.shape[0] / 2) * radius + img.shape[0] / 2,
        cv2.INTER_LINEAR,
    )


def log_polar(img):
    return cv2.warpPolar(img, (120, 90), (100, 100), 90, cv2.WARP_POLAR_LOG)


@pytest.mark.parametrize('function', [barrel, log_polar])
def test_what_no_affine_map_describes_is_refused(function, with_steps):
    detector = with_steps([own_step(function)])
    with pytest.raises(PictureError, match=f'Own{function.__name__.title()} moves pixels in a way') as caught:
        detector.prepare(np.zeros((200, 200, 3), np.uint8))
    assert '`resize_only`' in str(caught.value)


def broken(img):
    raise RuntimeError('no such luck')


def test_a_step_that_fails_is_named(with_steps):
    with pytest.raises(PictureError, match='OwnBroken fails: no such luck'):
        with_steps([own_step(broken)]).prepare(np.zeros((20, 20, 3), np.uint8))


def test_a_random_step_is_followed_as_it_fell_out(with_steps):
    """The flip that happened is the flip that is told, whichever it is."""
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[:, :30] = 255
    detector = with_steps([dict(type='RandomFlip', prob=0.5)], divisor=1)
    seen = set()
    for seed in range(8):
        np.random.seed(seed)
        random.seed(seed)
        prepared = detector.prepare(picture)
        flipped = bool(prepared.batch['inputs'][0, 0, 0, 0] < prepared.batch['inputs'][0, 0, 0, -1])
        assert flipped == (prepared.geometry.matrix[0, 0] < 0)
        seen.add(flipped)
    assert seen == {True, False}


def test_a_random_crop_is_followed_and_measuring_it_draws_no_extra_number(with_steps):
    picture = np.arange(80 * 90, dtype=np.uint32).reshape(80, 90)
    picture = np.stack([picture % 256, picture // 256, picture * 0], 2).astype(np.uint8)
    detector = with_steps(
        [dict(type='RandomCrop', crop_size=(32, 32), allow_negative_crop=True)], load=dict(type='LoadImageFromFile')
    )
    np.random.seed(5)
    random.seed(5)
    sample = detector.pipeline(picture)
    after = np.random.get_state()[1].copy(), random.getstate()
    low, high = (sample.packed['inputs'][channel].numpy().astype(int) for channel in (0, 1))
    index = low + 256 * high
    x, y = index[7, 11] % 90, index[7, 11] // 90
    geometry = sample.geometry((32, 32))
    np.testing.assert_allclose(geometry.points_to_picture(np.array([[11.5, 7.5]])), [[x + 0.5, y + 0.5]], atol=1e-6)
    np.random.seed(5)
    random.seed(5)
    for step in detector.pipeline.steps:
        step(dict(img=picture, img_id=0, ori_shape=(80, 90), img_shape=(80, 90)))
    np.testing.assert_array_equal(after[0], np.random.get_state()[1])
    assert after[1] == random.getstate()


# Pictures of all kinds


@pytest.fixture
def plain(yolox):
    return yolox.pipeline


@pytest.fixture
def colours():
    """(40, 60, 3): red above, green below on the left, blue on the right."""
    img = np.zeros((40, 60, 3), np.uint8)
    img[:20, :, 2], img[20:, :30, 1], img[20:, 30:, 0] = 200, 150, 250
    return img


def test_an_array_and_its_file_are_the_same(plain, colours, tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), colours)
    from_file, from_path, from_array = plain(str(tmp_path / 'a.png')), plain(tmp_path / 'a.png'), plain(colours)
    for other in (from_path, from_array):
        np.testing.assert_array_equal(from_file.picture, other.picture)
        assert torch.equal(from_file.packed['inputs'], other.packed['inputs'])
        np.testing.assert_array_equal(from_file.matrix, other.matrix)


def test_the_callers_array_is_neither_changed_nor_kept(plain, colours):
    before = colours.copy()
    sample = plain(colours)
    sample.picture[:] = 7
    np.testing.assert_array_equal(colours, before)


@pytest.mark.parametrize('view', [lambda a: a[:, ::-1], lambda a: a[::2], lambda a: np.asfortranarray(a)])
def test_views_and_read_only_arrays_are_pictures(view, plain, colours):
    colours = view(colours)
    colours.flags.writeable = False
    expected = plain(colours.copy(order='C'))
    assert torch.equal(plain(colours).packed['inputs'], expected.packed['inputs'])


def test_a_gray_png_is_a_picture_of_three_channels(plain, tmp_path):
    gray = np.random.default_rng(0).integers(0, 255, (30, 40), np.uint8)
    cv2.imwrite(str(tmp_path / 'gray.png'), gray)
    picture = plain(tmp_path / 'gray.png').picture
    np.testing.assert_array_equal(picture, np.stack([gray] * 3, 2))


def test_transparency_and_sixteen_bits_are_read_as_colours(plain, colours, tmp_path):
    alpha = np.dstack([colours, np.full((40, 60), 128, np.uint8)])
    cv2.imwrite(str(tmp_path / 'alpha.png'), alpha)
    np.testing.assert_array_equal(plain(tmp_path / 'alpha.png').picture, colours)
    cv2.imwrite(str(tmp_path / 'deep.png'), colours.astype(np.uint16) * 257)
    np.testing.assert_allclose(plain(tmp_path / 'deep.png').picture.astype(int), colours, atol=1)


def test_a_photograph_stands_as_its_exif_orientation_says(plain, colours, tmp_path):
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(colours[..., ::-1]))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to look at it
    image.save(tmp_path / 'turned.png', exif=exif.tobytes())
    image.save(tmp_path / 'turned.jpg', exif=exif.tobytes(), quality=100, subsampling=0)
    sample = plain(tmp_path / 'turned.jpg')
    assert sample.picture.shape == (60, 40, 3)
    np.testing.assert_allclose(sample.picture[30, 30], (0, 0, 200), atol=4)  # the red is on the right now
    # What the network sees is turned as well: 60 x 40 in 128 x 128.
    np.testing.assert_allclose(sample.matrix, np.diag([85 / 40, 128 / 60, 1]))


@pytest.mark.parametrize('color_type, channels', [('grayscale', 1), ('unchanged', 4)])
def test_loaders_of_other_channels_still_show_a_picture(color_type, channels, with_steps, colours, tmp_path):
    alpha = np.dstack([colours, np.full((40, 60), 128, np.uint8)])
    cv2.imwrite(str(tmp_path / 'alpha.png'), alpha)
    detector = with_steps([KEEP_RATIO], load=dict(type='LoadImageFromFile', color_type=color_type))
    sample = detector.pipeline(tmp_path / 'alpha.png')
    assert sample.picture.shape == (40, 60, 3) and sample.picture.dtype == np.uint8
    assert sample.packed['inputs'].shape[0] == channels
    if channels == 1:
        from_array = detector.pipeline(colours)
        assert from_array.picture.shape == (40, 60, 3)
        torch.testing.assert_close(from_array.packed['inputs'], sample.packed['inputs'], atol=1, rtol=0)


@pytest.mark.parametrize(
    'bad',
    [
        np.zeros((4,), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
    ],
    ids=lambda a: f'{a.shape} {a.dtype}',
)
def test_arrays_that_are_no_pictures_are_refused(bad, plain):
    with pytest.raises(PictureError, match=r'must be an array \(H, W, 3\) of uint8'):
        plain(bad)


def test_a_grey_array_is_a_picture(plain):
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    three = plain(np.repeat(grey[..., None], 3, 2))
    for shape in ((8, 8), (8, 8, 1)):
        found = plain(grey.reshape(shape))
        assert (found.picture == three.picture).all() and (found.packed['inputs'] == three.packed['inputs']).all()


def test_a_picture_that_is_too_large_is_refused_whatever_it_is(plain, tmp_path):
    from PIL import Image

    plain = copy.copy(plain)
    plain.max_pixels = 99
    Image.new('1', (10, 10)).save(tmp_path / 'a.png')
    for picture in (np.zeros((10, 10, 3), np.uint8), str(tmp_path / 'a.png'), Image.new('L', (10, 10))):
        with pytest.raises(PictureError, match=r'0.0001 million pixels, more than the 9.9e-05 million'):
            plain(picture)


def test_pages_of_a_file_are_told(plain, tmp_path):
    from PIL import Image

    pages = [Image.new('L', (10, 10), shade) for shade in (9, 99)]
    pages[0].save(tmp_path / 'a.tif', save_all=True, append_images=pages[1:])
    found = plain(str(tmp_path / 'a.tif'))
    assert (found.picture == 9).all()
    assert found.notes == (f'{tmp_path / "a.tif"} holds 2 pictures: only one, usually the first, is looked at.',)


def test_things_that_are_no_pictures_are_refused(plain):
    with pytest.raises(PictureError, match='a PIL image or a tensor, not bytes'):
        plain(b'picture')
    with pytest.raises(PictureError, match='not NoneType'):
        plain(None)


@pytest.mark.parametrize('content', [b'', b'no picture at all', b'\x89PNG\r\n\x1a\n' + bytes(50)])
def test_broken_files_are_refused_by_name(content, plain, tmp_path):
    (tmp_path / 'broken.png').write_bytes(content)
    with pytest.raises(PictureError, match=r'Cannot read .*broken\.png'):
        plain(tmp_path / 'broken.png')


def test_missing_files_and_folders_are_refused_by_name(plain, tmp_path):
    for name in (tmp_path / 'none.png', tmp_path):
        with pytest.raises(PictureError, match='No picture'):
            plain(name)


# Pipelines of all kinds


def pipeline(*steps, scope='mmdet'):
    return PicturePipeline(Config(dict(default_scope=scope, test_pipeline=list(steps))))


def test_a_config_that_inference_detector_has_set_to_arrays_still_takes_files(colours, pack, tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), colours)
    for kind in ('mmdet.LoadImageFromNDArray', 'LoadImageFromNDArray'):
        sample = pipeline(dict(type=kind), KEEP_RATIO, pack)(tmp_path / 'a.png')
        np.testing.assert_array_equal(sample.picture, colours)


def test_a_config_without_a_scope_may_name_the_library_of_each_step(pack, colours):
    plain = [dict(type='LoadImageFromFile'), KEEP_RATIO, pack]
    named = [{**step, 'type': f'mmdet.{step["type"].split(".")[-1]}'} for step in plain]
    one, other = (pipeline(*steps, scope=None)(colours).packed['inputs'] for steps in (named, plain))
    assert one.equal(other)


def test_annotations_are_neither_needed_nor_loaded(pack, colours):
    steps = [
        dict(type='LoadImageFromFile'),
        KEEP_RATIO,
        dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
        pack,
    ]
    assert pipeline(*steps)(colours).packed['inputs'].shape == (3, 277, 416)


def test_the_config_is_not_changed(yolox_config):
    before = yolox_config.pretty_text
    PicturePipeline(yolox_config)(np.zeros((20, 30, 3), np.uint8))
    assert yolox_config.pretty_text == before


@pytest.mark.parametrize(
    'steps, sentence',
    [
        ([], 'has no test pipeline'),
        ([dict(type='LoadAnnotations')], 'test pipeline is empty'),
        ([dict(type='LoadImageFromFile'), dict(type='NoSuchStep')], 'cannot be built: .*NoSuchStep'),
        ([dict(type='LoadImageFromFile'), dict(type='Resize', bad=1)], 'cannot be built: .*bad'),
    ],
)
def test_pipelines_that_cannot_be_built_are_refused(steps, sentence):
    with pytest.raises(ModelError, match=sentence):
        pipeline(*steps)


def test_a_step_that_misses_its_package(monkeypatch):
    def init(self):
        raise RuntimeError('albumentations is not installed')

    step = own_step(quarter_turn)
    monkeypatch.setattr(TRANSFORMS.get(step['type']), '__init__', init)
    with pytest.raises(
        ModelError, match=r'test pipeline of the config cannot be built: albumentations is not installed'
    ):
        pipeline(dict(type='LoadImageFromFile'), step)


def test_pipelines_that_pack_no_single_picture_are_refused(pack, colours):
    many = dict(type='TestTimeAug', transforms=[[KEEP_RATIO], [flip('horizontal')], [pack]])
    for last in ([], [many]):
        with pytest.raises((ModelError, PictureError), match='one packed picture|TestTimeAug'):
            pipeline(dict(type='LoadImageFromFile'), *last)(colours)


def test_a_pipeline_for_videos_is_refused():
    """That of a tracker without a detector of its own."""
    frames = dict(type='TransformBroadcaster', transforms=[dict(type='LoadImageFromFile')])
    with pytest.raises(ModelError, match='^The test pipeline of the config takes the frames of a video'):
        pipeline(frames, dict(type='mmdet.PackTrackInputs'))


@pytest.mark.parametrize(
    ('scope', 'packing'), [('mmdet', 'PackDetInputs'), ('mmpretrain', 'PackInputs'), ('mmyolo', 'mmdet.PackDetInputs')]
)
def test_the_packing_step_that_is_missing_is_that_of_the_configs_library(scope, packing, colours):
    with pytest.raises(ModelError, match=f'its last step must be {packing}, and test-time augmentation has no place'):
        pipeline(dict(type='LoadImageFromFile'), scope=scope)(colours)


def test_a_library_that_is_not_known_is_not_told_to_use_another_ones_step(colours):
    unpacked = pipeline(dict(type='LoadImageFromFile'))
    unpacked.cfg = Config(dict(default_scope='mmseg'))
    with pytest.raises(ModelError, match='its last step must be PackSegInputs'):
        unpacked(colours)
    unpacked.cfg = Config(dict(default_scope='my_project'))
    with pytest.raises(ModelError, match='its last step must be the packing step of its library'):
        unpacked(colours)
