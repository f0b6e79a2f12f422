"""Draws the evidence for each box over the picture."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, List, Optional, Sequence, Tuple

import numpy as np

from ..choices import LAYOUTS
from ..errors import MmlensError, count
from .blend import blend_map, check_alpha
from .colours import colormap_table, label_colours
from .drawing import Drawing
from .marks import Mark, draw_marks, draw_within, drawing_of_marks, font_size
from .panels import ColourBar, Panel
from .predicted import NOTHING_FOUND
from .sheets import compose, panel_size, resize, with_note

if TYPE_CHECKING:
    from ..results.boxes import BoxExplanation, BoxMap

# With more boxes than this, the first panel of a sheet has their numbers: the other panels have the names.
_MOST_NAMES = 8


def draw_box_maps(
    explanation: BoxExplanation, layout: str = 'overlay', colormap: str = 'turbo', alpha: float = 0.5
) -> np.ndarray:
    """Draw the maps of the boxes over their picture.

    Labels stand outside their own box and the visible part of its map. A map's opacity falls to 0
    with its value, so the photograph stays readable where there is no evidence.

    Args:
        explanation: What :func:`mmlens.explain_boxes` returned.
        layout: ``'overlay'``: all boxes on one picture; every pixel shows the maximum of the boxes'
            normalised maps. ``'panels'``: a sheet that begins with the plain picture and its boxes, then
            one panel per box with class, score, rank and colour bar, or the reason why its map is blank.
        colormap: A colour map of OpenCV or matplotlib. Defaults to ``'turbo'``.
        alpha: Opacity in [0, 1] where a map is 1. Defaults to 0.5.

    Returns:
        A new uint8 BGR picture. With ``'overlay'`` it has the picture's own pixels, plus a white strip
        above or below where labels found no place in the picture; with ``'panels'`` pictures are scaled to
        sensible panels. Without boxes both return the plain picture with a strip below it that holds the
        explanation's first note or, if it has none, says that nothing was detected.

    Raises:
        MmlensError: If the layout or colour map is unknown, or ``alpha`` is out of range.
    """
    return drawing_of_boxes(explanation, layout, colormap, alpha).image


def drawing_of_boxes(
    explanation: BoxExplanation, layout: str = 'overlay', colormap: str = 'turbo', alpha: float = 0.5
) -> Drawing:
    """Draw the maps of the boxes, and say what lies where; for arguments and errors see :func:`draw_box_maps`."""
    if layout not in LAYOUTS:
        raise MmlensError(f"Unknown layout '{layout}': choose one of {', '.join(LAYOUTS)}.")
    alpha = check_alpha(alpha)
    colormap_table(colormap)
    if not len(explanation):
        note = explanation.notes[0] if explanation.notes else NOTHING_FOUND
        return with_note(explanation.picture, note, font_size(explanation.picture))
    if layout == 'panels':
        return _draw_panels(explanation, colormap, alpha)
    heats = [_heat(box) for box in explanation]
    blended = blend_map(explanation.picture, _maximum(heats), colormap, alpha)
    return drawing_of_marks(blended, _marks(explanation.boxes, heats))


def _draw_panels(explanation: BoxExplanation, colormap: str, alpha: float) -> Drawing:
    size = panel_size(explanation.picture, len(explanation) + 1)
    plain = resize(explanation.picture, size)
    boxes = [_scaled(box, plain.shape, explanation.picture.shape) for box in explanation]
    detail = ' · '.join(filter(None, [explanation.method, ', '.join(explanation.layers), explanation.target]))
    panels = [Panel(draw_within(plain, _overview(boxes)), count(len(boxes), 'box'), detail=detail, kind='picture')]
    for n, (box, mark) in enumerate(zip(boxes, _marks(boxes))):
        blended = blend_map(plain, box.normalised, colormap, alpha)
        panels.append(
            Panel(
                draw_marks(blended, [Mark(mark.box, mark.colour, mask=mark.mask)]),
                title=_name(box),
                detail=f'instance {box.index}',
                colour=mark.colour,
                bar=None if box.blank else ColourBar(colormap),
                note=f'no map: {box.blank}' if box.blank else '',
                item=n,
            )
        )
    return compose(panels)


def _overview(boxes: Sequence[BoxMap]) -> List[Mark]:
    marks = _marks(boxes)
    if len(boxes) <= _MOST_NAMES:
        return marks
    return [replace(mark, text=str(box.index)) for mark, box in zip(marks, boxes)]


def _marks(boxes: Sequence[BoxMap], heats: Optional[Sequence[np.ndarray]] = None) -> List[Mark]:
    colours = label_colours([box.label for box in boxes])
    return [
        Mark(
            box=box.box,
            colour=colour,
            text=_name(box) + (' (no map)' if box.blank else ''),
            heat=None if heats is None else heats[n],
            mask=box.mask,
        )
        for n, (box, colour) in enumerate(zip(boxes, colours))
    ]


def _name(box: BoxMap) -> str:
    return f'{box.class_name} {box.score:.2f}'


def _heat(box: BoxMap) -> np.ndarray:
    return np.nan_to_num(np.asarray(box.normalised, np.float32), nan=0.0)


def _maximum(heats: Sequence[np.ndarray]) -> np.ndarray:
    highest = heats[0]
    for heat in heats[1:]:
        highest = np.maximum(highest, heat)
    return highest


def _scaled(box: BoxMap, to: Tuple[int, ...], frame: Tuple[int, ...]) -> BoxMap:
    """The box on a picture of another size (both as array shapes), with its map."""
    scale = np.array([to[1] / frame[1], to[0] / frame[0]] * 2, np.float32)
    size = (to[1], to[0])
    return replace(
        box,
        box=np.asarray(box.box, np.float32) * scale,
        normalised=resize(_heat(box), size),
        mask=None if box.mask is None else resize(np.asarray(box.mask, np.uint8), size).astype(bool),
    )
