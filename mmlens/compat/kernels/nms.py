"""Non-maximum suppression: hard, soft, and with the groups of boxes that it forms."""

from __future__ import annotations

from typing import List

import torch
import torchvision
from torch import Tensor

NAIVE, LINEAR, GAUSSIAN = 0, 1, 2  # soft-NMS methods, numbered as mmcv numbers them


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Greedy non-maximum suppression.

    Args:
        boxes: (N, 4) corners x1, y1, x2, y2.
        scores: (N,).
        iou_threshold: A box is dropped when its IoU with a better, kept box is greater.
        offset: 0 or 1; a box is ``x2 - x1 + offset`` wide.

    Returns:
        Indices of the kept boxes, best first, int64.
    """
    return torch.ops.torchvision.nms(_widen(boxes, offset), _full_precision(scores), iou_threshold)


def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Soft-NMS (Bodla et al. 2017): boxes that overlap a better one lose score instead of being dropped.

    Args:
        boxes: (N, 4) corners.
        scores: (N,).
        dets: (N, 5), filled in place: the kept boxes in the order taken, with the score they had by then.
        iou_threshold: From this IoU on the naive and the linear method lower a score.
        sigma: Width of the gaussian method.
        min_score: Boxes whose score falls below it are dropped.
        method: 0 naive (score times 0), 1 linear (1 - IoU), 2 gaussian (exp(-IoU^2 / sigma)).
        offset: 0 or 1; a box is ``x2 - x1 + offset`` wide.

    Returns:
        Indices of the kept boxes in the order taken, int64.
    """
    widened, scores = _widen(boxes, offset), _full_precision(scores).clone()
    remaining = torch.arange(len(boxes), device=boxes.device)
    taken: List[Tensor] = []
    while len(remaining):
        place = int(scores[remaining].argmax())
        best = remaining[place]
        dets[len(taken), :4], dets[len(taken), 4] = boxes[best], scores[best]
        taken.append(best)
        remaining = torch.cat([remaining[:place], remaining[place + 1 :]])
        overlap = _iou(widened[best], widened[remaining])
        scores[remaining] *= _decay(overlap, iou_threshold, sigma, method)
        remaining = remaining[scores[remaining] >= min_score]
    return torch.stack(taken) if taken else remaining


def nms_match(dets: Tensor, iou_threshold: float) -> List[List[int]]:
    """NMS that remembers which boxes each kept box suppressed.

    Args:
        dets: (N, 5) corners and score.
        iou_threshold: A box joins the group of a better box from this IoU on.

    Returns:
        One list of indices a kept box, that box first, the others by falling score.
    """
    remaining = dets[:, 4].argsort(descending=True)
    groups = []
    while len(remaining):
        joins = _iou(dets[remaining[0], :4], dets[remaining, :4]) >= iou_threshold
        joins[0] = True  # a box without area overlaps nothing, not even itself
        groups.append(remaining[joins].tolist())
        remaining = remaining[~joins]
    return groups


def _full_precision(x: Tensor) -> Tensor:
    """float32 or better: half-precision coordinates are too coarse, and the CPU kernel refuses them."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def _widen(boxes: Tensor, offset: int) -> Tensor:
    """Boxes whose plain width and height are ``x2 - x1 + offset``; their overlaps grow the same way."""
    boxes = _full_precision(boxes)
    return boxes + boxes.new_tensor([0, 0, offset, offset]) if offset else boxes


def _iou(box: Tensor, others: Tensor) -> Tensor:
    """IoU (N,) of one box (4,) with others (N, 4)."""
    return torchvision.ops.box_iou(box[None], others)[0]


def _decay(iou: Tensor, iou_threshold: float, sigma: float, method: int) -> Tensor:
    """What soft-NMS multiplies the scores of overlapping boxes by."""
    if method == GAUSSIAN:
        return torch.exp(-(iou**2) / sigma)
    lowered = 1 - iou if method == LINEAR else torch.zeros_like(iou)
    return torch.where(iou >= iou_threshold, lowered, torch.ones_like(iou))
