"""What is asked of a detector: the score, or the edges, of each selected detection."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from torch import Tensor

from ..attribution.fuse import Size, fuse_levels
from ..attribution.graph import live_graph
from ..attribution.methods import Method, PassMethod
from ..attribution.passes.replay import Replay
from ..attribution.passes.runs import Runs
from ..attribution.tap import Tap
from ..attribution.targets import box_measure, box_target
from ..errors import MethodError, PictureError
from ..models.detector import Detector
from ..models.inputs import Picture
from ..models.predictions import Predictions
from .box_runs import BoxRuns
from .job import Known, Targets

Select = Callable[[Predictions], Sequence[int]]


class BoxTargets(Targets):
    """Some of the detections on a picture.

    Attributes:
        found: All that the detector found, once it has run.
        ranks: Which of them are explained.

    Args:
        detector: The detector.
        picture: File name, or (H, W, 3) uint8 BGR.
        target: Name of a box target; see :func:`mmlens.explain_boxes`.
        select: Tells the ranks of the detections to explain.
        max_shape: See :func:`mmlens.explain_boxes`.
        **words: See :class:`Targets`.

    Raises:
        MmlensError: If there is no such target.
    """

    network: Detector
    found: Predictions
    ranks: Sequence[int] = ()

    def __init__(
        self,
        detector: Detector,
        picture: Picture,
        target: str,
        select: Select,
        max_shape: Optional[Tuple[int, int]] = None,
        **words: Any,
    ) -> None:
        super().__init__(detector, picture, **words)
        self._target, self._scalar_of = target, box_target(target)
        self._select = select
        self._max_shape = max_shape
        self._asked: Optional[Predictions] = None  # of the pass with gradients

    def check(self, method: Method) -> None:
        """See :class:`Targets`."""
        super().check(method)
        if not method.uses_layers and self._target != 'score':
            raise MethodError(f"Method '{method.name}' knows scores and overlaps only: leave `target` at 'score'.")

    def default_layers(self) -> Sequence[str]:
        """The neck where there is one, else the backbone."""
        return self.network.default_layers

    def scalars(self, tap: Tap) -> List[Tensor]:
        """See :class:`Targets`."""
        prepared = self.prepared
        with live_graph() as graph, tap.before_layers(graph.paused):
            self.found = found = self.network.predict(prepared)
        self.ranks = self._select(found)
        self._asked = found.subset(self.ranks)
        return [self._scalar_of(found.scores[rank], found.boxes[rank]) for rank in self.ranks]

    def run(self, copies: int) -> List[Any]:
        """See :class:`Targets`: a data sample a copy."""
        return self.network.samples(self.prepared, copies)

    def runs(self, replay: Replay, method: PassMethod, options: Dict[str, Any]) -> Optional[Runs]:
        """See :class:`Targets`."""
        runs = BoxRuns(self.network, self.prepared, replay, options)
        self.found, self.ranks = runs.found, self._select(runs.found)
        if not self.ranks:
            return None
        runs.choose(self.ranks, box_measure(self._target, runs.boxes_of(self.ranks), method.logits, method.overlap))
        return runs

    def as_in_runs(self, known: List[Known], levels: int) -> List[Known]:
        """See :class:`Targets`.

        Passes with and without gradients round differently, which may change the order, or which detections
        score enough: those that the pass with gradients did not select depend on nothing that is known.
        """
        assert self._asked is not None
        unknown: Known = [None] * levels
        ranks = self._asked.match(self.found.subset(self.ranks))
        return [unknown if rank < 0 else known[rank] for rank in ranks]

    def fuse(self, maps: Sequence[Tensor], size: Size) -> Tensor:
        """The levels' maps added up; see :func:`~mmlens.attribution.fuse.fuse_levels`."""
        return fuse_levels(maps, size, self._max_shape)


def select_detections(
    found: Predictions,
    score_thr: float,
    classes: Optional[Sequence[int]],
    instances: Optional[Sequence[int]],
    topk: int,
) -> List[int]:
    """Ranks of the detections to show; for the arguments see :func:`mmlens.explain_boxes`.

    Raises:
        PictureError: If there is no detection of a rank asked for.
    """
    scores, labels = found.scores.detach().tolist(), found.labels.tolist()
    ranks = [rank for rank, score in enumerate(scores) if score >= score_thr]
    if instances is not None:
        beyond = [i for i in instances if not 0 <= i < len(ranks)]
        if beyond and ranks:
            raise PictureError(
                f'There is no instance {beyond[0]}: {len(ranks)} detections score at least {score_thr}, '
                f'0 to {len(ranks) - 1}.'
            )
        ranks = [rank for rank in ranks if rank in set(instances)]
    if classes is not None:
        ranks = [rank for rank in ranks if labels[rank] in classes]
    return ranks if topk < 0 else ranks[:topk]
