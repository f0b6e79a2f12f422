"""One picture's drawings over a training: a contact sheet, or frames of an animation."""

from __future__ import annotations

from typing import Callable, Iterable, Iterator, Optional, Sequence

import cv2
import numpy as np

from .panels import Panel
from .sheets import compose, fit_canvas, panel_size


def draw_contact_sheet(
    drawings: Sequence[np.ndarray], titles: Sequence[str], columns: Optional[int] = None
) -> np.ndarray:
    """Put drawings side by side, each below its title.

    Args:
        drawings: uint8 BGR, at least one; of about the same size.
        titles: One per drawing.
        columns: Number of columns. Defaults to as many as make the sheet roughly landscape.

    Returns:
        A new uint8 BGR picture.
    """
    alike = list(lined_up(lambda: drawings))
    size = panel_size(alike[0], len(alike), smallest=min(320, max(alike[0].shape[:2])))
    panels = [Panel(fit_canvas(drawing, size), title) for drawing, title in zip(alike, titles)]
    return compose(panels, columns).image


def animation_frames(
    read: Callable[[], Iterable[np.ndarray]], titles: Sequence[str], longest: int = 960
) -> Iterator[np.ndarray]:
    """Make frames of one size, each with its title, one at a time.

    Args:
        read: See :func:`lined_up`; the drawings are of about the same size.
        titles: One per drawing.
        longest: The most pixels that a drawing's longer side may have.

    Yields:
        New uint8 BGR pictures.
    """
    for drawing, title in zip(lined_up(read), titles):
        height, width = drawing.shape[:2]
        scale = min(1.0, longest / max(width, height))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        yield compose([Panel(fit_canvas(drawing, size), title)]).image


def lined_up(read: Callable[[], Iterable[np.ndarray]]) -> Iterator[np.ndarray]:
    """Put drawings on white canvases of one size so that what they were drawn on lies at the same place in each.

    Strips of labels, above or below, make some drawings higher than others. If their widths differ, as those of sheets
    with different numbers of panels do, each is centred.

    Args:
        read: Returns the drawings, uint8 BGR, at least one; called several times, since all of them together may not
            fit into memory.

    Yields:
        uint8 BGR pictures.
    """
    sizes = [(drawing.shape[1], drawing.shape[0]) for drawing in read()]
    if len(set(sizes)) == 1:
        yield from read()
        return
    width, height = map(max, zip(*sizes))
    if any(size[0] != width for size in sizes):
        yield from (fit_canvas(drawing, (width, height)) for drawing in read())
        return
    lowest = min(size[1] for size in sizes)
    plain = next(drawing for drawing in read() if len(drawing) == lowest)
    above = [_rows_above(drawing, plain) for drawing in read()]
    most_above = max(above)
    most_below = max(size[1] - top for size, top in zip(sizes, above))
    for drawing, top in zip(read(), above):
        rows = (most_above - top, most_below - (len(drawing) - top))
        yield cv2.copyMakeBorder(drawing, *rows, 0, 0, cv2.BORDER_CONSTANT, value=(255, 255, 255))


def _rows_above(drawing: np.ndarray, plain: np.ndarray) -> int:
    """The row of a drawing at which another one, as wide and no higher, fits best."""
    rows = range(len(drawing) - len(plain) + 1)
    return min(rows, key=lambda row: cv2.norm(drawing[row : row + len(plain)], plain, cv2.NORM_L1))
