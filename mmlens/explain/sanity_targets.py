"""The same candidates and classes, asked of a network whose weights change."""

from __future__ import annotations

import contextlib
from typing import Any, Iterator, List, Optional, Tuple

import torch
from torch import Tensor

from ..attribution.class_scores import Candidate, ClassScores
from ..attribution.graph import live_graph
from ..attribution.passes.memory import is_out_of_memory
from ..attribution.passes.recording import Counter
from ..attribution.passes.selection import Diverged, Selection
from ..attribution.restore import swapped_forwards
from ..attribution.tap import Tap
from ..models.predictions import Predictions
from .box_targets import BoxTargets
from .class_targets import ClassTargets
from .post_processing import following_post_processing


class CandidateTargets(BoxTargets):
    """The class logit of each detection's candidate, at its place in what the head returns.

    The first pass finds the detections and their candidates, and keeps the choices of post-processing. Later passes
    make the same choices, whatever the weights are now: proposals and queries stay those of the same priors. See
    :class:`BoxTargets` for the arguments.

    Attributes:
        ranks: The detections that have a candidate, and a box with an area.
        lost: Which of them could not be read in the last pass.
        without: How many detections have no candidate.
    """

    lost: List[bool]
    without = 0

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._counter = counter = Counter()
        self._selection = Selection(lambda: counter.depth)  # without `self`: no circle keeps the picture
        self._followed: List[Tuple[Candidate, int]] = []
        self._begun = False

    def scalars(self, tap: Tap) -> List[Tensor]:
        """See :class:`Targets`; 0 without a graph for what could not be read."""
        scores, prepared, samples = ClassScores(self._number_of_classes()), self.prepared, []
        with self._same_choices(), live_graph(scores) as graph, tap.before_layers(graph.paused):
            samples = self.network.samples(prepared)
        if not self._begun:
            with live_graph():
                self._find(self.network.in_picture(prepared, samples[0]), scores)
        logits = [self._logit(candidate, label, scores) for candidate, label in self._followed]
        self.lost = [logit is None for logit in logits]
        return [torch.zeros(()) if logit is None else logit for logit in logits]

    def _find(self, found: Predictions, scores: ClassScores) -> None:
        labels, edges = [int(label) for label in found.labels.tolist()], found.boxes.detach()
        ranks = [rank for rank in self._select(found) if bool((edges[rank, 2:] > edges[rank, :2]).all())]
        candidates = {rank: scores.candidate(found.scores[rank], labels[rank]) for rank in ranks}
        self.found, self.ranks, self._begun = found, [rank for rank in ranks if candidates[rank] is not None], True
        self.without = len(ranks) - len(self.ranks)
        self._followed = [(each, labels[rank]) for rank, each in candidates.items() if each is not None]

    @staticmethod
    def _logit(candidate: Candidate, label: int, scores: ClassScores) -> Optional[Tensor]:
        if candidate.number >= len(scores.seen):
            return None
        try:
            return candidate.logits(scores.seen)[label]
        except IndexError:  # there are fewer candidates now
            return None

    def run(self, copies: int) -> List[Any]:
        """See :class:`Targets`; empty where the pass could not be finished."""
        found: List[Any] = []
        with self._same_choices():
            found = super().run(copies)
        return found

    @contextlib.contextmanager
    def _same_choices(self) -> Iterator[None]:
        """Make the choices of the first pass again; end a later one, without an error, where that is not possible."""
        model, begun = self.network.model, self._begun
        inner = [module for module in model.modules() if module is not model]
        choices = self._selection.follow() if begun else self._selection.record()
        try:
            with swapped_forwards(inner, self._counter.call), choices, following_post_processing(self._selection):
                yield
        except (Diverged, RuntimeError, IndexError) as error:
            if not begun or is_out_of_memory(error):
                raise


class SameClassTargets(ClassTargets):
    """The logits of a classifier's classes: those that the first pass found, whatever is predicted later."""

    lost: List[bool]

    def _heard(self, logits: Tensor) -> None:
        super()._heard(logits)
        self._wanted = self.categories
        self.lost = [False] * len(self.categories)
