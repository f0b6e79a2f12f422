"""Where a map lies: energy and peak inside a box or a mask, spread, and what falls on other objects."""

from __future__ import annotations

import math
from typing import Sequence, Tuple, Union

import numpy as np

from ..errors import MmlensError
from .ranking import checked, peak_of

# x1, y1, x2, y2 in picture pixels.
Box = Union[np.ndarray, Sequence[float]]


def pointing(values: np.ndarray, region: Union[Box, np.ndarray], seed: int = 0) -> float:
    """Pointing game: 1 if the map's maximum lies in a box or mask, else 0; 0 for a blank map.

    Source: Zhang et al. 2018, https://arxiv.org/abs/1608.00507; for the boxes and masks of detectors: ODAM, Zhao and
    Chan 2023, https://arxiv.org/abs/2304.06354.

    Args:
        values: Shape (H, W), >= 0.
        region: A box (4,), edges included, or a mask (H, W) of bool.
        seed: Decides between several maxima; see :func:`~mmlens.metrics.order_of`.

    Raises:
        MmlensError: If the map has negative or infinite values, or the region does not belong to it.

    Example:
        >>> pointing(np.array([[0.0, 1.0], [0.0, 0.0]]), [1, 0, 2, 1])
        1.0
    """
    array = checked(values, 0)
    row, column = peak_of(array, seed)
    if array[row, column] == 0:
        return 0.0
    if _is_mask(array, region):
        return float(np.asarray(region)[row, column])
    left, top, right, bottom = (float(edge) for edge in region)
    return float(left <= column <= right and top <= row <= bottom)


def epg(values: np.ndarray, region: Union[Box, np.ndarray]) -> float:
    """Energy-based pointing game: ``sum of H inside / sum of H``; 0 for a blank map.

    Source: Wang et al. 2020 (Score-CAM), section 4.3, https://arxiv.org/abs/1910.01279.

    Args:
        values: Shape (H, W), >= 0.
        region: A box (4,), rounded to whole pixels, or a mask (H, W) of bool.

    Raises:
        MmlensError: If the map has negative or infinite values, or the region does not belong to it.
    """
    array = checked(values, 0)
    total = array.sum()
    inside = array[np.asarray(region)] if _is_mask(array, region) else array[pixels_in(region, array.shape)]
    return float(inside.sum() / total) if total > 0 else 0.0


def compactness(values: np.ndarray, box: Box, seed: int = 0) -> float:
    """How far the map spreads around its maximum, in units of the box; lower is tighter, NaN for a blank map.

    ``sqrt( sum H(x) |x - x_peak|^2 / ((w^2 + h^2) / 4 * sum H) )`` with the box's width w and height h.

    Source: ODAM, Zhao and Chan 2023, https://arxiv.org/abs/2304.06354, as its ``eval_pointgame`` computes it.

    Args:
        values: Shape (H, W), >= 0.
        box: The explained box (4,); it must have an area.
        seed: Decides between several maxima; see :func:`~mmlens.metrics.order_of`.

    Raises:
        MmlensError: If the map has negative or infinite values, or the box has no area.
    """
    array = checked(values, 0)
    width, height = sides_of(box)
    total = array.sum()
    if total == 0:
        return math.nan
    row, column = peak_of(array, seed)
    rows, columns = np.arange(array.shape[0]) - row, np.arange(array.shape[1]) - column
    moment = array.sum(1) @ rows**2 + array.sum(0) @ columns**2
    return float(np.sqrt(moment / ((width**2 + height**2) / 4 * total)))


def odi(values: np.ndarray, others: Sequence[Box], everything: Sequence[Box]) -> float:
    """Object discrimination index: how much of the energy on objects lies on *other* objects; lower is better.

    ``sum of H over the union of the other objects' boxes / sum of H over the union of all objects' boxes``; NaN where
    no energy lies on any object.

    Source: ODAM, Zhao and Chan 2023, https://arxiv.org/abs/2304.06354, as its ``eval_odi`` computes it.

    Args:
        values: Shape (H, W), >= 0.
        others: Boxes (M, 4) of the objects that are not explained; may be empty.
        everything: Boxes (N, 4) of all objects.

    Raises:
        MmlensError: If the map has negative or infinite values.
    """
    array = checked(values, 0)
    total = array[union_of(everything, array.shape)].sum()
    return float(array[union_of(others, array.shape)].sum() / total) if total > 0 else math.nan


def union_of(boxes: Sequence[Box], size: Tuple[int, ...]) -> np.ndarray:
    """The pixels (H, W), bool, that lie in any of some boxes."""
    covered = np.zeros(size, bool)
    for box in boxes:
        covered[pixels_in(box, size)] = True
    return covered


def pixels_in(box: Box, size: Tuple[int, ...]) -> Tuple[slice, slice]:
    """Rows and columns of the pixels in a box: edges are rounded, and cut off at the picture.

    Args:
        box: Shape (4,).
        size: ``(H, W)``.

    Returns:
        Two slices; of a box narrower than a pixel, they hold what it touches.
    """
    left, top, right, bottom = (float(edge) for edge in box)
    return _between(top, bottom, size[0]), _between(left, right, size[1])


def _between(low: float, high: float, size: int) -> slice:
    first, last = round(low), round(high)
    if first == last:
        first, last = math.floor(low), math.ceil(high)
    return slice(min(max(first, 0), size), min(max(last, 0), size))


def sides_of(box: Box) -> Tuple[float, float]:
    """Width and height of a box.

    Raises:
        MmlensError: If it has no area.
    """
    left, top, right, bottom = (float(edge) for edge in box)
    if not (right > left and bottom > top):
        raise MmlensError(f'A box needs an area, with x1 < x2 and y1 < y2; this one is {left, top, right, bottom}.')
    return right - left, bottom - top


def _is_mask(values: np.ndarray, region: Union[Box, np.ndarray]) -> bool:
    array = np.asarray(region)
    if array.shape == (4,):
        return False
    if array.dtype != bool or array.shape != values.shape:
        raise MmlensError(
            f'`region` must be a box of four numbers, or a mask of bool of the size of the map {values.shape}, not '
            f'{array.shape} of {array.dtype}.'
        )
    return True
