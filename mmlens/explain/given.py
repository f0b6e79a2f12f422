"""Boxes that somebody gives, found or not, and the candidate that stands for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, List, Optional, Sequence, Union

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import box_iou

from ..errors import MmlensError, PictureError, count

Labels = Union[str, int, Sequence[Union[str, int]]]

# Candidates lie as well as the best one if their IoU is at least this share of its IoU ...
_AS_WELL = 0.8
# ... and miss the box by no more than this many times as much, which counts where the best one hardly misses it.
_EXACTLY = 20.0


@dataclass(frozen=True)
class Best:
    """The candidate that stands for a given box and class.

    Attributes:
        position: Where it stands among the candidates.
        overlap: IoU of its box with the given one.
        rank: How many candidates score higher for the class.
    """

    position: int
    overlap: float
    rank: int


def best_candidate(boxes: Tensor, scores: Tensor, given: Tensor) -> Optional[Best]:
    """Find the candidate that stands for a given box: where it lies first, then its score.

    Let ``best`` be the highest IoU of any candidate with the box. Candidates lie as well as that one if their IoU is at
    least ``0.8 * best``, and at least ``1 - 20 * (1 - best)``. Of these, the one that scores highest for the class is
    taken. So a box that is exactly a candidate's leads to that candidate, and any other to the one that came closest to
    being detected there.

    Args:
        boxes: Shape (N, 4): what the candidates decode to.
        scores: Shape (N,): their scores for the class.
        given: Shape (4,).

    Returns:
        ``None`` if no candidate overlaps the box.
    """
    if not len(boxes):
        return None
    overlaps = box_iou(given[None].double(), boxes.detach().double())[0].nan_to_num(0.0)
    best = float(overlaps.max())
    if best <= 0:
        return None
    least = max(_AS_WELL * best, 1 - _EXACTLY * (1 - best))
    scores = scores.detach()
    position = int(torch.where(overlaps >= least, scores, torch.full_like(scores, -torch.inf)).argmax())
    return Best(position, float(overlaps[position]), int((scores > scores[position]).sum()))


def check_boxes(boxes: Any, labels: Optional[Labels]) -> np.ndarray:
    """Check boxes and the number of their classes.

    Args:
        boxes: N boxes ``x1, y1, x2, y2``, in picture pixels.
        labels: A class for each, or one for all.

    Returns:
        Shape (N, 4), float64.

    Raises:
        MmlensError: If they are no boxes, or have no classes.
    """
    try:
        found = np.asarray(boxes, np.float64)
    except (TypeError, ValueError):
        found = np.zeros(1)
    if found.size == 0:
        found = found.reshape(0, 4)
    if found.ndim != 2 or found.shape[1] != 4:
        raise MmlensError('`boxes` must be a list of boxes, each of four numbers: x1, y1, x2, y2 in picture pixels.')
    if labels is None:
        raise MmlensError('`boxes` need `labels`: the class of each, by name or number.')
    number = len(found) if np.ndim(labels) == 0 else len(labels)  # type: ignore[arg-type]
    if number != len(found):
        raise MmlensError(
            f'There are {count(len(found), "box")} and {count(number, "class")}: give each box its class.'
        )
    for n, box in enumerate(found):
        if not np.isfinite(box).all():
            raise MmlensError(f'Box {n} ({_edges(box)}) is none: its edges must be finite numbers.')
        if (box[2:] <= box[:2]).any():
            raise MmlensError(f'Box {n} ({_edges(box)}) has no area: x1 must be less than x2, and y1 less than y2.')
    return found


def check_in_picture(boxes: np.ndarray, picture: np.ndarray) -> None:
    """Check that each box has a part in the picture.

    Raises:
        PictureError: If not.
    """
    height, width = picture.shape[:2]
    for n, box in enumerate(boxes):
        if (box[2:] <= 0).any() or box[0] >= width or box[1] >= height:
            raise PictureError(
                f'Box {n} ({_edges(box)}) lies outside the picture, which has {width} x {height} pixels: boxes are '
                'x1, y1, x2, y2 in picture pixels.'
            )


def one_each(labels: Labels, number: int) -> List[Union[str, int]]:
    """A class for each of a number of boxes."""
    return [labels] * number if np.ndim(labels) == 0 else list(labels)  # type: ignore


def _edges(box: np.ndarray) -> str:
    return ', '.join(f'{edge:g}' for edge in box)
