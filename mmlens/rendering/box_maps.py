"""Draws the evidence for each box over the picture."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, List, Optional, Sequence, Tuple

import numpy as np

from ..choices import LAYOUTS
from ..errors import MmlensError, count
from .colours import label_colours
from .drawing import Drawing
from .labels import coarser
from .look import NOTHING_AGAINST, Look, check_counters, contrasted_name, counter_title, finite
from .marks import Mark, draw_marks, draw_within, drawing_of_marks, font_size
from .panels import Panel
from .predicted import NOTHING_FOUND
from .sheets import columns_of_groups, compose, panel_size, resize, with_note

if TYPE_CHECKING:
    from ..results.boxes import BoxExplanation, BoxMap

# With more boxes than this, the first panel of a sheet has their numbers: the other panels have the names.
_MOST_NAMES = 8


def draw_box_maps(
    explanation: BoxExplanation,
    layout: str = 'overlay',
    colormap: Optional[str] = None,
    alpha: Optional[float] = None,
    signed: bool = False,
) -> np.ndarray:
    """Draw the maps of the boxes over their picture.

    Given boxes are drawn as detections are, and beside each, dashed, what its candidate decodes to.

    Labels stand outside their own box and the visible part of its map. A map's opacity falls to 0
    with its value, so the photograph stays readable where there is no evidence. Colours and opacity of maps that the
    fusion ``'product'`` made follow the fourth root of their values, as the colour bars say.

    Args:
        explanation: What :func:`mmlens.explain_boxes` returned.
        layout: ``'overlay'``: all boxes on one picture; every pixel shows the maximum of the boxes'
            normalised maps. ``'panels'``: a sheet that begins with the plain picture and its boxes, then
            one panel per box with class, score, rank and colour bar, or the reason why its map is blank. Where it is
            known what speaks against a box, or for the class that it was contrasted with, that has a panel beside it.
        colormap: A colour map of OpenCV or matplotlib. Defaults to ``'plasma'``, or with ``signed`` to ``'blue-red'``.
        alpha: Opacity in [0, 1] where a map is 1. Defaults to 0.5, or for maps that ``'product'`` made to 0.75.
        signed: Draw what speaks for and against each box in one map: for minus against, each with a maximum of 1.

    Returns:
        A new uint8 BGR picture. With ``'overlay'`` it has the picture's own pixels, plus a white strip
        above or below where labels found no place in the picture; with ``'panels'`` pictures are scaled to
        sensible panels. Without boxes both return the plain picture with a strip below it that holds the
        explanation's first note or, if it has none, says that nothing was detected.

    Raises:
        MmlensError: If the layout or colour map is unknown, ``alpha`` is out of range, or it is not known what speaks
            against the boxes.
    """
    return drawing_of_boxes(explanation, layout, colormap, alpha, signed).image


def drawing_of_boxes(
    explanation: BoxExplanation,
    layout: str = 'overlay',
    colormap: Optional[str] = None,
    alpha: Optional[float] = None,
    signed: bool = False,
) -> Drawing:
    """Draw the maps of the boxes, and say what lies where; for arguments and errors see :func:`draw_box_maps`."""
    if layout not in LAYOUTS:
        raise MmlensError(f"Unknown layout '{layout}': choose one of {', '.join(LAYOUTS)}.")
    look = Look.of(explanation.fusion, colormap, alpha, signed)
    if not len(explanation):
        note = explanation.notes[0] if explanation.notes else NOTHING_FOUND
        return with_note(explanation.picture, note, font_size(explanation.picture))
    if signed:
        check_counters(explanation, 'explain_boxes')
    if layout == 'panels':
        return _draw_panels(explanation, look)
    strongest, coarse = np.zeros(explanation.picture.shape[:2], np.float32), []
    for box in explanation:
        heat, corner = look.part(box)
        rows, columns = (slice(begin, begin + length) for begin, length in zip(corner, heat.shape))
        _take_stronger(strongest[rows, columns], heat, look.signed)
        coarse.append(np.abs(look.shown(coarser(heat, corner, strongest.shape))))
    drawn = look.lay(explanation.picture, strongest)
    return drawing_of_marks(drawn, _marks(explanation.boxes, coarse), own=True)


def _draw_panels(explanation: BoxExplanation, look: Look) -> Drawing:
    both = not look.signed and any(box.counter is not None for box in explanation)
    each = 2 if both else 1
    plain = resize(explanation.picture, panel_size(explanation.picture, each * len(explanation) + 1))
    boxes = [_scaled(box, plain.shape, explanation.picture.shape) for box in explanation]
    detail = ' · '.join(filter(None, [explanation.method, ', '.join(explanation.layers), explanation.target]))
    overview = draw_within(plain, _overview(boxes))
    panels: List[Optional[Panel]] = [Panel(overview, count(len(boxes), 'box'), detail=detail, kind='picture')]
    for n, (box, mark) in enumerate(zip(boxes, _marks(boxes))):
        panels.append(_panel(plain, box, mark, n, look))
        if both:
            panels.append(_counter_panel(plain, box, mark, n, look))
    return compose(panels, columns_of_groups(panels, each) if both else None)


def _panel(plain: np.ndarray, box: BoxMap, mark: Mark, item: int, look: Look) -> Panel:
    heat = look.values(box)
    empty = bool(box.blank) and not heat.any()
    return Panel(
        draw_marks(look.lay(plain, heat), [replace(mark, text='')]),
        title=_name(box),
        detail=_which(box),
        colour=mark.colour,
        bar=None if empty else look.bar,
        key=look.ends(box.class_name, box.against) if look.signed and not empty else (),
        note=f'no map: {box.blank}' if box.blank else '',
        item=item,
    )


def _counter_panel(plain: np.ndarray, box: BoxMap, mark: Mark, item: int, look: Look) -> Optional[Panel]:
    """What speaks for the class that the box was contrasted with, or else against the box."""
    if box.counter is None or (box.blank and not box.counter.any()):
        return None
    return Panel(
        draw_marks(look.lay(plain, box.counter), [replace(mark, text='')]),
        title=counter_title(box.class_name, box.against),
        detail=_which(box),
        colour=mark.colour,
        bar=look.bar if box.counter.any() else None,
        note='' if box.counter.any() else NOTHING_AGAINST,
        item=item,
    )


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
            beside=box.candidate,
        )
        for n, (box, colour) in enumerate(zip(boxes, colours))
    ]


def _name(box: BoxMap) -> str:
    return contrasted_name(f'{box.class_name} {box.score:.2f}', box.against)


def _which(box: BoxMap) -> str:
    """Which detection it is, and for a given box how well its candidate lies."""
    detected = f'instance {box.index}' if box.index >= 0 else 'not detected'
    return detected if box.candidate is None else f'{detected} · candidate rank {box.rank}, IoU {box.overlap:.2f}'


def _take_stronger(into: np.ndarray, other: np.ndarray, signed: bool) -> None:
    """Write at each pixel the value of two maps that is further from 0 into the first."""
    if signed:
        np.copyto(into, other, where=np.abs(other) > np.abs(into))
    else:  # values in [0, 1]: a fifth of the time
        np.maximum(into, other, out=into)


def _scaled(box: BoxMap, to: Tuple[int, ...], frame: Tuple[int, ...]) -> BoxMap:
    """The box on a picture of another size (both as array shapes), with its map."""
    scale = np.array([to[1] / frame[1], to[0] / frame[0]] * 2, np.float32)
    size = (to[1], to[0])
    normalised = resize(finite(box.normalised), size)
    return replace(
        box,
        raw=normalised,  # not drawn, and not to be made at the picture's size
        box=np.asarray(box.box, np.float32) * scale,
        normalised=normalised,
        counter=None if box.counter is None else resize(finite(box.counter), size),
        mask=None if box.mask is None else resize(np.asarray(box.mask, np.uint8), size).astype(bool),
        candidate=None if box.candidate is None else np.asarray(box.candidate, np.float32) * scale,
    )
