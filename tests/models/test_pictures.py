"""Pictures of every kind give the same pixels, the same way up and in the same order of colours."""

import functools
import http.server
import os
import threading
from pathlib import Path

import cv2
import mmcv
import numpy as np
import pytest
import torch
from PIL import Image

from mmlens import MmlensError, check_sanity, explain_boxes, feature_maps
from mmlens.errors import PictureError
from mmlens.models.pictures import file_or_array, is_picture

ORIENTATION = 0x0112


def taken(picture, oriented=True):
    with file_or_array(picture, oriented) as one:
        return one if isinstance(one, np.ndarray) else cv2.imread(one)


@pytest.fixture
def rgb():
    """No two channels are alike, and neither side is a multiple of the other."""
    return np.random.default_rng(0).integers(0, 255, (7, 12, 3), np.uint8)


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    handler.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{running.server_port}'
        running.shutdown()


# ---------------------------------------------------------------- the pixels


def test_every_kind_of_a_picture_is_the_same_array(rgb, tmp_path, server):
    bgr = rgb[..., ::-1]
    path = tmp_path / 'picture.png'
    cv2.imwrite(str(path), bgr)
    channels_first = torch.from_numpy(rgb.transpose(2, 0, 1).copy())
    kinds = [
        bgr,
        str(path),
        path,
        f'{server}/picture.png?size=large',
        Image.fromarray(rgb),
        Image.open(path),
        channels_first,
        channels_first.float() / 255,
        (channels_first.double() / 255).requires_grad_(),
    ]
    for picture in kinds:
        assert is_picture(picture)
        found = taken(picture)
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, bgr)


def test_half_floats_are_as_exact_as_they_can_be(rgb):
    tensor = (torch.from_numpy(rgb.transpose(2, 0, 1).copy()) / 255).half()
    assert np.abs(taken(tensor).astype(int) - rgb[..., ::-1]).max() <= 1


def test_grey_becomes_three_equal_channels(rgb):
    grey = rgb[..., 0]
    expected = np.repeat(grey[..., None], 3, 2)
    np.testing.assert_array_equal(taken(Image.fromarray(grey)), expected)
    np.testing.assert_array_equal(taken(torch.from_numpy(grey.copy())[None]), expected)


@pytest.mark.parametrize('mode', ['RGB', 'RGBA', 'L', 'LA', 'P', '1', 'I;16'])
def test_a_pil_image_has_the_pixels_that_opencv_reads_from_its_file(mode, rgb, tmp_path):
    path = tmp_path / 'picture.png'
    if mode == 'I;16':
        Image.fromarray(rgb[..., 0].astype(np.uint16) * 257).save(path)
    else:
        image = Image.fromarray(rgb).convert('L' if mode == 'LA' else 'RGB').convert(mode)
        image.save(path)
    with Image.open(path) as image:
        np.testing.assert_array_equal(taken(image), cv2.imread(str(path)))


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('color_type', ['color', 'color_ignore_orientation', 'unchanged'])
def test_a_camera_held_upright_or_sideways(orientation, color_type, rgb, tmp_path, yolox_config):
    """The same way up as mmcv reads the file from the disk, whatever the config's loader does."""
    from mmlens.models.inputs import PicturePipeline

    path = tmp_path / 'picture.png'
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(rgb).save(path, exif=exif)
    read = mmcv.imfrombytes(path.read_bytes(), flag=color_type)
    assert (read.shape[0] == 12) == (orientation > 4 and color_type == 'color')
    yolox_config.test_dataloader.dataset.pipeline[0].color_type = color_type
    pipeline = PicturePipeline(yolox_config)
    for picture in (path, Image.open(path)):
        np.testing.assert_array_equal(pipeline(picture).picture, read)


# ---------------------------------------------------------------- the front doors


def test_the_front_doors_take_every_kind(yolox, picture, tmp_path):
    expected = explain_boxes(yolox, picture, topk=1)
    channels_first = torch.from_numpy(np.ascontiguousarray(picture[..., ::-1].transpose(2, 0, 1)))
    for other in (Image.fromarray(picture[..., ::-1]), channels_first, channels_first / 255.0):
        assert explain_boxes(yolox, other, topk=1) == expected
    assert feature_maps(yolox, channels_first) == feature_maps(yolox, picture)
    image = Image.fromarray(picture[..., ::-1])
    np.testing.assert_array_equal(
        check_sanity(yolox, image, topk=1, draws=1).correlations,
        check_sanity(yolox, [picture], topk=1, draws=1).correlations,
    )


# ---------------------------------------------------------------- what is none


@pytest.mark.parametrize(
    ('picture', 'sentence'),
    [
        (torch.zeros(2, 3, 4, 4), r'must be one picture, \(3, H, W\) in RGB .* this one is \(2, 3, 4, 4\)'),
        (torch.zeros(4, 4, 3), r'this one is \(4, 4, 3\): .* with the channels first'),
        (torch.zeros(3, 0, 4), r'this one is \(3, 0, 4\)'),
        (torch.full((3, 4, 4), 200.0), r'must lie in \[0, 1\], and this one reaches from 200 to 200: undo'),
        (torch.full((3, 4, 4), -0.5), 'reaches from -0.5 to -0.5'),
        (torch.full((3, 4, 4), float('nan')), 'reaches from nan to nan'),
        (torch.zeros(3, 4, 4, dtype=torch.int64), r'floats in \[0, 1\] or uint8, not torch.int64'),
        (np.zeros((4, 4, 4), np.uint8), r'or \(H, W\), grey; this one is \(4, 4, 4\) of uint8'),
        (np.zeros((4, 4, 3)), 'this one is .* of float64'),
        (Image.fromarray(np.zeros((4, 4), np.float32)), 'of floats has no known range'),
        (Image.new('RGB', (0, 4)), 'of no pixels'),
        ('nowhere.png', 'No picture nowhere.png: check the path'),
        (Path('nowhere.png'), 'No picture nowhere.png: check the path'),
        (7, 'must be a file name, an address, an array, a PIL image or a tensor, not int'),
        (None, 'not NoneType'),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,  # texts of pictures hold addresses
)
def test_what_is_no_picture_is_told_in_a_sentence(picture, sentence):
    with pytest.raises(PictureError, match=sentence) as caught:
        taken(picture)
    assert '\n' not in str(caught.value)


def test_a_little_beyond_white_is_white():
    assert taken(torch.full((3, 2, 2), 1.0005)).min() == 255


def test_lists_are_no_picture(rgb):
    assert not is_picture([rgb]) and not is_picture((rgb, rgb)) and not is_picture(iter([rgb]))


def test_a_damaged_file_that_pillow_has_only_opened(rgb, tmp_path):
    path = tmp_path / 'picture.png'
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 90, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(PictureError, match='PIL image cannot be read'):
        taken(Image.open(path))


def test_addresses_that_give_no_picture(server, yolox, tmp_path):
    (tmp_path / 'page.html').write_text('<html>')
    with pytest.raises(PictureError, match=r'gone.png cannot be downloaded: HTTP 404'):
        explain_boxes(yolox, f'{server}/gone.png')
    with pytest.raises(MmlensError, match=r'Cannot read http://.*page.html: it is not a picture, or it is damaged'):
        explain_boxes(yolox, f'{server}/page.html')


def test_what_was_downloaded_is_removed(server, rgb, tmp_path):
    cv2.imwrite(str(tmp_path / 'picture.png'), rgb)
    with file_or_array(f'{server}/picture.png') as file:
        assert os.path.isfile(file)
    assert not os.path.exists(file)
