"""How sure is a mean? Bootstrap over pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Iterator, Sequence, Union

import numpy as np

from ..errors import MmlensError

DRAWS = 1000
LEVEL = 0.95
_LARGEST = 1 << 18  # pictures drawn at a time, all draws together

Figures = Union[np.ndarray, Sequence[float]]


@dataclass(frozen=True)
class Interval:
    """A mean over boxes with its interval.

    Attributes:
        mean: NaN without any box that has the figure.
        low, high: The ends of the interval.
        boxes: How many boxes have the figure.
    """

    mean: float
    low: float
    high: float
    boxes: int


def bootstrap(
    figures: Figures, pictures: Sequence[Any], draws: int = DRAWS, seed: int = 0, level: float = LEVEL
) -> Interval:
    """The mean of a figure over boxes, with the interval that drawing pictures anew gives it (percentile method).

    Pictures are drawn with replacement, each with all of its boxes: boxes of one picture are not independent.

    Source: Efron and Tibshirani 1993, An introduction to the bootstrap, chapters 6 and 13.

    Args:
        figures: Shape (N,): a figure of each box; NaN where a box has none.
        pictures: N: the picture of each box, by any name.
        draws: How often pictures are drawn.
        seed: Of the draws.
        level: Share of the draws that the interval holds.

    Raises:
        MmlensError: If there are not as many pictures as figures.
    """
    values = np.asarray(figures, np.float64)
    if values.ndim != 1 or len(values) != len(pictures):
        raise MmlensError(f'Each figure needs its picture: {values.shape} figures have {len(pictures)} pictures.')
    known = ~np.isnan(values)
    if not known.any():
        return Interval(math.nan, math.nan, math.nan, 0)
    values = values[known]
    _, of_picture = np.unique([str(each) for each, is_known in zip(pictures, known) if is_known], return_inverse=True)
    sums, counts = np.bincount(of_picture, values), np.bincount(of_picture)
    means = np.concatenate(list(_means(sums, counts, draws, seed)))
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(values.mean()), float(low), float(high), len(values))


def _means(sums: np.ndarray, counts: np.ndarray, draws: int, seed: int) -> Iterator[np.ndarray]:
    """The means over pictures drawn anew, some draws at a time: all together would grow with the pictures."""
    generator = np.random.default_rng(seed)
    at_a_time = max(_LARGEST // len(sums), 1)
    for begin in range(0, draws, at_a_time):
        drawn = generator.integers(len(sums), size=(min(at_a_time, draws - begin), len(sums)))
        yield sums[drawn].sum(1) / counts[drawn].sum(1)


def paired_difference(one: Figures, other: Figures, pictures: Sequence[Any], **options: Any) -> Interval:
    """The mean difference of two methods over the same boxes, with its interval; see :func:`bootstrap`.

    Args:
        one, other: Shape (N,): the figures of the same boxes in the same order. Boxes that lack one of them are left
            out.
        pictures: N: the picture of each box.
        **options: ``draws``, ``seed`` and ``level``.

    Raises:
        MmlensError: If there are not as many of one as of the other.

    Example:
        >>> paired_difference([0.9, 0.8], [0.5, 0.6], ['a.jpg', 'b.jpg']).mean
        0.3
    """
    first, second = np.asarray(one, np.float64), np.asarray(other, np.float64)
    if first.shape != second.shape:
        raise MmlensError(f'Both methods need a figure for each box; one has {first.shape}, the other {second.shape}.')
    return bootstrap(first - second, pictures, **options)
