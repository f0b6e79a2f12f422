"""Sheets: panels in a grid, and other ways to put pictures on white paper."""

from __future__ import annotations

from typing import List, Optional, Sequence, Tuple

import cv2
import numpy as np

from .colours import PAPER
from .drawing import Drawing, Item, Place, moved, rect_at
from .panels import HEADER, LINE, ColourBar, Panel, body_height, draw_bar, draw_panel, with_detail_in_place
from .text import put_text, text_size, wrap

MARGIN = 16
# The most pixels a sheet should have: it is viewed on a screen.
WIDEST, _HIGHEST = 2600, 2600
_LANDSCAPE = 1.6
NARROWEST = 200


def compose(panels: Sequence[Optional[Panel]], columns: Optional[int] = None) -> Drawing:
    """Arrange panels on white paper, row by row.

    Args:
        panels: At least one; ``None`` leaves a place empty.
        columns: How many panels stand in a row. Defaults to as many as make the sheet roughly landscape.

    Returns:
        The sheet, and what lies where in it.
    """
    width = max(NARROWEST, *(panel.picture.shape[1] for panel in panels if panel))
    placed = [panel and with_detail_in_place(panel, width) for panel in panels]
    usual = HEADER + MARGIN + round(np.mean([body_height(panel, width) for panel in placed if panel]))
    columns = min(columns or grid_columns(len(placed), width + MARGIN, usual), len(placed))
    rows = [placed[start : start + columns] for start in range(0, len(placed), columns)]
    heights = [HEADER + max((body_height(panel, width) for panel in row if panel), default=0) for row in rows]
    sheet = _paper(MARGIN + columns * (width + MARGIN), MARGIN + sum(height + MARGIN for height in heights))
    places: List[Place] = []
    y = MARGIN
    for row, height in zip(rows, heights):
        for column, panel in enumerate(row):
            x = MARGIN + column * (width + MARGIN)
            if panel:
                places += moved(draw_panel(sheet[y : y + height, x : x + width], panel), x, y)
        y += height + MARGIN
    return Drawing(sheet, tuple(places))


def side_by_side(pictures: Sequence[np.ndarray], titles: Sequence[str]) -> np.ndarray:
    """Pictures in one row, scaled to the smallest height among them, each with its title above.

    Args:
        pictures: uint8 BGR pictures (H, W, 3) of any sizes; at least one.
        titles: One per picture.

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
        draw_panel(sheet[MARGIN:-MARGIN, x : x + width], Panel(picture, title))
        x += width + MARGIN
    return sheet


def with_note(
    picture: np.ndarray, note: str, font: int, item: Optional[Item] = None, bar: Optional[ColourBar] = None
) -> Drawing:
    """An overlay with a note in a white strip below it.

    Args:
        picture: Shape (H, W, 3), uint8, BGR.
        note: The text, which is wrapped.
        font: Height of its letters in pixels.
        item: Which item of the result the picture shows.
        bar: A colour bar below the note.
    """
    margin = font // 2
    canvas_width = max(picture.shape[1], 8 * font)
    lines = wrap(note, font, canvas_width - 2 * margin)
    step = text_size('', font)[1] + 2
    end = picture.shape[0] + 2 * margin + step * len(lines)
    canvas = _paper(canvas_width, end + (margin + step if bar else 0))
    canvas[: picture.shape[0], : picture.shape[1]] = picture
    for row, line in enumerate(lines):
        put_text(canvas, line, (margin, picture.shape[0] + margin + row * step), font)
    if bar:
        small = max(9, round(0.8 * font))
        draw_bar(canvas[end - margin + 2 :, margin : canvas_width - margin], bar, max(6, font // 2), small)
    strip = (0, picture.shape[0], canvas.shape[1], canvas.shape[0])
    return Drawing(canvas, (Place('overlay', rect_at(0, 0, picture), item), Place('note', strip, item)))


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
    ``smallest``, since the words of a sheet need room.
    """
    long_side = max(picture.shape[:2])
    wanted = min(max(long_side, smallest), widest)
    for side in (wanted, *(s for s in (520, 440, 360, 300, 240) if s < wanted)):
        width, height = (max(1, round(length * side / long_side)) for length in picture.shape[1::-1])
        cell = (max(width, NARROWEST) + MARGIN, height + HEADER + 2 * MARGIN + LINE)
        columns = grid_columns(count, *cell)
        if columns * cell[0] <= WIDEST and -(-count // columns) * cell[1] <= _HIGHEST:
            break
    return width, height


def grid_columns(count: int, width: int, height: int) -> int:
    """How many columns make a grid of ``count`` cells of this size roughly landscape with few empty cells."""

    def badness(columns: int) -> float:
        rows = -(-count // columns)
        aspect = columns * width / (rows * height)
        return abs(np.log(aspect / _LANDSCAPE)) + 1.5 * (rows * columns - count) / count

    return min(range(1, count + 1), key=badness)


def columns_of_groups(panels: List[Optional[Panel]], each: int) -> int:
    """Leave cells below the first panel empty, so that no group of panels is torn apart.

    Args:
        panels: The plain picture, then groups of panels; empty cells are inserted in place.
        each: How many panels are a group.

    Returns:
        The number of columns.
    """
    height, width = next(panel.picture.shape[:2] for panel in panels if panel)
    groups = len(panels) // each
    across = grid_columns(groups, each * (max(width, NARROWEST) + MARGIN), height + HEADER + 2 * MARGIN)
    for done in reversed(range(across, groups, across)):
        panels.insert(1 + each * done, None)
    return 1 + each * across


def _paper(width: int, height: int) -> np.ndarray:
    return np.full((height, width, 3), PAPER, np.uint8)
