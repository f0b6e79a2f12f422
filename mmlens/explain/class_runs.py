"""Class maps by methods that run the classifier, or what follows its layers, many times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence, Tuple

import torch
from torch import Tensor, nn

from ..attribution.fuse import fuse_layers
from ..attribution.methods import PassJob, PassMethod, Progress
from ..attribution.methods.activation import first_component
from ..attribution.methods.multi_pass import Runs, fitting, note_of_memory, place_of
from ..attribution.passes.altering import batch_axis
from ..attribution.passes.memory import Allocations
from ..attribution.passes.replay import Replay
from ..attribution.tap import Level
from ..models.classifier import Classifier


class ClassRuns(Runs):
    """Runs a classifier with altered features or inputs, and measures the logits of the same classes each time.

    Args:
        classifier: The classifier.
        inputs: Shape (1, 3, H, W): the unaltered input.
        replay: A replay of the classifier on this input, nothing recorded yet.
        categories: The classes.
        options: Of the method; ``batch_size`` and ``memory`` count here.
    """

    def __init__(
        self, classifier: Classifier, inputs: Tensor, replay: Replay, categories: Sequence[int], options: Dict[str, Any]
    ) -> None:
        self.classifier = classifier
        self.inputs = inputs
        self.replay = replay
        self._categories = list(categories)
        self._options = options
        self._reference = self._of_classes(replay.record())[0]
        self._sizes: Dict[Tuple[str, int], int] = {}  # at layers' levels, and at the input

    @property
    def reference(self) -> Tensor:
        """Shape (N,): the logits of the unaltered input."""
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

    def at_level(self, level: Level, altered: Tensor) -> Tensor:
        """See :class:`Runs`."""
        axis = batch_axis(level)
        self.passes += altered.shape[axis]
        parts = altered.split(self.batch_size(level), axis)
        return torch.cat([self._of_classes(self.replay(level, part.contiguous())) for part in parts])

    def at_input(self, altered: Tensor) -> Tensor:
        """See :class:`Runs`."""
        return self._of_classes(self._logits(altered))

    def similarity(self, altered: Tensor) -> Tensor:
        """See :class:`Runs`: the confidences in the classes."""
        return self._of_classes(self.classifier.scores(self._logits(altered)))

    def _logits(self, altered: Tensor) -> Tensor:
        self.passes += len(altered)
        return torch.cat([self.classifier.logits_of(part) for part in altered.split(self.batch_size())])

    def _of_classes(self, values: Tensor) -> Tensor:
        return values[:, self._categories].float()


@dataclass
class ClassPasses:
    """What came of many passes.

    Attributes:
        maps: Shape (H, W), float32 >= 0, for each class.
        interrupted: Whether they were ended early.
        notes: Sentences for the user.
    """

    maps: List[Tensor]
    interrupted: bool
    notes: List[str]


def class_maps_by_passes(
    classifier: Classifier,
    inputs: Tensor,
    layers: Dict[str, nn.Module],
    method: PassMethod,
    options: Dict[str, Any],
    categories: Sequence[int],
    *,
    extra_tokens: Optional[int] = None,
    eigen_smooth: bool = False,
    progress: Optional[Progress] = None,
) -> ClassPasses:
    """Maps of classes, all in the same passes.

    Args:
        classifier: The classifier.
        inputs: Shape (1, 3, H, W).
        layers: The layers, by the names that errors will show.
        method: The method.
        options: All of its options.
        categories: The classes.
        extra_tokens: See :func:`mmlens.explain_classes`.
        eigen_smooth: See :func:`mmlens.explain_classes`.
        progress: See :func:`mmlens.explain_boxes`.

    Returns:
        The maps, and what there is to say of them.
    """
    size = (int(inputs.shape[2]), int(inputs.shape[3]))

    def run(copies: int) -> Tensor:
        return classifier.logits_of(inputs.expand(copies, -1, -1, -1))

    with Replay(classifier.model, layers, run) as replay:
        runs = ClassRuns(classifier, inputs, replay, categories, options)
        levels = replay.levels(size, extra_tokens)
        job = PassJob(levels, runs, inputs, [], False, options, progress)
        if eigen_smooth:
            job.combine = lambda weighted: first_component(weighted[None])[0]
        maps = method.explain(job)
    raws = [fuse_layers([each for each in of_class if each is not None], size) for of_class in maps]
    return ClassPasses(raws, job.interrupted, note_of_memory(options, runs))
