"""Does a map show evidence that is known by construction?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from ..errors import MmlensError
from .ranking import checked, peak_of
from .regions import Box, sides_of

NEAR = 0.1


@dataclass(frozen=True)
class EvidenceHit:
    """How well a map shows a mark.

    Attributes:
        distance: From the map's maximum to the nearest pixel of the mark, in units of the object's size (the root of
            its box's area): 0 on the mark, infinite for a blank map.
        share: Share of the map's energy that lies on the mark; 0 for a blank map.
    """

    distance: float
    share: float

    @property
    def exact(self) -> float:
        """1.0 if the maximum lies on the mark, else 0.0."""
        return float(self.distance == 0)

    @property
    def near(self) -> float:
        """1.0 if the maximum lies within :data:`NEAR` of the object's size, else 0.0."""
        return float(self.distance <= NEAR)


def evidence_hit(values: np.ndarray, mark: np.ndarray, box: Box, seed: int = 0) -> EvidenceHit:
    """Compare a map with the mark that makes an object what it is.

    Args:
        values: Shape (H, W), >= 0.
        mark: Shape (H, W), bool: the pixels of the known evidence.
        box: The object's box (4,), whose size is the unit of distances.
        seed: Decides between several maxima; see :func:`~mmlens.metrics.order_of`.

    Raises:
        MmlensError: If the map has negative or infinite values, the mark is empty or of another size, or the box has
            no area.
    """
    array = checked(values, 0)
    mark = np.asarray(mark)
    if mark.dtype != bool or mark.shape != array.shape or not mark.any():
        raise MmlensError(f'`mark` must be a mask of bool of the size of the map {array.shape}, and not empty.')
    size, total = size_of(box), array.sum()
    if total == 0:
        return EvidenceHit(math.inf, 0.0)
    return EvidenceHit(float(distance_to(mark)[peak_of(array, seed)]) / size, float(array[mark].sum() / total))


def distance_to(mark: np.ndarray) -> np.ndarray:
    """Distance (H, W) of every pixel to the nearest pixel of a mask, in pixels; 0 on it."""
    return cv2.distanceTransform((~mark).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)


def size_of(box: Box) -> float:
    """Side of the square with the area of a box.

    Raises:
        MmlensError: If it has no area.
    """
    width, height = sides_of(box)
    return math.sqrt(width * height)
