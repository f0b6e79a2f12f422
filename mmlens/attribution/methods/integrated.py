"""Integrated gradients: what each pixel adds to the target on the way from a baseline to the input."""

from __future__ import annotations

from typing import Dict, Iterator, List, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor

from ...errors import MethodError
from ..passes.altering import blurred, one_colour
from .multi_pass import Maps, PassJob
from .registry import register_pass_method

BASELINES = ('blur', 'grey')
_COMPLETE = 0.01  # share of the change by which the sum may be off
SPREAD = 1 / 100  # of the longer side: values of single pixels change sign from one to the next
_FIRST = 8  # steps before any is divided
_SHORT = 1 / 32  # steps as short as this may be off by as much


# From one place on the way to another.
Step = Tuple[float, float]


@register_pass_method(
    'integratedgradients',
    uses_layers=False,
    logits=True,
    shows='what each pixel adds to the target on the way from a blurred or grey input; the parts add up to the whole',
    steps=96,
    baseline='blur',
)
def integrated_gradients(job: PassJob) -> List[Maps]:
    """Integrated gradients: ``sum_c (x - x') mean_a G(x' + a (x - x'))``, ``a`` from 0 to 1, at the input ``x``.

    ``G`` is the target's gradient at the input, ``x'`` the baseline: the input blurred (``'blur'``) or all of its mean
    colour (``'grey'``). The integral is taken by the midpoint rule; a step in which the pixels' values are not what the
    targets change by is divided into thirds, of which the middle one keeps the gradient that the step had, as long as
    no more than ``steps`` gradients are taken. All targets share the forward passes. Along the way a box is followed as
    the same candidate, whether or not it would be detected there.

    The values of all pixels and channels add up to the target's change from the baseline to the input (completeness);
    where the sum is more than 1 % off, a note says so. The map spreads them a little over the pixels around.

    Source: Sundararajan et al. 2017, eq. 1 and 3; https://arxiv.org/abs/1703.01365.
    """
    steps, baseline = job.options['steps'], job.options['baseline']
    if steps < 1 or baseline not in BASELINES:
        raise MethodError(
            f'`steps` must be at least 1 and `baseline` one of {", ".join(BASELINES)}, not {steps} and {baseline}.'
        )
    few = min(steps, _FIRST)
    ends = [number / few for number in range(few + 1)]
    way = _Way(job, baseline, steps - few)
    job.total = len(ends) + steps + (steps - few)  # two passes without gradients find the ends of thirds
    way.measure(ends)
    waiting = list(zip(ends, ends[1:]))
    while waiting and not job.interrupted:
        waiting = way.go(waiting)
    if not job.interrupted:
        job.total = job.done  # no more steps were needed
        job.notes += _incomplete(way.sums, way.values[1.0] - way.values[0.0])
    return [[blurred(total.sum(0, keepdim=True) / max(way.covered, 1e-12), SPREAD)[0]] for total in way.sums]


class _Way:
    """The straight way from the baseline to the input.

    Attributes:
        values: Place on the way, from 0 to 1 -> the targets there (N,), float64.
        sums: What each pixel adds, (C, H, W) for each target, on the part of the way that was gone.
        covered: How long that part is.

    Args:
        job: What the method was given.
        baseline: One of :data:`BASELINES`.
        free: How many more steps may be taken by dividing others.
    """

    def __init__(self, job: PassJob, baseline: str, free: int) -> None:
        self.values: Dict[float, np.ndarray] = {}
        self.covered = 0.0
        self._job, self._free = job, free
        end = job.inputs[0].detach()
        self._start = blurred(end) if baseline == 'blur' else one_colour(end)
        self._length = end - self._start
        self.sums = [torch.zeros_like(end, dtype=torch.float32) for _ in job.runs.reference]

    def _at(self, places: Sequence[float]) -> Tensor:
        """Shape (B, C, H, W): the inputs at some places."""
        return self._start + torch.tensor(places).to(self._start)[:, None, None, None] * self._length

    def measure(self, places: Sequence[float]) -> None:
        """Find the targets at some places."""
        for batch in self._job.batches(places):
            self.values.update(zip(batch, self._job.runs.at_input(self._at(batch)).double().cpu().numpy()))

    def go(self, steps: Sequence[Step]) -> List[Step]:
        """Take steps; returns the outer thirds of those that were off."""
        outer: List[Step] = []
        for batch in self._job.batches(steps):
            inputs = self._at([(low + high) / 2 for low, high in batch]).requires_grad_()
            parts = [self._length.float() * each for each in _gradients(self._job.runs.with_graph(inputs), inputs)]
            taken = [(step, [part[row] for part in parts]) for row, step in enumerate(batch)]
            while taken:
                taken = [middle for step, rates in taken for middle in self._take(step, rates, outer)]
        return outer

    def _take(self, step: Step, rates: List[Tensor], outer: List[Step]) -> List[Tuple[Step, List[Tensor]]]:
        """Add a step up, or divide it; returns its middle third, whose midpoint is its own.

        Args:
            step: Where it begins and ends.
            rates: What each pixel adds for a step of length 1, for each target.
            outer: Gets its outer thirds.
        """
        low, high = step
        if self._free < 2 or not self._is_off(rates, low, high):
            self.covered += high - low
            self.sums = [total + rate * (high - low) for total, rate in zip(self.sums, rates)]
            return []
        self._free -= 2
        begin, end = low + (high - low) / 3, high - (high - low) / 3
        self.measure([begin, end])
        outer += [(low, begin), (end, high)]
        return [((begin, end), rates)] if end in self.values else []  # the user ended the job

    def _is_off(self, rates: Sequence[Tensor], low: float, high: float) -> bool:
        """Whether what the pixels add in a step is not what any target changes within it."""
        change = self.values[high] - self.values[low]
        off = np.array([float(rate.double().sum()) for rate in rates]) * (high - low) - change
        whole = np.maximum(np.abs(self.values[1.0] - self.values[0.0]), 1e-9)
        return bool((np.abs(off) > _COMPLETE * max(high - low, _SHORT) * whole).any())


def _gradients(values: Tensor, tensor: Tensor) -> Iterator[Tensor]:
    """The gradient of each column of values (B, N), its rows apart, at a tensor (B, C, H, W); float32, finite."""
    for column in range(values.shape[1]):
        wanted = torch.zeros_like(values)
        wanted[:, column] = 1
        keep = column < values.shape[1] - 1
        (gradient,) = torch.autograd.grad(values, tensor, wanted, retain_graph=keep, allow_unused=True)
        found = torch.zeros_like(tensor) if gradient is None else gradient
        yield found.float().nan_to_num(0.0, 0.0, 0.0)


def _incomplete(attributions: Sequence[Tensor], change: np.ndarray) -> List[str]:
    """A sentence for the user if attributions do not add up to the targets' change (N,)."""
    sums = np.array([float(attribution.double().sum()) for attribution in attributions])
    off = np.abs(sums - change) / np.maximum(np.abs(change), 1e-9)
    number, worst = int((off > _COMPLETE).sum()), int(off.argmax())
    if not number:
        return []
    return [
        f'The values of {number} of {len(off)} maps do not add up to the change of the target within 1 % (the worst: '
        f'{sums[worst]:.2f} instead of {change[worst]:.2f}): take more `steps`.'
    ]
