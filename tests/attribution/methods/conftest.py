"""A made-up network of two levels whose targets are known formulas: what the methods of many passes are tried on."""

import pytest
import torch

from mmlens.attribution.attribute import gradients_at
from mmlens.attribution.methods import PassJob, get_method
from mmlens.attribution.methods.multi_pass import dependences
from mmlens.attribution.passes.altering import batch_axis
from mmlens.attribution.passes.runs import Runs
from mmlens.attribution.tap import Level


class FormulaRuns(Runs):
    """Measures targets by a formula, one alteration at a time, and notes what it was asked for.

    Args:
        tensors: What the levels are, unaltered.
        targets: ``(levels) -> (N,)``.
        inputs: The unaltered input (1, 3, H, W).
        of_input: ``(input (3, H, W)) -> (N,)``.
        size: How many alterations a call may hold.
    """

    identity = 'made up'

    def __init__(self, tensors, targets, inputs, of_input, size=3):
        self.tensors, self.targets, self.inputs, self.of_input, self.size = tensors, targets, inputs, of_input, size
        self.passes = 0
        self.sizes = []

    @property
    def reference(self):
        return self.targets(self.tensors) if self.tensors else self.of_input(self.inputs[0])

    def batch_size(self, level=None, items=None):
        return self.size

    def _note(self, count):
        assert count <= self.size
        self.sizes.append(count)
        self.passes += count

    def at_level(self, level, altered):
        copies = altered.split(1, batch_axis(level))
        self._note(len(copies))
        return torch.stack([self.targets([*self._before(level), copy, *self._after(level)]) for copy in copies])

    def _before(self, level):
        return self.tensors[: level.index]

    def _after(self, level):
        return self.tensors[level.index + 1 :]

    def at_input(self, altered):
        self._note(len(altered))
        return torch.stack([self.of_input(one) for one in altered])

    similarity = at_input


class Made:
    """Two levels, three targets: the first sees both, the second the finer one, the third its left half."""

    def __init__(self):
        random = torch.Generator().manual_seed(3)
        self.tensors = [torch.rand(1, 5, 4, 6, generator=random) - 0.3, torch.rand(1, 4, 2, 3, generator=random) - 0.3]
        self.weights = [torch.rand(tensor.shape, generator=random) - 0.4 for tensor in self.tensors]
        self.inputs = torch.rand(1, 3, 8, 12, generator=random) + 0.5
        self.of_pixels = torch.rand(3, 3, 8, 12, generator=random)

    def targets(self, tensors):
        (fine, coarse), (w, v) = tensors, self.weights
        left = torch.ones(6).masked_fill(torch.arange(6) >= 3, 0)
        return torch.stack(
            [
                (fine * w).sigmoid().mean() + (coarse * v).tanh().mean(),
                (fine * w).relu().sum().sqrt(),
                (fine * w * left).tanh().sum().sigmoid(),
            ]
        )

    def of_input(self, one):
        return (one * self.of_pixels).tanh().mean((1, 2, 3))

    def levels(self):
        return [Level('layer', number, tensor, lambda tensor: tensor) for number, tensor in enumerate(self.tensors)]

    def gradients(self):
        tensors = [tensor.clone().requires_grad_() for tensor in self.tensors]
        levels = [Level('layer', number, tensor, lambda tensor: tensor) for number, tensor in enumerate(tensors)]
        return [gradients_at(target, levels, keep_graph=True) for target in self.targets(tensors)]

    def job(self, method, spatial=True, size=3, progress=None, **options):
        """What a method is given."""
        runs = FormulaRuns(self.tensors, self.targets, self.inputs, self.of_input, size)
        if not get_method(method).uses_layers:
            runs.tensors = []
        complete = get_method(method).complete(options)
        levels = self.levels() if get_method(method).uses_layers else []
        gradients = self.gradients() if spatial and get_method(method).uses_gradients else []
        depends = [dependences(levels, of_target) for of_target in gradients]
        return PassJob(levels, runs, self.inputs, depends, spatial, complete, progress)


@pytest.fixture
def made():
    return Made()
