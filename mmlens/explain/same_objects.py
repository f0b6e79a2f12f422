"""Which detections of two sides are the same object, and how much their maps differ."""

from __future__ import annotations

from typing import List, Optional, Sequence, Tuple

import numpy as np

from ..metrics import FOREGROUND, iou
from ..models.predictions import Predictions

_LOW = 0.05  # a detection below the threshold may still be what the other side has found, down to this score

# For each object the ranks of the detections of a and b, and the annotated object.
Match = Tuple[Optional[int], Optional[int], Optional[np.ndarray]]


class Found:
    """What one side found in a plain pass.

    Attributes:
        boxes: Shape (N, 4), best first.
        scores: Shape (N,).
        labels: Shape (N,).
        names: N class names.
    """

    def __init__(self, found: Predictions, names: Sequence[str]) -> None:
        self.boxes = found.boxes.detach().float().cpu().numpy().astype(np.float64)
        self.scores = found.scores.detach().float().cpu().numpy().astype(np.float64)
        self.labels = found.labels.cpu().numpy()
        self.names = list(names)


def match_sides(
    a: Found,
    b: Found,
    score_thr: float,
    truths: Optional[np.ndarray] = None,
    truth_names: Sequence[str] = (),
) -> List[Match]:
    """Find out which detections of two sides are the same object.

    Returns:
        For each object the ranks of the detections of a and b, ``None`` for a side without one, and the annotated
        object, if it is one.
    """
    low = min(_LOW, score_thr)
    found: List[Match] = []
    taken: Tuple[set, set] = (set(), set())
    for truth, name in zip([] if truths is None else np.asarray(truths, np.float64).reshape(-1, 4), truth_names):
        ranks = [_best(side, truth, name, taken[n], low) for n, side in enumerate((a, b))]
        found += _kept(a, b, ranks[0], ranks[1], score_thr, taken, truth)
    for rank in range(len(a.scores)):
        if rank not in taken[0]:
            other = _best(b, a.boxes[rank], a.names[rank], taken[1], low)
            found += _kept(a, b, rank, other, score_thr, taken)
    for rank in range(len(b.scores)):
        if rank not in taken[1]:
            found += _kept(a, b, None, rank, score_thr, taken)
    return found


def _best(side: Found, box: np.ndarray, name: str, taken: set, low: float) -> Optional[int]:
    """The detection of a class that overlaps a box most, of those that are not taken."""
    alike = iou(box, side.boxes) * (np.array(side.names) == name) * (side.scores >= low)
    alike[list(taken)] = 0
    return int(alike.argmax()) if len(alike) and alike.max() >= FOREGROUND else None


def _kept(
    a: Found,
    b: Found,
    of_a: Optional[int],
    of_b: Optional[int],
    score_thr: float,
    taken: Tuple[set, set],
    truth: Optional[np.ndarray] = None,
) -> List[Match]:
    """The match as the only item, if one of the two scores enough; its detections are taken then."""
    scores = [float(side.scores[rank]) for side, rank in ((a, of_a), (b, of_b)) if rank is not None]
    if not scores or max(scores) < score_thr:
        return []
    for ranks, rank in zip(taken, (of_a, of_b)):
        if rank is not None:
            ranks.add(rank)
    return [(of_a, of_b, truth)]


def change_between(one: np.ndarray, other: np.ndarray) -> float:
    """How much two maps (H, W) >= 0 differ, whatever their scales: ``sum |p - q| / 2``, each a share of its sum."""
    sums = float(one.sum(dtype=np.float64)), float(other.sum(dtype=np.float64))
    if not all(sums):
        return float(sums[0] != sums[1])
    return float(np.abs(one / sums[0] - other / sums[1]).sum(dtype=np.float64) / 2)
