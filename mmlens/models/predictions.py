"""What a network predicts for one picture, in picture pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import List, Optional, Sequence, Tuple

import torch
from torch import Tensor


@dataclass
class Predictions:
    """What a network predicts for one picture, in picture pixels; tensors carry their graph.

    The N objects are sorted by falling score. A network that predicts no objects has N = 0 and ``instances=False``.

    Attributes:
        boxes: Shape (N, 4), ``x1, y1, x2, y2``; the upright ones around rotated boxes.
        scores: Shape (N,).
        labels: Shape (N,), int64.
        masks: Shape (N, H, W), bool, where the network predicts them.
        positions: Shape (N,), int64: their positions in what the model itself returned.
        polygons: Shape (N, 4, 2), x and y: the corners of rotated boxes, in order.
        names: N class names, where the model itself names what it found.
        keypoints: Shape (N, K, 2), x and y.
        keypoint_scores: Shape (N, K).
        skeleton: Pairs of keypoints to be joined by a line.
        seg_map: Shape (H, W), int64: each pixel's class, an index into ``seg_names``; -1 where it has none.
        seg_names: The names of the classes in ``seg_map``.
        classes: Shape (C,): scores of the picture as a whole, from a classifier.
        instances: Whether the network predicts single objects at all.
        notes: A sentence for each thing that it predicts and that is left out here.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    masks: Optional[Tensor] = None
    positions: Optional[Tensor] = None
    polygons: Optional[Tensor] = None
    names: Optional[List[str]] = None
    keypoints: Optional[Tensor] = None
    keypoint_scores: Optional[Tensor] = None
    skeleton: List[Tuple[int, int]] = field(default_factory=list)
    seg_map: Optional[Tensor] = None
    seg_names: List[str] = field(default_factory=list)
    classes: Optional[Tensor] = None
    instances: bool = True
    notes: List[str] = field(default_factory=list)

    @classmethod
    def without_instances(cls, notes: Sequence[str] = ()) -> Predictions:
        """Predictions of a network that predicts no single objects."""
        none = torch.zeros(0)
        return cls(torch.zeros(0, 4), none, none.long(), instances=False, notes=list(notes))

    def __len__(self) -> int:
        return len(self.scores)

    def subset(self, ranks: Sequence[int]) -> Predictions:
        """Some of the objects: their boxes, scores, labels and names, detached."""
        index = torch.as_tensor(list(ranks), dtype=torch.int64, device=self.scores.device)
        parts = (self.boxes, self.scores, self.labels)
        boxes, scores, labels = (part.detach()[index] for part in parts)
        positions = None if self.positions is None else self.positions[index]
        names = None if self.names is None else [self.names[rank] for rank in ranks]
        return Predictions(boxes, scores, labels, positions=positions, names=names)

    def match(self, others: Predictions) -> List[int]:
        """Find the objects of another pass among these.

        Args:
            others: N objects.

        Returns:
            N ranks among these objects: of the same class, with edges within 0.1 pixels and the nearest score; -1 for
            an object that is not among them.
        """
        if not len(self):
            return [-1] * len(others)
        apart = (self.boxes.detach() - others.boxes[:, None]).abs().amax(2)
        is_other = (apart > 0.1) | (self.labels != others.labels[:, None])
        least, ranks = (self.scores.detach() - others.scores[:, None]).abs().masked_fill(is_other, math.inf).min(1)
        return ranks.masked_fill(least.isinf(), -1).tolist()
