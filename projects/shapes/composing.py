"""Put objects into a picture, back to front, and keep the truth about them: what the picture sets share.

All masks have the picture's shape (H, W) and are bool.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import List, Sequence

import cv2
import numpy as np

from . import drawing

ASPECTS = ((1.0, 0.7), (0.7, 1.0), (1.0, 0.8), (0.8, 1.0), (1.0, 1.0))
MOST_OCCLUDED = 0.35


@dataclass
class Composition:
    """A picture in the making.

    Attributes:
        picture: Shape (H, W, 3), float32, BGR; painted in place.
        wholes: The mask of each object as if it were alone.
        masks: The mask of each object's visible part.
        kept: Masks that nothing may hide: marks, and whatever else is evidence.
    """

    picture: np.ndarray
    wholes: List[np.ndarray] = field(default_factory=list)
    masks: List[np.ndarray] = field(default_factory=list)
    kept: List[np.ndarray] = field(default_factory=list)

    def fits(self, mask: np.ndarray) -> bool:
        """Whether a new mask in front leaves every mark and enough of every object visible."""
        near = cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
        if any((near & kept).any() for kept in self.kept):
            return False
        return all((m & ~mask).sum() >= (1 - MOST_OCCLUDED) * w.sum() for m, w in zip(self.masks, self.wholes))

    def put(self, whole: np.ndarray, *kept: np.ndarray) -> None:
        """Note a new object in front of all others, and what must stay visible of it."""
        self.masks = [mask & ~whole for mask in self.masks] + [whole]
        self.wholes.append(whole)
        self.kept.extend(kept)

    def put_sticks(self, rng: np.random.Generator, long_side: int) -> None:
        """Paint up to four thin bars in front of everything, where they fit."""
        height, width = self.picture.shape[:2]
        for _ in range(rng.integers(0, 5)):
            stick = _stick(rng, height, width)
            mask = mask_of([stick], height, width, least=1e-6)
            if mask.any() and self.fits(mask):
                drawing.draw_body(rng, self.picture, stick, long_side * 0.1)
                self.masks = [m & ~mask for m in self.masks]

    def rounded(self) -> np.ndarray:
        """The picture in 8 bits."""
        return np.clip(np.round(self.picture), 0, 255).astype(np.uint8)

    def boxes(self) -> np.ndarray:
        """Boxes around the visible parts, shape (N, 4), float32 ``x1, y1, x2, y2``."""
        boxes = []
        for mask in self.masks:
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            boxes.append([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
        return np.array(boxes, np.float32).reshape(-1, 4)

    def stack(self, masks: Sequence[np.ndarray]) -> np.ndarray:
        """One mask an object, shape (N, H, W), bool; N may be 0."""
        return np.array(masks, bool).reshape(-1, *self.picture.shape[:2])


def ground(rng: np.random.Generator, long_side: int) -> Composition:
    """A textured ground with clutter, of one of five aspects: a picture without objects."""
    aspect = ASPECTS[rng.integers(len(ASPECTS))]
    height, width = (int(round(long_side * side)) for side in aspect)
    picture = drawing.background(rng, height, width)
    drawing.draw_clutter(rng, picture, long_side)
    return Composition(picture)


def mask_of(polygons: List[np.ndarray], height: int, width: int, least: float = 0.5) -> np.ndarray:
    """Pixels that polygons cover by at least a given share, shape (height, width)."""
    mask = np.zeros((height, width), bool)
    x1, y1, x2, y2 = window = drawing.window_of(np.concatenate(polygons), height, width)
    if x1 < x2 and y1 < y2:
        mask[y1:y2, x1:x2] = drawing.coverage(polygons, window) >= least
    return mask


def footprint(centre: np.ndarray, radius: float, height: int, width: int) -> np.ndarray:
    """Pixels that a disc touches, shape (height, width): where a mark's ink can lie."""
    return mask_of([drawing.place(drawing.circle(), centre, radius, 0)], height, width, least=1e-6)


def paint_mark(
    rng: np.random.Generator,
    picture: np.ndarray,
    polygons: Sequence[np.ndarray],
    base: np.ndarray,
    opacity: float = 1.0,
) -> None:
    """Paint ink in place, dark on a light base and light on a dark one.

    Args:
        rng: Source of the ink's brightness, whatever the polygons and the opacity.
        picture: Shape (H, W, 3), float32, BGR.
        polygons: Outlines of the ink, in picture pixels; one inside another is a hole.
        base: Colour under the ink, shape (3,).
        opacity: 0 leaves the picture as it is.
    """
    ink = np.float32(rng.uniform(5, 40)) if base.mean() > 125 else np.float32(rng.uniform(215, 250))
    window = drawing.window_of(np.concatenate(list(polygons)), *picture.shape[:2])
    drawing.blend(picture, window, np.float32(opacity) * drawing.coverage(list(polygons), window), np.full(3, ink))


def _stick(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Outline of a thin bar anywhere in the picture, shape (4, 2)."""
    longest = max(height, width)
    shape = drawing.rectangle(rng.uniform(0.1, 0.3), rng.uniform(0.008, 0.02))
    return drawing.place(shape, rng.uniform((0, 0), (width, height)), longest, rng.uniform(0, np.pi))
