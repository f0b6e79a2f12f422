"""What is explained: the differentiable scalar of one detection or one class."""

from __future__ import annotations

from typing import Callable, Dict

import torch
from torch import Tensor

from ..errors import MmlensError

# (score of one detection, its box) -> scalar
BoxTarget = Callable[[Tensor, Tensor], Tensor]


def score_logit(score: Tensor, box: Tensor) -> Tensor:
    """The logit ``log(p / (1 - p))`` of a detection's confidence.

    Unlike the probability's, its gradient does not vanish where the detector is sure.

    Args:
        score: Scalar in [0, 1], with a graph.
        box: Not used.
    """
    score = score if score.dtype == torch.float64 else score.float()  # half precision is coarse next to 1
    return torch.logit(score, eps=torch.finfo(score.dtype).eps)


def box_extent(score: Tensor, box: Tensor) -> Tensor:
    """How far the four edges reach outwards, each in units of the box's own size.

    ``(x2 - x1) / width + (y2 - y1) / height`` with the sizes held constant, so that every edge
    counts with the same weight, whatever the scale and shape of the box.

    Args:
        score: Not used.
        box: Shape (4,), ``x1, y1, x2, y2`` in any frame, with a graph.
    """
    size = box[2:] - box[:2]
    return (size / size.detach().abs().clamp_min(1e-6)).sum()


def score_and_box(score: Tensor, box: Tensor) -> Tensor:
    """The sum of :func:`score_logit` and :func:`box_extent`."""
    return score_logit(score, box) + box_extent(score, box)


EDGES = ('left', 'top', 'right', 'bottom')
MASK = 'mask'  # a target that is more than a score and a box


def edge_reach(edge: str) -> BoxTarget:
    """The target of one edge: how far it reaches outwards from the box's centre, in units of the box's own size.

    ``(cx - x1) / width`` for the left edge and ``(x2 - cx) / width`` for the right one, with the centre and the size
    held constant; likewise for the others. The four add up to :func:`box_extent`.

    Args:
        edge: One of :data:`EDGES`.
    """

    def reach(score: Tensor, box: Tensor) -> Tensor:
        return _reaches(box.detach()[None], box[None])[0, EDGES.index(edge)]

    return reach


def _reaches(boxes: Tensor, altered: Tensor) -> Tensor:
    """How far the four edges (N, 4) of altered boxes reach from the centres of the unaltered ones; 0 without area."""
    centres, sizes = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).abs().clamp_min(1e-6)
    reaches = torch.cat([(centres - altered[:, :2]) / sizes, (altered[:, 2:] - centres) / sizes], 1)
    return reaches * (altered[:, 2:] > altered[:, :2]).all(1, keepdim=True)


BOX_TARGETS: Dict[str, BoxTarget] = {
    'score': score_logit,
    'box': box_extent,
    'both': score_and_box,
    **{edge: edge_reach(edge) for edge in EDGES},
}


def box_target(name: str) -> BoxTarget:
    """Find a box target by name.

    Raises:
        MmlensError: If there is no target of that name.
    """
    if name not in BOX_TARGETS:
        raise MmlensError(f"Unknown target '{name}': choose one of {', '.join([*BOX_TARGETS, MASK])}.")
    return BOX_TARGETS[name]


def box_measure(
    name: str, boxes: Tensor, logits: bool = False, overlap: bool = False
) -> Callable[[Tensor, Tensor], Tensor]:
    """The same targets as plain numbers, for many detections in altered passes.

    Args:
        name: Name of a box target.
        boxes: Shape (N, 4): the unaltered boxes, whose sizes are the unit of the altered ones' extent.
        logits: Measure a score as its logit; otherwise as a probability, of which a share can be taken.
        overlap: Add the logarithm of a box's overlap with the unaltered one, which is at least 0.001.

    Returns:
        ``(scores (N,), boxes (N, 4)) -> values (N,)``.
    """
    box_target(name)
    sizes = (boxes[:, 2:] - boxes[:, :2]).abs().clamp_min(1e-6)

    def measure(scores: Tensor, altered: Tensor) -> Tensor:
        score = torch.logit(scores, eps=torch.finfo(scores.dtype).eps) if logits else scores
        extent = ((altered[:, 2:] - altered[:, :2]) / sizes).sum(1)
        if name in EDGES:
            value = _reaches(boxes, altered)[:, EDGES.index(name)]
        else:
            value = {'score': score, 'box': extent, 'both': score + extent}[name]
        return value + _overlaps(boxes, altered).clamp_min(1e-3).log() if overlap else value

    return measure


def _overlaps(boxes: Tensor, others: Tensor) -> Tensor:
    """Intersection over union of boxes (N, 4), each with the other of its row: (N,)."""
    sides = torch.minimum(boxes[:, 2:], others[:, 2:]) - torch.maximum(boxes[:, :2], others[:, :2])
    shared = sides.clamp_min(0).prod(1)
    areas = [(each[:, 2:] - each[:, :2]).prod(1) for each in (boxes, others)]
    return shared / (areas[0] + areas[1] - shared).clamp_min(1e-9)
