"""Draws the same objects by two detectors: both maps on one scale, and their difference."""

from __future__ import annotations

from typing import TYPE_CHECKING, List, Optional, Sequence

import numpy as np

from ..errors import count
from .colours import PALETTE, Colour
from .drawing import Drawing
from .look import Look, finite
from .marks import Mark, draw_marks, draw_within, font_size
from .panels import Panel
from .sheets import compose, panel_size, resize, with_note

if TYPE_CHECKING:
    from ..results.boxes import BoxMap
    from ..results.comparison import BoxComparison, BoxPair

SIDES: Sequence[Colour] = (PALETTE[1], PALETTE[0])  # sky blue and orange
TRUTH: Colour = PALETTE[3]
MOST = 6
_COLUMNS = 3


def drawing_of_comparison(
    comparison: BoxComparison, most: int = MOST, colormap: Optional[str] = None, alpha: Optional[float] = None
) -> Drawing:
    """Draw a sheet: first what each side found, then a row an object, the most changed first.

    A row has the map of each side and their difference, b minus a: red where b shows more, blue where a does. A side
    that did not find the object shows the candidate that stands for it, dashed; without one it has the plain picture,
    and there is no difference.

    Args:
        comparison: What :func:`mmlens.compare_boxes` returned.
        most: How many objects at most.
        colormap, alpha: Of the maps; see :func:`~mmlens.rendering.draw_box_maps`.

    Raises:
        MmlensError: If the colour map is unknown, or the opacity out of range.
    """
    picture, pairs = comparison.picture, comparison.pairs[:most]
    if not pairs:
        return with_note(picture, comparison.notes[0] if comparison.notes else 'nothing found', font_size(picture))
    size = panel_size(picture, _COLUMNS * (len(pairs) + 1), widest=420)
    plain = resize(picture, size)
    scale = size[0] / picture.shape[1]
    looks = [Look.of(side.fusion, colormap, alpha) for side in (comparison.a, comparison.b)]
    signed = Look.of(comparison.a.fusion if looks[0] == looks[1] else '', None, alpha, signed=True)
    panels: List[Optional[Panel]] = [_overview(plain, comparison, n, scale) for n in (0, 1)]
    panels.append(None)
    for item, pair in enumerate(pairs):
        panels += [_side(plain, comparison, pair, n, looks[n], scale, item) for n in (0, 1)]
        panels.append(None if pair.difference is None else _difference(plain, comparison, pair, signed, scale, item))
    return compose(panels, _COLUMNS)


def _overview(plain: np.ndarray, comparison: BoxComparison, side: int, scale: float) -> Panel:
    boxes = [_of(pair, side) for pair in comparison.pairs if pair.found[side]]
    marks = [_mark(box, side, scale, f'{box.class_name} {box.score:.2f}') for box in boxes if box is not None]
    name, explanation = comparison.names[side], (comparison.a, comparison.b)[side]
    how = ', '.join(explanation.layers[:2]) + (' ...' if len(explanation.layers) > 2 else '')
    note = ' at '.join(filter(None, [explanation.method, how]))
    kind = 'picture' if side == 0 else 'panel'
    words = f'{name}: {count(len(marks), "object")}'
    return Panel(draw_within(plain, marks), words, colour=SIDES[side], note=note, kind=kind)


def _side(
    plain: np.ndarray, comparison: BoxComparison, pair: BoxPair, side: int, look: Look, scale: float, item: int
) -> Panel:
    box, name = _of(pair, side), comparison.names[side]
    truth = [] if pair.truth is None else [Mark(np.asarray(pair.truth) * scale, TRUTH)]
    values = pair.shown('ab'[side])
    if box is None or values is None:
        shown = draw_marks(plain, truth) if truth else plain.copy()
        return Panel(shown, f'{name}: no {pair.class_name}', colour=SIDES[side], note='not found', item=item)
    heat = resize(finite(values), (plain.shape[1], plain.shape[0]))
    drawn = draw_marks(look.lay(plain, heat), [_mark(box, side, scale), *truth])
    title = f'{name}: {box.class_name} {box.score:.2f}'
    notes = [f'no map: {box.blank}'] if box.blank else []
    if not pair.found[side]:
        title = f'{name}: no {box.class_name}'
        overlap = '' if box.candidate is None else f' (dashed, IoU {box.overlap:.2f})'
        notes.insert(0, f'not found: its candidate{overlap} scores {box.score:.3f}')
    bar = None if box.blank else look.bar
    return Panel(drawn, title, colour=SIDES[side], bar=bar, note='; '.join(notes), item=item)


def _difference(
    plain: np.ndarray, comparison: BoxComparison, pair: BoxPair, look: Look, scale: float, item: int
) -> Panel:
    first, second = comparison.names
    boxes = [(n, _of(pair, n)) for n in (0, 1)]
    marks = [_mark(box, n, scale) for n, box in boxes if box is not None]
    difference = pair.difference
    assert difference is not None
    drawn = draw_marks(look.lay(plain, resize(finite(difference), (plain.shape[1], plain.shape[0]))), marks)
    key = [(words, colour) for (_, colour), words in zip(look.ends('', ''), (f'more in {first}', f'more in {second}'))]
    scales = 'on one scale' if comparison.comparable else 'each on its own scale'
    overlap = [f'IoU {pair.overlap:.2f}'] if all(pair.found) else []
    note = '; '.join([f'score {pair.score_change:+.2f}', *overlap, f'maps {scales}'])
    detail = f'change {pair.change:.2f}'
    return Panel(drawn, f'{second} - {first}', detail=detail, bar=look.bar, key=key, note=note, item=item)


def _of(pair: BoxPair, side: int) -> Optional[BoxMap]:
    return pair.b if side else pair.a


def _mark(box: BoxMap, side: int, scale: float, text: str = '') -> Mark:
    candidate = None if box.candidate is None else np.asarray(box.candidate, np.float64) * scale
    return Mark(np.asarray(box.box, np.float64) * scale, SIDES[side], text, beside=candidate)
