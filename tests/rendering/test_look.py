"""How values become colours: roots for steep maps, two halves of a colour map for values of both signs."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from mmlens.errors import MmlensError
from mmlens.rendering.blend import blend_map, blend_signed
from mmlens.rendering.colours import colormap_table
from mmlens.rendering.look import Look, check_counters, contrasted_name, counter_title, fourth_root

HEAT = np.random.default_rng(3).random((240, 320)).astype(np.float32)


@pytest.mark.parametrize('fusion', ['', 'sum', 'max', 'mean', 'of my own'])
def test_maps_are_drawn_as_they_are(fusion: str, picture: np.ndarray) -> None:
    look = Look.of(fusion, None, None)
    assert look == Look('plasma', 0.5) and look.shown(HEAT) is HEAT
    assert (look.lay(picture, HEAT) == blend_map(picture, HEAT, 'plasma', 0.5)).all()
    assert (look.bar.colormap, look.bar.ticks) == ('plasma', ('0', '0.5', '1'))


def test_a_product_is_drawn_by_its_root_and_its_bar_says_so(picture: np.ndarray) -> None:
    look = Look.of('product', None, None)
    assert look == Look('plasma', 0.75, rooted=True)
    assert look.shown(np.array([0, 0.0625, 0.6561, 1])) == pytest.approx([0, 0.5, 0.9, 1])
    assert (look.lay(picture, HEAT) == blend_map(picture, fourth_root(HEAT), 'plasma', 0.75)).all()
    # Ticks stand at equal distances: 0.0625 has the colour in the middle of the table.
    assert look.bar.ticks == ('0', '0.0625', '1')
    assert (Look.of('product', 'jet', 1.0).lay(picture, np.full_like(HEAT, 1)) == colormap_table('jet')[255]).all()


def lightness(colours: np.ndarray) -> np.ndarray:
    """CIELAB's L* of sRGB colours (..., 3), BGR in 0...255, by CIE's formulas."""
    channels = np.asarray(colours, np.float64)[..., ::-1] / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    luminance = linear @ (0.2126, 0.7152, 0.0722)
    return np.where(luminance > (6 / 29) ** 3, 116 * np.cbrt(luminance) - 16, luminance * (29 / 3) ** 3)


def test_lightness_by_known_values() -> None:
    greys = np.array([[0, 0, 0], [255, 255, 255], [119, 119, 119]])
    assert lightness(greys) == pytest.approx([0, 100, 50.03], abs=0.02)
    assert lightness(np.array([0, 0, 255])) == pytest.approx(53.24, abs=0.01)  # red


def test_colours_get_lighter_with_the_value() -> None:
    look = Look.of('', None, None)
    steps = np.diff(lightness(colormap_table(look.colormap)))
    assert steps.min() > -0.3  # colours are whole numbers
    by_tenth = np.diff(lightness(colormap_table(look.colormap)[::25]))
    assert by_tenth.min() > 5 and by_tenth.max() < 2 * by_tenth.min()  # and evenly


@pytest.mark.parametrize('fusion', ['sum', 'product'])
def test_over_any_picture_one_is_lighter_than_a_half(fusion: str) -> None:
    values = np.linspace(0, 1, 256, dtype=np.float32)[None]
    look = Look.of(fusion, None, None)
    halfway = int(np.argmin(np.abs(look.shown(values[0]) - 0.5)))
    for colour in np.stack(np.meshgrid(*[[0, 51, 102, 153, 204, 255]] * 3), -1).reshape(-1, 3):
        picture = np.broadcast_to(colour.astype(np.uint8), (1, 256, 3)).copy()
        seen = lightness(look.lay(picture, values))[0]
        assert seen[-1] > seen[halfway] + 10, colour
        assert np.diff(seen[halfway:]).min() > -0.8, colour  # lighter step by step, but for rounding


def test_turbo_and_jet_can_be_chosen_and_are_darker_at_one() -> None:
    for name in ('turbo', 'jet'):
        table = lightness(colormap_table(Look.of('', name, None).colormap))
        assert table[255] < table[128] - 50


def test_signed_maps_have_both_halves_of_a_colour_map(picture: np.ndarray) -> None:
    values = HEAT * 2 - 1
    plain, rooted = Look.of('sum', None, None, signed=True), Look.of('product', None, 0.6, signed=True)
    assert (plain.colormap, plain.bar.ticks) == ('blue-red', ('-1', '-0.5', '0', '0.5', '1'))
    assert rooted.bar.ticks == ('-1', '-0.0625', '0', '0.0625', '1')
    assert rooted.shown(np.array([-1, -0.0625, 0, 0.2401])) == pytest.approx([-1, -0.5, 0, 0.7])
    assert (plain.lay(picture, values) == blend_signed(picture, values, 'blue-red', 0.5)).all()
    assert Look.of('sum', 'seismic', None, signed=True).colormap == 'seismic'


def test_the_ends_of_a_signed_bar_are_named_in_its_colours() -> None:
    look = Look.of('', None, None, signed=True)
    (low, blue), (high, red) = look.ends('zebra', 'giraffe')
    assert (low, high) == ('for giraffe', 'for zebra')
    assert blue[0] > 150 > blue[2] and red[2] > 150 > red[0]  # BGR
    assert [text for text, _ in look.ends('zebra', '')] == ['against zebra', 'for zebra']


def test_titles() -> None:
    assert contrasted_name('zebra 0.97', 'giraffe') == 'zebra 0.97, not giraffe'
    assert contrasted_name('zebra 0.97', '') == 'zebra 0.97'
    assert counter_title('zebra', 'giraffe or cow') == 'giraffe or cow, not zebra'
    assert counter_title('zebra', '') == 'what speaks against zebra'


def test_what_was_never_computed_cannot_be_drawn() -> None:
    check_counters([SimpleNamespace(counter=None), SimpleNamespace(counter=HEAT)], 'explain_boxes')
    with pytest.raises(MmlensError, match=r'^It is not known .*: ask `explain_boxes\(\)` for `signed`, with'):
        check_counters([SimpleNamespace(counter=None)], 'explain_boxes')


@pytest.mark.parametrize(
    ('options', 'message'), [(('turbi', None), "colour map 'turbi'"), ((None, 1.5), '`alpha` must be .* not 1.5')]
)
def test_bad_options(options: tuple, message: str) -> None:
    with pytest.raises(MmlensError, match=message):
        Look.of('sum', *options)
