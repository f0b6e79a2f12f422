"""Looks for the candidates of given boxes: in one pass of the network, before thresholds and suppression."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import box_iou

from ..attribution.class_scores import ClassScores
from ..attribution.passes.once import Once
from ..models.detector import Detector
from ..models.predictions import Predictions
from ..models.prepared import Prepared
from .given import Best, best_candidate
from .opened import Opened, Rows, liftable

# Masks cost: of a detector that computes one for each box, this many candidates about each given box come out.
_MOST_MASKS = 20
# As many numbers as a box, or half of one, has: its sigmoid may be one of coordinates.
_LIKE_BOXES = (2, 4)
_TOLERANCE = 1e-3


@dataclass
class Found:
    """The candidates that stand for given boxes.

    Attributes:
        best: One for each box; ``None`` where no candidate overlaps it.
        candidates: Those that there are, with their graph, in the order of the boxes; scores are those of the class.
    """

    best: List[Optional[Best]]
    candidates: Predictions


class Search:
    """Looks for candidates on one picture.

    Attributes:
        detected: What the detector found by itself, once something was looked for.

    Args:
        network: The detector.
        prepared: The picture.
        seen: What heads squash is kept here: the search runs in a :class:`~mmlens.attribution.graph.live_graph` of it.
    """

    detected: Predictions

    def __init__(self, network: Detector, prepared: Prepared, seen: ClassScores) -> None:
        self.network, self.prepared, self.seen = network, prepared, seen
        self._only: Optional[int] = None
        self._settings = liftable(network.model)
        self._boxes: Optional[Tensor] = None  # whose masks are worth their cost

    def run(self, once: Once, boxes: np.ndarray, labels: Sequence[int]) -> Found:
        """Find the candidates of given boxes (N, 4) and their classes; nothing has run in ``once`` yet."""
        self.detected = self.network.predict(self.prepared)
        given = torch.as_tensor(boxes, device=self.detected.boxes.device)
        self._boxes = given if self.detected.masks is not None else None
        best: Dict[int, Optional[Best]] = {}
        picked: Dict[int, Predictions] = {}
        for label in sorted(set(labels)):
            candidates, scores = self.candidates(once, label)
            for n in (n for n, own in enumerate(labels) if own == label):
                best[n] = found = best_candidate(candidates.boxes, candidates.scores, given[n])
                if found is not None:
                    # Not all candidates came out where masks are computed, but all have scores.
                    rank = int((scores > candidates.scores[found.position].detach()).sum())
                    best[n] = replace(found, rank=rank)
                    picked[n] = _one(candidates, found.position)
        return Found([best[n] for n in range(len(labels))], _joined([picked[n] for n in sorted(picked)], self.detected))

    def candidates(self, once: Once, label: int) -> Tuple[Predictions, Tensor]:
        """All candidates with their scores for a class, by falling score, with their graph; all scores, detached."""
        found, scores = self._candidates(once, label)
        if self.seen.classes in _LIKE_BOXES and self._only is None and len(found):
            self._only = self._which(found, label)
            if self._only is not None:
                return self._candidates(once, label)
        return found, scores

    def _candidates(self, once: Once, label: int) -> Tuple[Predictions, Tensor]:
        once.again()
        self._start = len(self.seen.seen)
        nearest = None if self._boxes is None else Nearest(self.prepared, self._boxes)
        opening = self._opened([label], lambda: once.depth, nearest)
        with opening.opened():
            (sample,) = self.network.samples(self.prepared)
        found = _of_label(self.network.in_picture(self.prepared, sample), label)
        asked = None if nearest is None else nearest.scores
        return found, found.scores.detach() if asked is None else asked

    def _which(self, found: Predictions, label: int) -> Optional[int]:
        """Which of several sigmoids over tensors of one shape is that of the classes; ``None`` if there is one only."""
        candidate = self.seen.candidate(found.scores[0], label)
        if candidate is None:
            return None
        own, shapes = candidate.number, [each.logits.shape for each in self.seen.seen]
        if shapes[self._start :].count(shapes[own]) < 2:
            return None
        return shapes[self._start : own].count(shapes[own])

    def opening(self, depth: Callable[[], int], asked: Predictions) -> Opened:
        """Opens post-processing again, for these candidates."""
        nearest = None if self._boxes is None else Nearest(self.prepared, asked.boxes)
        labels = [int(label) for label in asked.labels.tolist()]
        return self._opened(labels, depth, nearest)

    def _opened(self, labels: Sequence[int], depth: Callable[[], int], nearest: Optional[Nearest]) -> Opened:
        return Opened(
            self.network.model, labels, self.seen.classes, depth, nearest, self._only, settings=self._settings
        )

    def rows(self, found: Predictions) -> Optional[Rows]:
        """Tells the candidates of :meth:`run` by their logits in unaltered passes; ``None`` where they cannot be told.

        Args:
            found: The candidates, with their graph.
        """
        labels = [int(label) for label in found.labels.tolist()]
        candidates = [self.seen.candidate(score, label) for score, label in zip(found.scores, labels)]
        logits: List[Tensor] = []
        for candidate in candidates:
            if candidate is None or len(candidate.places) != 1:
                return None
            logits.append(candidate.logits(self.seen.seen).detach())

        def kept(squashed: Tensor) -> Tensor:
            mask = torch.zeros_like(squashed)
            for row, label in zip(logits, labels):
                if row.shape[0] != squashed.shape[-1]:
                    return torch.ones_like(squashed)
                same = torch.isclose(squashed, row, rtol=_TOLERANCE, atol=_TOLERANCE).all(-1)
                mask[..., label] = mask[..., label].masked_fill(same, 1.0)
            mask[..., self.seen.classes :] = 1.0
            return mask

        return kept


class Nearest:
    """Chooses the candidates about some boxes, whether their coordinates are the picture's or the input's.

    Attributes:
        scores: Those of all candidates that it last chose among.
    """

    def __init__(self, prepared: Prepared, boxes: Tensor) -> None:
        corners = boxes.detach().double().cpu().reshape(-1, 2).numpy()
        in_input = torch.as_tensor(prepared.geometry.points_to_input(corners).reshape(-1, 4), device=boxes.device)
        self._frames = [boxes.detach().double(), in_input]
        self.scores: Optional[Tensor] = None

    def __call__(self, boxes: Tensor, scores: Tensor) -> Tensor:
        """The indices of those to keep."""
        self.scores = scores
        overlaps = torch.cat([box_iou(frame, boxes.double()) for frame in self._frames]).nan_to_num(0.0)
        values, indices = overlaps.topk(min(_MOST_MASKS, len(boxes)), 1)
        return indices[values > 0].unique()


def _of_label(found: Predictions, label: int) -> Predictions:
    kept = (found.labels == label).nonzero().flatten()
    return Predictions(
        found.boxes[kept],
        found.scores[kept],
        found.labels[kept],
        None if found.masks is None else found.masks[kept],
        positions=None if found.positions is None else found.positions[kept],
    )


def _one(found: Predictions, position: int) -> Predictions:
    one = slice(position, position + 1)
    masks = None if found.masks is None else found.masks[one]
    return Predictions(found.boxes[one], found.scores[one], found.labels[one], masks)


def _joined(parts: Sequence[Predictions], like: Predictions) -> Predictions:
    if not parts:
        return Predictions(like.boxes[:0], like.scores[:0], like.labels[:0])
    masks = [part.masks for part in parts if part.masks is not None]
    return Predictions(
        torch.cat([part.boxes for part in parts]),
        torch.cat([part.scores for part in parts]),
        torch.cat([part.labels for part in parts]),
        torch.cat(masks) if len(masks) == len(parts) else None,
    )
