"""Draws the evidence for each class over the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, List, Optional, Tuple

import cv2
import numpy as np

from ..choices import CLASS_LAYOUTS, FRAMES
from ..errors import MmlensError, count
from .drawing import Drawing
from .look import NOTHING_AGAINST, Look, check_counters, contrasted_name, counter_title, finite
from .marks import font_size
from .panels import Panel
from .predicted import first_name, named
from .sheets import columns_of_groups, compose, panel_size, resize, with_note

if TYPE_CHECKING:
    from ..results.classes import ClassExplanation, ClassMap

# How much brightness is left to what the network does not see.
_DIMMED = 0.4


def draw_class_maps(
    explanation: ClassExplanation,
    layout: Optional[str] = None,
    on: str = 'picture',
    colormap: Optional[str] = None,
    alpha: Optional[float] = None,
    signed: bool = False,
) -> np.ndarray:
    """Draw the maps of the classes over their picture.

    What a centre crop hides from the network is dimmed and has no map. Maps that the fusion ``'product'`` made are
    drawn as in :func:`~mmlens.rendering.draw_box_maps`.

    Args:
        explanation: What :func:`mmlens.explain_classes` returned.
        layout: ``'overlay'``: the map of the first class on the picture at its own size, above a white strip with name,
            score and colour bar; ``'sheet'``: the plain picture and one panel per class with name, score and colour
            bar, and beside it, where it is known, what speaks against the class or for the one that it was contrasted
            with. Defaults to ``'overlay'`` for one class, and to ``'sheet'`` for several, with guided gradients or
            where that is known.
        on: ``'picture'``: the original picture; ``'input'``: what the network sees of it.
        colormap, alpha, signed: See :func:`~mmlens.rendering.draw_box_maps`.

    Returns:
        A new uint8 BGR picture. If a map is blank, the strip below an overlay says why.

    Raises:
        MmlensError: If the layout, frame or colour map is unknown, ``alpha`` is out of range, or it is not known what
            speaks against the classes.
    """
    return drawing_of_classes(explanation, layout, on, colormap, alpha, signed).image


def drawing_of_classes(
    explanation: ClassExplanation,
    layout: Optional[str] = None,
    on: str = 'picture',
    colormap: Optional[str] = None,
    alpha: Optional[float] = None,
    signed: bool = False,
) -> Drawing:
    """Draw the maps of the classes, and say what lies where; for arguments and errors see :func:`draw_class_maps`."""
    several = len(explanation) > 1 or _has_guided(explanation) or _has_counters(explanation)
    layout = layout or ('sheet' if several else 'overlay')
    if layout not in CLASS_LAYOUTS:
        raise MmlensError(f"Unknown layout '{layout}': choose one of {', '.join(CLASS_LAYOUTS)}.")
    if on not in FRAMES:
        raise MmlensError(f"Unknown frame '{on}': choose one of {', '.join(FRAMES)}.")
    look = Look.of(explanation.fusion, colormap, alpha, signed)
    if signed:
        check_counters(explanation, 'explain_classes')
    plain = _in_frame(explanation, _dimmed(explanation.picture, explanation.covered), on)
    if layout == 'sheet':
        panels, each = _panels(explanation, plain, on, look), _panels_of_each(explanation, look)
        return compose(panels, columns_of_groups(panels, each) if each > 1 else None)
    first = explanation[0]
    blended = look.lay(plain, _in_frame(explanation, look.values(first), on))
    if first.blank:
        return with_note(blended, f'{_name(first)}: no map: {first.blank}', font_size(blended), item=0)
    return with_note(blended, _caption(first, look), font_size(blended), item=0, bar=look.bar)


def _has_guided(explanation: ClassExplanation) -> bool:
    return any(each.guided is not None for each in explanation)


def _has_counters(explanation: ClassExplanation) -> bool:
    return any(each.counter is not None for each in explanation)


def _panels_of_each(explanation: ClassExplanation, look: Look) -> int:
    return 1 + (_has_counters(explanation) and not look.signed) + _has_guided(explanation)


def _panels(explanation: ClassExplanation, plain: np.ndarray, on: str, look: Look) -> List[Optional[Panel]]:
    """The plain picture, then each class, with what speaks against it and its guided gradients beside it."""
    plain = resize(plain, panel_size(plain, _panels_of_each(explanation, look) * len(explanation) + 1))
    detail = ' · '.join([explanation.method, *explanation.layers])
    panels: List[Optional[Panel]] = [Panel(plain, count(len(explanation), 'class'), detail=detail, kind='picture')]
    for n in range(len(explanation)):
        panels.append(_panel(explanation, plain, n, on, look))
        if _has_counters(explanation) and not look.signed:
            panels.append(_counter_panel(explanation, plain, n, on, look))
        if _has_guided(explanation):
            panels.append(_guided_panel(explanation, n, on, (plain.shape[1], plain.shape[0])))
    return panels


def _panel(explanation: ClassExplanation, plain: np.ndarray, item: int, on: str, look: Look) -> Panel:
    each = explanation[item]
    values = look.values(each)
    empty = bool(each.blank) and not values.any()
    return Panel(
        look.lay(plain, resize(_in_frame(explanation, values, on), plain.shape[1::-1])),
        title=_name(each),
        detail=f'class {each.category} · rank {each.rank}',
        bar=None if empty else look.bar,
        key=look.ends(first_name(each.class_name), each.against) if look.signed and not empty else (),
        note=f'no map: {each.blank}' if each.blank else '',
        item=item,
    )


def _counter_panel(explanation: ClassExplanation, plain: np.ndarray, item: int, on: str, look: Look) -> Optional[Panel]:
    each = explanation[item]
    if each.counter is None or (each.blank and not each.counter.any()):
        return None
    return Panel(
        look.lay(plain, resize(_in_frame(explanation, finite(each.counter), on), plain.shape[1::-1])),
        title=counter_title(first_name(each.class_name), each.against),
        bar=look.bar if each.counter.any() else None,
        note='' if each.counter.any() else NOTHING_AGAINST,
        item=item,
    )


def _name(each: ClassMap) -> str:
    return contrasted_name(named(each.class_name, each.score), each.against)


def _caption(each: ClassMap, look: Look) -> str:
    if not look.signed:
        return _name(each)
    (against, _), (in_favour, _) = look.ends(first_name(each.class_name), each.against)
    return f'{_name(each)} (-1 {against}, 1 {in_favour})'


def _guided_panel(explanation: ClassExplanation, item: int, on: str, size: Tuple[int, int]) -> Optional[Panel]:
    each = explanation[item]
    if each.guided is None or each.blank:
        return None
    covered = explanation.covered
    combined = _in_frame(explanation, _dimmed(combine_guided(each, covered), covered), on)
    return Panel(
        resize(combined, size), title=named(each.class_name, each.score), detail='guided backprop × map', item=item
    )


def combine_guided(each: ClassMap, covered: Optional[np.ndarray] = None) -> np.ndarray:
    """Guided gradients times the class's map, as pytorch-grad-cam shows them: mid-grey means no evidence.

    Args:
        each: The class.
        covered: Shape (H, W), bool: the pixels to compute mean and spread over. Defaults to all.

    Returns:
        Shape (H, W, 3), uint8, BGR.
    """
    if each.guided is None:
        raise MmlensError('The class has no guided gradients: ask `explain_classes()` for `guided_backprop`.')
    product = each.guided.astype(np.float64) * each.normalised[..., None]
    seen = product if covered is None else product[covered]
    scaled = (product - seen.mean()) / (seen.std() or 1.0) * 0.1 + 0.5
    return (np.clip(scaled, 0, 1) * 255).astype(np.uint8)


def _dimmed(picture: np.ndarray, covered: np.ndarray) -> np.ndarray:
    drawn = picture.copy()
    drawn[~covered] = np.rint(drawn[~covered] * _DIMMED)
    return drawn


def _in_frame(explanation: ClassExplanation, array: np.ndarray, on: str) -> np.ndarray:
    """An array on the picture's grid, or moved to the input's."""
    if on == 'picture':
        return array
    height, width = explanation.input_size
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])  # cv2 counts from the centre of the first pixel
    matrix = np.linalg.inv(half) @ explanation.to_input @ half
    return cv2.warpAffine(array, matrix[:2], (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
