"""The order of a map's pixels, in which ties say nothing."""

from __future__ import annotations

from functools import lru_cache
from typing import Tuple

import numpy as np

from ..errors import MmlensError


def order_of(values: np.ndarray, seed: int = 0) -> np.ndarray:
    """Order a map's pixels by falling value; pixels of equal value come in random order.

    A map's zero area has no order. Taken from the upper left, it would get one, which favours objects that lie there.

    Args:
        values: Shape (H, W), finite.
        seed: Of the random order; the same for all maps of one size.

    Returns:
        Shape (H * W,), int64: positions in the flattened map, the most important first.

    Raises:
        MmlensError: If the map is not two-dimensional, empty, or not finite.

    Example:
        >>> order_of(np.array([[1.0, 3.0], [2.0, 0.0]]))
        array([1, 2, 0, 3])
    """
    flat = checked(values).reshape(-1)
    shuffled = _shuffled(flat.size, seed)
    with np.errstate(over='ignore'):
        single = flat.astype(np.float32)
    if flat.size < 1 << 32 and np.array_equal(single, flat):
        return shuffled[_falling(single[shuffled])]
    return shuffled[np.argsort(-flat[shuffled], kind='stable')]


def _falling(values: np.ndarray) -> np.ndarray:
    """As ``np.argsort(-values, kind='stable')`` for float32, several times as fast: plain integers are sorted."""
    bits = (values + np.float32(0)).view(np.uint32)  # -0 becomes 0, and equal to it
    # The bits of positive numbers rise with them, those of negative ones fall.
    falling = np.where(bits >> 31, bits, ~bits & np.uint32(0x7FFFFFFF))
    keys = falling.astype(np.uint64) << np.uint64(32) | np.arange(values.size, dtype=np.uint64)
    keys.sort()
    return (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)


@lru_cache(maxsize=4)
def _shuffled(size: int, seed: int) -> np.ndarray:
    shuffled = np.random.default_rng(seed).permutation(size)
    shuffled.setflags(write=False)
    return shuffled


def peak_of(values: np.ndarray, seed: int = 0) -> Tuple[int, int]:
    """Find a map's largest value; of several, the one that :func:`order_of` puts first.

    Args:
        values: Shape (H, W), finite.
        seed: See :func:`order_of`.

    Returns:
        ``(row, column)``.

    Raises:
        MmlensError: See :func:`order_of`.
    """
    flat = checked(values).reshape(-1)
    best = np.flatnonzero(flat == flat.max())
    if len(best) > 1:
        shuffled = _shuffled(flat.size, seed)
        best = shuffled[np.isin(shuffled, best)]
    row, column = divmod(int(best[0]), values.shape[1])
    return row, column


def checked(values: np.ndarray, least: float = -np.inf) -> np.ndarray:
    """A map as float64.

    Args:
        values: Shape (H, W).
        least: The smallest value that it may have.

    Raises:
        MmlensError: If the map is not two-dimensional, empty, not finite, or has smaller values.
    """
    array = np.asarray(values, np.float64)
    if array.ndim != 2 or not array.size:
        raise MmlensError(f'A map must be an array (H, W) with at least one pixel; this one is {array.shape}.')
    if not np.isfinite(array).all():
        raise MmlensError('A map must be finite: this one has values that are infinite or not a number.')
    if array.min() < least:
        raise MmlensError(f'A map must be at least {least:g} everywhere: this one has a value of {array.min():g}.')
    return array
