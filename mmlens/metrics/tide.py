"""What is wrong with a detection: TIDE's types of errors.

Source: Bolya et al. 2020, "TIDE: A General Toolbox for Identifying Object Detection Errors", section 2.2,
https://arxiv.org/abs/2008.08115. The types are those that the authors' package ``tidecv`` tells of the same boxes.
Where paper and package differ, the package is followed: an overlap of 0.5 itself with an object that is taken is off,
and an object that a wrong class or box is on does not count as missed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np

from .detections import iou

RIGHT = ''
CLASSIFICATION, LOCALISATION, BOTH = 'classification', 'localisation', 'both'
DUPLICATE, NOTHING_THERE, MISSED = 'duplicate', 'background', 'missed'
ERROR_TYPES = (CLASSIFICATION, LOCALISATION, BOTH, DUPLICATE, NOTHING_THERE, MISSED)
FOREGROUND, BACKGROUND = 0.5, 0.1
MOST_DETECTIONS = 100


@dataclass
class PictureErrors:
    """What is right and wrong in a picture of N detections and M objects.

    Attributes:
        types: N types of :data:`ERROR_TYPES`; ``''`` for a right detection, ``None`` for one beyond the limit.
        truths: N indexes: the object that a detection found, confuses or is off from; ``None`` where it is on none.
        repairs: N indexes: the object that a detection would find if its class or its box were right, which no other
            detection finds; ``None`` for the others.
        ignored: Shape (N,), bool: those that count neither for nor against, as they lie in a region to be ignored.
        missed: Indexes of the objects that no detection finds, nor would find if its class or its box were right.
        labels: Shape (N,): classes of the detections.
        scores: Shape (N,).
        truth_labels: Shape (M,).
    """

    types: List[Optional[str]]
    truths: List[Optional[int]]
    repairs: List[Optional[int]]
    ignored: np.ndarray
    missed: List[int]
    labels: np.ndarray
    scores: np.ndarray
    truth_labels: np.ndarray

    def counts(self) -> Dict[str, int]:
        """How many errors there are of each type."""
        counted = Counter(self.types)
        return {name: len(self.missed) if name == MISSED else counted[name] for name in ERROR_TYPES}


def error_types(
    boxes: np.ndarray,
    labels: Sequence[int],
    scores: Sequence[float],
    truth_boxes: np.ndarray,
    truth_labels: Sequence[int],
    *,
    ignored_boxes: Optional[np.ndarray] = None,
    ignored_labels: Sequence[int] = (),
    most: int = MOST_DETECTIONS,
) -> PictureErrors:
    """Tell what is wrong with each detection of a picture, and which objects were missed.

    Detections take the objects of their class in the order of their scores, each the one with the largest overlap that
    is at least 0.5 and not taken. What took none is, in this order: of the wrong *localisation* (largest overlap within
    the class from 0.1 to 0.5), of the wrong *classification* (at least 0.5 with an object of another class), a
    *duplicate* (at least 0.5 with an object of the class, which is taken), on the *background* (at most 0.1 with every
    object), or wrong in *both*. An object is *missed* that was not taken and that no wrong localisation or
    classification is on.

    Args:
        boxes: Shape (N, 4): the detections, in any order.
        labels: Shape (N,).
        scores: Shape (N,).
        truth_boxes: Shape (M, 4): the objects.
        truth_labels: Shape (M,).
        ignored_boxes: Shape (K, 4): regions such as COCO's crowds; a detection that found nothing and lies in one of
            its class by more than half of its own area does not count in the costs. It keeps its type.
        ignored_labels: Shape (K,); -1 for any class.
        most: Only so many detections count, the best.
    """
    given, classes, of = np.asarray(scores, np.float64), np.asarray(labels), np.asarray(truth_labels)
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    order = np.argsort(-given, kind='stable')[:most].tolist()
    overlaps = np.array([iou(box, truth_boxes) for box in boxes]).reshape(len(boxes), len(of))
    same = classes[:, None] == of[None] if len(of) else np.zeros((len(boxes), 0), bool)
    takes = _taken(order, overlaps * same)
    is_taken = np.isin(np.arange(len(of)), list(takes.values()))
    types: List[Optional[str]] = [None] * len(boxes)
    truths: List[Optional[int]] = [None] * len(boxes)
    for number in order:
        found = takes.get(number)
        types[number], truths[number] = (
            _type(overlaps[number], same[number], is_taken) if found is None else (RIGHT, found)
        )
    repairs, repairable = _repairs(order, types, truths, is_taken)
    ignored = _ignored(boxes, classes, np.asarray(ignored_boxes if ignored_boxes is not None else []), ignored_labels)
    ignored[list(takes)] = False
    missed = [number for number in range(len(of)) if not is_taken[number] and number not in repairable]
    return PictureErrors(types, truths, repairs, ignored, missed, classes, given, of)


def _taken(order: Sequence[int], overlaps: np.ndarray) -> Dict[int, int]:
    """Which detection takes which object; overlaps (N, M) are 0 between classes."""
    takes: Dict[int, int] = {}
    left = overlaps.copy()
    for number in order if overlaps.shape[1] else ():
        best = int(left[number].argmax())
        if left[number, best] >= FOREGROUND:
            takes[number] = best
            left[:, best] = 0
    return takes


def _type(overlap: np.ndarray, same: np.ndarray, is_taken: np.ndarray) -> Tuple[str, Optional[int]]:
    """The type of a detection that took no object, and the object that it concerns."""
    if not len(overlap):
        return NOTHING_THERE, None
    of_class, of_others, of_taken = overlap * same, overlap * ~same, overlap * same * is_taken
    if BACKGROUND <= of_class.max() <= FOREGROUND:
        return LOCALISATION, int(of_class.argmax())
    if of_others.max() >= FOREGROUND:
        return CLASSIFICATION, int(of_others.argmax())
    if of_taken.max() >= FOREGROUND:
        return DUPLICATE, int(of_taken.argmax())
    if overlap.max() <= BACKGROUND:
        return NOTHING_THERE, None
    return BOTH, int(overlap.argmax())


def _repairs(
    order: Sequence[int], types: Sequence[Optional[str]], truths: Sequence[Optional[int]], is_taken: np.ndarray
) -> Tuple[List[Optional[int]], List[int]]:
    """Which detection would find which object: the best of those that confuse it or are off from it."""
    repairs: List[Optional[int]] = [None] * len(types)
    repairable: List[int] = []
    for number in order:
        truth = truths[number]
        if truth is None or types[number] not in (CLASSIFICATION, LOCALISATION) or is_taken[truth]:
            continue
        if truth not in repairable:
            repairable.append(truth)
            repairs[number] = truth
    return repairs, repairable


def _ignored(boxes: np.ndarray, labels: np.ndarray, regions: np.ndarray, of: Sequence[int]) -> np.ndarray:
    ignored = np.zeros(len(boxes), bool)
    areas = np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(1), 1e-9)
    for region, label in zip(regions.reshape(-1, 4), of):
        sides = np.minimum(boxes[:, 2:], region[2:]) - np.maximum(boxes[:, :2], region[:2])
        inside = np.clip(sides, 0, None).prod(1) / areas > FOREGROUND
        ignored |= inside & ((labels == label) | (label == -1))
    return ignored


@dataclass(frozen=True)
class Match:
    """What a detection is, by the annotations.

    Attributes:
        truth: Index of the object that it found, confuses or is off from; ``None`` if it is on none.
        error: ``''`` for a right detection; else one of :data:`ERROR_TYPES` but ``'missed'``.
    """

    truth: Optional[int]
    error: str


def match_truths(
    boxes: np.ndarray, labels: Sequence[int], truth_boxes: np.ndarray, truth_labels: Sequence[int]
) -> List[Match]:
    """Tell for each detection which object it found, or what is wrong with it; see :func:`error_types`.

    Args:
        boxes: Shape (N, 4): detections, the best score first; each object is found by one of them.
        labels: Shape (N,).
        truth_boxes: Shape (M, 4): the objects.
        truth_labels: Shape (M,).

    Returns:
        N matches.
    """
    falling = (-np.arange(len(labels))).tolist()
    found = error_types(boxes, labels, falling, truth_boxes, truth_labels, most=len(labels))
    return [Match(truth, error or RIGHT) for truth, error in zip(found.truths, found.types)]
