"""What is asked of any box, found or not: the class score of the candidate that stands for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Optional

import numpy as np
from torch import Tensor

from ..attribution.class_scores import ClassScores
from ..attribution.graph import live_graph
from ..attribution.passes.once import Once
from ..attribution.passes.replay import Replay
from ..attribution.passes.runs import Runs
from ..attribution.tap import Level, Tap
from ..errors import MethodError
from ..models.detector import Detector
from ..models.inputs import Picture
from ..models.predictions import Predictions
from .box_runs import BoxRuns
from .box_targets import BoxTargets, Classes
from .given import Best, Labels, check_in_picture, one_each
from .given_search import Search
from .opened import Opened, Rows
from .targets import Measured


@dataclass(frozen=True)
class Pick:
    """A given box, and what stands for it.

    Attributes:
        box: Shape (4,), float64: the given box, in picture pixels.
        label: Its class.
        best: The candidate; ``None`` if none overlaps the box.
        index: Rank of the candidate among the detections; -1 if it was not detected.
        mask: Shape (H, W), bool: that detection's mask, where there is one.
    """

    box: np.ndarray
    label: int
    best: Optional[Best] = None
    index: int = -1
    mask: Optional[np.ndarray] = None


class GivenTargets(BoxTargets):
    """Boxes that the user gives, each with its class.

    For each the best candidate is found before thresholds and suppression: the network runs once, and its
    post-processing once as it is, and once opened for each class. See :class:`BoxTargets` for what is not said here.

    Attributes:
        picks: One per box, once the network has run.
        asked: Which of the boxes have a candidate, in the order of :attr:`ranks`.
        detected: What the detector found.

    Args:
        detector: The detector.
        picture: See :func:`mmlens.explain_boxes`.
        target: Name of a box target.
        boxes: Shape (N, 4), float64, in picture pixels.
        labels: Their classes, by name or index.
        against: See :class:`BoxTargets`.
        **words: See :class:`Targets`.
    """

    picks: List[Pick]
    asked: List[int]
    detected: Predictions

    def __init__(
        self,
        detector: Detector,
        picture: Picture,
        target: str,
        boxes: np.ndarray,
        labels: Labels,
        against: Optional[Classes] = None,
        **words: Any,
    ) -> None:
        super().__init__(detector, picture, target, self._ranks_in, against, **words)
        self.needs_gradients = True  # candidates are found in the pass with gradients
        self._contrasts_asked = against is not None
        self._boxes, self._given = boxes, labels
        self.picks, self.asked = [], []
        self._search: Optional[Search] = None
        self._rows: Optional[Rows] = None
        self._opening: Optional[Opened] = None

    def scalars(self, tap: Tap) -> List[Tensor]:
        """See :class:`Targets`: those of the boxes that have a candidate."""
        check_in_picture(self._boxes, self.prepared.picture)
        labels = self.network.class_indexes(one_each(self._given, len(self._boxes)), self.prepared) or []
        seen = ClassScores(self._number_of_classes())
        self._search = Search(self.network, self.prepared, seen)
        with Once(self.network.model) as once, live_graph(seen) as graph, tap.before_layers(graph.paused):
            found = self._search.run(once, self._boxes, labels)
        self.detected, self.found = self._search.detected, found.candidates
        self.ranks = range(len(self.found))
        self._asked = self.found.subset(self.ranks)
        self.asked = [n for n, best in enumerate(found.best) if best is not None]
        indexes = dict(zip(self.asked, self.detected.match(self._asked)))
        self.picks = [
            Pick(box, label, found.best[n], indexes.get(n, -1), self._mask(indexes.get(n, -1)))
            for n, (box, label) in enumerate(zip(self._boxes, labels))
        ]
        if self._contrasts_asked:
            self._scores = seen
            return self._contrasts(seen)
        return [self._scalar_of(self.found.scores[rank], self.found.boxes[rank]) for rank in self.ranks]

    def _mask(self, index: int) -> Optional[np.ndarray]:
        masks = self.detected.masks
        return None if masks is None or index < 0 else masks[index].detach().cpu().numpy().astype(bool)

    def run(self, copies: int) -> List[Any]:
        """See :class:`Targets`: with post-processing opened for the candidates."""
        if self._opening is None:
            return super().run(copies)
        with self._opening.opened(self._rows):
            return super().run(copies)

    def runs(self, replay: Replay, method: Measured, options: Dict[str, Any]) -> Optional[Runs]:
        """See :class:`Targets`."""
        if not self.asked:
            return None
        assert self._search is not None and self._asked is not None
        self._rows = self._search.rows(self._asked)  # tells them by their logits, which takes a backward pass of each
        self._opening = self._search.opening(lambda: replay.depth, self._asked)
        runs = _OpenedRuns(self.network, self.prepared, replay, options)
        runs.opening, runs.rows = self._opening, self._rows
        return self._measured_in(runs, method)

    def _ranks_in(self, found: Predictions) -> List[int]:
        assert self._asked is not None
        ranks = found.match(self._asked)
        if -1 in ranks:
            n = self.asked[ranks.index(-1)]
            raise MethodError(
                f'The candidate of box {n} cannot be followed in altered passes beside those of the other boxes: '
                'explain it alone, or by a method of one pass, such as evidencecam.'
            )
        return ranks


class _OpenedRuns(BoxRuns):
    """Runs with post-processing opened, but for those in which the detector is a black box.

    Attributes:
        opening: Opens it.
        rows: Tells the candidates where nothing is altered; followed choices need no telling.
    """

    opening: Opened
    rows: Optional[Rows]

    def _run(self, level: Optional[Level], values: Tensor) -> List[Any]:
        told = not self.by_overlap and not self._selection.follows
        with self.opening.opened(self.rows if told else None):
            return super()._run(level, values)
