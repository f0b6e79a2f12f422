"""Draws one error of a detector as a sheet: what is annotated, what was detected, and why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, List, Optional, Tuple

import numpy as np

from .colours import PALETTE, Colour
from .drawing import Drawing
from .look import Look, finite
from .marks import Mark, draw_marks, draw_within
from .panels import Panel
from .sheets import compose, panel_size, resize

TRUTH: Colour = PALETTE[3]  # green: what is annotated
WRONG: Colour = PALETTE[4]  # vermilion: what was detected
_SMALL = 0.3  # of the picture's longer side: smaller objects are shown enlarged
_AROUND = 0.75
_IN_A_ROW = 3


def drawing_of_failure(explained: Any, colormap: Optional[str] = None, alpha: Optional[float] = None) -> Drawing:
    """Draw an error as a sheet of panels.

    The first shows the whole picture with the annotated object in green and the detection in orange, and below what is
    wrong; then comes a panel a map, cut out around the two where they are small.

    Args:
        explained: What :meth:`mmlens.ErrorReport.explain` returned.
        colormap, alpha: See :func:`~mmlens.rendering.draw_box_maps`.

    Raises:
        MmlensError: If the colour map is unknown, or the opacity out of range.
    """
    look = Look.of(explained.fusion, colormap, alpha)
    failure, picture = explained.failure, explained.picture
    marks = _marks(failure, explained.candidate)
    x1, y1, x2, y2 = _around(picture, marks)
    cut = picture[y1:y2, x1:x2]
    number = 1 + sum(1 if each.counter is None else 2 for each in explained.maps)
    size = panel_size(picture, number)
    whole = resize(picture, size)
    overview = draw_within(whole, [_scaled(mark, whole.shape[1] / picture.shape[1]) for mark in marks])
    cost = f'costs {failure.cost:.2f} points of mAP50' if failure.cost else ''
    note = ' '.join([failure.sentence, *explained.notes])
    panels = [Panel(overview, failure.type, detail=failure.picture, note=_joined(note, cost), kind='picture')]
    scale = size[0] / max(cut.shape[1], 1)
    plain = resize(cut, size)
    bare = [_scaled(_moved(mark, x1, y1), scale) for mark in marks]
    for each in explained.maps:
        values = each.values[y1:y2, x1:x2]
        words = (each.title, each.question, f'no map: {each.blank}' if each.blank else '')
        panels.append(_panel(plain, bare, words, values, look, explained.method))
        if each.counter is not None and not each.blank:
            words = (each.counter_title, '', '')
            panels.append(_panel(plain, bare, words, each.counter[y1:y2, x1:x2], look, explained.method))
    return compose(panels, len(panels) if len(panels) <= _IN_A_ROW else None)


def _panel(
    plain: np.ndarray, marks: List[Mark], words: Tuple[str, str, str], values: np.ndarray, look: Look, method: str
) -> Panel:
    """A map with its title, what it shows, and why there is none."""
    title, question, blank = words
    heat = resize(finite(values), (plain.shape[1], plain.shape[0]))
    drawn = draw_marks(look.lay(plain, heat), [replace(mark, text='') for mark in marks])
    note = '; '.join(filter(None, [question, blank]))
    return Panel(drawn, title, detail=method, bar=None if blank else look.bar, note=note)


def _marks(failure: Any, candidate: Optional[np.ndarray]) -> List[Mark]:
    """The detection on top of the object."""
    marks = []
    if failure.box is not None:
        marks.append(Mark(failure.box, WRONG, f'{failure.class_name} {failure.score:.2f}'))
    if failure.truth is not None:
        marks.append(Mark(failure.truth, TRUTH, f'{failure.truth_name}, annotated', beside=candidate))
    return marks


def _around(picture: np.ndarray, marks: List[Mark]) -> Tuple[int, int, int, int]:
    """The part of the picture that shows the boxes large enough: all of it, or the surroundings of small ones."""
    height, width = picture.shape[:2]
    boxes = np.array([mark.box for mark in marks])
    low, high = boxes[:, :2].min(0), boxes[:, 2:].max(0)
    longest = float((high - low).max())
    if longest >= _SMALL * max(height, width):
        return 0, 0, width, height
    # A part of the picture's own shape, so that the panels of a sheet are alike.
    share = longest * (1 + 2 * _AROUND) / min(height, width)
    size = np.minimum(np.array([width, height]) * max(share, 0.1), (width, height))
    corner = np.clip((low + high) / 2 - size / 2, 0, np.array([width, height]) - size)
    x1, y1 = np.floor(corner).astype(int).tolist()
    x2, y2 = np.minimum(np.ceil(corner + size).astype(int), (width, height)).tolist()
    return x1, y1, x2, y2


def _moved(mark: Mark, x: int, y: int) -> Mark:
    beside = None if mark.beside is None else np.asarray(mark.beside) - (x, y, x, y)
    return replace(mark, box=np.asarray(mark.box) - (x, y, x, y), beside=beside)


def _scaled(mark: Mark, scale: float) -> Mark:
    beside = None if mark.beside is None else np.asarray(mark.beside) * scale
    return replace(mark, box=np.asarray(mark.box) * scale, beside=beside)


def _joined(*words: str) -> str:
    return ' '.join(word if word.endswith('.') else f'It {word}.' for word in words if word)
