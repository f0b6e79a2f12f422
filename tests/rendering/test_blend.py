from __future__ import annotations

import numpy as np
import pytest

from mmlens.errors import MmlensError
from mmlens.rendering.blend import blend_map, blend_signed, check_alpha
from mmlens.rendering.colours import colormap_table


def test_zero_is_transparent_and_one_has_the_full_opacity(picture: np.ndarray) -> None:
    heat = np.zeros(picture.shape[:2], np.float32)
    heat[:100] = 1
    drawn = blend_map(picture, heat, 'turbo', 0.5)
    assert (drawn[100:] == picture[100:]).all()
    assert np.abs(drawn[:100] - (picture[:100] / 2 + colormap_table('turbo')[255] / 2)).max() <= 1
    assert (blend_map(picture, heat, 'turbo', 1)[:100] == colormap_table('turbo')[255]).all()
    assert (blend_map(picture, heat, 'turbo', 0) == picture).all()


def test_opacity_rises_as_the_sine(picture: np.ndarray) -> None:
    heat = np.random.default_rng(1).random(picture.shape[:2]).astype(np.float32)
    opacity = 0.8 * np.sin(heat * np.pi / 2)[..., None]
    colours = colormap_table('jet')[np.rint(heat * 255).astype(int)]
    expected = picture * (1 - opacity) + colours * opacity
    assert np.abs(blend_map(picture, heat, 'jet', 0.8) - expected).max() <= 1.5


def test_not_a_number_is_nothing_and_the_arguments_stay_as_they_are(picture: np.ndarray) -> None:
    heat = np.full(picture.shape[:2], np.nan, np.float32)
    before = picture.copy()
    assert (blend_map(picture, heat, 'turbo', 0.5) == before).all()
    assert (picture == before).all()
    assert np.isnan(heat).all()


@pytest.mark.parametrize('alpha', [-0.1, 1.5, float('nan'), 'much', None])
def test_alpha_out_of_range(alpha: object) -> None:
    with pytest.raises(MmlensError, match='`alpha` must be .*from 0'):
        check_alpha(alpha)  # type: ignore[arg-type]


def test_alpha_in_range() -> None:
    assert [check_alpha(alpha) for alpha in (0, 0.25, 1)] == [0.0, 0.25, 1.0]


def test_both_signs_have_the_opacity_of_their_size_and_the_colours_of_the_two_ends(picture: np.ndarray) -> None:
    values = np.zeros(picture.shape[:2], np.float32)
    values[:60], values[60:120], values[120:180] = -1, 1, np.nan
    drawn = blend_signed(picture, values, 'jet', 1)
    assert (drawn[:60] == colormap_table('jet')[0]).all() and (drawn[60:120] == colormap_table('jet')[255]).all()
    assert (drawn[120:] == picture[120:]).all()  # nothing, and not a number
    half = blend_signed(picture, np.full_like(values, -0.5), 'jet', 0.8)
    opacity = 0.8 * np.sin(np.pi / 4)
    expected = picture * (1 - opacity) + colormap_table('jet')[64] * opacity
    assert np.abs(half - expected).max() <= 2


@pytest.mark.parametrize('signed', [False, True])
def test_every_band_is_blended_as_the_formula_says(signed: bool) -> None:
    """In float64, pixel by pixel, on a picture of several bands with a map in some of them."""
    rng = np.random.default_rng(2)
    picture = rng.integers(0, 256, (300, 90, 3), dtype=np.uint8)
    values = np.zeros((300, 90), np.float32)
    values[40:70, 10:50] = rng.random((30, 40))
    values[250:260, 80:] = -rng.random((10, 10)) if signed else 1.7
    values[255, 85] = np.nan
    drawn = (blend_signed if signed else blend_map)(picture, values, 'jet', 0.75)

    clipped = np.clip(np.nan_to_num(values.astype(np.float64)), -1 if signed else 0, 1)
    levels = np.rint(((clipped + 1) / 2 if signed else clipped) * 255).astype(int)
    opacity = 0.75 * np.sin(np.rint(np.abs(clipped) * 255) / 255 * np.pi / 2)[..., None]
    expected = picture * (1 - opacity) + colormap_table('jet')[levels] * opacity
    assert np.abs(drawn - expected).max() <= 1
    assert (drawn[clipped == 0] == picture[clipped == 0]).all()
