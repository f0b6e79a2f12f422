"""Maps of the selected detections of one picture: by one pass with gradients, or by many passes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from torch import nn

from ..attribution.attribute import Attribution, attribute, gradients_at
from ..attribution.fuse import fuse_levels
from ..attribution.graph import live_graph
from ..attribution.methods import Method, PassJob, PassMethod, Progress
from ..attribution.methods.multi_pass import Dependence, dependences, note_of_memory
from ..attribution.passes.replay import Replay
from ..attribution.tap import Tap
from ..attribution.targets import box_measure, box_target
from ..models.detector import Detector, Predictions
from ..models.inputs import Picture
from ..models.network import Prepared
from .box_runs import Follower


@dataclass
class Explained:
    """Maps on the input's grid, of some of the detections on a picture.

    Attributes:
        prepared: The picture.
        found: All that the detector found.
        ranks: Which of them are explained.
        maps: A map for each of these.
        notes: Sentences for the user.
        passes: How often something was run altered.
        unfinished: Whether that was ended early.
    """

    prepared: Prepared
    found: Predictions
    ranks: Sequence[int]
    maps: List[Attribution] = field(default_factory=list)
    notes: List[str] = field(default_factory=list)
    passes: int = 0
    unfinished: bool = False


@dataclass
class BoxJob:
    """What all methods have to know.

    Attributes:
        detector: The detector.
        picture: File name, or (H, W, 3) uint8 BGR.
        layers: The layers, by the names that errors will show.
        target: Name of the target.
        select: Tells the ranks of the detections to explain.
        max_shape: See :func:`mmlens.explain_boxes`.
    """

    detector: Detector
    picture: Picture
    layers: Dict[str, nn.Module]
    target: str
    select: Callable[[Predictions], Sequence[int]]
    max_shape: Optional[Tuple[int, int]] = None

    def by_one_pass(self, method: Method) -> Explained:
        """Maps by activations and gradients."""
        scalar_of = box_target(self.target)
        with Tap(self.detector.model, self.layers) as tap:
            prepared, found = self._predict(tap)
            explained = Explained(prepared, found, self.select(found))
            levels = tap.levels(prepared.input_size)
            for position, rank in enumerate(explained.ranks):
                scalar = scalar_of(found.scores[rank], found.boxes[rank])
                keep_graph = position < len(explained.ranks) - 1
                explained.maps.append(
                    attribute(
                        scalar, levels, method, prepared.input_size, max_shape=self.max_shape, keep_graph=keep_graph
                    )
                )
        return explained

    def by_passes(self, method: PassMethod, options: Dict[str, Any], progress: Optional[Progress] = None) -> Explained:
        """Maps by many passes, which all detections share.

        Args:
            method: The method.
            options: All of its options.
            progress: See :func:`mmlens.explain_boxes`.
        """
        layers = self.layers if method.uses_layers else {}
        prepared, by_gradient, depends = self._dependences(layers if method.uses_gradients else {})

        def run(copies: int) -> List[Any]:
            return self.detector.samples(prepared, copies)

        with Replay(self.detector.model, layers, run) as replay:
            runs = Follower(self.detector, prepared, replay, options)
            explained = Explained(prepared, runs.found, self.select(runs.found))
            if not explained.ranks:
                return explained
            runs.choose(explained.ranks, box_measure(self.target, runs.boxes_of(explained.ranks), method.logits))
            if by_gradient is not None:
                # Passes with and without gradients round differently, which may change the order, or who scores enough.
                unknown: List[Optional[Dependence]] = [None] * len(runs.levels)
                ranks = by_gradient.match(runs.found.subset(explained.ranks))
                depends = [unknown if rank < 0 else depends[rank] for rank in ranks]
            job = PassJob(runs.levels, runs, prepared.batch['inputs'], depends, True, options, progress)
            maps = method.explain(job)
        for target, of_target in enumerate(maps):
            raw = fuse_levels([each for each in of_target if each is not None], prepared.input_size, self.max_shape)
            blank = None if bool((raw > 0).any()) else self._why_blank(job, method, target)
            explained.maps.append(Attribution(raw, blank))
        explained.passes, explained.unfinished = runs.passes, job.interrupted
        explained.notes = _notes(job, runs)
        return explained

    def _predict(self, tap: Tap) -> Tuple[Prepared, Predictions]:
        prepared = self.detector.prepare(self.picture)
        with live_graph() as graph, tap.before_layers(graph.paused):
            return prepared, self.detector.predict(prepared)

    def _dependences(
        self, layers: Dict[str, nn.Module]
    ) -> Tuple[Prepared, Optional[Predictions], List[List[Optional[Dependence]]]]:
        """The picture, the selected detections, and what each of them depends on at each level."""
        scalar_of = box_target(self.target)
        with Tap(self.detector.model, layers) as tap:
            if not layers:
                return self.detector.prepare(self.picture), None, []
            prepared, found = self._predict(tap)
            levels = tap.levels(prepared.input_size)
            ranks = self.select(found)
            scalars = [scalar_of(found.scores[rank], found.boxes[rank]) for rank in ranks]
            gradients = (gradients_at(scalar, levels, keep_graph=True) for scalar in scalars)
            return prepared, found.subset(ranks), [dependences(levels, each) for each in gradients]

    def _why_blank(self, job: PassJob, method: PassMethod, target: int) -> str:
        if job.interrupted:
            return 'it was ended before anything was found; let it run longer'
        if not method.uses_layers:
            return f'{method.name} finds no part of the picture that matters; try more masks or another method'
        names = ', '.join(f"'{name}'" for name in self.layers)
        if method.uses_gradients and job.unknown(target):
            return (
                f'{method.name} is nowhere positive at {names}, and no gradient arrives there: the target is saturated '
                'or does not come through; choose another layer or target'
            )
        return f'{method.name} is nowhere positive at {names}; choose another layer or method'


def _notes(job: PassJob, runs: Follower) -> List[str]:
    notes = note_of_memory(job.options, runs)
    if job.interrupted:
        notes.append(f'Ended early: the maps are those after {job.done} of {job.total} passes.')
    if runs.by_overlap:
        notes.append(
            f'The candidates of {type(runs.detector.model).__name__} cannot be followed through its post-processing: '
            'the boxes were found again by their overlap.'
        )
    return notes
