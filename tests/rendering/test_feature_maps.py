from __future__ import annotations

from typing import Callable

import cv2
import numpy as np
import pytest
import torch
from mmengine.visualization import Visualizer

from mmlens.errors import MmlensError
from mmlens.rendering import check_arrangement, draw_feature_maps
from mmlens.rendering.colours import PALETTE, colormap_table
from mmlens.rendering.feature_maps import drawing_of_features
from mmlens.rendering.look import Look
from mmlens.rendering.panels import HEADER
from mmlens.rendering.sheets import MARGIN
from mmlens.results.features import FeatureMap, FeatureMaps

Level = Callable[..., FeatureMap]
Maps = Callable[..., FeatureMaps]


@pytest.fixture
def heat() -> np.ndarray:
    coarse = np.random.default_rng(2).normal(size=(6, 8)).astype(np.float32)
    return cv2.resize(coarse, (320, 240), interpolation=cv2.INTER_CUBIC)


def panel(sheet: np.ndarray, column: int, width: int = 320, height: int = 240) -> np.ndarray:
    x = MARGIN + column * (width + MARGIN)
    return sheet[MARGIN + HEADER : MARGIN + HEADER + height, x : x + width]


def by_mmengine(heat: np.ndarray, picture: np.ndarray, alpha: float = 0.5) -> np.ndarray:
    rgb = np.ascontiguousarray(picture[..., ::-1])
    drawn = Visualizer.draw_featmap(torch.from_numpy(heat[None]), rgb, channel_reduction=None, topk=-1, alpha=alpha)
    return drawn[..., ::-1]


def test_detections_first_then_every_level_as_mmengine_draws_it(
    picture: np.ndarray, heat: np.ndarray, level: Level, feature_maps: Maps
) -> None:
    maps = feature_maps(
        picture, level(heat[None]), level(-heat[None], number=1), boxes=[(40, 60, 160, 160), (200, 80, 300, 200)]
    )
    before = picture.copy(), heat.copy()
    sheet = draw_feature_maps(maps, alpha=0.3, colormap='jet')
    assert sheet.dtype == np.uint8
    found = panel(sheet, 0)
    assert tuple(found[100, 40]) == PALETTE[0] and tuple(found[120, 300]) == PALETTE[1]
    assert (found[66:154, 46:154] == picture[66:154, 46:154]).all()
    assert (panel(sheet, 1) == by_mmengine(heat, picture, 0.3)).all()
    assert (panel(sheet, 2) == by_mmengine(-heat, picture, 0.3)).all()
    assert (picture == before[0]).all() and (heat == before[1]).all()


def test_colours_are_those_of_box_maps_and_can_be_chosen(
    picture: np.ndarray, heat: np.ndarray, level: Level, feature_maps: Maps
) -> None:
    maps = feature_maps(picture, level(heat[None]))
    drawn = panel(draw_feature_maps(maps, alpha=1.0), 1)
    assert (drawn[heat == heat.max()] == colormap_table(Look.of('', None, None).colormap)[255]).all()
    other = panel(draw_feature_maps(maps, alpha=1.0, colormap='magma'), 1)
    assert (other[heat == heat.min()] == colormap_table('magma')[0]).all()
    with pytest.raises(MmlensError, match="colour map 'plasmo'"):
        draw_feature_maps(maps, colormap='plasmo')


def test_channels_are_tiles_in_the_order_given(
    picture: np.ndarray, heat: np.ndarray, level: Level, feature_maps: Maps
) -> None:
    weaker_first = np.stack([heat - 5, -heat, heat * 2])
    maps = feature_maps(picture, level(weaker_first, (17, 3, 90)))
    drawing = drawing_of_features(maps, arrangement=(1, 3), colormap='jet')
    # A small picture is enlarged until each tile is 200 pixels wide, with 6 between them.
    plain = cv2.resize(picture, (3 * 200 + 2 * 6, 459), interpolation=cv2.INTER_LINEAR)
    small = cv2.resize(plain, (200, 150), interpolation=cv2.INTER_AREA)
    tiles = drawing.of_kind('tile')
    assert np.diff([tile.rect[0] for tile in tiles]).tolist() == [206, 206]
    for tile, values in zip(tiles, weaker_first):
        x1, y1, x2, y2 = tile.rect
        expected = by_mmengine(cv2.resize(values, (200, 150), interpolation=cv2.INTER_AREA), small)
        assert (drawing.image[y1:y2, x1:x2] == expected).all()
        # Above every tile its number, left, and its range, right.
        assert (drawing.image[y1 - 17 : y1, x1 : x1 + 60] < 200).any()
        assert (drawing.image[y1 - 17 : y1, x2 - 30 : x2] < 200).any()


def test_layers_of_equally_many_levels_have_a_row_each(
    picture: np.ndarray, heat: np.ndarray, level: Level, feature_maps: Maps
) -> None:
    levels = [level(heat[None], layer=layer, number=n) for layer in ('backbone', 'neck') for n in range(2)]
    drawing = drawing_of_features(feature_maps(picture, *levels))
    panels = drawing.of_kind('panel')
    lefts, tops = ([place.rect[axis] for place in panels] for axis in (0, 1))
    assert lefts[:2] == lefts[2:] and lefts[0] > drawing.main.rect[0]
    assert tops[0] == tops[1] < tops[2] == tops[3]
    uneven = drawing_of_features(feature_maps(picture, *levels[:3])).of_kind('panel')
    assert len({place.rect[0] for place in uneven}) == 3 or uneven[0].rect[1] < uneven[2].rect[1]


def test_captions_tell_the_layers_own_channel_numbers(
    picture: np.ndarray, heat: np.ndarray, level: Level, feature_maps: Maps
) -> None:
    maps = np.stack([heat, heat])
    sheets = [draw_feature_maps(feature_maps(picture, level(maps, channels))) for channels in ((0, 1), (0, 71))]
    changed = np.argwhere((sheets[0] != sheets[1]).any(axis=-1))
    # Only the second tile's caption: one line of 17 pixels right of the first tile.
    assert len(changed)
    assert np.ptp(changed[:, 0]) < 17
    assert changed[:, 1].min() > sheets[0].shape[1] * 3 / 4


@pytest.mark.parametrize('value', [0.0, 0.25, -3.0])
def test_constant_map_is_drawn_and_said(value: float, picture: np.ndarray, level: Level, feature_maps: Maps) -> None:
    sheet = draw_feature_maps(feature_maps(picture, level(np.full((1, 240, 320), value))), colormap='jet')
    flat = by_mmengine(np.zeros((240, 320), np.float32), picture)
    assert (panel(sheet, 1) == flat).all()
    below = sheet[MARGIN + HEADER + 240 :, 2 * MARGIN + 320 :]
    assert (below < 80).any()


def test_not_finite_values_are_drawn_as_the_lowest(
    picture: np.ndarray, heat: np.ndarray, level: Level, feature_maps: Maps
) -> None:
    broken, mended = heat.copy(), heat.copy()
    broken[:50, :50], broken[60, 60] = np.nan, np.inf
    mended[:50, :50] = mended[60, 60] = np.nanmin(np.where(np.isfinite(broken), broken, np.nan))
    sheet = draw_feature_maps(feature_maps(picture, level(broken[None])), colormap='jet')
    assert (panel(sheet, 1) == by_mmengine(mended, picture)).all()
    nothing = draw_feature_maps(feature_maps(picture, level(np.full((2, 240, 320), np.nan), (0, 1))))
    assert nothing.dtype == np.uint8


def test_large_pictures_are_scaled_down(level: Level, feature_maps: Maps) -> None:
    picture = np.full((1200, 1600, 3), 100, np.uint8)
    maps = np.random.default_rng(0).random((1, 1200, 1600))
    sheet = draw_feature_maps(feature_maps(picture, level(maps), boxes=[(400, 300, 800, 900)]))
    assert sheet.shape[1] == 2 * 640 + 3 * MARGIN
    assert tuple(panel(sheet, 0, 640, 480)[240, 160]) == PALETTE[0]


def test_no_detection_and_no_level(picture: np.ndarray, feature_maps: Maps) -> None:
    sheet = draw_feature_maps(feature_maps(picture))
    assert (panel(sheet, 0) == picture).all()
    assert (sheet[MARGIN + HEADER + 240 :] < 80).any()


def test_levels_with_fewer_channels_fit_the_same_grid(
    picture: np.ndarray, heat: np.ndarray, level: Level, feature_maps: Maps
) -> None:
    maps = feature_maps(picture, level(np.stack([heat] * 5), range(5)), level(np.stack([heat] * 2), (4, 2)))
    assert draw_feature_maps(maps).ndim == 3
    with pytest.raises(MmlensError, match='2 x 2 has 4 places for 5 channels'):
        draw_feature_maps(maps, arrangement=(2, 2))
    with pytest.raises(MmlensError, match='alpha'):
        draw_feature_maps(maps, alpha=7)


def test_other_processes_of_a_distributed_run_draw_too(
    picture: np.ndarray, heat: np.ndarray, level: Level, feature_maps: Maps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('mmengine.dist.utils.is_main_process', lambda group=None: False)
    assert Visualizer.draw_featmap(torch.zeros(1, 4, 4), channel_reduction=None, topk=-1) is None
    sheet = draw_feature_maps(feature_maps(picture, level(heat[None])))
    assert (panel(sheet, 1) != picture).any()


@pytest.mark.parametrize(('topk', 'arrangement'), [(4, (2, 2)), (-1, (1, 1)), (3, (1, 4)), (50, None)])
def test_arrangement_large_enough(topk: int, arrangement: tuple) -> None:
    assert check_arrangement(topk, arrangement) is None


@pytest.mark.parametrize(
    ('topk', 'arrangement', 'message'),
    [(5, (2, 2), '2 x 2 has 4 places for 5 channels: give more'), (1, (0, 5), 'at least 1 row'), (1, (1, -1), 'least')],
)
def test_arrangement_too_small(topk: int, arrangement: tuple, message: str) -> None:
    with pytest.raises(MmlensError, match=message):
        check_arrangement(topk, arrangement)
