"""Do two maps put pixels in the same order?"""

from __future__ import annotations

import math

import numpy as np

from ..errors import MmlensError
from .ranking import checked
from .regions import Box, pixels_in


def sanity_correlation(values: np.ndarray, others: np.ndarray, box: Box) -> float:
    """Spearman's correlation of two maps of one candidate over the pixels of its box alone.

    One map is of the trained network, the other of one whose weights were drawn anew: a method whose maps stay alike
    does not show what the network has learnt. Over the whole picture any two maps that keep to the box correlate.

    Source: Adebayo et al. 2018, section 3, https://arxiv.org/abs/1810.03292.

    Args:
        values, others: Shape (H, W).
        box: Shape (4,), rounded to whole pixels.

    Returns:
        In [-1, 1]; NaN where one of the maps is the same all over the box, or the box lies outside of the picture.

    Raises:
        MmlensError: If the maps differ in size or are not finite.
    """
    one, other = checked(values), checked(others)
    if one.shape != other.shape:
        raise MmlensError(f'Two maps that are compared must have one size, not {one.shape} and {other.shape}.')
    inside = pixels_in(box, one.shape)
    return spearman(one[inside].reshape(-1), other[inside].reshape(-1))


def spearman(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's rank correlation of N pairs, equal values with their mean rank; NaN where one side is constant."""
    if len(one) < 2:
        return math.nan
    first, second = (ranks - ranks.mean() for ranks in (mean_ranks(one), mean_ranks(other)))
    norm = math.sqrt(float(first @ first) * float(second @ second))
    return float(first @ second) / norm if norm > 0 else math.nan


def mean_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks (N,) from 1 by rising value; equal values share the mean of their ranks."""
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(sizes)
    return (last - (sizes - 1) / 2)[group.reshape(-1)]
