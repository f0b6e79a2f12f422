"""Integrated gradients: what each pixel adds to the target on the way from a baseline to the input."""

from __future__ import annotations

from dataclasses import dataclass
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
_CANCELLING = 0.1  # share by which steps may be off, all their signs made equal: sums are complete by chance, too
_AT_ONCE = 4  # steps that are divided before the next are chosen,
_AS_BAD = 0.5  # which are off by at least this share of what the worst is off by
_SHORTEST = 1e-6  # places that lie closer are hardly two in float32
_HELD = 320_000_000  # bytes of gradients that are kept of steps that may still be divided


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
    colour (``'grey'``). The integral is taken by the midpoint rule. What a step's values are off by is known, as the
    targets at its two ends are. The worst steps are divided into thirds, of which the middle one keeps the gradient
    that the step had, as long as no more than ``steps`` gradients are taken: those that are off by the largest share
    of the whole change of any target that is not complete yet. When all are, no more steps are taken. All targets
    share the forward passes. Along the way a box is followed as the same candidate, whether or not it would be
    detected there.

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
    way, free = _Way(job, baseline), steps - few
    job.total = len(ends) + steps + free  # two passes without gradients find the ends of thirds
    way.measure(ends)
    way.go(list(zip(ends, ends[1:])))
    while free > 1 and not job.interrupted:
        worst = way.worst(min(_AT_ONCE, free // 2))
        if not worst:
            break
        free -= 2 * len(worst)
        way.divide(worst)
    sums = way.sums()
    if not job.interrupted:
        job.total = job.done  # no more steps were needed
        job.notes += _incomplete(sums, way.change)
    return [[blurred(total.sum(0, keepdim=True) / max(way.covered, 1e-12), SPREAD)[0]] for total in sums]


@dataclass(eq=False)
class _Step:
    """A part of the way that was gone.

    Attributes:
        low, high: Where it begins and ends.
        rates: What each pixel would add on the whole way, (C, H, W) for each target.
        off: Shape (N,), float64: what all pixels add in it, minus the targets' change within it.
    """

    low: float
    high: float
    rates: List[Tensor]
    off: np.ndarray

    @property
    def length(self) -> float:
        """A share of the way."""
        return self.high - self.low


class _Way:
    """The straight way from the baseline to the input.

    Attributes:
        values: Place on the way, from 0 to 1 -> the targets there (N,), float64.

    Args:
        job: What the method was given.
        baseline: One of :data:`BASELINES`.
    """

    def __init__(self, job: PassJob, baseline: str) -> None:
        self.values: Dict[float, np.ndarray] = {}
        self._job = job
        end = job.inputs[0].detach()
        self._start = blurred(end) if baseline == 'blur' else one_colour(end)
        self._length = end - self._start
        self._open: List[_Step] = []  # may still be divided
        self._settled = [torch.zeros_like(end, dtype=torch.float32) for _ in job.runs.reference]
        self._off = np.zeros((2, len(self._settled)))  # shares by which these steps are off, with and without signs
        self._gone = 0.0  # how long they are

    @property
    def change(self) -> np.ndarray:
        """Shape (N,): what the targets change by on the whole way."""
        return self.values[1.0] - self.values[0.0]

    @property
    def covered(self) -> float:
        """The share of the way that was gone."""
        return self._gone + sum(step.length for step in self._open)

    def sums(self) -> List[Tensor]:
        """What each pixel adds, (C, H, W) for each target, on the part of the way that was gone."""
        self._settle(0)
        return self._settled

    def _at(self, places: Sequence[float]) -> Tensor:
        """Shape (B, C, H, W): the inputs at some places."""
        return self._start + torch.tensor(places).to(self._start)[:, None, None, None] * self._length

    def measure(self, places: Sequence[float]) -> None:
        """Find the targets at some places."""
        for batch in self._job.batches(places):
            self.values.update(zip(batch, self._job.runs.at_input(self._at(batch)).double().cpu().numpy()))

    def go(self, parts: Sequence[Tuple[float, float]]) -> None:
        """Take steps, from one place to another each."""
        self._open += self._taken(parts)
        self._settle(self._most)

    def worst(self, number: int) -> List[_Step]:
        """The steps that are off most, for targets whose sums are not complete; none if all are."""
        shares = np.array([step.off / self._whole for step in self._open])
        total, size = self._off[0] + shares.sum(0), self._off[1] + np.abs(shares).sum(0)
        wanting = (np.abs(total) > _COMPLETE) | (size > _CANCELLING)
        if not wanting.any():
            return []
        pairs = zip(np.abs(shares)[:, wanting].max(1), self._open)
        off = sorted((p for p in pairs if p[1].length > _SHORTEST), key=lambda p: (-p[0], p[1].low))
        return [step for share, step in off[:number] if share >= _AS_BAD * off[0][0]]

    def divide(self, steps: Sequence[_Step]) -> None:
        """Put thirds in the place of steps; of those that the user's end left time for."""
        inner = [(step.low + step.length / 3, step.high - step.length / 3) for step in steps]
        self.measure([place for pair in inner for place in pair])
        outer = self._taken([part for s, (a, b) in zip(steps, inner) for part in ((s.low, a), (b, s.high))])
        for step, (begin, end), first, last in zip(steps, inner, outer[::2], outer[1::2]):
            self._open.remove(step)
            self._open += [first, self._step(begin, end, step.rates), last]
        self._settle(self._most)

    def _taken(self, parts: Sequence[Tuple[float, float]]) -> List[_Step]:
        found: List[_Step] = []
        for batch in self._job.batches(parts):
            inputs = self._at([(low + high) / 2 for low, high in batch]).requires_grad_()
            rates = [self._length.float() * each for each in _gradients(self._job.runs.with_graph(inputs), inputs)]
            for row, (low, high) in enumerate(batch):
                found.append(self._step(low, high, [each[row].clone() for each in rates]))
        return found

    def _step(self, low: float, high: float, rates: List[Tensor]) -> _Step:
        added = np.array([float(each.double().sum()) for each in rates]) * (high - low)
        return _Step(low, high, rates, added - (self.values[high] - self.values[low]))

    @property
    def _whole(self) -> np.ndarray:
        return np.maximum(np.abs(self.change), 1e-9)

    @property
    def _most(self) -> int:
        """How many steps may wait to be divided."""
        return max(_AT_ONCE, _HELD // max(4 * self._length.numel() * len(self._settled), 1))

    def _settle(self, most: int) -> None:
        """Add up all steps but the ``most`` that are off most."""
        self._open.sort(key=lambda step: (-(np.abs(step.off) / self._whole).max(), step.low))
        for step in self._open[most:]:
            self._settled = [total + rate * step.length for total, rate in zip(self._settled, step.rates)]
            share = step.off / self._whole
            self._off += np.stack([share, np.abs(share)])
            self._gone += step.length
        del self._open[most:]


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
