"""The mean maps of noisy copies of one input, several of which go through the network together."""

from __future__ import annotations

from typing import TYPE_CHECKING, List, Optional, Sequence, Set

import torch
from torch import Tensor

from ..attribution.attribute import Attribution, attribute, gradients_of_one, gradients_of_sum
from ..attribution.gates import held_gates_of
from ..attribution.methods import OnePassMethod
from ..attribution.passes.replay import Replay
from ..attribution.passes.runs import Runs
from ..attribution.smoothing import MeanMaps, Noise
from ..attribution.tap import Level, Tap
from ..errors import LayerError

if TYPE_CHECKING:
    from .job import Job


class NoisyCopies:
    """Explains the same candidates, or classes, in noisy copies of the input.

    As many at a time as memory allows go through the network, and backward once for each target; one by one where
    layers do not keep copies apart, or candidates cannot be followed in a batch.

    Attributes:
        notes: Sentences for the user.
        passes: How many copies went through the network.
        unfinished: Whether the user ended it early.

    Args:
        job: What is asked.
        method: Of one pass, with gradients.
        noise: How many copies, and how noisy.
    """

    def __init__(self, job: Job, method: OnePassMethod, noise: Noise) -> None:
        self._job, self._method, self._noise = job, method, noise
        self._size = 0  # of the last batch
        self.notes: List[str] = []
        self.passes, self.unfinished = 0, False

    def explain(self) -> MeanMaps:
        """The mean maps of all copies, or of those that the user left time for; of none if there is no target."""
        job, mean, copies = self._job, MeanMaps(), self._noise.copies
        with Replay(job.targets.network.model, {}, job.targets.run) as replay:
            runs = job.targets.runs(replay, self._method, {'batch_size': None, 'memory': None})
            if runs is None:
                return mean
            while mean.count < copies and not self.unfinished:
                for maps in self._explained(runs, self._next(runs, mean.count)):
                    mean.add(maps)
                go_on = job.progress is None or job.progress(mean.count, copies)
                self.unfinished = not go_on and mean.count < copies
            if self._size > 1 and any(one.blank for one in mean.maps()):
                runs.one_by_one()
                mean.give_reasons(self._one(runs, self._input(0)))
            self.notes, self.passes = list(runs.notes), runs.passes
        return mean

    def _input(self, number: int) -> Tensor:
        return self._noise.added(self._job.targets.prepared.batch['inputs'], number)

    def _next(self, runs: Runs, begin: int) -> range:
        """The numbers of the copies that come next; batches are even, as those that are not full may cost as much."""
        left = self._noise.copies - begin
        rounds = -(-left // runs.batch_size(items=self._noise.copies))
        return range(begin, begin + -(-left // rounds))

    def _explained(self, runs: Runs, numbers: Sequence[int]) -> List[List[Attribution]]:
        """The map of each target in each copy."""
        inputs = [self._input(number) for number in numbers]
        self._size = len(inputs)
        if self._size > 1:
            found = self._at_once(runs, torch.cat(inputs))
            if found is not None:
                return found
            self._size = 1
            runs.one_by_one()
        return [self._one(runs, each) for each in inputs]

    def _scalars(self, runs: Runs, tap: Tap, inputs: Tensor) -> Optional[Tensor]:
        """Shape (B, N); ``None`` if candidates were lost, and the pass run once more within the tap."""
        before = runs.repeated
        with held_gates_of(self._method, tap):
            scalars = runs.with_graph(inputs)
        return scalars if runs.repeated == before else None

    def _one(self, runs: Runs, inputs: Tensor) -> List[Attribution]:
        runs.batch_size()  # choices are recorded outside of the tap
        with Tap(self._job.targets.network.model, self._job.layers) as tap:
            scalars = self._scalars(runs, tap, inputs)
            if scalars is not None:
                return self._job.attributed(tap, list(scalars[0]), self._method)
        # The layers returned twice as much.
        return self._one(runs, inputs)

    def _at_once(self, runs: Runs, inputs: Tensor) -> Optional[List[List[Attribution]]]:
        """The same in one pass, without reasons for blank maps; ``None`` where copies have to go one by one."""
        targets, how = self._job.targets, self._job.how(self._method)
        with Tap(targets.network.model, self._job.layers) as tap:
            scalars = self._scalars(runs, tap, inputs)
            levels = None if scalars is None else self._levels(tap, {len(inputs), runs.batch_size()})
            if scalars is None or levels is None:
                return None
            found: List[List[Attribution]] = [[] for _ in inputs]
            for position in range(scalars.shape[1]):
                column, more = list(scalars[:, position]), position < scalars.shape[1] - 1
                gradients = gradients_of_sum(column, tap.tensors, self._method, more)
                for n, of_copy in enumerate(found):
                    known = gradients_of_one(gradients, n, levels[n], tap.tensors)
                    size = targets.prepared.input_size
                    one = attribute(column[n], levels[n], self._method, size, known=known, **how)
                    of_copy.append(self._job.settled(one, position))
            return found

    def _levels(self, tap: Tap, sizes: Set[int]) -> Optional[List[List[Level]]]:
        """The levels of each copy of a batch, which may have been filled up; ``None`` if layers keep none apart."""
        targets = self._job.targets
        found = sizes & {len(tensor) for tensor in tap.tensors if tensor.ndim}
        try:
            if len(found) == 1:
                return tap.levels_of_each(found.pop(), targets.prepared.input_size, targets.extra_tokens)
        except LayerError:  # told of a single copy
            pass
        return None
