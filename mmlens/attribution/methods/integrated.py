"""Integrated gradients: what each pixel adds to the target on the way from a baseline to the input."""

from __future__ import annotations

from typing import Dict, Iterator, List, Sequence

import numpy as np
import torch
from torch import Tensor

from ...errors import MethodError
from ..passes.altering import blurred, one_colour
from .multi_pass import Maps, PassJob
from .registry import register_pass_method

BASELINES = ('blur', 'grey')
_COMPLETE = 0.01
_FLAT = 0.5  # how much of a step's length counts as change


@register_pass_method(
    'integratedgradients',
    uses_layers=False,
    logits=True,
    shows='what each pixel adds to the target on the way from a blurred or grey input; the parts add up to the whole',
    steps=64,
    baseline='blur',
)
def integrated_gradients(job: PassJob) -> List[Maps]:
    """Integrated gradients: ``sum_c (x - x') mean_k G(x' + (k - 1/2) / K (x - x'))`` at the input ``x``.

    ``G`` is the target's gradient at the input, ``x'`` the baseline: the input blurred (``'blur'``) or all of its mean
    colour (``'grey'``). The integral is taken by the midpoint rule in K ``steps``. All targets share the forward
    passes. Along the way a box is followed as the same candidate, whether or not it would be detected there.

    The values of all pixels and channels add up to the target's change from the baseline to the input (completeness);
    where the sum is more than 1 % off, a note says so.

    Source: Sundararajan et al. 2017, eq. 1 and 3; https://arxiv.org/abs/1703.01365.
    """
    steps, baseline = job.options['steps'], job.options['baseline']
    if steps < 1 or baseline not in BASELINES:
        raise MethodError(
            f'`steps` must be at least 1 and `baseline` one of {", ".join(BASELINES)}, not {steps} and {baseline}.'
        )
    path = _Path(job, baseline)
    job.total = 2 * steps + 1
    ends = path.divided(steps)
    sums = [torch.zeros_like(path.end, dtype=torch.float32) for _ in job.runs.reference]
    widths, covered = np.diff(ends), 0.0
    for batch in job.batches(range(len(widths))):
        inputs = path.at([(ends[number] + ends[number + 1]) / 2 for number in batch]).requires_grad_()
        values = job.runs.with_graph(inputs)
        rows = torch.tensor(widths[list(batch)]).to(values)
        for total, gradient in zip(sums, _gradients(values, rows, inputs)):
            total += gradient.float().nan_to_num(0.0, 0.0, 0.0).sum(0)
        covered += float(rows.sum())
    attributions = [(path.end - path.start).float() * total / max(covered, 1e-12) for total in sums]
    if not job.interrupted:
        job.notes += _incomplete(attributions, path.values[1.0] - path.values[0.0])
    return [[attribution.sum(0)] for attribution in attributions]


class _Path:
    """The straight way from the baseline to the input, and the targets along it.

    Attributes:
        start: Shape (C, H, W): the baseline.
        end: Shape (C, H, W): the input.
        values: Place on the way, from 0 to 1 -> the targets there (N,), float64.
    """

    def __init__(self, job: PassJob, baseline: str) -> None:
        self.end = job.inputs[0].detach()
        self.start = blurred(self.end) if baseline == 'blur' else one_colour(self.end)
        self.values: Dict[float, np.ndarray] = {}
        self._job = job

    def at(self, places: Sequence[float]) -> Tensor:
        """Shape (B, C, H, W): the inputs at some places."""
        shares = torch.tensor(places).to(self.end)
        return self.start + shares[:, None, None, None] * (self.end - self.start)

    def divided(self, steps: int) -> np.ndarray:
        """The ends of so many steps: where the targets change most, they are the shortest."""
        self._measure([0.0, 1.0])
        while not self._job.interrupted and len(self.values) <= steps:
            ends = sorted(self.values)
            change = np.abs(np.diff([self.values[place] for place in ends], axis=0))
            largest = (change / np.maximum(change.sum(0), 1e-12)).max(1)
            # A step that looks flat may hide a bump.
            most = np.argsort(-np.maximum(largest, np.diff(ends) * _FLAT), kind='stable')
            few = most[: max(1, min(len(most) // 4, steps + 1 - len(ends)))]
            self._measure([(ends[step] + ends[step + 1]) / 2 for step in few])
        return np.array(sorted(self.values))

    def _measure(self, places: Sequence[float]) -> None:
        for batch in self._job.batches(places):
            for place, values in zip(batch, self._job.runs.at_input(self.at(batch)).double().cpu().numpy()):
                self.values[place] = values


def _gradients(values: Tensor, weights: Tensor, tensor: Tensor) -> Iterator[Tensor]:
    """The gradient of each column of values (B, N), its rows weighed (B,), at a tensor (B, ...)."""
    for column in range(values.shape[1]):
        wanted = torch.zeros_like(values)
        wanted[:, column] = weights
        keep = column < values.shape[1] - 1
        (gradient,) = torch.autograd.grad(values, tensor, wanted, retain_graph=keep, allow_unused=True)
        yield torch.zeros_like(tensor) if gradient is None else gradient


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
