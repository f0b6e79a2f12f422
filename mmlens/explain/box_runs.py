"""The same detections in passes with altered features or inputs."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import torch
from torch import Tensor
from torchvision.ops import box_iou

from ..attribution.class_scores import watching
from ..attribution.graph import live_graph
from ..attribution.passes.altering import batch_axis
from ..attribution.passes.memory import Allocations, is_out_of_memory
from ..attribution.passes.replay import Replay
from ..attribution.passes.runs import Runs, fitting, keeping_graph, place_of
from ..attribution.passes.selection import Diverged, Selection
from ..attribution.tap import Level
from ..errors import MethodError
from ..models.detector import Detector
from ..models.network import Prepared
from .candidates import Candidates
from .post_processing import following_post_processing, lowered_thresholds, settings_of

# (scores (N,), boxes (N, 4)) -> values (N,)
Measure = Callable[[Tensor, Tensor], Tensor]
# (logits (n,) of the candidate of each of N targets) -> values (N,)
MeasureOfLogits = Callable[[Sequence[Optional[Tensor]]], Tensor]
_SAME_IOU = 0.9
_FEW = 2  # copies that show how choices are made for several


class BoxRuns(Runs):
    """Runs a detector with altered features or inputs, and measures the same detections each time.

    A detection is followed by the choices that post-processing made for the unaltered picture
    (:class:`~mmlens.attribution.passes.selection.Selection`): it stays the same prior, proposal or query, whatever its
    neighbours do. A detector whose post-processing does not reach the same choices again is measured by the
    best overlap within the class, under a lowered score threshold.

    Attributes:
        by_overlap: Whether detections are followed by overlap.
        found: What the detector found on the unaltered picture.
        levels: What the tapped layers returned.

    Args:
        detector: The detector.
        prepared: The picture.
        replay: A replay of the detector on this picture, nothing recorded yet.
        options: Of the method; ``batch_size`` and ``memory`` count here.
    """

    def __init__(self, detector: Detector, prepared: Prepared, replay: Replay, options: Dict[str, Any]) -> None:
        self.detector = detector
        self.prepared = prepared
        self.replay = replay
        self.by_overlap = False
        (sample,) = replay.record()
        self.found = detector.in_picture(prepared, sample)
        self.levels = replay.levels(prepared.input_size)
        self._options = options
        self._selection = Selection(lambda: replay.depth)
        self._of_copies: List[Tensor] = []  # where the wanted detections stand in what each copy returns
        self._counts: List[int] = []  # how many detections each copy returns
        self._settled: Optional[Tuple[str, int]] = None  # what the batch size was found for
        self._counted: Tuple[int, int] = (0, 0)  # numbers of the level a pass was weighed at, and its bytes
        self._size = 1
        self._spread = False  # whether choices were recorded of one copy, and stand for each of a batch
        self._candidates: Optional[Candidates] = None
        self._measure_of_logits: Optional[MeasureOfLogits] = None

    def boxes_of(self, ranks: Sequence[int]) -> Tensor:
        """Boxes (N, 4) of detections of the unaltered picture, in picture pixels."""
        return self.found.subset(ranks).boxes

    def choose(self, ranks: Sequence[int], measure: Measure) -> None:
        """Set which detections are followed, and what is measured of each."""
        self._wanted = self.found.subset(ranks)
        self._measure = measure

    def follow(self, candidates: Candidates, measure: MeasureOfLogits) -> None:
        """Measure the class logits of the detections' candidates instead."""
        self._candidates, self._measure_of_logits = candidates, measure

    @property
    def reference(self) -> Tensor:
        """Shape (N,): what is measured on the unaltered picture."""
        if self._candidates is not None and self._measure_of_logits is not None:
            return self._measure_of_logits(self._candidates.rows)
        return self._measure(self._wanted.scores, self._wanted.boxes)

    @property
    def notes(self) -> List[str]:
        """See :class:`Runs`."""
        if not self.by_overlap:
            return []
        return [
            f'The candidates of {type(self.detector.model).__name__} cannot be followed through its post-processing: '
            'the boxes were found again by their overlap.'
        ]

    @property
    def identity(self) -> str:
        """See :class:`Runs`: boxes, labels and scores of the detections, and the settings of post-processing."""
        wanted = self._wanted
        parts = [each.tolist() for each in (wanted.boxes, wanted.labels, wanted.scores)]
        return repr([parts, list(settings_of(self.detector.model))])

    def batch_size(self, level: Optional[Level] = None, items: Optional[int] = None) -> int:
        """See :class:`Runs`."""
        place = place_of(level)
        if self._settled != place:
            same_layer = self._settled is not None and self._settled[0] == place[0]
            self._settled = place
            self._settle(level, same_layer, items)
        return self._size

    def one_by_one(self) -> None:
        """See :class:`Runs`."""
        self._options, self._settled = {**self._options, 'batch_size': 1}, None

    def at_level(self, level: Level, altered: Tensor) -> Tensor:
        """See :class:`Runs`."""
        return self._measured(level, altered)

    def at_input(self, altered: Tensor) -> Tensor:
        """See :class:`Runs`."""
        return self._measured(None, altered)

    def with_graph(self, altered: Tensor) -> Tensor:
        """See :class:`Runs`."""
        self.batch_size()  # choices are recorded without a graph
        with keeping_graph(self.detector.model), live_graph():
            return self._measured(None, altered)

    def similarity(self, altered: Tensor) -> Tensor:
        """See :class:`Runs`: the best product of overlap and score within the class.

        Source: Petsiuk et al. 2021, eq. 2 to 4, for detectors that return a class and no distribution.
        """
        self.passes += len(altered)
        wanted = self._wanted
        with lowered_thresholds(self.detector.model):
            samples = self.detector.samples(self.prepared, len(altered), altered)
        values = []
        for sample in samples:
            found = self.detector.in_picture(self.prepared, sample)
            overlap = box_iou(wanted.boxes, found.boxes).nan_to_num(0.0)  # two boxes without area have none
            alike = overlap * found.scores * (wanted.labels[:, None] == found.labels)
            values.append(alike.amax(1) if len(found) else torch.zeros_like(wanted.scores))
        return torch.stack(values)

    def _measured(self, level: Optional[Level], altered: Tensor) -> Tensor:
        size, axis = self.batch_size(level), 0 if level is None else batch_axis(level)
        parts = altered.split(size, axis)
        self.passes += altered.shape[axis]
        return torch.cat([self._one_batch(level, part, axis) for part in parts])

    def _samples(self, level: Optional[Level], values: Tensor) -> List[Any]:
        if self._candidates is None:
            return self._run(level, values)
        with watching(self._candidates.renew()):
            return self._run(level, values)

    def _run(self, level: Optional[Level], values: Tensor) -> List[Any]:
        if level is not None:
            return self.replay(level, values)
        return self.replay.whole(lambda: self.detector.samples(self.prepared, len(values), values))

    def _plain(self, level: Optional[Level]) -> Tensor:
        return self.prepared.batch['inputs'] if level is None else level.tensor

    def _one_batch(self, level: Optional[Level], part: Tensor, axis: int) -> Tensor:
        number = part.shape[axis]
        if self.by_overlap:
            with lowered_thresholds(self.detector.model):
                return torch.stack([self._by_overlap(sample) for sample in self._samples(level, part.contiguous())])
        # Choices that were recorded of a whole batch are followed by one: one that is not full is filled up.
        missing = 0 if self._spread else self._size - number
        full = torch.cat([part, *[self._plain(level)] * missing], axis) if missing else part.contiguous()
        try:
            with self._selection.follow(number if self._spread else 1), following_post_processing(self._selection):
                samples = self._samples(level, full)
            found = [len(sample.pred_instances) for sample in samples]
            if found != (self._counts * number if self._spread else self._counts):
                raise Diverged('not all choices were followed')
        except (Diverged, RuntimeError, IndexError) as error:
            if is_out_of_memory(error):
                raise
            self.repeated += 1
            if self._spread:
                self._spread = False
                self._record(level)
            else:
                self.by_overlap = True
            return self._measured_again(level, part, axis)
        return self._values(samples[:number])

    def _measured_again(self, level: Optional[Level], part: Tensor, axis: int) -> Tensor:
        return torch.cat([self._one_batch(level, each, axis) for each in part.split(self._size, axis)])

    def _settle(self, level: Optional[Level], recorded: bool, items: Optional[int]) -> None:
        """Find how many passes to run at a time, and record the choices made for as many unaltered copies.

        Args:
            level: Where outputs are altered; ``None`` for the input.
            recorded: Whether choices were recorded at another level of the layer, which are the same here.
            items: See :meth:`Runs.batch_size`.
        """
        numbers = self._plain(level).numel()
        if not recorded or numbers > self._counted[0]:
            with Allocations() as counted:
                if recorded:
                    self._samples(level, self._plain(level))
                else:
                    self._size, self._spread = 1, False
                    self._record(level)
            self._counted = (numbers, counted.bytes)
        each = self._counted[1]  # a pass from a level of less numbers takes no more
        self.memory_of_one = max(self.memory_of_one, each)
        fits = fitting(self._options, each, self.found.scores.device, of_inputs=level is None)
        size = fits if items is None else min(fits, items)
        if not self.replay.batches or self.by_overlap:
            self._size = 1
            return
        if self._spread:
            self._size = size
            return
        # Where choices are known, recording them again costs more than a slightly better batch size would save.
        near = size / 4 < self._size < 4 * size
        will_do = near and self._size <= fits if recorded else size == self._size
        if not will_do:
            self._size = size
            self._spread = not recorded and size > _FEW and self._can_be_spread(level)
            if not self._spread:
                self._record(level)

    def _can_be_spread(self, level: Optional[Level]) -> bool:
        """Whether the choices recorded of one copy are those of each of a few copies; recording many costs as many."""
        if self._candidates is not None:  # which are looked up in the whole batch
            return False
        few = Selection(lambda: self.replay.depth)
        try:
            with few.record(), following_post_processing(few):
                samples = self._samples(level, self._copies(level, _FEW))
        except (RuntimeError, IndexError, ValueError, AssertionError) as error:
            if is_out_of_memory(error):
                raise
            return False
        same = [len(sample.pred_instances) for sample in samples] == self._counts * _FEW
        return same and self._selection.spreads(few, _FEW)

    def _copies(self, level: Optional[Level], number: int) -> Tensor:
        plain = self._plain(level)
        return torch.cat([plain] * number, 0 if level is None else batch_axis(level))

    def _record(self, level: Optional[Level]) -> None:
        try:
            with self._selection.record(), following_post_processing(self._selection):
                samples = self._samples(level, self._copies(level, self._size))
            self._of_copies = [self._positions(sample) for sample in samples]
            self._counts = [len(sample.pred_instances) for sample in samples]
            if self._candidates is not None and not self._candidates.settle(self._size):
                raise _NotTheSame
        except (RuntimeError, IndexError, ValueError, AssertionError, _NotTheSame) as error:
            if is_out_of_memory(error):
                raise
            # A detector that takes one picture at a time, or whose rounding differs between copies.
            if self._size == 1:
                self.by_overlap = True
                return
            self._size = 1
            self._record(level)

    def _positions(self, sample: Any) -> Tensor:
        """Where the wanted detections stand in what the model returned for an unaltered copy."""
        found = self.detector.in_picture(self.prepared, sample)
        wanted = self._wanted
        assert wanted.positions is not None and found.positions is not None
        own = sample.pred_instances
        if len(own) > int(wanted.positions.max()):
            same = self.detector.in_picture(self.prepared, sample, wanted.positions)
            # Within rounding, which the order of equal scores may hang on.
            if torch.equal(same.labels, wanted.labels) and torch.allclose(same.boxes, wanted.boxes, atol=0.1):
                return wanted.positions
        overlap = box_iou(wanted.boxes, found.boxes) * (wanted.labels[:, None] == found.labels)
        if not overlap.numel() or bool((overlap.amax(1) < _SAME_IOU).any()):
            raise _NotTheSame
        return found.positions[overlap.argmax(1)]

    def _values(self, samples: Sequence[Any]) -> Tensor:
        if self._candidates is not None and self._measure_of_logits is not None:
            measured = [self._measure_of_logits(self._candidates.logits(copy)) for copy in range(len(samples))]
            return torch.nan_to_num(torch.stack(measured))
        positions = self._of_copies * len(samples) if self._spread else self._of_copies[: len(samples)]
        found = self.detector.each_in_picture(self.prepared, samples, positions)
        return torch.nan_to_num(torch.stack([self._measure(*each) for each in found]))

    def _by_overlap(self, sample: Any) -> Tensor:
        if self._candidates is not None:
            raise MethodError(
                f'The candidates of {type(self.detector.model).__name__} cannot be followed in altered passes: leave '
                'out `against`, or use a method of one pass, such as evidencecam.'
            )
        found = self.detector.in_picture(self.prepared, sample)
        wanted = self._wanted
        lost = self._measure(torch.zeros_like(wanted.scores), torch.zeros_like(wanted.boxes))
        if not len(found):
            return lost
        overlap = box_iou(wanted.boxes, found.boxes) * (wanted.labels[:, None] == found.labels)
        best, index = overlap.max(1)
        values = self._measure(found.scores[index], found.boxes[index])
        return torch.where(best >= 0.5, values, lost)


class _NotTheSame(Exception):
    """A copy of the picture does not give the detections that the picture gives."""
