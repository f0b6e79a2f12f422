"""The same classes in passes with altered features or inputs."""

from __future__ import annotations

from typing import Any, Callable, Dict, Optional, Sequence, Tuple

import torch
from torch import Tensor

from ..attribution.passes.altering import batch_axis
from ..attribution.passes.memory import Allocations
from ..attribution.passes.replay import Replay
from ..attribution.passes.runs import Runs, fitting, keeping_graph, place_of
from ..attribution.tap import Level
from ..models.classifier import Classifier


class ClassRuns(Runs):
    """Runs a classifier with altered features or inputs, and measures the same classes each time.

    Args:
        classifier: The classifier.
        inputs: Shape (1, 3, H, W): the unaltered input.
        replay: A replay of the classifier on this input, recorded.
        logits: Shape (1, n): what was recorded.
        categories: The classes.
        options: Of the method; ``batch_size`` and ``memory`` count here.
        measure: Logits (B, n) -> what is measured of each class (B, N). Defaults to its logit.
    """

    def __init__(
        self,
        classifier: Classifier,
        inputs: Tensor,
        replay: Replay,
        logits: Tensor,
        categories: Sequence[int],
        options: Dict[str, Any],
        measure: Optional[Callable[[Tensor], Tensor]] = None,
    ) -> None:
        self.classifier = classifier
        self.inputs = inputs
        self.replay = replay
        self._categories = list(categories)
        self._options = options
        self._measure = measure
        self._reference = self._of_classes(logits)[0]
        self._sizes: Dict[Tuple[str, int], int] = {}  # at layers' levels, and at the input

    @property
    def reference(self) -> Tensor:
        """Shape (N,): what is measured on the unaltered input."""
        return self._reference

    @property
    def identity(self) -> str:
        """See :class:`Runs`."""
        return repr([self._categories, self._reference.tolist()])

    def batch_size(self, level: Optional[Level] = None, items: Optional[int] = None) -> int:
        """See :class:`Runs`."""
        place = place_of(level)
        if place not in self._sizes:
            with Allocations() as counted:
                self.replay(level, level.tensor.clone()) if level else self.classifier.logits_of(self.inputs)
            self.memory_of_one = max(self.memory_of_one, counted.bytes)
            fits = fitting(self._options, counted.bytes, self.inputs.device, of_inputs=level is None)
            self._sizes[place] = fits if level is None or self.replay.batches else 1
        return self._sizes[place]

    def one_by_one(self) -> None:
        """See :class:`Runs`."""
        self._options, self._sizes = {**self._options, 'batch_size': 1}, {}

    def at_level(self, level: Level, altered: Tensor) -> Tensor:
        """See :class:`Runs`."""
        axis = batch_axis(level)
        self.passes += altered.shape[axis]
        parts = altered.split(self.batch_size(level), axis)
        return torch.cat([self._of_classes(self.replay(level, part.contiguous())) for part in parts])

    def at_input(self, altered: Tensor) -> Tensor:
        """See :class:`Runs`."""
        return self._of_classes(self._logits(altered))

    def with_graph(self, altered: Tensor) -> Tensor:
        """See :class:`Runs`."""
        self.batch_size()  # measured without a graph
        with keeping_graph(self.classifier.model):
            return self.at_input(altered)

    def similarity(self, altered: Tensor) -> Tensor:
        """See :class:`Runs`: the confidences in the classes, or what is measured instead of logits."""
        logits = self._logits(altered)
        return self._of_classes(logits if self._measure else self.classifier.scores(logits))

    def _logits(self, altered: Tensor) -> Tensor:
        self.passes += len(altered)
        return torch.cat([self.classifier.logits_of(part) for part in altered.split(self.batch_size())])

    def _of_classes(self, values: Tensor) -> Tensor:
        return self._measure(values.float()) if self._measure else values[:, self._categories].float()
