"""What the errors of a detector cost in mAP.

Source: Bolya et al. 2020 (TIDE), section 2.3, https://arxiv.org/abs/2008.08115: all errors of a type are repaired, and
AP is computed again.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np

from .tide import ERROR_TYPES, MISSED, RIGHT, PictureErrors

_RECALLS = np.arange(101) / 100


@dataclass
class ErrorCosts:
    """What the errors of a detector cost.

    Attributes:
        mean_ap: AP at the foreground overlap, 101 points, mean of the classes; in percent.
        of_type: Type -> by how much the mean AP would rise if its errors were repaired, in percentage points.
        of_detections: For each picture, shape (N,): the same for one detection alone; 0 for a right one.
        of_missed: For each picture, the same for each object of :attr:`PictureErrors.missed`.
    """

    mean_ap: float
    of_type: Dict[str, float]
    of_detections: List[np.ndarray] = field(default_factory=list)
    of_missed: List[List[float]] = field(default_factory=list)


def error_costs(pictures: Sequence[PictureErrors]) -> ErrorCosts:
    """What the errors of a detector cost in mAP: of each type, and each alone.

    The mean AP is that of all detections, at an overlap of 0.5. Repaired, a detection of the wrong class or place finds
    its object, if that is found by none and no better detection would be repaired to find it; every other wrong
    detection goes, and a missed object is not counted. The cost is by how much the mean AP would rise, at least 0.
    Costs do not add up: repairing one error changes what the others cost.

    Args:
        pictures: What :func:`mmlens.metrics.error_types` told of each picture.
    """
    points = _Points(pictures)
    plain = points.mean_ap()
    of_type = {error: max(points.mean_ap(error) - plain, 0.0) for error in ERROR_TYPES}
    return ErrorCosts(plain, of_type, *_each_alone(points, pictures))


def average_precision(scores: np.ndarray, right: np.ndarray, objects: int) -> float:
    """AP of one class, as COCO computes it: the mean of 101 precisions, in percent.

    Args:
        scores: Shape (N,): of the detections.
        right: Shape (N,), bool: which of them found an object.
        objects: How many objects there are.
    """
    order = np.argsort(-scores, kind='stable')
    return _ap(right[order], objects)


def _ap(right: np.ndarray, objects: int) -> float:
    """Of detections in the order of their scores."""
    if objects <= 0 or not len(right):
        return 0.0
    found = np.cumsum(right)
    precision = found / np.arange(1, len(found) + 1)
    highest = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(found / objects, _RECALLS)
    return float(np.append(highest, 0.0)[at].sum() / len(_RECALLS) * 100)


class _Points:
    """What AP is computed of: the detections of all pictures, in TIDE's order, and the objects of each class.

    Attributes:
        places: Picture and number of each detection.
        labels, scores, right, counts: Shape (D,): class, score, whether it found an object, whether it counts.
        types: Shape (D,): the type of its error.
        repaired: Shape (D,): the class of the object that it finds when it is repaired; -1 if it goes.
        objects, missed: Number of objects, and of missed ones, of each class.
    """

    def __init__(self, pictures: Sequence[PictureErrors]) -> None:
        self.places = [(p, n) for p, each in enumerate(pictures) for n in _by_score(each) if each.types[n] is not None]
        of = [(pictures[p], n) for p, n in self.places]
        self.labels = np.array([each.labels[n] for each, n in of], np.int64)
        self.scores = np.array([each.scores[n] for each, n in of], np.float64)
        self.types = np.array([each.types[n] for each, n in of], object)
        self.right = self.types == RIGHT
        self.counts = np.array([not each.ignored[n] for each, n in of], bool)
        self.repaired = np.array([_repaired(each, n) for each, n in of], np.int64)
        self.objects = Counter(int(label) for each in pictures for label in each.truth_labels)
        self.missed = Counter(int(each.truth_labels[n]) for each in pictures for n in each.missed)

    def mean_ap(self, error: str = RIGHT) -> float:
        """The mean AP in percent, with all errors of a type repaired."""
        wrong = (self.types == error) & (self.types != RIGHT)
        turned = wrong & (self.repaired >= 0)
        kept = (self.counts & ~wrong) | turned
        labels, right = np.where(turned, self.repaired, self.labels)[kept], (self.right | turned)[kept]
        objects = self.objects - self.missed if error == MISSED else self.objects
        of_classes = [
            average_precision(self.scores[kept][labels == label], right[labels == label], objects[label])
            for label in {*labels.tolist(), *objects}
        ]
        return sum(of_classes) / len(of_classes) if of_classes else 0.0


def _by_score(errors: PictureErrors) -> List[int]:
    return np.argsort(-errors.scores, kind='stable').tolist()


def _repaired(errors: PictureErrors, number: int) -> int:
    truth = errors.repairs[number]
    return -1 if truth is None else int(errors.truth_labels[truth])


class _OfClass:
    """The detections of one class that count, best first."""

    def __init__(self, points: _Points, label: int) -> None:
        own = np.flatnonzero(points.counts & (points.labels == label))
        own = own[np.argsort(-points.scores[own], kind='stable')]
        self.scores, self.right = points.scores[own], points.right[own]
        self.objects, self.missed = points.objects[label], points.missed[label]
        self.positions = {int(number): position for position, number in enumerate(own)}
        self.last = int(np.flatnonzero(self.right).max(initial=-1))
        self.ap = _ap(self.right, self.objects)

    def without(self, number: int) -> Optional[float]:
        """AP without a detection; ``None`` if nothing is left of the class."""
        position = self.positions.get(number)
        if position is None:
            return self.ap
        if not self.objects and len(self.right) == 1:
            return None
        return self.ap if position > self.last else _ap(np.delete(self.right, position), self.objects)

    def with_right(self, score: float, number: int) -> float:
        """AP with a detection that found an object, in its own place or a new one."""
        position = self.positions.get(number)
        if position is None:
            place = int(np.searchsorted(-self.scores, -score, side='right'))
            return _ap(np.insert(self.right, place, True), self.objects)
        right = self.right.copy()
        right[position] = True
        return _ap(right, self.objects)

    def without_one_missed(self) -> Optional[float]:
        """AP with an object less; ``None`` if nothing is left of the class."""
        return None if self.objects == 1 and not len(self.right) else _ap(self.right, self.objects - 1)


def _each_alone(points: _Points, pictures: Sequence[PictureErrors]) -> Tuple[List[np.ndarray], List[List[float]]]:
    """Costs of each detection and each missed object, in percentage points of the mean AP."""
    known = {*points.labels[points.counts].tolist(), *points.objects}
    # A class of ignored detections alone has no AP, but is asked for.
    classes = {label: _OfClass(points, label) for label in {*points.labels.tolist(), *points.objects}}
    total = sum(classes[label].ap for label in known)

    def gain(change: float, gone: int = 0) -> float:
        left = len(known) - gone
        return max((total + change) / left - total / len(known), 0.0) if left else 0.0

    def rise(own: _OfClass, now: Optional[float]) -> float:
        return gain(-own.ap, 1) if now is None else gain(now - own.ap)

    of_detections = [np.zeros(len(each.types)) for each in pictures]
    for number in np.flatnonzero(points.types != RIGHT).tolist():
        own, target = classes[int(points.labels[number])], int(points.repaired[number])
        score = float(points.scores[number])
        if target == points.labels[number]:
            cost = gain(own.with_right(score, number) - own.ap)
        elif target >= 0:
            other, left = classes[target], own.without(number)
            change = other.with_right(score, -1) - other.ap - own.ap + (left or 0.0)
            cost = gain(change, int(left is None))
        else:
            cost = rise(own, own.without(number))
        picture, place = points.places[number]
        of_detections[picture][place] = cost
    of_classes = {label: rise(own, own.without_one_missed()) for label, own in classes.items() if own.missed}
    of_missed = [[of_classes[int(each.truth_labels[number])] for number in each.missed] for each in pictures]
    return of_detections, of_missed
