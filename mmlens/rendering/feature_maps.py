"""Draws what a layer computed, level by level."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, List, NamedTuple, Optional, Tuple

import cv2
import numpy as np

from ..errors import MmlensError
from .blend import check_alpha
from .colours import GREY, PAPER, SEQUENTIAL, colormap_table
from .drawing import Drawing, Place
from .panels import ColourBar, Panel
from .predicted import panel_of_predicted
from .sheets import MARGIN, WIDEST, compose, panel_size, resize
from .text import put_text, text_size

if TYPE_CHECKING:
    from ..results.features import FeatureMap, FeatureMaps

_CAPTION, _CAPTION_HEIGHT, _GAP = 11, 17, 6
_SMALLEST_TILE, _USUAL_TILE = 110, 200
_MOST_TILES = 4096


class _Look(NamedTuple):
    """How maps are laid over the picture: all over it alike, for a low value of a layer is a value too."""

    alpha: float
    colormap: str

    def lay(self, heat: np.ndarray, picture: np.ndarray) -> np.ndarray:
        """One map (h, w), stretched to its own range, over a BGR picture of its size: mmengine's ``draw_featmap``."""
        levels = cv2.normalize(heat, np.zeros(heat.shape), 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
        colours = cv2.applyColorMap(levels, colormap_table(self.colormap)[:, None])
        return cv2.addWeighted(picture, 1 - self.alpha, colours, self.alpha, 0)


def check_arrangement(topk: int, arrangement: Optional[Tuple[int, int]]) -> None:
    """Make sure that the channels fit the grid they are to be drawn in.

    Args:
        topk: How many channels are shown; 0 or less if a layer is not shown channel by channel.
        arrangement: Rows and columns; ``None`` fits any number.

    Raises:
        MmlensError: If the grid has too few cells, or none.
    """
    if arrangement is None:
        return
    rows, columns = arrangement
    if rows < 1 or columns < 1:
        raise MmlensError(f'The arrangement {rows} x {columns} has no place: give at least 1 row and 1 column.')
    if rows * columns > _MOST_TILES:
        raise MmlensError(
            f'The arrangement {rows} x {columns} has {rows * columns:,} places, and {_MOST_TILES:,} are the most: give '
            'fewer rows or columns.'
        )
    if rows * columns < topk:
        raise MmlensError(
            f'The arrangement {rows} x {columns} has {rows * columns} places for {topk} channels: '
            'give more rows or columns, or a smaller `topk`.'
        )


def draw_feature_maps(
    feature_maps: FeatureMaps,
    arrangement: Optional[Tuple[int, int]] = None,
    alpha: float = 0.5,
    colormap: Optional[str] = None,
) -> np.ndarray:
    """Draw a sheet: the picture with what the network predicted, then one panel for every level of every layer.

    Every map is stretched to its own range, which the colour bar below it gives, and laid over the picture evenly. In
    the colour map ``'jet'`` this is what ``mmengine.visualization.Visualizer.draw_featmap`` draws. Several channels of
    a level become a grid of tiles, each below the channel's number in the layer.

    Args:
        feature_maps: What :func:`mmlens.feature_maps` returned.
        arrangement: Rows and columns of a level's channels. Defaults to a nearly square grid.
        alpha: Opacity of the maps in [0, 1]. Defaults to 0.5.
        colormap: A colour map of OpenCV or matplotlib. Defaults to ``'plasma'``.

    Returns:
        A new uint8 BGR picture. Large pictures are scaled down to sensible panels.

    Raises:
        MmlensError: If the arrangement has fewer places than channels, ``alpha`` is out of range or the colour map
            unknown.
    """
    return drawing_of_features(feature_maps, arrangement, alpha, colormap).image


def drawing_of_features(
    feature_maps: FeatureMaps,
    arrangement: Optional[Tuple[int, int]] = None,
    alpha: float = 0.5,
    colormap: Optional[str] = None,
) -> Drawing:
    """Draw the sheet, and say what lies where; for arguments and errors see :func:`draw_feature_maps`."""
    look = _Look(check_alpha(alpha), colormap or SEQUENTIAL)
    colormap_table(look.colormap)
    most = max((len(level.maps) for level in feature_maps), default=0)
    check_arrangement(most, arrangement)
    rows, columns = arrangement or _nearly_square(most)
    picture = feature_maps.picture
    widest = 640 if columns <= 2 else 960
    # Room for tiles that can be seen, and for the words above each.
    smallest = min(widest, max(320, columns * (_USUAL_TILE + _GAP) - _GAP)) if most > 1 else 320
    size = panel_size(picture, len(feature_maps) + 1, widest, smallest)
    plain = resize(picture, size)
    panels = [_first_panel(feature_maps, plain)]
    for n, level in enumerate(feature_maps):
        one = len(level.maps) == 1
        panel = _map_panel(level, plain, look) if one else _channels_panel(level, plain, (rows, columns), look)
        places = tuple(replace(place, item=n) for place in panel.places)
        panels.append(replace(panel, item=n, places=places))
    return compose(*_layer_by_layer(panels, feature_maps))


def _layer_by_layer(panels: List[Panel], feature_maps: FeatureMaps) -> Tuple[List[Optional[Panel]], Optional[int]]:
    """A row for each layer, where all have several levels, and equally many; and the number of columns."""
    layers = [level.layer for level in feature_maps]
    each = layers.count(layers[0]) if layers else 0
    width = panels[0].picture.shape[1] + MARGIN
    if each < 2 or each == len(layers) or layers != [name for name in dict.fromkeys(layers) for _ in range(each)]:
        return [*panels], None
    if (1 + each) * width > WIDEST:
        return [*panels], None
    rows: List[Optional[Panel]] = []
    for start in range(1, len(panels), each):
        rows += [panels[0] if start == 1 else None, *panels[start : start + each]]
    return rows, 1 + each


def _first_panel(feature_maps: FeatureMaps, plain: np.ndarray) -> Panel:
    height, width = feature_maps.picture.shape[:2]
    panel = panel_of_predicted(feature_maps.predicted, plain, (width, height))
    return replace(panel, note='; '.join(filter(None, [panel.note, *feature_maps.notes])))


def _map_panel(level: FeatureMap, plain: np.ndarray, look: _Look) -> Panel:
    heat, note = _drawable(resize(np.asarray(level.maps[0], np.float32), plain.shape[1::-1]))
    low, high = float(heat.min()), float(heat.max())
    detail = ' × '.join(str(length) for length in level.shape)
    if len(level.channels):
        detail = f'channel {int(level.channels[0])} of {detail}'
    ticks = tuple(f'{tick:.3g}' for tick in (low, (low + high) / 2, high))
    bar = ColourBar(look.colormap, ticks) if high > low else None
    return Panel(look.lay(heat, plain), level.name, detail=detail, bar=bar, note=note)


def _channels_panel(level: FeatureMap, plain: np.ndarray, grid: Tuple[int, int], look: _Look) -> Panel:
    """The channels of a level as tiles, row by row, the strongest first."""
    rows, columns = grid
    width = max(_SMALLEST_TILE, (plain.shape[1] + _GAP) // columns - _GAP)
    height = max(1, round(width * plain.shape[0] / plain.shape[1]))
    small = resize(plain, (width, height))
    step_x, step_y = width + _GAP, height + _CAPTION_HEIGHT + _GAP
    tiles = np.full((rows * step_y - _GAP, columns * step_x - _GAP, 3), PAPER, np.uint8)
    notes: List[str] = []
    places: List[Place] = []
    for place, (channel, values) in enumerate(zip(level.channels.tolist(), level.maps)):
        heat, note = _drawable(resize(np.asarray(values, np.float32), (width, height)))
        x, y = place % columns * step_x, place // columns * step_y
        _write_caption(tiles[y : y + _CAPTION_HEIGHT, x : x + width], f'channel {channel}', heat)
        y += _CAPTION_HEIGHT
        tiles[y : y + height, x : x + width] = look.lay(heat, small)
        places.append(Place('tile', (x, y, x + width, y + height)))
        notes += [f'channel {channel}: {note}'] if note else []
    detail = ' × '.join(map(str, level.shape))
    return Panel(tiles, level.name, detail=detail, note='; '.join(notes), places=tuple(places))


def _write_caption(strip: np.ndarray, text: str, heat: np.ndarray) -> None:
    """The channel's number and, where there is room, the range that its colours stand for; in place."""
    put_text(strip, text, (0, 0), _CAPTION, GREY)
    limits = f'{heat.min():.3g} … {heat.max():.3g}'
    taken, wanted = (text_size(each, _CAPTION)[0] for each in (text, limits))
    if taken + 8 + wanted <= strip.shape[1]:
        put_text(strip, limits, (strip.shape[1] - wanted, 0), _CAPTION, GREY)


def _drawable(heat: np.ndarray) -> Tuple[np.ndarray, str]:
    """The map without infinite values and NaN, and a note if there is something to say about it."""
    finite = np.isfinite(heat)
    if not finite.any():
        return np.zeros_like(heat), 'no finite value'
    low, high = heat[finite].min(), heat[finite].max()
    note = '' if finite.all() else 'not finite in places, drawn as the lowest value'
    if low == high:
        note = f'constant: {low:.3g} everywhere'
    return np.where(finite, heat, low).astype(np.float32), note


def _nearly_square(count: int) -> Tuple[int, int]:
    columns = int(np.ceil(np.sqrt(max(count, 1))))
    return -(-max(count, 1) // columns), columns
