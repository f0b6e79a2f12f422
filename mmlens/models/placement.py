"""Bring what a model returned into picture coordinates.

Models undo part of what the test pipeline did: OpenMMLab's heads divide boxes by ``scale_factor``, for example, but
know nothing of flips. What remains to be undone follows from the geometry, which knows all of it.
"""

from __future__ import annotations

from typing import Any, Dict, Optional

import cv2
import numpy as np
import torch
from torch import Tensor

from .geometry import Geometry, Size, apply, flipping, scaling, translation


def remaining_movement(geometry: Geometry, meta: Dict[str, Any]) -> Optional[np.ndarray]:
    """The movement that brings the boxes, masks and keypoints that a model returned into the picture.

    Args:
        geometry: Where the input lies in the picture.
        meta: The data sample's metainfo, from which the model reads how to go back.

    Returns:
        Shape (3, 3): position as returned to position in the picture; ``None`` if they are the same.
    """
    return _remaining(geometry, _undone_by_pose_model(meta) if 'input_center' in meta else _undone_by_detector(meta))


def _undone_by_detector(meta: Dict[str, Any]) -> np.ndarray:
    """Models of mmdet, mmyolo and mmrotate undo scaling and padding, but not flips and crops."""
    x, y = _scale(meta)
    top, _, left, _ = meta.get('pad_param', meta.get('border', (0, 0, 0, 0)))
    return scaling(1 / x, 1 / y) @ translation(-left, -top)


def _undone_by_pose_model(meta: Dict[str, Any]) -> np.ndarray:
    """Models of mmpose go back from the input to the box that was cropped from the picture."""
    center, scale, size = (
        np.asarray(meta[f'input_{name}'], float).reshape(-1)[:2] for name in ('center', 'scale', 'size')
    )
    return translation(*(center - scale / 2)) @ scaling(*(scale / size))


def _scale(meta: Dict[str, Any]) -> np.ndarray:
    return np.asarray(meta.get('scale_factor', (1.0, 1.0)), float).reshape(-1)[:2]


def _remaining(geometry: Geometry, undone: np.ndarray) -> Optional[np.ndarray]:
    # Compare where the picture's corners come out with where they are: half-pixel paddings do not matter.
    rest = np.linalg.inv(undone @ geometry.matrix)
    height, width = geometry.picture_size
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], float)
    stretch = np.abs(np.diag(np.linalg.inv(undone))[:2])
    off = np.abs(apply(rest, corners) - corners).max(0) * stretch
    return rest if (off > 1).any() else None


def move_points(points: Tensor, matrix: np.ndarray) -> Tensor:
    """Move points (..., 2), x and y; keeps the graph."""
    moved = torch.as_tensor(matrix, dtype=points.dtype, device=points.device)
    return points @ moved[:2, :2].T + moved[:2, 2]


def move_boxes(boxes: Tensor, matrix: np.ndarray) -> Tensor:
    """Move boxes (N, 4): the upright boxes around the moved ones; keeps the graph."""
    return boxes_around(move_points(boxes[:, [0, 1, 2, 1, 0, 3, 2, 3]].reshape(-1, 4, 2), matrix))


def boxes_around(polygons: Tensor) -> Tensor:
    """The upright boxes (N, 4) around polygons (N, corners, 2)."""
    return torch.cat([polygons.amin(1), polygons.amax(1)], 1)


def move_masks(masks: Tensor, matrix: np.ndarray) -> Tensor:
    """Move masks (N, H, W) on their own grid."""
    to_samples = translation(-0.5, -0.5) @ matrix @ translation(0.5, 0.5)
    height, width = masks.shape[1:]
    moved = [
        cv2.warpAffine(mask.astype(np.uint8), to_samples[:2], (width, height), flags=cv2.INTER_NEAREST)
        for mask in masks.detach().cpu().numpy()
    ]
    return torch.as_tensor(np.array(moved, bool).reshape(masks.shape), device=masks.device)


def place_segments(labels: Tensor, geometry: Geometry, meta: Dict[str, Any], flips_undone: bool) -> Optional[Tensor]:
    """Lay a map of classes over the picture.

    Args:
        labels: Shape (h, w), int64: of the picture's size, if the model goes back from the input itself, or of the
            input's size.
        geometry: Where the input lies in the picture.
        meta: The data sample's metainfo.
        flips_undone: Whether the model undoes flips: models of mmseg do, models of mmdet do not.

    Returns:
        Shape (H, W) of the picture, -1 where it lies outside the input; ``None`` for maps of any other size.
    """
    size = tuple(labels.shape)
    if size == tuple(geometry.picture_size):
        rest = _remaining(geometry, _undone_by_segmentor(geometry, meta, flips_undone))
        if rest is None:
            return labels
        matrix = np.linalg.inv(rest)
    elif size == tuple(geometry.input_size):
        matrix = geometry.matrix
    else:
        return None
    values = labels.detach().cpu().numpy()
    laid = labels_to_picture(values, Geometry(matrix, geometry.picture_size, values.shape[:2]))
    return torch.as_tensor(laid, device=labels.device)


def _undone_by_segmentor(geometry: Geometry, meta: Dict[str, Any], flips_undone: bool) -> np.ndarray:
    """Segmentors cut the padding off the input and stretch the rest to the picture's size."""
    height, width = geometry.input_size
    if flips_undone:
        left, right, top, bottom = meta.get('img_padding_size', meta.get('padding_size', (0, 0, 0, 0)))
        content: Size = (height - top - bottom, width - left - right)
    else:
        left, top, content = 0, 0, tuple(meta.get('img_shape', (height, width))[:2])  # type: ignore[assignment]
    flipped = flips_undone and meta.get('flip')
    flip = flipping(content, meta.get('flip_direction', 'horizontal')) if flipped else np.eye(3)
    stretch = scaling(geometry.picture_size[1] / content[1], geometry.picture_size[0] / content[0])
    return stretch @ flip @ translation(-left, -top)


def labels_to_picture(labels: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Lay integers (h, w) on the input's grid over the picture by nearest neighbour; -1 outside the input."""
    height, width = geometry.picture_size
    inside = geometry.covered()
    if geometry.matrix[0, 1] or geometry.matrix[1, 0]:
        matrix = translation(-0.5, -0.5) @ geometry.matrix @ translation(0.5, 0.5)
        flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
        laid = cv2.warpAffine(
            labels.astype(np.float32), matrix[:2], (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE
        )
        return np.where(inside, laid.astype(np.int64), -1)
    x = geometry.points_to_input(np.stack([np.arange(width) + 0.5, np.zeros(width)], 1))[:, 0]
    y = geometry.points_to_input(np.stack([np.zeros(height), np.arange(height) + 0.5], 1))[:, 1]
    rows, columns = (np.clip(np.floor(at).astype(int), 0, length - 1) for at, length in zip((y, x), labels.shape))
    return np.where(inside, labels[rows[:, None], columns[None]], -1)
