"""Pictures to measure on, with what is known about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np

from ..models.inputs import Picture


@dataclass
class Truth:
    """The annotated objects of a picture.

    Attributes:
        boxes: Shape (M, 4), ``x1, y1, x2, y2`` in pixels.
        labels: Shape (M,): the detector's classes; -1 for one that it does not know.
        masks: M masks (H, W) of bool, ``None`` for an object without.
        marks: M masks of known evidence, likewise.
        ignored_boxes: Shape (K, 4): regions in which detections count neither for nor against, such as COCO's crowds.
        ignored_labels: Shape (K,): their classes.
    """

    boxes: np.ndarray
    labels: np.ndarray
    masks: Sequence[Optional[np.ndarray]] = ()
    marks: Sequence[Optional[np.ndarray]] = ()
    ignored_boxes: np.ndarray = field(default_factory=lambda: np.zeros((0, 4)))
    ignored_labels: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    def mask(self, number: int) -> Optional[np.ndarray]:
        """An object's mask, if it has one that is not empty."""
        return _filled(self.masks, number)

    def mark(self, number: int) -> Optional[np.ndarray]:
        """An object's known evidence, if it has any."""
        return _filled(self.marks, number)


def _filled(masks: Sequence[Optional[np.ndarray]], number: int) -> Optional[np.ndarray]:
    mask = masks[number] if number < len(masks) else None
    return mask if mask is not None and mask.any() else None


@dataclass
class Case:
    """A picture, and how to get it.

    Attributes:
        name: Its name in the table; no two are the same.
        read: Returns the picture, and what is known about it, if anything.
    """

    name: str
    read: Callable[[], Tuple[Picture, Optional[Truth]]]


def bare_case(name: str, picture: Picture) -> Case:
    """A picture that nothing is known about."""
    return Case(name, lambda: (picture, None))


def sample(cases: Sequence[Case], number: Optional[int], seed: int) -> List[Case]:
    """Draw some of the cases, in their own order; all if there are not more than ``number``."""
    if number is None or number >= len(cases):
        return list(cases)
    chosen = np.random.default_rng(seed).choice(len(cases), number, replace=False)
    return [cases[index] for index in sorted(chosen)]


def decode(segmentation: Any, size: Tuple[int, int]) -> Optional[np.ndarray]:
    """A mask (H, W) of bool from COCO's polygons or run lengths; ``None`` if there is nothing to decode.

    Args:
        segmentation: Polygons, or a dict with ``size`` and ``counts``.
        size: ``(H, W)`` of the picture, which polygons need; 0 where it is not known.
    """
    if not segmentation or not (all(size) or isinstance(segmentation, dict)):
        return None
    from pycocotools import mask as coco

    height, width = size
    runs: Dict[str, Any]
    if isinstance(segmentation, dict):
        counts = segmentation['counts']
        runs = coco.frPyObjects(segmentation, height, width) if isinstance(counts, list) else segmentation
    else:
        runs = coco.merge(coco.frPyObjects(segmentation, height, width))
    return coco.decode(runs).astype(bool)
