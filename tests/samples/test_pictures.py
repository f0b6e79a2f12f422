from types import SimpleNamespace

import numpy as np
import pytest
from mmdet.datasets.transforms import Expand, RandomCenterCropPad

from mmlens.samples.pictures import Colours, to_picture

BLUE_GREEN_RED = np.array([[[10, 20, 30], [40, 50, 60]]], np.uint8)  # one row of two pixels, BGR


class Normalize(SimpleNamespace):
    pass


def drawn(array, channels_first=False, colours=None):
    picture, notes = to_picture(np.asarray(array), channels_first, colours or Colours())
    assert picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3
    return picture.tolist(), list(notes)


def test_a_loaded_picture_is_itself():
    assert drawn(BLUE_GREEN_RED) == (BLUE_GREEN_RED.tolist(), [])


def test_a_tensor_has_its_channels_first():
    assert drawn(BLUE_GREEN_RED.transpose(2, 0, 1), channels_first=True) == (BLUE_GREEN_RED.tolist(), [])


def test_rgb_is_turned_round():
    assert drawn(BLUE_GREEN_RED, colours=Colours(rgb=True))[0] == [[[30, 20, 10], [60, 50, 40]]]


@pytest.mark.parametrize('array', [[[0, 100]], [[[0], [100]]]])
def test_grey(array):
    assert drawn(np.array(array, np.uint8)) == ([[[0, 0, 0], [100, 100, 100]]], [])


@pytest.mark.parametrize(
    ('channels', 'note'),
    [(2, ['1 of 2 channels drawn']), (4, []), (6, ['3 of 6 channels drawn'])],
)
def test_other_numbers_of_channels(channels, note):
    array = np.arange(channels, dtype=np.uint8)[None, None] * 10
    first = [0, 0, 0] if channels == 2 else [0, 10, 20]
    assert drawn(array) == ([[first]], note)


def test_floats_of_0_to_255_are_clipped_with_a_note():
    assert drawn(np.float32([[[0.4, 99.6, 255.0]]])) == ([[[0, 100, 255]]], [])
    assert drawn(np.float32([[[-12.0, 100.0, 271.4]]])) == ([[[0, 100, 255]]], ['values -12 to 271, clipped here'])


def test_floats_of_0_to_1_are_scaled():
    assert drawn(np.float32([[[0.0, 0.5, 1.0]]])) == ([[[0, 128, 255]]], [])


def test_other_floats_are_stretched_with_a_note():
    picture, notes = drawn(np.float32([[[-2.0, 0.0, 3.0]]]))
    assert picture == [[[0, 102, 255]]]
    assert notes == ['values -2.00 to 3.00, stretched here']


def test_numbers_that_are_none_do_no_harm():
    assert drawn(np.float32([[[np.nan, 0.0, 1.0]]])) == ([[[0, 0, 255]]], [])
    assert drawn(np.full((1, 1, 3), 7.0, np.float32))[0] == [[[0, 0, 0]]]  # nothing to stretch


def test_16_bits_and_truth_values():
    assert drawn(np.array([[0, 65535]], np.uint16))[0] == [[[0, 0, 0], [255, 255, 255]]]
    assert drawn(np.array([[0, 300]], np.int64)) == (
        [[[0, 0, 0], [255, 255, 255]]],
        ['values 0 to 300, clipped here'],
    )


def test_a_known_normalisation_is_undone():
    mean, std = [30.0, 20.0, 10.0], [2.0, 4.0, 8.0]  # in the order of the channels after to_rgb
    normalised = (BLUE_GREEN_RED[..., ::-1] - np.float32(mean)) / np.float32(std)
    colours = Colours().after(Normalize(mean=mean, std=std, to_rgb=True))
    assert drawn(normalised, colours=colours) == (BLUE_GREEN_RED.tolist(), ['normalised, undone here'])
    first = normalised.transpose(2, 0, 1)
    assert drawn(first, channels_first=True, colours=colours)[0] == BLUE_GREEN_RED.tolist()


def test_torchvision_inside_the_wrapper_of_mmpretrain():
    inner = Normalize(mean=[0.5, 0.5, 0.5], std=[0.25, 0.25, 0.25])
    colours = Colours(rgb=True).after(SimpleNamespace(t=inner))
    scaled = (BLUE_GREEN_RED[..., ::-1] / np.float32(255) - 0.5) / np.float32(0.25)
    assert drawn(scaled, colours=colours) == (BLUE_GREEN_RED.tolist(), ['normalised, undone here'])


def test_what_is_no_float_was_not_normalised():
    colours = Colours(mean=np.float32([1, 2, 3]), std=np.float32([9, 9, 9]))
    assert drawn(BLUE_GREEN_RED, colours=colours) == (BLUE_GREEN_RED.tolist(), [])


def test_transforms_between_rgb_and_bgr():
    to_rgb, to_bgr, other = SimpleNamespace(to_rgb=True), SimpleNamespace(to_bgr=True), SimpleNamespace(to_rgb=False)
    assert Colours().after(to_rgb).rgb
    assert Colours().after(to_rgb).after(other).rgb
    assert not Colours().after(to_rgb).after(to_bgr).rgb


def test_the_colour_that_a_transform_fills_with_is_none_of_the_pictures():
    # Those of mmdet's SSD and CornerNet.
    mean, std = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
    expand = Expand(mean=mean, to_rgb=True)
    crop = RandomCenterCropPad((511, 511), mean=mean, std=std, to_rgb=True, test_pad_mode=None)
    assert Colours().after(expand).after(crop) == Colours()


SIXTEEN = np.array([[0, 1000, 3000, 5000]], np.uint16)


def test_a_window_of_values():
    colours = Colours(window=(1000, 5000)).of(SIXTEEN)
    expected = [[[0] * 3, [0] * 3, [128] * 3, [255] * 3]]
    assert drawn(SIXTEEN, colours=colours) == (expected, ['values 1000 to 5000, stretched here'])
    assert drawn(SIXTEEN.astype(np.float32), colours=colours)[0] == expected  # a transform has changed the type


def test_what_transforms_made_bytes_or_shares_of_has_left_the_window():
    colours = Colours(window=(1000, 5000)).of(SIXTEEN)
    for made in ((SIXTEEN // 20).astype(np.uint8), SIXTEEN / 5000):
        assert drawn(made, colours=colours) == drawn(made)
