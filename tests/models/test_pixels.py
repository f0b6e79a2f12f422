"""Values of any type and range become pixels that can be seen."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mmlens.errors import MmlensError, PictureError
from mmlens.models.pixels import Header, as_bytes, check_size, header_of, visible


def ramp(high, kind, low=0):
    return np.linspace(low, high, 5).astype(kind)[None, :, None]


@pytest.mark.parametrize(
    ('image', 'bytes_', 'note'),
    [
        (ramp(255, np.uint8), [0, 63, 127, 191, 255], ''),
        (ramp(255, np.uint16), [0, 63, 127, 191, 255], ''),  # 8 bits in 16
        (ramp(1023, np.uint16), [0, 64, 127, 191, 255], 'values 0 to 1023, stretched here'),
        (ramp(4095, np.uint16), [0, 64, 127, 191, 255], 'values 0 to 4095, stretched here'),
        (ramp(65535, np.uint16), [0, 63, 127, 191, 255], ''),
        (ramp(4000, np.int16, -1000), [0, 64, 128, 191, 255], 'values -1000 to 4000, stretched here'),  # Hounsfield
        (ramp(4095, np.float32), [0, 64, 128, 191, 255], 'values 0 to 4095, stretched here'),
        (ramp(255, np.float32), [0, 64, 128, 191, 255], ''),
        (ramp(300, np.float32, -4), [0, 72, 148, 224, 255], 'values -4 to 300, clipped here'),
        (ramp(1, np.float32), [0, 64, 128, 191, 255], ''),
        (ramp(3, np.float32, -2), [0, 64, 128, 191, 255], 'values -2.00 to 3.00, stretched here'),
        (np.array([[[False], [True]]]), [0, 255], ''),
    ],
)
def test_ranges(image, bytes_, note):
    found, told = as_bytes(image)
    assert found.dtype == np.uint8 and told == note
    np.testing.assert_allclose(found.ravel().astype(int), bytes_, atol=1)


def test_a_dark_picture_that_was_loaded_as_floats_stays_dark():
    dark = np.array([[[0.0], [1.0], [3.0]]], np.float32)
    assert as_bytes(dark, loaded=True)[0].ravel().tolist() == [0, 1, 3]
    assert as_bytes(dark)[0].ravel().tolist() == [0, 85, 255]  # of a pipeline it may have been normalised


def test_what_is_no_number_is_left_out_of_the_range():
    found, note = as_bytes(np.array([[[0.0], [np.nan], [np.inf], [2000.0]]]))
    assert found.ravel().tolist() == [0, 0, 255, 255] and note == 'values 0 to 2000, stretched here'


def test_a_window_by_values_or_percentiles():
    image = ramp(4095, np.uint16)
    assert as_bytes(image, (0, 2047))[0].ravel().tolist() == [0, 127, 255, 255, 255]
    assert as_bytes(image, ('25%', '75%'))[0].ravel().tolist() == [0, 0, 128, 255, 255]
    assert as_bytes(image, (0, 2047))[1] == 'values 0 to 2047, stretched here'
    with pytest.raises(MmlensError, match='`window` must begin below its end, not at 5 and 5.$'):
        as_bytes(image, (5, 5))


@pytest.mark.parametrize('window', [('0%', '100%'), ('99%', '1%'), (5000, '50%')])
def test_percentiles_of_a_flat_picture_draw_it_flat(window):
    flat = np.full((2, 3, 1), 700, np.uint16)
    drawn, note = as_bytes(flat, window)
    assert len(np.unique(drawn)) == 1 and note.endswith('stretched here')
    empty = np.full((2, 3, 1), np.nan, np.float32)
    assert len(np.unique(as_bytes(empty, window)[0])) == 1


@pytest.mark.parametrize(
    ('shape', 'note'),
    [((2, 3), ''), ((2, 3, 1), ''), ((2, 3, 2), '1 of 2 channels drawn'), ((2, 3, 3), ''), ((2, 3, 4), '')]
    + [((2, 3, n), f'3 of {n} channels drawn') for n in (6, 12)],
)
def test_any_number_of_channels_is_visible(shape, note):
    img = np.full(shape, 7, np.uint8)
    found, told = visible(img)
    assert found.shape == (2, 3, 3) and (found == 7).all() and told == note
    found[:] = 0
    assert (img == 7).all()


def test_a_file_says_how_large_it_is_and_how_many_pictures_it_holds(tmp_path):
    pages = [Image.new('L', (6, 4)) for _ in range(3)]
    pages[0].save(tmp_path / 'a.tif', save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / 'a.png')
    (tmp_path / 'a.raw').write_bytes(b'abc')
    assert header_of(tmp_path / 'a.tif') == (6, 4, 3) and header_of(tmp_path / 'a.png') == (6, 4, 1)
    assert header_of(tmp_path / 'a.raw') == Header() == header_of(tmp_path / 'none.png')


def test_large_pictures_are_refused_before_they_are_read():
    check_size(8000, 6000, 'a.png')
    with pytest.raises(
        PictureError, match=r'a.png has 64 million pixels, more than the 50 million .* `max_pixels` higher'
    ):
        check_size(8000, 8000, 'a.png')
    check_size(8000, 8000, 'a.png', 64_000_000)
