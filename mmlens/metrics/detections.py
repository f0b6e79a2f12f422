"""Boxes against boxes: the score of a box among detections, and which objects were found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Optional, Sequence

import numpy as np

from .regions import Box

# A detection is right from this overlap on, and as good as on an object from the other one on.
RIGHT, TOUCHING = 0.5, 0.1


def iou(box: Box, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of a box (4,) with others (N, 4): shape (N,), float64; 0 for two without area."""
    box, boxes = np.asarray(box, np.float64), np.asarray(boxes, np.float64).reshape(-1, 4)
    low, high = np.maximum(boxes[:, :2], box[:2]), np.minimum(boxes[:, 2:], box[2:])
    shared = np.clip(high - low, 0, None).prod(1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1) + (box[2:] - box[:2]).prod()
    return shared / np.maximum(areas - shared, 1e-9)


def box_score(
    box: Box,
    label: int,
    boxes: np.ndarray,
    labels: np.ndarray,
    scores: np.ndarray,
    least_overlap: Optional[float] = None,
) -> float:
    """The score of a box among a picture's detections: the largest ``IoU * p`` within its class; 0 if there is none.

    Source: the similarity of D-RISE without its vectors of class probabilities; Petsiuk et al. 2021, eq. 4,
    https://arxiv.org/abs/2006.03204.

    Args:
        box: Shape (4,).
        label: The class of the box.
        boxes: Shape (N, 4): the detections.
        labels: Shape (N,).
        scores: Shape (N,).
        least_overlap: Take the largest ``p * [IoU > least_overlap]`` instead.
    """
    same = np.asarray(labels) == label
    if not same.any():
        return 0.0
    overlap = iou(box, np.asarray(boxes)[same])
    weight = overlap if least_overlap is None else overlap > least_overlap
    return float((weight * np.asarray(scores, np.float64)[same]).max())


@dataclass(frozen=True)
class Match:
    """What a detection is, by the annotations.

    Attributes:
        truth: Index of the object that it found, or confuses; ``None`` if it lies on none.
        error: ``''`` for a right detection; else ``'class'`` (another class's object), ``'location'`` (its class, but
            IoU below 0.5), ``'both'``, ``'duplicate'`` (an object that a better detection has found) or
            ``'background'`` (IoU below 0.1 with every object).
    """

    truth: Optional[int]
    error: str


def match_truths(
    boxes: np.ndarray, labels: Sequence[int], truth_boxes: np.ndarray, truth_labels: Sequence[int]
) -> List[Match]:
    """Tell for each detection which object it found, or what is wrong with it.

    Source of the kinds of errors: Bolya et al. 2020 (TIDE), section 2.2, https://arxiv.org/abs/2008.08115.

    Args:
        boxes: Shape (N, 4): detections, the best score first; each object is found by one of them.
        labels: Shape (N,).
        truth_boxes: Shape (M, 4): the objects.
        truth_labels: Shape (M,).

    Returns:
        N matches.
    """
    taken: List[int] = []
    found = []
    truths = np.asarray(truth_labels)
    for box, label in zip(np.asarray(boxes).reshape(-1, 4), labels):
        overlap = iou(box, truth_boxes)
        match = _match(overlap, truths == label, taken)
        if match.truth is not None and not match.error:
            taken.append(match.truth)
        found.append(match)
    return found


def _match(overlap: np.ndarray, same: np.ndarray, taken: Sequence[int]) -> Match:
    free = np.ones(len(overlap), bool)
    free[list(taken)] = False
    candidates = (
        (overlap * (same & free), RIGHT, ''),
        (overlap * same, RIGHT, 'duplicate'),
        (overlap * ~same, RIGHT, 'class'),
        (overlap * same, TOUCHING, 'location'),
        (overlap * ~same, TOUCHING, 'both'),
    )
    for values, least, error in candidates:
        if len(values) and values.max() >= least:
            return Match(int(values.argmax()), error)
    return Match(None, 'background')
