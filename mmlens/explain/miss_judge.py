"""Decides at which step a detector lost an object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Optional, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import box_iou

from ..models.detector import Detector
from ..models.predictions import Predictions
from ..models.prepared import Prepared
from ..results.misses import Miss
from .miss_evidence import Evidence
from .opened import LIMITS, SIZES

# An object of which the network sees less is taken for one that it does not see.
_SEEN = 0.5
# Pixels by which the edges of one candidate may differ between passes.
_SAME = 0.1


@dataclass
class Judge:
    """Decides why objects were missed, from what is known about a picture.

    Attributes:
        detector: The detector.
        prepared: The picture.
        evidence: What the detector made of it.
        boxes: Shape (N, 4), float64: the objects, in picture pixels.
        labels: Their classes.
        score_thr, iou_thr: See :func:`mmlens.why_missed`.
    """

    detector: Detector
    prepared: Prepared
    evidence: Evidence
    boxes: np.ndarray
    labels: Sequence[int]
    score_thr: float
    iou_thr: float

    def __post_init__(self) -> None:
        detected = self.evidence.detected
        self._given = torch.as_tensor(self.boxes, device=detected.boxes.device)
        self._owners = self._match(detected)

    def _match(self, found: Predictions) -> Dict[int, int]:
        """Which object each detection finds: of its class, over the thresholds, the one that it overlaps most."""
        owners: Dict[int, int] = {}
        overlaps = box_iou(found.boxes.detach().double(), self._given)
        labels = torch.as_tensor(list(self.labels), device=overlaps.device)
        left = torch.ones(len(labels), dtype=torch.bool, device=overlaps.device)
        for rank, (score, label) in enumerate(zip(found.scores.tolist(), found.labels.tolist())):
            if score < self.score_thr:
                break
            fits = torch.where(left & (labels == int(label)), overlaps[rank].nan_to_num(0.0), overlaps.new_zeros(()))
            if len(fits) and float(fits.max()) >= self.iou_thr:
                owners[rank] = int(fits.argmax())
                left[owners[rank]] = False
        return owners

    def miss(self, n: int) -> Miss:
        """Decide about one object."""
        for rank, owner in self._owners.items():
            if owner == n:
                return self._told(n, 'found', overlap=self._overlap(n, self._box(rank)), score=self._score(rank))
        cut = 1 - self._seen(n)
        if 1 - cut < _SEEN:
            return self._told(n, 'filtered', 'crop', cut=100 * cut)
        candidates = self.evidence.candidates(self.labels[n])
        overlaps = box_iou(self._given[n][None], candidates.boxes.detach().double())[0].nan_to_num(0.0)
        best = float(overlaps.max()) if len(overlaps) else 0.0
        if best < self.iou_thr:
            return self._not_there(n, candidates, overlaps, best)
        scores, fits = candidates.scores.detach(), (overlaps >= self.iou_thr) & ~self._belongs_to_others(n, candidates)
        if not bool(fits.any()):  # all that lies there was found, for other objects
            fits = overlaps >= self.iou_thr
        position = int(torch.where(fits, scores, torch.full_like(scores, -1)).argmax())
        overlap, score = float(overlaps[position]), float(scores[position])
        told = dict(overlap=overlap, score=score, rank=float(position), threshold=self.score_thr)
        box = candidates.boxes[position].detach()
        if score >= self.score_thr:
            return self._was_right(n, box, told)
        return self._scores_little(n, candidates, position, box, told)

    def _belongs_to_others(self, n: int, candidates: Predictions) -> Tensor:
        """Which candidates are detections that find other objects."""
        belongs = torch.zeros(len(candidates), dtype=torch.bool, device=candidates.boxes.device)
        for rank in self._owners:
            if int(self.evidence.detected.labels[rank]) == self.labels[n]:
                belongs |= (candidates.boxes.detach() - self._box(rank)).abs().amax(1) <= _SAME
        return belongs

    def _not_there(self, n: int, candidates: Predictions, overlaps: Tensor, best: float) -> Miss:
        cover = self.evidence.cover
        if cover.kind == 'boxes':
            cover.boxes = candidates.boxes.detach()
        lies, coverage = cover.lies(self._given[n], self.iou_thr)
        numbers: Dict[str, Any] = dict(
            overlap=best, coverage=coverage, least=self.iou_thr, stride=cover.stride, **self._input_size(n)
        )
        box = candidates.boxes[int(overlaps.argmax())].detach() if best > 0 else None
        if not lies:
            numbers['proposals'] = float(len(cover.boxes))
            stage = 'proposals' if self.evidence.two_stage else ''
            return self._told(n, 'uncovered', cover.kind, stage, candidate=_numpy(box), **numbers)
        if box is not None:
            numbers['score'] = float(candidates.scores[int(overlaps.argmax())].detach())
        return self._told(n, 'regressed', candidate=_numpy(box), **numbers)

    def _was_right(self, n: int, box: Tensor, told: Dict[str, Any]) -> Miss:
        """A candidate lies there and scores enough: what keeps it from being a detection?"""
        shared = self._taken(n)
        label = self.labels[n]
        own: Dict[str, Any] = dict(candidate=_numpy(box), **told)
        if shared is not None and self._appears(n, box, self.evidence.detected):
            return self._told(n, 'suppressed', 'shared', **own, **self._rival(shared))
        if self._appears(n, box, self.evidence.detections(SIZES)):
            return self._told(n, 'filtered', 'size', min_size=self.evidence.setting(SIZES), **own)
        if self._appears(n, box, self.evidence.detections(LIMITS)):
            last = len(self.evidence.detected) - 1
            return self._told(n, 'suppressed', 'limit', **own, limit=float(last + 1), **self._rival(last))
        rank = self._suppressor(box, label, told['score'])
        if rank is None and shared is not None:
            return self._told(n, 'suppressed', 'shared', **own, **self._rival(shared))
        if rank is None:
            return self._told(n, 'suppressed', 'NMS', **own, rival_score=0.0, rival_overlap=0.0)
        overlap = float(box_iou(box[None], self._box(rank)[None]))
        return self._told(n, 'suppressed', 'NMS', **own, rival_overlap=overlap, **self._rival(rank))

    def _taken(self, n: int) -> Optional[int]:
        """Rank of a detection that would find the object, but finds another one."""
        for rank in self._owners:
            right = int(self.evidence.detected.labels[rank]) == self.labels[n]
            if right and self._overlap(n, self._box(rank)) >= self.iou_thr:
                return rank
        return None

    def _appears(self, n: int, box: Tensor, found: Predictions) -> bool:
        """Whether a candidate's box is among detections."""
        same = (found.labels == self.labels[n]) & ((found.boxes.detach() - box).abs().amax(1) <= _SAME)
        return bool((same & (found.scores.detach() >= self.score_thr)).any())

    def _suppressor(self, box: Tensor, label: int, score: float) -> Optional[int]:
        """Rank of the detection that a candidate lost to: of those that score as much, the one it overlaps most."""
        detected = self.evidence.detected
        overlaps = box_iou(box[None], detected.boxes.detach())[0].nan_to_num(0.0)
        same = (overlaps * (detected.labels == label)) if bool((detected.labels == label).any()) else overlaps
        same = same * (detected.scores.detach() >= score)
        if not len(same) or float(same.max()) <= 0:
            return None
        return int(same.argmax())

    def _scores_little(self, n: int, candidates: Predictions, position: int, box: Tensor, told: Dict[str, Any]) -> Miss:
        stage = 'RoI head' if self.evidence.two_stage else ''
        winner = self._winner(n, candidates.scores[position])
        if winner is not None:
            label, score, rival = winner
            names = dict(rival_label=label, rival_name=self._name(label), rival=rival)
            return self._told(n, 'outvoted', '', stage, candidate=_numpy(box), rival_score=score, **names, **told)
        shared = self._taken(n)
        if shared is not None:
            return self._told(n, 'suppressed', 'shared', stage, candidate=_numpy(box), **told, **self._rival(shared))
        return self._told(n, 'background', '', stage, candidate=_numpy(box), **told)

    def _winner(self, n: int, score: Tensor) -> Optional[Tuple[int, float, Optional[np.ndarray]]]:
        """The class that wins over the object's: one that the same candidate scores higher, or that was found there."""
        label, detected = self.labels[n], self.evidence.detected
        likely = self.evidence.shares(score, label)
        if likely is not None and float(likely[label]) > 0:
            scores = float(score.detach()) * likely / likely[label]
            scores[label] = -1
            if float(scores.max()) >= self.score_thr:
                return int(scores.argmax()), float(scores.max()), None
        for rank in range(len(detected)):
            other = int(detected.labels[rank]) != label and rank not in self._owners
            if self._score(rank) >= self.score_thr and other and self._overlap(n, self._box(rank)) >= self.iou_thr:
                return int(detected.labels[rank]), self._score(rank), _numpy(self._box(rank))
        return None

    def _seen(self, n: int) -> float:
        """The share of an object that lies in the network's input."""
        x1, y1, x2, y2 = self.boxes[n]
        height, width = self.prepared.picture.shape[:2]
        columns = slice(int(max(x1, 0)), int(np.ceil(min(x2, width))))
        rows = slice(int(max(y1, 0)), int(np.ceil(min(y2, height))))
        return float(self.prepared.geometry.covered()[rows, columns].mean())

    def _input_size(self, n: int) -> Dict[str, float]:
        ends = self.prepared.geometry.points_to_input(self.boxes[n].reshape(2, 2))
        width, height = np.abs(ends[1] - ends[0])
        return dict(width=float(width), height=float(height))

    def _box(self, rank: int) -> Tensor:
        return self.evidence.detected.boxes[rank].detach()

    def _score(self, rank: int) -> float:
        return float(self.evidence.detected.scores[rank].detach())

    def _overlap(self, n: int, box: Tensor) -> float:
        return float(box_iou(self._given[n][None], box[None].double()).nan_to_num(0.0))

    def _name(self, label: int) -> str:
        return self.detector.class_name(label, self.prepared)

    def _rival(self, rank: int) -> Dict[str, Any]:
        label = int(self.evidence.detected.labels[rank])
        found = dict(rival_label=label, rival_name=self._name(label), rival=_numpy(self._box(rank)))
        return {**found, 'rival_score': self._score(rank)}

    def _told(self, n: int, mechanism: str, kind: str = '', stage: str = '', **known: Any) -> Miss:
        boxes = {name: known.pop(name, None) for name in ('candidate', 'rival')}
        label, name = known.pop('rival_label', -1), known.pop('rival_name', '')
        if self.evidence.two_stage and not stage and mechanism in ('regressed', 'suppressed', 'outvoted', 'background'):
            stage = 'RoI head'
        own, box = self.labels[n], self.boxes[n].astype(np.float32)
        return Miss(
            box, own, self._name(own), mechanism, kind, stage, known, **boxes, rival_label=label, rival_name=name
        )


def _numpy(box: Optional[Tensor]) -> Optional[np.ndarray]:
    return None if box is None else box.detach().float().cpu().numpy()
