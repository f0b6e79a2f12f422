"""The objects of a data sample (``pred_instances``), in picture coordinates."""

from __future__ import annotations

from typing import Any, Optional, Tuple

import numpy as np
import torch
from torch import Tensor

from .placement import boxes_around, move_boxes, move_masks, move_points, remaining_movement
from .predictions import Predictions
from .prepared import Prepared

# How many numbers a drawable box has: upright, rotated, four corners.
_UPRIGHT, _ROTATED, _CORNERS = 4, 5, 8


def instances_in_picture(prepared: Prepared, sample: Any, positions: Optional[Tensor] = None) -> Optional[Predictions]:
    """Put the objects that a model found into picture coordinates.

    Args:
        prepared: The picture, as :meth:`~mmlens.models.network.Network.prepare` returns it.
        sample: What the model returned for it, with ``pred_instances``.
        positions: Which objects, in which order. Defaults to all whose numbers are finite, by falling score.

    Returns:
        ``None`` if nothing of the objects can be drawn: they have no boxes, masks or keypoints, or boxes in 3D.
    """
    found = sample.pred_instances
    masks = found.masks if isinstance(found.get('masks'), Tensor) and found.masks.ndim == 3 else None
    keypoints = _tensor(found.get('keypoints'))
    upright = _upright_and_polygons(found, masks, keypoints)
    if upright is None:
        return None
    boxes, polygons = upright
    scores, labels = _scores(found, boxes), _labels(found, boxes)
    order = _by_score(boxes, scores) if positions is None else positions
    boxes, scores, labels = boxes[order], scores[order], labels[order]
    masks, polygons, keypoints = (None if part is None else part[order] for part in (masks, polygons, keypoints))
    boxes = _boxes_of_masks(boxes, masks)
    rest = remaining_movement(prepared.geometry, sample.metainfo)
    if rest is not None:
        polygons = None if polygons is None else move_points(polygons, rest)
        boxes = move_boxes(boxes, rest) if polygons is None else boxes_around(polygons)
        masks = None if masks is None else move_masks(masks, rest)
        keypoints = None if keypoints is None else move_points(keypoints[..., :2], rest)
    names = found.get('label_names')
    of_keypoints = _tensor(found.get('keypoint_scores'))
    return Predictions(
        boxes,
        scores,
        labels,
        masks,
        order,
        polygons,
        names=[str(names[position]) for position in order.tolist()] if names is not None else None,
        keypoints=None if keypoints is None else keypoints[..., :2],
        keypoint_scores=None if keypoints is None or of_keypoints is None else of_keypoints[order],
    )


def _upright_and_polygons(
    found: Any, masks: Optional[Tensor], keypoints: Optional[Tensor]
) -> Optional[Tuple[Tensor, Optional[Tensor]]]:
    """Upright boxes (N, 4), and the corners (N, 4, 2) of rotated ones."""
    boxes = _tensor(found.get('bboxes'))
    if boxes is not None and boxes.ndim == 2 and boxes.shape[1] == _UPRIGHT:
        return boxes, None
    if boxes is not None and boxes.ndim == 2 and boxes.shape[1] in (_ROTATED, _CORNERS):
        polygons = corners_of(boxes) if boxes.shape[1] == _ROTATED else boxes.reshape(-1, 4, 2)
        return boxes_around(polygons), polygons
    if boxes is not None:
        return None
    if masks is not None:
        return torch.zeros(len(masks), 4, device=masks.device), None
    return None if keypoints is None else (boxes_around(keypoints[..., :2]), None)


def corners_of(boxes: Tensor) -> Tensor:
    """Corners (N, 4, 2) of boxes (N, 5): centre x and y, width, height, angle in radians, clockwise in the picture."""
    centre, angle = boxes[:, None, :2], boxes[:, 4]
    cos, sin = torch.cos(angle), torch.sin(angle)
    along = torch.stack([cos, sin], 1)[:, None] * boxes[:, None, 2:3] / 2
    across = torch.stack([-sin, cos], 1)[:, None] * boxes[:, None, 3:4] / 2
    signs = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    return torch.cat([centre + a * along + b * across for a, b in signs], 1)


def _scores(found: Any, boxes: Tensor) -> Tensor:
    for key in ('scores', 'bbox_scores'):
        scores = _tensor(found.get(key))
        if scores is not None and scores.shape == boxes.shape[:1]:
            return scores.to(boxes.device)
    return boxes.new_ones(len(boxes))


def _labels(found: Any, boxes: Tensor) -> Tensor:
    labels = _tensor(found.get('labels'))
    return boxes.new_zeros(len(boxes)).long() if labels is None else labels


def _tensor(value: Any) -> Optional[Tensor]:
    """A tensor of mmdet's box types, and of the arrays that mmpose returns."""
    value = getattr(value, 'tensor', value)
    if isinstance(value, np.ndarray) and value.dtype.kind in 'fiu':
        return torch.from_numpy(np.ascontiguousarray(value)).float()
    if isinstance(value, Tensor) and value.dtype in (torch.float16, torch.bfloat16):
        return value.float()  # the area of a large box is infinite in half precision
    return value if isinstance(value, Tensor) else None


def _by_score(boxes: Tensor, scores: Tensor) -> Tensor:
    """Positions by falling score, without those that overflowed: a box at infinity lies on no picture."""
    boxes, scores = boxes.detach(), scores.detach()
    order = torch.argsort(scores, descending=True, stable=True)
    return order[(torch.isfinite(boxes).all(1) & torch.isfinite(scores))[order]]


def _boxes_of_masks(boxes: Tensor, masks: Optional[Tensor]) -> Tensor:
    """The boxes (N, 4) around the masks, for detectors that leave all boxes empty (SOLO); they have no graph."""
    if masks is None or bool((boxes[:, 2:] > boxes[:, :2]).any()):
        return boxes
    from mmdet.structures.mask import mask2bbox

    return mask2bbox(masks).to(boxes)
