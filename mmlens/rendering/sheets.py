"""Sheets: pictures in a grid, each below its header, with room beside them for what explains them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Optional, Sequence, Tuple

import cv2
import numpy as np

from .colours import FRAME, GREY, INK, PAPER, Colour, colormap_table
from .text import put_text, shorten, text_size, wrap

MARGIN = 16
HEADER = 28
TITLE, _DETAIL, _NOTE = 15, 12, 12
_LINE = 17
_BAR = 9
# What a sheet should look like at most: it is looked at on a screen.
_WIDEST, _HIGHEST = 2600, 2600
_LANDSCAPE = 1.6
NARROWEST = 200


@dataclass(frozen=True)
class ColourBar:
    """A colour map's key: the colours from low to high, with the values that they stand for.

    Attributes:
        colormap: See :func:`~mmlens.rendering.colours.colormap_table`.
        ticks: Texts, evenly spread from the lowest to the highest value.
    """

    colormap: str
    ticks: Tuple[str, ...] = ('0', '0.5', '1')


@dataclass(frozen=True)
class Panel:
    """One picture of a sheet with its words, all outside of the picture.

    Attributes:
        picture: Shape (h, w, 3), uint8, BGR.
        title: Written in the header, left.
        detail: Written in the header, right, in grey; below the picture where a long title leaves no room.
        colour: A chip of this colour before the title.
        bar: A colour bar below the picture.
        note: Text below the picture, wrapped.
    """

    picture: np.ndarray
    title: str
    detail: str = ''
    colour: Optional[Colour] = None
    bar: Optional[ColourBar] = None
    note: str = ''


def compose(panels: Sequence[Optional[Panel]], columns: Optional[int] = None) -> np.ndarray:
    """Arrange panels on white paper, row by row.

    Args:
        panels: At least one; ``None`` leaves a place empty.
        columns: How many panels stand in a row. Defaults to as many as make the sheet roughly landscape.

    Returns:
        A new uint8 BGR picture.
    """
    width = max(NARROWEST, *(panel.picture.shape[1] for panel in panels if panel))
    placed = [panel and _with_detail_in_place(panel, width) for panel in panels]
    usual = HEADER + MARGIN + round(np.mean([_body_height(panel, width) for panel in placed if panel]))
    columns = columns or grid_columns(len(placed), width + MARGIN, usual)
    rows = [placed[start : start + columns] for start in range(0, len(placed), columns)]
    heights = [HEADER + max((_body_height(panel, width) for panel in row if panel), default=0) for row in rows]
    sheet = _paper(MARGIN + columns * (width + MARGIN), MARGIN + sum(height + MARGIN for height in heights))
    y = MARGIN
    for row, height in zip(rows, heights):
        for column, panel in enumerate(row):
            x = MARGIN + column * (width + MARGIN)
            if panel:
                _draw_panel(sheet[y : y + height, x : x + width], panel)
        y += height + MARGIN
    return sheet


def side_by_side(pictures: Sequence[np.ndarray], titles: Sequence[str]) -> np.ndarray:
    """Pictures in one row, scaled to the height of the lowest, each with its title above.

    Args:
        pictures: uint8 BGR pictures (H, W, 3) of any sizes; at least one.
        titles: One for each picture.

    Returns:
        A new uint8 BGR picture.
    """
    if not pictures or len(pictures) != len(titles):
        raise ValueError(f'{len(pictures)} pictures and {len(titles)} titles: give one title for each picture')
    height = min(picture.shape[0] for picture in pictures)
    scaled = [resize(p, (max(1, round(p.shape[1] * height / p.shape[0])), height)) for p in pictures]
    widths = [max(NARROWEST, p.shape[1]) for p in scaled]
    sheet = _paper(MARGIN + sum(width + MARGIN for width in widths), HEADER + height + 2 * MARGIN)
    x = MARGIN
    for picture, title, width in zip(scaled, titles, widths):
        _draw_panel(sheet[MARGIN:-MARGIN, x : x + width], Panel(picture, title))
        x += width + MARGIN
    return sheet


def with_note(picture: np.ndarray, note: str, font: int) -> np.ndarray:
    """The picture with a note in a white strip below it."""
    margin = font // 2
    canvas_width = max(picture.shape[1], 8 * font)
    lines = wrap(note, font, canvas_width - 2 * margin)
    step = text_size('', font)[1] + 2
    canvas = _paper(canvas_width, picture.shape[0] + 2 * margin + step * len(lines))
    canvas[: picture.shape[0], : picture.shape[1]] = picture
    for row, line in enumerate(lines):
        put_text(canvas, line, (margin, picture.shape[0] + margin + row * step), font)
    return canvas


def fit_canvas(picture: np.ndarray, size: Tuple[int, int], enlarge: bool = True) -> np.ndarray:
    """The whole picture, unstretched, in the middle of a white canvas of a given size.

    For what must not change its size, like the frames of a video: a drawn picture may be larger than
    the one it was drawn on.

    Args:
        picture: Shape (H, W, 3), uint8, BGR.
        size: Width and height of the canvas.
        enlarge: Whether a picture that is smaller than the canvas is scaled up.

    Returns:
        A new uint8 BGR picture of that size.
    """
    width, height = size
    scale = min(width / picture.shape[1], height / picture.shape[0])
    scale = scale if enlarge else min(scale, 1.0)
    inner = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    canvas = _paper(width, height)
    x, y = (width - inner[0]) // 2, (height - inner[1]) // 2
    canvas[y : y + inner[1], x : x + inner[0]] = resize(picture, inner)
    return canvas


def resize(array: np.ndarray, size: Tuple[int, int]) -> np.ndarray:
    """A picture or map at another size (width, height), its corners kept in place; always a new array."""
    if (array.shape[1], array.shape[0]) == tuple(size):
        return array.copy()
    smaller = size[0] * size[1] < array.shape[0] * array.shape[1]
    return cv2.resize(array, tuple(size), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)


def panel_size(picture: np.ndarray, count: int, widest: int = 640, smallest: int = 320) -> Tuple[int, int]:
    """Width and height of the picture in each of ``count`` panels.

    At most ``widest`` on a side, less if the sheet would become too large; small pictures are enlarged to
    ``smallest``, since a sheet has words to fit in.
    """
    long_side = max(picture.shape[:2])
    wanted = min(max(long_side, smallest), widest)
    for side in (wanted, *(s for s in (520, 440, 360, 300, 240) if s < wanted)):
        width, height = (max(1, round(length * side / long_side)) for length in picture.shape[1::-1])
        cell = (max(width, NARROWEST) + MARGIN, height + HEADER + 2 * MARGIN + _LINE)
        columns = grid_columns(count, *cell)
        if columns * cell[0] <= _WIDEST and -(-count // columns) * cell[1] <= _HIGHEST:
            break
    return width, height


def grid_columns(count: int, width: int, height: int) -> int:
    """How many columns make a grid of ``count`` cells of this size roughly landscape with few empty cells."""

    def badness(columns: int) -> float:
        rows = -(-count // columns)
        aspect = columns * width / (rows * height)
        return abs(np.log(aspect / _LANDSCAPE)) + 1.5 * (rows * columns - count) / count

    return min(range(1, count + 1), key=badness)


def _paper(width: int, height: int) -> np.ndarray:
    return np.full((height, width, 3), PAPER, np.uint8)


def _body_height(panel: Panel, width: int) -> int:
    return panel.picture.shape[0] + _foot_height(panel, width)


def _foot_height(panel: Panel, width: int) -> int:
    bar = _BAR + 4 + _LINE if panel.bar else 0
    lines = len(wrap(panel.note, _NOTE, width)) if panel.note else 0
    return bar + (lines * _LINE + 4 if lines else 0)


def _with_detail_in_place(panel: Panel, width: int) -> Panel:
    chip = 18 if panel.colour is not None else 0
    title_width, detail_width = text_size(panel.title, TITLE, bold=True)[0], text_size(panel.detail, _DETAIL)[0]
    if not panel.detail or chip + title_width + 12 + detail_width <= width:
        return panel
    return replace(panel, detail='', note='; '.join(filter(None, [panel.detail, panel.note])))


def _draw_panel(cell: np.ndarray, panel: Panel) -> None:
    """Header, picture and foot of a panel, in place."""
    width, shown = cell.shape[1], panel.picture
    x = (width - shown.shape[1]) // 2
    _draw_header(cell[:HEADER], panel)
    cell[HEADER : HEADER + shown.shape[0], x : x + shown.shape[1]] = shown
    y = HEADER + shown.shape[0] + 4
    if panel.bar:
        _draw_bar(cell[y : y + _BAR + _LINE, x : x + shown.shape[1]], panel.bar)
        y += _BAR + _LINE
    for row, line in enumerate(wrap(panel.note, _NOTE, width)):
        put_text(cell, line, (0, y + row * _LINE), _NOTE, INK)


def _draw_header(header: np.ndarray, panel: Panel) -> None:
    x, width = 0, header.shape[1]
    baseline = (HEADER - 4 - text_size('', TITLE)[1]) // 2
    if panel.colour is not None:
        header[baseline + 3 : baseline + 15, :12] = INK
        header[baseline + 4 : baseline + 14, 1:11] = panel.colour
        x = 18
    title = shorten(panel.title, TITLE, width - x, bold=True)
    put_text(header, title, (x, baseline), TITLE, INK, bold=True)
    if panel.detail:
        detail_width = text_size(panel.detail, _DETAIL)[0]
        put_text(header, panel.detail, (width - detail_width, baseline + 3), _DETAIL, GREY)


def _draw_bar(strip: np.ndarray, bar: ColourBar) -> None:
    width = strip.shape[1]
    strip[:_BAR] = colormap_table(bar.colormap)[np.linspace(0, 255, width).round().astype(int)]
    strip[[0, _BAR - 1]] = FRAME
    for place, tick in zip(np.linspace(0, 1, len(bar.ticks)), bar.ticks):
        room = width - text_size(tick, _NOTE)[0]
        put_text(strip, tick, (round(place * room), _BAR + 2), _NOTE, GREY)
