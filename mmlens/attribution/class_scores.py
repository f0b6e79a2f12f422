"""The logits of all classes of one candidate, found without a table of heads.

Every head turns logits into scores by a sigmoid or a softmax over a tensor in which all classes of all candidates
stand together. Whatever post-processing selects, decodes and suppresses afterwards, the gradient of a detection's
score at those scores is zero everywhere but at the candidate that the detection came from, and there at its class.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

SIGMOIDS_IN_PLACE = {torch.sigmoid_, Tensor.sigmoid_}
SIGMOIDS = {torch.sigmoid, Tensor.sigmoid, F.sigmoid, torch.special.expit} | SIGMOIDS_IN_PLACE
SOFTMAXES = {torch.softmax, Tensor.softmax, F.softmax, torch.special.softmax}


@dataclass(frozen=True)
class Squashed:
    """What one sigmoid or softmax was given, and what it returned.

    Attributes:
        logits: Its input.
        scores: Its output, of the same shape.
        softmax: Whether the classes compete, so that their scores sum to 1.
    """

    logits: Tensor
    scores: Tensor
    softmax: bool


@dataclass(frozen=True)
class Candidate:
    """Where the logits of a candidate stand in what the sigmoids and softmaxes of a pass were given.

    Attributes:
        number: Which of them, in the order in which they were called.
        axis: The axis of the classes.
        places: Shape (k, ndim - 1): the indices along the other axes; k is 1, except for heads that make one box of
            several places, such as pairs of corners.
        weights: Shape (k,): the share of each place; they sum to 1.
        softmax: Whether the classes compete; then the last one is the background if there is one more than classes.
        has_background: Whether there is one more.
    """

    number: int
    axis: int
    places: Tensor
    weights: Tensor
    softmax: bool
    has_background: bool

    def rows(self, logits: Tensor) -> Tensor:
        """The candidate's logits, shape (n,), out of a tensor like the one it was found in."""
        last = logits.movedim(self.axis, -1)
        rows = last[tuple(self.places.T)] if last.ndim > 1 else last[None]
        return (self.weights[:, None].to(rows) * rows).sum(0)

    def logits(self, seen: Sequence[Squashed]) -> Tensor:
        """The candidate's logits, shape (n,), in a pass that called the same functions in the same order."""
        return self.rows(seen[self.number].logits)


class ClassScores:
    """Keeps what goes into the sigmoids and softmaxes over the classes in a pass, and what comes out.

    Args:
        classes: How many classes the detector has. Tensors without an axis of this length, or of one more for the
            background, are not kept.

    Attributes:
        seen: What was kept, in the order of the calls.
    """

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self.seen: List[Squashed] = []

    def wants(self, function: Callable, args: Tuple, kwargs: Dict[str, Any]) -> bool:
        """Whether a call of a torch function is a sigmoid or a softmax over the classes."""
        if function not in SIGMOIDS and function not in SOFTMAXES:
            return False
        logits = args[0] if args else kwargs.get('input')
        return isinstance(logits, Tensor) and logits.ndim > 1 and bool(self._axes(logits))

    def call(self, function: Callable, args: Tuple, kwargs: Dict[str, Any]) -> Tensor:
        """Call a function that is wanted, and keep its input and output."""
        logits = args[0] if args else kwargs['input']
        if function in SIGMOIDS_IN_PLACE:
            logits = logits.clone()
        scores = function(*args, **kwargs)
        self.seen.append(Squashed(logits, scores, function in SOFTMAXES))
        return scores

    def _axes(self, logits: Tensor) -> List[int]:
        """The axes that may be those of the classes: the last one, or that of the channels."""
        axes = [logits.ndim - 1] if logits.ndim != 4 else [3, 1]
        return [axis for axis in axes if logits.shape[axis] in (self.classes, self.classes + 1)]

    def candidate(self, score: Tensor, label: int) -> Optional[Candidate]:
        """Find the candidate that a score belongs to.

        Args:
            score: Scalar, with a graph that goes through what was kept; the graph stays.
            label: Index of its class.

        Returns:
            ``None`` if the score does not depend on any tensor in such a way.
        """
        live = [number for number, each in enumerate(self.seen) if each.scores.requires_grad]
        if not live or not score.requires_grad:
            return None
        gradients = torch.autograd.grad(
            score, [self.seen[number].scores for number in live], retain_graph=True, allow_unused=True
        )
        for number, gradient in reversed(list(zip(live, gradients))):
            found = None if gradient is None else self._in_gradient(number, gradient, label)
            if found is not None:
                return found
        return None

    def _in_gradient(self, number: int, gradient: Tensor, label: int) -> Optional[Candidate]:
        for axis in self._axes(gradient):
            by_class = gradient.movedim(axis, -1)
            own = by_class[..., label]
            if not bool(own.any() & (by_class.abs().sum(-1) == own.abs()).all()):
                continue  # another axis, or a score that several classes share
            places = own.nonzero()
            weights = own[tuple(places.T)]
            background = gradient.shape[axis] == self.classes + 1
            return Candidate(number, axis, places, weights / weights.sum(), self.seen[number].softmax, background)
        return None


@contextlib.contextmanager
def watching(scores: ClassScores) -> Iterator[None]:
    """Let ``scores`` keep what goes into the sigmoids and softmaxes of the pass that is run inside."""
    with _Watch(scores):
        yield


class _Watch(TorchFunctionMode):
    def __init__(self, scores: ClassScores) -> None:
        super().__init__()
        self._scores = scores

    def __torch_function__(
        self, function: Callable, types: Iterable, args: Tuple = (), kwargs: Optional[Dict[str, Any]] = None
    ) -> Any:
        kwargs = kwargs or {}
        if self._scores.wants(function, args, kwargs):
            return self._scores.call(function, args, kwargs)
        return function(*args, **kwargs)
