"""Does the score follow the map? Pixels go or come in the map's order, and the score is watched."""

from __future__ import annotations

import math
from typing import Callable, Iterable, Iterator, List, Sequence, Tuple, Union

import cv2
import numpy as np

from ..errors import MmlensError
from .ranking import order_of

# A list of K pictures (H, W, 3), uint8 -> K scores.
Score = Callable[[List[np.ndarray]], Union[np.ndarray, Sequence[float]]]

ALTERATIONS = ('deletion', 'insertion')
GREY = 114
BLUR = 20.0  # standard deviation, pixels
STEPS = 10
SHARES = (np.arange(STEPS + 1) / STEPS) ** 2
"""Shares of the pixels that are altered, shape (11,): dense at first, where the most important pixels go."""

FOUND = 0.35


def deletion(values: np.ndarray, picture: np.ndarray, score: Score, seed: int = 0) -> float:
    """Area under the relative score while the picture turns grey, most important pixels first; lower is better.

    Source: Petsiuk et al. 2018 (RISE), section 4.3, https://arxiv.org/abs/1806.07421, at :data:`SHARES`.

    Args:
        values: Shape (H, W): the map; only the order of its pixels counts.
        picture: Shape (H, W, 3), uint8.
        score: Returns the scores (K,) of K pictures, >= 0. It is called once, with 11 pictures, the first of them the
            whole picture; the others' scores are divided by its score.
        seed: Orders pixels of equal value; see :func:`~mmlens.metrics.order_of`.

    Returns:
        0 for a score that is lost at once, 1 for one that never falls; NaN if the whole picture scores 0.

    Raises:
        MmlensError: If the map does not belong to the picture, or ``score`` returns another number of scores.
    """
    scores = _scores_of(score, altered_pictures(picture, values, 'deletion', seed))
    return float(area_under_score(scores, scores[0]))


def insertion(values: np.ndarray, picture: np.ndarray, score: Score, seed: int = 0) -> float:
    """Area under the relative score while a blurred picture turns sharp, most important pixels first; higher is better.

    For source and arguments see :func:`deletion`; here the last of the 11 pictures is the whole one.
    """
    scores = _scores_of(score, altered_pictures(picture, values, 'insertion', seed))
    return float(area_under_score(scores, scores[-1]))


def oa(of_insertion: float, of_deletion: float) -> float:
    """Overall faithfulness: insertion - deletion; higher is better.

    Source: ODExAI, https://arxiv.org/abs/2504.19249.
    """
    return of_insertion - of_deletion


def success(found: Sequence[float]) -> float:
    """Whether a failure of the detector is explained: 1 if some share of the pixels makes it find the object.

    Source: Chen et al., Interpreting object-level foundation models via visual precision search, CVPR 2025.

    Args:
        found: At each step of :func:`insertion`, the largest ``p * [IoU > 0.5]`` among detections of the object's true
            class; see :func:`~mmlens.metrics.box_score` with ``least_overlap``.
    """
    return float(np.max(found) > FOUND)


def success_rate(cases: Iterable[Sequence[float]]) -> float:
    """The share of failures that are explained; see :func:`success`. NaN without any."""
    hits = [success(case) for case in cases]
    return float(np.mean(hits)) if hits else math.nan


def area_under_score(scores: Union[np.ndarray, Sequence[float]], whole: Union[np.ndarray, float]) -> np.ndarray:
    """Area under scores relative to the whole picture's, over :data:`SHARES`, by the trapezoid rule.

    Args:
        scores: Shape (11,) or (11, N): the scores of N boxes at each share.
        whole: Shape () or (N,): the scores on the whole picture.

    Returns:
        Shape () or (N,); NaN where the whole picture scores 0.
    """
    whole = np.asarray(whole, np.float64)
    relative = np.asarray(scores, np.float64) / np.where(whole > 0, whole, math.nan)
    widths = np.diff(SHARES).reshape(-1, *[1] * (relative.ndim - 1))
    return ((relative[1:] + relative[:-1]) / 2 * widths).sum(0)


def altered_pictures(picture: np.ndarray, values: np.ndarray, alteration: str, seed: int = 0) -> Iterator[np.ndarray]:
    """Make the 11 pictures of :func:`deletion` or :func:`insertion` one by one, at :data:`SHARES` of the pixels.

    The first and the last do not depend on the map: they are what :func:`ends_of` returns.

    Args:
        picture: Shape (H, W, 3), uint8.
        values: Shape (H, W): the map.
        alteration: One of :data:`ALTERATIONS`.
        seed: See :func:`~mmlens.metrics.order_of`.

    Yields:
        New pictures (H, W, 3), uint8.

    Raises:
        MmlensError: If the map does not belong to the picture, or there is no such alteration.
    """
    start, end = ends_of(picture, alteration)
    if np.shape(values) != picture.shape[:2]:
        raise MmlensError(f'The map {np.shape(values)} does not have the size of the picture {picture.shape[:2]}.')
    yield from altered_in_order(start, end, order_of(values, seed))


def altered_in_order(start: np.ndarray, end: np.ndarray, order: np.ndarray) -> Iterator[np.ndarray]:
    """Turn one picture into another, pixel by pixel.

    Args:
        start, end: Shape (H, W, 3), uint8; see :func:`ends_of`.
        order: Shape (H * W,): positions of the pixels, the first ones first; see :func:`~mmlens.metrics.order_of`.

    Yields:
        New pictures (H, W, 3), uint8, with :data:`SHARES` of the pixels altered.
    """
    altered, target = start.reshape(len(order), -1).copy(), end.reshape(len(order), -1)
    done = 0
    for step in range(STEPS + 1):
        until = len(order) * step**2 // STEPS**2
        now = order[done:until]
        altered[now] = target[now]
        done = until
        yield altered.reshape(start.shape).copy()


def ends_of(picture: np.ndarray, alteration: str) -> Tuple[np.ndarray, np.ndarray]:
    """What an alteration begins and ends with: whole and grey, or blurred and whole.

    Raises:
        MmlensError: If there is no such alteration, or the picture is none.
    """
    if picture.ndim != 3 or picture.dtype != np.uint8:
        raise MmlensError(f'A picture must be an array (H, W, 3) of uint8, not {picture.shape} of {picture.dtype}.')
    if alteration == 'deletion':
        return picture, np.full_like(picture, GREY)
    if alteration == 'insertion':
        return cv2.GaussianBlur(picture, (0, 0), BLUR), picture
    raise MmlensError(f"There is no alteration '{alteration}': choose from {', '.join(ALTERATIONS)}.")


def _scores_of(score: Score, pictures: Iterable[np.ndarray]) -> np.ndarray:
    scores = np.asarray(score(list(pictures)), np.float64)
    if scores.shape != (STEPS + 1,):
        raise MmlensError(f'`score` must return a number for each of {STEPS + 1} pictures, not {scores.shape}.')
    return scores
