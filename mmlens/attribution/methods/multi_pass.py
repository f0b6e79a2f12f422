"""Methods that run the model many times: what they are given."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, TypeVar

import torch
from torch import Tensor

from ...errors import MethodError
from ..passes.runs import Runs
from ..tap import Level
from .base import Method

# (passes done, passes in all) -> whether to go on
Progress = Callable[[int, int], bool]
# One signed map (h, w) a level; None where nothing was measured.
Maps = List[Optional[Tensor]]
Item = TypeVar('Item')
# Options that are whole numbers, or None where the method decides.
_WHOLE = ('batch_size', 'num_masks')


@dataclass
class Dependence:
    """What the gradient of a target says about a level; small, where the gradient is as large as the level.

    Attributes:
        cells: Shape (h, w), float32: 1 where the target depends on a cell, else 0.
        shares: Shape (C,), float32: each channel's part in a first-order change, ``|sum_ij G A|``, the largest 1.
    """

    cells: Tensor
    shares: Tensor


def dependences(levels: Sequence[Level], gradients: Sequence[Optional[Tensor]]) -> List[Optional[Dependence]]:
    """What a target's gradients (1, C, h, w) say about the levels; ``None`` where it depends on none of a level."""
    return [None if g is None else _dependence(level.activation, g) for level, g in zip(levels, gradients)]


def _dependence(activation: Tensor, gradient: Tensor) -> Dependence:
    change = (gradient[0].float() * activation[0].float()).sum((1, 2)).abs()
    shares = change / change.max().clamp_min(torch.finfo(change.dtype).tiny)
    return Dependence(gradient[0].ne(0).any(0).float(), shares)


def _sum_of_channels(weighted: Tensor) -> Tensor:
    return weighted.sum(0)


@dataclass
class PassJob:
    """What a method is given.

    Attributes:
        levels: What the tapped layers returned.
        runs: Measures the targets in altered passes.
        inputs: Shape (1, 3, H, W): the network's input.
        dependences: Of each target on each level; ``None`` where its gradient is zero everywhere. Empty if the
            method does not ask for them.
        spatial: Whether targets are boxes, whose evidence lies at places, and not classes.
        options: The method's options, completed by their defaults.
        progress: Told after each batch; may end the job early.
        combine: Makes a map (h, w) of weighed activations (C, h, w). Defaults to their sum.
        interrupted: Whether it did.
        notes: Sentences for the user, written by the method.
    """

    levels: Sequence[Level]
    runs: Runs
    inputs: Tensor
    dependences: Sequence[Sequence[Optional[Dependence]]]
    spatial: bool
    options: Dict[str, Any]
    progress: Optional[Progress] = None
    combine: Callable[[Tensor], Tensor] = _sum_of_channels
    interrupted: bool = False
    done: int = 0
    total: int = 0
    notes: List[str] = field(default_factory=list)

    def batches(self, items: Sequence[Item], level: Optional[Level] = None) -> Iterator[Sequence[Item]]:
        """Items, as many at a time as one call at the level, or at the input, may hold.

        Ends early where the user ends the job. ``total`` must have been set before.
        """
        start = 0
        while start < len(items) and not self.interrupted:
            batch = items[start : start + self.runs.batch_size(level, len(items))]
            yield batch
            start += len(batch)
            self.done += len(batch)
            go_on = self.progress is None or self.progress(self.done, self.total)
            self.interrupted = not go_on and self.done < self.total

    def reach(self, target: int, level: int) -> Tensor:
        """Shape (h, w), float32: 1 where a target may depend on a level's cell, else 0; for classes 1 everywhere."""
        cells = self.levels[level].activation[0, 0]
        if not self.spatial or self.unknown(target):
            return torch.ones_like(cells, dtype=torch.float32)
        dependence = self.dependences[target][level]
        return torch.zeros_like(cells, dtype=torch.float32) if dependence is None else dependence.cells

    def unknown(self, target: int) -> bool:
        """Whether what a target depends on is unknown: no gradient was computed, or the target is saturated."""
        return not self.dependences or all(each is None for each in self.dependences[target])

    def concerns(self, level: int) -> bool:
        """Whether any target may depend on a level."""
        targets = range(len(self.dependences))
        return not targets or any(self.unknown(t) or self.dependences[t][level] is not None for t in targets)


Explain = Callable[[PassJob], List[Maps]]


@dataclass(frozen=True)
class PassMethod(Method):
    """A method that runs the network, or what follows the layers, many times.

    Attributes:
        name: Registry name, lower case.
        explain: Makes each target's maps: ``maps[target][level]``.
        uses_gradients: Whether it asks for gradients: with layers, those of one plain pass of a detector too.
        uses_layers: Whether it looks at layers; else at the input alone.
        scores_only: Whether it asks for scores and overlaps only, whatever candidate they come from.
        logits: Whether a box's score is measured as its logit.
        overlap: Whether the logarithm of the box's overlap with the unaltered one is added to it.
        options: Its options with their defaults.
        shows: One line for people: what the map shows.
    """

    name: str
    explain: Explain
    uses_gradients: bool = True
    uses_layers: bool = True
    scores_only: bool = False
    logits: bool = False
    overlap: bool = False
    options: Dict[str, Any] = field(default_factory=dict)
    shows: str = ''

    def complete(self, options: Optional[Dict[str, Any]]) -> Dict[str, Any]:
        """The method's options, the given ones before the defaults.

        Raises:
            MethodError: If it has no option of a given name, or the value makes no sense.
        """
        unknown = [name for name in options or {} if name not in self.options]
        if unknown:
            raise MethodError(
                f"Method '{self.name}' has no option '{unknown[0]}': it has {', '.join(sorted(self.options))}."
            )
        complete = {**self.options, **(options or {})}
        for name, default in self.options.items():
            value, whole = complete[name], name in _WHOLE or type(default) is int
            is_number = whole or name == 'memory' or type(default) is float
            if not is_number or value is None and default is None:
                continue
            if not isinstance(value, numbers.Integral if whole else numbers.Real):
                raise MethodError(f'`{name}` must be a {"whole " if whole else ""}number, not {value!r}.')
        for name, extra in (('batch_size', ''), ('memory', ' and finite')):
            if complete[name] is not None and not 0 < complete[name] < math.inf:
                raise MethodError(f'`{name}` must be more than 0{extra}, not {complete[name]}.')
        return complete
