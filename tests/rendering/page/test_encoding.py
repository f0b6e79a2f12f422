from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from mmlens.rendering.colours import colormap_table
from mmlens.rendering.look import Look
from mmlens.rendering.page.encoding import Budget, colour_tables, encode_map, encode_picture, range_of


def decoded(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == 'WEBP'
        return np.asarray(image.convert('RGB'))


def photograph(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Noise at several scales, as hard to encode as a photograph of leaves."""
    random = np.random.default_rng(seed)
    total = np.zeros((height, width, 3))
    for cells, weight in ((6, 1.0), (40, 0.5), (200, 0.3)):
        noise = random.normal(size=(cells, cells, 3))
        rows = np.linspace(0, cells - 1, height).astype(int)
        columns = np.linspace(0, cells - 1, width).astype(int)
        total += weight * noise[rows][:, columns]
    return np.clip(128 + 50 * total, 0, 255).astype(np.uint8)


@pytest.mark.parametrize('rooted', [False, True])
def test_a_map_decodes_to_itself_within_a_step(rooted):
    values = np.random.default_rng(0).random((90, 120)).astype(np.float32) ** 3
    encoded = encode_map(values, Budget(side=320), rooted)
    grey = decoded(encoded.data)
    assert (grey[..., :1] == grey).all()  # one value in all channels
    found = (grey[..., 0] / 255.0) ** (4 if rooted else 1)
    assert encoded.rooted is rooted and np.abs(found - values).max() <= (2 if rooted else 0.5) / 255 + 1e-6


def test_a_large_map_becomes_the_mean_of_its_pixels():
    values = np.zeros((400, 800), np.float32)
    values[:, :400] = 1
    values[7, 7] = np.nan  # counts as 0
    grey = decoded(encode_map(values, Budget(side=80)).data)[..., 0]
    assert grey.shape == (40, 80)
    assert (grey[1:, :40] == 255).all() and (grey[:, 40:] == 0).all()
    assert grey[0, 0] == round(255 * 0.99)


def test_a_picture_keeps_its_colours_and_size_where_there_is_room():
    picture = np.zeros((60, 80, 3), np.uint8)
    picture[:, :40] = (255, 0, 0)  # blue, as OpenCV has it
    shown = decoded(encode_picture(picture, Budget()))
    assert shown.shape == (60, 80, 3)
    assert shown[30, 10, 2] > 200 > 60 > shown[30, 10, 0] and shown[30, 70].max() < 40


@pytest.mark.parametrize('most', [300_000, 60_000, 38_000, 24_000])
def test_a_picture_stays_within_its_budget(most):
    assert len(encode_picture(photograph(960, 1280), Budget(picture=most))) <= most


def test_budgets_shrink_with_the_number_of_pictures():
    few, some, many, unknown = (Budget.of(number) for number in (2, 60, 200, None))
    assert few.picture > some.picture > many.picture and few.side > some.side > many.side
    assert unknown == many and Budget.of(0) == Budget.of(1)
    assert 200 * many.picture * 4 / 3 < 11e6


def test_the_range_of_a_map_tells_raw_values_back():
    raw = np.random.default_rng(0).random((20, 30)).astype(np.float32) * 3
    assert range_of(raw, raw / raw.max()) == (0.0, float(raw.max()))
    low, peak = range_of(raw + 2, raw / raw.max())
    assert low == pytest.approx(2, abs=1e-4) and peak == pytest.approx(raw.max() + 2, abs=1e-4)
    assert range_of(raw * 0, raw * 0) == (0.0, 0.0)


def test_a_page_has_the_look_of_the_results_and_more_to_choose_from():
    tables = colour_tables([Look.of('', 'magma', None)])
    assert next(iter(tables)) == 'magma' and {'turbo', 'viridis', 'blue-red'} <= set(tables)
    assert (tables['magma'][:, ::-1] == colormap_table('magma')).all()


def test_a_map_of_too_many_bytes_gets_a_coarser_grid():
    noise = np.random.default_rng(0).random((200, 300)).astype(np.float32)
    data = encode_map(noise, Budget(map=3000, side=200)).data
    assert len(data) <= 3000 and 40 < decoded(data).shape[1] < 200
    assert decoded(encode_map(noise, Budget(map=10, side=200)).data).shape[1] == 32  # no coarser than that
