"""Where the input's pixels lie in the picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, Optional, Tuple

import cv2
import numpy as np

Size = Tuple[int, int]

_SURE = 1e-30  # of a value above this, interpolation leaves something


@dataclass(frozen=True)
class Geometry:
    """An affine map from the picture to the network's input, and back.

    Positions are those of a picture's plane, not of its samples: pixel (column j, row i) covers the
    square from (j, i) to (j + 1, i + 1), and its centre lies at (j + 0.5, i + 0.5).

    Attributes:
        matrix: Shape (3, 3), float64: homogeneous picture position (x, y, 1) to input position.
        picture_size: ``(height, width)`` of the picture.
        input_size: ``(height, width)`` of the input as the network sees it, padding included.
    """

    matrix: np.ndarray
    picture_size: Size
    input_size: Size

    def points_to_input(self, points: np.ndarray) -> np.ndarray:
        """Map positions (N, 2), x and y in the picture, to the input."""
        return apply(self.matrix, points)

    def points_to_picture(self, points: np.ndarray) -> np.ndarray:
        """Map positions (N, 2), x and y in the input, to the picture."""
        return apply(np.linalg.inv(self.matrix), points)

    def map_to_picture(self, values: np.ndarray) -> np.ndarray:
        """Lay a map over the picture.

        Args:
            values: Shape (H, W), float32, on the input's grid.

        Returns:
            Shape of the picture, float32, interpolated linearly; zero where the picture lies
            outside the input (cropped away), because nothing is known there.
        """
        part, (top, left) = self.part_of_picture(values)
        if part.shape == self.picture_size:
            return part
        laid = np.zeros(self.picture_size, np.float32)
        laid[top : top + part.shape[0], left : left + part.shape[1]] = part
        return laid

    def part_of_picture(self, values: np.ndarray) -> Tuple[np.ndarray, Size]:
        """Lay a map over the picture, as far as it is not 0: the map of a small object takes a few windows of it.

        Args:
            values: See :meth:`map_to_picture`.

        Returns:
            A rectangle of what :meth:`map_to_picture` returns, 0 outside of it, and its upper row and left column.
        """
        cut = self._cut(values)
        if cut is None:
            return self._warped(values), (0, 0)
        rows, columns = (
            _window(np.asarray(cut.any(1 - axis)), cells, pixels)
            for axis, (cells, pixels) in enumerate(zip(cut.shape, self.picture_size))
        )
        part = np.ascontiguousarray(cut[rows.cells, columns.cells], np.float32)
        size = (columns.pixels.stop - columns.pixels.start, rows.pixels.stop - rows.pixels.start)
        laid = cv2.resize(part, size, interpolation=cv2.INTER_LINEAR)
        return laid, (rows.pixels.start, columns.pixels.start)

    def shows(self, values: np.ndarray) -> bool:
        """Whether a map >= 0 is anywhere above 0 on the picture; see :meth:`map_to_picture`."""
        cut = self._cut(values)
        if cut is not None and not cut.any():
            return False
        # Where cells are larger than pixels, each is seen; a tiny value may be rounded to nothing.
        coarse = cut is not None and all(cells <= pixels for cells, pixels in zip(cut.shape, self.picture_size))
        if coarse and cut is not None and cut.max() > _SURE:
            return True
        return bool(self.part_of_picture(values)[0].any())

    def _cut(self, values: np.ndarray) -> Optional[np.ndarray]:
        """The picture's part of a map: resizing it is ten times as fast as warping, and no padding bleeds in.

        ``None`` where the picture is not a rectangle of whole pixels of the input.
        """
        if self.matrix[0, 1] or self.matrix[1, 0]:
            return None
        height, width = self.picture_size
        ends = self.points_to_input(np.array([[0, 0], [width, height]]))
        (left, top), (right, bottom) = edges = np.sort(np.rint(ends).astype(int), 0)
        if np.abs(np.sort(ends, 0) - edges).max() > 1e-3 or (edges < 0).any() or (edges > self.input_size[::-1]).any():
            return None
        along_x, along_y = np.where(ends[0] < ends[1], 1, -1)
        return values[top:bottom, left:right][::along_y, ::along_x]

    def _warped(self, values: np.ndarray) -> np.ndarray:
        # cv2 counts from the centre of the first pixel, the matrix from its corner.
        to_centres, from_centres = _shift(-0.5), _shift(0.5)
        matrix = to_centres @ self.matrix @ from_centres
        height, width = self.picture_size
        laid = cv2.warpAffine(
            np.ascontiguousarray(values, np.float32),
            matrix[:2],
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        outside = ~self.covered()
        if outside.any():
            laid[outside] = 0
        return laid

    def covered(self) -> np.ndarray:
        """Which pixels of the picture the network sees: (height, width), bool."""
        height, width = self.picture_size
        corners = self.points_to_input(np.array([[0, 0], [width, 0], [0, height], [width, height]], float))
        margin = 0.5
        low, high = corners.min(0), corners.max(0)
        if (low >= -margin).all() and (high <= np.array(self.input_size[::-1]) + margin).all():
            return np.ones((height, width), bool)
        y, x = np.mgrid[:height, :width] + 0.5
        at = self.points_to_input(np.stack([x.ravel(), y.ravel()], 1))
        inside = (at >= 0).all(1) & (at <= np.array(self.input_size[::-1])).all(1)
        return inside.reshape(height, width)


class _Window(NamedTuple):
    """The same stretch of an axis of a map and of the picture."""

    cells: slice
    pixels: slice


def _window(seen: np.ndarray, cells: int, pixels: int) -> _Window:
    """The shortest stretch that can be resized for itself, and holds all cells that are seen and one more on each side.

    It begins and ends where edges of cells and of pixels meet: there a stretch has the whole axis' scale.
    """
    places = np.flatnonzero(seen)
    step = cells // math.gcd(cells, pixels)
    first, last = (int(places[0]), int(places[-1])) if len(places) else (0, 0)
    begin, end = max(first - 1, 0) // step, min(-(-(last + 2) // step), cells // step)
    per_step = pixels // (cells // step)
    return _Window(slice(begin * step, end * step), slice(begin * per_step, end * per_step))


def scaling(x: float, y: float) -> np.ndarray:
    """Matrix (3, 3) that stretches by ``x`` and ``y`` about the upper left corner."""
    return np.diag([x, y, 1.0])


def translation(x: float, y: float) -> np.ndarray:
    """Matrix (3, 3) that moves by ``x`` to the right and ``y`` down."""
    return np.array([[1.0, 0, x], [0, 1.0, y], [0, 0, 1]])


def flipping(size: Size, direction: str) -> np.ndarray:
    """Matrix (3, 3) that mirrors a picture of ``(height, width)``.

    Args:
        size: Of the picture.
        direction: ``'horizontal'``, ``'vertical'`` or ``'diagonal'`` (both).
    """
    height, width = size
    matrix = np.eye(3)
    if direction in ('horizontal', 'diagonal'):
        matrix = np.array([[-1.0, 0, width], [0, 1, 0], [0, 0, 1]]) @ matrix
    if direction in ('vertical', 'diagonal'):
        matrix = np.array([[1.0, 0, 0], [0, -1, height], [0, 0, 1]]) @ matrix
    return matrix


def _shift(by: float) -> np.ndarray:
    return translation(by, by)


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Move positions (N, 2), x and y, by a matrix (3, 3)."""
    points = np.asarray(points, float).reshape(-1, 2)
    return points @ matrix[:2, :2].T + matrix[:2, 2]
