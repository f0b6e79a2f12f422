"""What is to be known about a missed object: the detections, the candidates, and what they began as."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any, Collection, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import box_iou

from ..attribution.passes.once import Once
from ..models.detector import Detector
from ..models.predictions import Predictions
from ..models.prepared import Prepared
from .given_search import Search
from .opened import Opened

# YOLOv5 matches anchors to objects whose sides differ by this factor at most.
_SIDES = 4.0


@dataclass
class Cover:
    """What candidates begin as.

    Attributes:
        kind: ``'proposals'``, ``'priors'``, or ``'boxes'`` where neither is known: what candidates decode to.
        boxes: Shape (N, 4), in picture pixels; points have no size.
        stride: The finest one of the priors, in input pixels.
    """

    kind: str
    boxes: Tensor
    stride: float = 0.0

    def lies(self, given: Tensor, least: float) -> Tuple[bool, float]:
        """Whether one of them lies on an object (4,), and the best IoU.

        Proposals have to overlap it with an IoU of ``least``. A prior, or what a candidate decodes to, lies there if
        its centre is in the object; an anchor also has to have sides of a size like the object's.
        """
        if not len(self.boxes):
            return False, 0.0
        boxes = self.boxes.double()
        best = float(box_iou(given[None].double(), boxes).nan_to_num(0.0).max())
        if self.kind == 'proposals':
            return best >= least, best
        centres, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
        inside = ((centres > given[:2]) & (centres < given[2:])).all(1)
        if self.kind == 'priors' and bool((sides > 0).all()):
            ratio = sides / (given[2:] - given[:2])
            inside &= (torch.maximum(ratio, 1 / ratio) <= _SIDES).all(1)
        return bool(inside.any()), best


class Evidence:
    """What a detector made of a picture, in one pass of the network and several of its post-processing.

    Attributes:
        detected: What it found.
        cover: What candidates begin as.
        two_stage: Whether these are proposals.

    Args:
        network: The detector.
        prepared: The picture.
        search: Looks for candidates; runs in a live graph.
        once: Nothing has run in it yet.
        sizes: Tells the sizes ``(h, w)`` of the levels that the head gets, once the network has run.
    """

    def __init__(self, network: Detector, prepared: Prepared, search: Search, once: Once, sizes: Any) -> None:
        self._network, self._prepared, self._search, self._once = network, prepared, search, once
        proposals: List[Tensor] = []
        with _watched_proposals(network.model, proposals):
            self.detected = search.detected = network.predict(prepared)
        self._candidates: Dict[int, Predictions] = {}
        self.two_stage = bool(proposals)
        self.cover = self._cover(proposals, sizes)

    def candidates(self, label: int) -> Predictions:
        """All candidates with their scores for a class, by falling score, with their graph."""
        if label not in self._candidates:
            self._candidates[label] = self._search.candidates(self._once, label)[0]
        return self._candidates[label]

    def detections(self, lift: Collection[str]) -> Predictions:
        """What the detector finds if some of its settings are lifted."""
        self._once.again()
        classes = self._search.seen.classes
        opening = Opened(self._network.model, range(classes), classes, lambda: self._once.depth, lift=lift)
        with opening.opened():
            return self._network.predict(self._prepared)

    def shares(self, candidate: Tensor, label: int) -> Optional[Tensor]:
        """How likely a candidate is of each class (n,), by its logits; ``None`` if they are unknown.

        Args:
            candidate: Its score for the class, with its graph.
            label: The class.
        """
        found = self._search.seen.candidate(candidate, label)
        if found is None:
            return None
        with torch.no_grad():
            logits = found.logits(self._search.seen.seen)
            likely = logits.softmax(0) if found.softmax else logits.sigmoid()
            return likely[: self._search.seen.classes]

    def setting(self, names: Sequence[str]) -> float:
        """The value of the first of some settings that the test config has; 0 if it has none."""
        from .post_processing import settings_of

        for name in names:
            for settings in settings_of(self._network.model):
                value = settings.get(name)
                if isinstance(value, (int, float)) and value > 0:
                    return float(value)
        return 0.0

    def _cover(self, proposals: Sequence[Tensor], sizes: Any) -> Cover:
        if proposals:
            return Cover('proposals', self._in_picture(proposals[0]))
        generator = getattr(getattr(self._network.model, 'bbox_head', None), 'prior_generator', None)
        levels = sizes()
        if generator is None or len(levels) != getattr(generator, 'num_levels', -1):
            return Cover('boxes', torch.zeros(0, 4))
        device = self.detected.boxes.device
        priors = torch.cat([each.reshape(len(each), -1) for each in generator.grid_priors(levels, device=device)])
        boxes = priors if priors.shape[1] == 4 else priors[:, :2].repeat(1, 2)
        strides = [min(each) if isinstance(each, (tuple, list)) else each for each in generator.strides]
        return Cover('priors', self._in_picture(boxes), float(min(strides)))

    def _in_picture(self, boxes: Tensor) -> Tensor:
        corners = boxes.detach().double().cpu().reshape(-1, 2).numpy()
        moved = self._prepared.geometry.points_to_picture(corners).reshape(-1, 2, 2)
        return torch.as_tensor(np.concatenate([moved.min(1), moved.max(1)], 1), device=boxes.device)


@contextlib.contextmanager
def _watched_proposals(model: Any, kept: List[Tensor]) -> Iterator[None]:
    """Keep the proposals (N, 4), in input pixels, of a detector that has a stage for them, with priors of its own."""
    head = getattr(model, 'rpn_head', None)
    if head is None or not hasattr(head, 'prior_generator'):
        yield
        return
    plain = head.predict

    def predict(*args: Any, **kwargs: Any) -> Any:
        returned = plain(*args, **kwargs)
        kept.append(getattr(returned[0].bboxes, 'tensor', returned[0].bboxes).detach())
        return returned

    head.__dict__['predict'] = predict
    try:
        yield
    finally:
        del head.__dict__['predict']
