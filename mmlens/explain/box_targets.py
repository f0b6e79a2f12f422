"""What is asked of a detector: the score, or the edges, of each selected detection."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Union

import torch
from torch import Tensor

from ..attribution.attribute import Attribution
from ..attribution.class_scores import Candidate, ClassScores
from ..attribution.contrast import AUTO, BACKGROUND, ITSELF, Against, contrast, contrasted, one_of
from ..attribution.graph import live_graph
from ..attribution.methods import Method, PassMethod
from ..attribution.passes.replay import Replay
from ..attribution.passes.runs import Runs
from ..attribution.tap import Level, Tap
from ..attribution.targets import box_measure, box_target
from ..errors import MethodError, MmlensError, PictureError
from ..models.detector import Detector
from ..models.inputs import Picture
from ..models.predictions import Predictions
from .box_runs import BoxRuns
from .candidates import Candidates
from .other_levels import tell_other_levels
from .targets import Known, Measured, Targets

Classes = Union[str, int, Sequence[Union[str, int]]]
Select = Callable[[Predictions], Sequence[int]]


class BoxTargets(Targets):
    """Some of the detections on a picture.

    Attributes:
        found: All that the detector found, once it has run.
        ranks: Which of them are explained.
        others: The classes that each of these is contrasted with, as indexes into its candidate's logits; ``None``
            where there is nothing to contrast with.

    Args:
        detector: The detector.
        picture: See :func:`mmlens.explain_boxes`.
        target: Name of a box target; see :func:`mmlens.explain_boxes`.
        select: Tells the ranks of the detections to explain.
        against: What the class of each is contrasted with; see :func:`mmlens.explain_boxes`.
        **words: See :class:`Targets`.

    Raises:
        MmlensError: If there is no such target.
    """

    network: Detector
    found: Predictions
    ranks: Sequence[int] = ()
    others: Sequence[Optional[List[int]]] = ()

    def __init__(
        self,
        detector: Detector,
        picture: Picture,
        target: str,
        select: Select,
        against: Optional[Classes] = None,
        **words: Any,
    ) -> None:
        super().__init__(detector, picture, **words)
        self._target, self._scalar_of = target, box_target(target)
        self._select = select
        self._against = one_of(against)
        self.needs_gradients = self.contrasts = against is not None
        self._asked: Optional[Predictions] = None  # of the pass with gradients
        self._candidates: List[Optional[Candidate]] = []
        self._scores: Optional[ClassScores] = None
        if against is not None and target != 'score':
            raise MmlensError("`against` contrasts the scores of classes: leave `target` at 'score'.")

    def check(self, method: Method) -> None:
        """See :class:`Targets`."""
        super().check(method)
        if isinstance(method, PassMethod) and method.scores_only and self._target != 'score':
            raise MethodError(f"Method '{method.name}' knows scores and overlaps only: leave `target` at 'score'.")
        if isinstance(method, PassMethod) and method.scores_only and self._against is not None:
            raise MethodError(
                f"Method '{method.name}' follows no candidate, whose classes could be contrasted: leave out `against`."
            )

    def default_layers(self) -> Sequence[str]:
        """The neck where there is one, else the backbone."""
        return self.network.default_layers

    def scalars(self, tap: Tap) -> List[Tensor]:
        """See :class:`Targets`."""
        prepared = self.prepared
        self._scores = None if self._against is None else ClassScores(self._number_of_classes())
        with live_graph(self._scores) as graph, tap.before_layers(graph.paused):
            found = self.network.predict(prepared)
        return self._scalars_of(found)

    @property
    def go_together(self) -> bool:
        """See :class:`Targets`."""
        return type(self) is BoxTargets and self._against is None and not self.network.needs_words

    @property
    def in_replay(self) -> bool:
        """See :class:`Targets`."""
        return type(self) is BoxTargets and self._against is None

    def scalars_in(self, replay: Replay, levels: Sequence[Level]) -> Optional[Tuple[List[Tensor], List[Level]]]:
        """See :class:`Targets`."""
        with live_graph():
            returned = replay.from_layers(levels)
        if returned is None:
            return None
        (sample,), starts = returned
        found = self.network.in_picture(self.prepared, sample)
        ranks = self._select(found)
        self._asked = found.subset(ranks)
        return [self._scalar_of(found.scores[rank], found.boxes[rank]) for rank in ranks], starts

    @staticmethod
    def scalars_together(several: Sequence[BoxTargets], tap: Tap) -> List[List[Tensor]]:
        """See :class:`Targets`."""
        with live_graph() as graph, tap.before_layers(graph.paused):
            found = several[0].network.predict_together([each.prepared for each in several])
        return [each._scalars_of(its) for each, its in zip(several, found)]

    def _scalars_of(self, found: Predictions) -> List[Tensor]:
        self.found = found
        self.ranks = self._select(found)
        self._asked = found.subset(self.ranks)
        if self._scores is None:
            return [self._scalar_of(found.scores[rank], found.boxes[rank]) for rank in self.ranks]
        return self._contrasts(self._scores)

    def _number_of_classes(self) -> int:
        number = self.network.num_classes
        return len(self.network.names(self.prepared)) if number is None else number

    def _contrasts(self, scores: ClassScores) -> List[Tensor]:
        """The contrast of each box; 0 without a graph where there is none."""
        found, labels = self.found, self.found.labels.tolist()
        self._candidates = [scores.candidate(found.scores[rank], int(labels[rank])) for rank in self.ranks]
        against = self._classes_against()
        others: List[Optional[List[int]]] = []
        contrasts = []
        for rank, candidate in zip(self.ranks, self._candidates):
            label, nothing = int(labels[rank]), found.scores.new_zeros(())
            logits = None if candidate is None else candidate.logits(scores.seen)
            chosen = None
            if candidate is not None and logits is not None:
                chosen = contrasted(against, logits, label, scores.classes, candidate.has_background)
            others.append(chosen)
            contrasts.append(nothing if chosen is None or logits is None else contrast(logits, label, chosen))
        self.others = others
        return contrasts

    def _classes_against(self) -> Against:
        against = self._against
        if isinstance(against, str) and against in (AUTO, BACKGROUND):
            return against
        return self.network.class_indexes(against, self.prepared) or []

    def correct_reasons(self, maps: Sequence[Attribution], layers: Sequence[str]) -> None:
        """See :class:`Targets`: boxes may come from another level than the layers are of."""
        tell_other_levels(self, maps, layers)

    def why_not_asked(self, position: int) -> Optional[str]:
        """See :class:`Targets`."""
        if self._scores is None or self.others[position] is not None:
            return None
        if self._candidates[position] is None:
            return 'its score comes from no single sigmoid or softmax over the classes; leave out `against`'
        return ITSELF

    def name_against(self, position: int) -> str:
        """What a box was contrasted with, as people read it; empty where it was not."""
        chosen = self.others[position] if self._scores is not None else None
        if self._scores is None or chosen is None:
            return ''
        background = self._scores.classes
        names = [
            BACKGROUND if index == background else self.network.class_name(index, self.prepared)
            for index in chosen or [background]
        ]
        return ' or '.join(names)

    def run(self, copies: int) -> List[Any]:
        """See :class:`Targets`: a data sample a copy."""
        return self.network.samples(self.prepared, copies)

    def runs(self, replay: Replay, method: Measured, options: Dict[str, Any]) -> Optional[Runs]:
        """See :class:`Targets`."""
        return self._measured_in(BoxRuns(self.network, self.prepared, replay, options), method)

    def _measured_in(self, runs: BoxRuns, method: Measured) -> Optional[Runs]:
        self.found, self.ranks = runs.found, self._select(runs.found)
        if not self.ranks:
            return None
        runs.choose(self.ranks, box_measure(self._target, runs.boxes_of(self.ranks), method.logits, method.overlap))
        if self._scores is not None:
            self._contrast_in(runs, method.logits)
        return runs

    def _contrast_in(self, runs: BoxRuns, logits: bool) -> None:
        assert self._asked is not None and self._scores is not None
        wanted = self.found.subset(self.ranks)
        positions, labels = self._asked.match(wanted), [int(label) for label in wanted.labels.tolist()]
        self.others = [None if position < 0 else self.others[position] for position in positions]
        self._candidates = [None if position < 0 else self._candidates[position] for position in positions]
        followed = [None if other is None else each for each, other in zip(self._candidates, self.others)]

        def measure(rows: Sequence[Optional[Tensor]]) -> Tensor:
            values = [
                wanted.scores.new_zeros(()) if row is None or other is None else contrast(row, label, other)
                for row, label, other in zip(rows, labels, self.others)
            ]
            # Methods that take shares of a score need one: that of the class against the others.
            return torch.stack(values) if logits else torch.stack(values).sigmoid()

        runs.follow(Candidates(followed, self._scores.seen, self._scores.classes), measure)

    def as_in_runs(self, known: List[Known], levels: int) -> List[Known]:
        """See :class:`Targets`.

        Passes with and without gradients round differently, which may change the order, or which detections
        score enough: those that the pass with gradients did not select depend on nothing that is known.
        """
        assert self._asked is not None
        unknown: Known = [None] * levels
        ranks = self._asked.match(self.found.subset(self.ranks))
        return [unknown if rank < 0 else known[rank] for rank in ranks]


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
