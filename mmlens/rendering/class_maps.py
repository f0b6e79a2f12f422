"""Draws the evidence for each class over the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, List, Optional, Tuple

import cv2
import numpy as np

from ..choices import CLASS_LAYOUTS, FRAMES
from ..errors import MmlensError, count
from .blend import blend_map, check_alpha
from .colours import colormap_table
from .drawing import Drawing, Place, rect_at
from .marks import font_size
from .panels import HEADER, ColourBar, Panel
from .predicted import named
from .sheets import MARGIN, NARROWEST, compose, grid_columns, panel_size, resize, with_note

if TYPE_CHECKING:
    from ..results.classes import ClassExplanation, ClassMap

# How much brightness is left to what the network does not see.
_DIMMED = 0.4


def draw_class_maps(
    explanation: ClassExplanation,
    layout: Optional[str] = None,
    on: str = 'picture',
    colormap: str = 'turbo',
    alpha: float = 0.5,
) -> np.ndarray:
    """Draw the maps of the classes over their picture.

    What a centre crop hides from the network is dimmed and has no map.

    Args:
        explanation: What :func:`mmlens.explain_classes` returned.
        layout: ``'overlay'``: the map of the first class on the picture at its own size; ``'sheet'``: the
            plain picture and one panel per class with name, score and colour bar. Defaults to ``'overlay'``
            for one class and ``'sheet'`` for several, or with guided gradients.
        on: ``'picture'``: the original picture; ``'input'``: what the network sees of it.
        colormap: A colour map of OpenCV or matplotlib. Defaults to ``'turbo'``.
        alpha: Opacity in [0, 1] where a map is 1. Defaults to 0.5.

    Returns:
        A new uint8 BGR picture. An overlay has a white strip below it if its map is blank.

    Raises:
        MmlensError: If the layout, frame or colour map is unknown, or ``alpha`` is out of range.
    """
    return drawing_of_classes(explanation, layout, on, colormap, alpha).image


def drawing_of_classes(
    explanation: ClassExplanation,
    layout: Optional[str] = None,
    on: str = 'picture',
    colormap: str = 'turbo',
    alpha: float = 0.5,
) -> Drawing:
    """Draw the maps of the classes, and say what lies where; for arguments and errors see :func:`draw_class_maps`."""
    several = len(explanation) > 1 or _has_guided(explanation)
    layout = layout or ('sheet' if several else 'overlay')
    if layout not in CLASS_LAYOUTS:
        raise MmlensError(f"Unknown layout '{layout}': choose one of {', '.join(CLASS_LAYOUTS)}.")
    if on not in FRAMES:
        raise MmlensError(f"Unknown frame '{on}': choose one of {', '.join(FRAMES)}.")
    alpha = check_alpha(alpha)
    colormap_table(colormap)
    plain = _in_frame(explanation, _dimmed(explanation.picture, explanation.covered), on)
    if layout == 'sheet':
        panels = _panels(explanation, plain, on, colormap, alpha)
        return compose(panels, _columns_of_pairs(panels) if _has_guided(explanation) else None)
    first = explanation[0]
    blended = blend_map(plain, _in_frame(explanation, first.normalised, on), colormap, alpha)
    if first.blank:
        return with_note(
            blended, f'{named(first.class_name, first.score)}: no map: {first.blank}', font_size(blended), item=0
        )
    return Drawing(blended, (Place('overlay', rect_at(0, 0, blended), 0),))


def _has_guided(explanation: ClassExplanation) -> bool:
    return any(each.guided is not None for each in explanation)


def _panels(
    explanation: ClassExplanation, plain: np.ndarray, on: str, colormap: str, alpha: float
) -> List[Optional[Panel]]:
    """The plain picture, then each class; with guided gradients, two panels per class."""
    guided = _has_guided(explanation)
    size = panel_size(plain, len(explanation) * (2 if guided else 1) + 1)
    plain = resize(plain, size)
    detail = ' · '.join([explanation.method, *explanation.layers])
    panels: List[Optional[Panel]] = [Panel(plain, count(len(explanation), 'class'), detail=detail, kind='picture')]
    for n, each in enumerate(explanation):
        heat = np.clip(resize(_in_frame(explanation, each.normalised, on), size), 0, 1)
        panels.append(
            Panel(
                blend_map(plain, heat, colormap, alpha),
                title=named(each.class_name, each.score),
                detail=f'class {each.category} · rank {each.rank}',
                bar=None if each.blank else ColourBar(colormap),
                note=f'no map: {each.blank}' if each.blank else '',
                item=n,
            )
        )
        if guided:
            panels.append(_guided_panel(explanation, n, on, size))
    return panels


def _guided_panel(explanation: ClassExplanation, item: int, on: str, size: Tuple[int, int]) -> Optional[Panel]:
    each = explanation[item]
    if each.guided is None or each.blank:
        return None
    covered = explanation.covered
    combined = _in_frame(explanation, _dimmed(combine_guided(each, covered), covered), on)
    return Panel(
        resize(combined, size), title=named(each.class_name, each.score), detail='guided backprop × map', item=item
    )


def _columns_of_pairs(panels: List[Optional[Panel]]) -> int:
    """Leave cells below the plain picture empty, so that no pair is torn apart; the number of columns."""
    height, width = next(panel.picture.shape[:2] for panel in panels if panel)
    pairs = len(panels) // 2
    across = grid_columns(pairs, 2 * (max(width, NARROWEST) + MARGIN), height + HEADER + 2 * MARGIN)
    for done in reversed(range(across, pairs, across)):
        panels.insert(1 + 2 * done, None)
    return 1 + 2 * across


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
