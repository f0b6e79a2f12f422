"""The choices of a detector's post-processing, made once and kept in later passes."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ..functions import functions_of
from ..trees import map_tensors

_COMPARISONS = ('gt', 'ge', 'lt', 'le', 'eq', 'ne')


_MASKS = functions_of(*_COMPARISONS) | {getattr(Tensor, f'__{name}__') for name in _COMPARISONS}
_WITH_VALUES = functions_of('topk', 'sort', 'max', 'min', 'kthvalue')
_INDICES = functions_of('argmax', 'argmin', 'argsort', 'nonzero')


class Diverged(Exception):
    """A later pass did not reach the choices that were recorded."""


@dataclass
class _Choice:
    """What one function chose: a mask, or indices."""

    name: str
    shape: Optional[torch.Size]
    chosen: Any
    kind: Optional[type] = None


class Selection:
    """Which candidates a detector's post-processing keeps, in which order, with which classes.

    While one pass is recorded, the results of comparisons, sorting, ``topk``, ``argmax`` and non-maximum
    suppression are kept. In a pass that follows, they come out as they did then, whatever the scores
    are now: the n-th detection is the same candidate (prior, proposal or query), with the score that
    it has now. Nothing appears, vanishes or changes places.

    Only choices of the model's own code count, not those in the modules within it, which are part of the
    network.

    Args:
        depth: How many modules within the model are running; see :attr:`Replay.depth`.
    """

    def __init__(self, depth: Callable[[], int]) -> None:
        self._depth = depth
        self._choices: List[_Choice] = []
        self._next: Optional[int] = None
        self._paused = False
        self._thread = threading.get_ident()

    @contextlib.contextmanager
    def record(self) -> Iterator[None]:
        """Keep the choices of the pass that is run inside."""
        self._choices, self._next = [], None
        with _Watch(self):
            yield

    @contextlib.contextmanager
    def follow(self) -> Iterator[None]:
        """Make the recorded choices again in the pass that is run inside.

        Raises:
            Diverged: If the pass asks for other choices than were recorded.
        """
        self._next = 0
        with _Watch(self):
            yield
        if self._next != len(self._choices):
            raise Diverged('fewer choices were made than recorded')

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Neither record nor follow what is chosen inside."""
        before, self._paused = self._paused, True
        try:
            yield
        finally:
            self._paused = before

    @property
    def follows(self) -> bool:
        """Whether recorded choices are being made again, or were in the last pass."""
        return self._next is not None

    @property
    def watches(self) -> bool:
        """Whether choices made right now are recorded or followed."""
        return self.is_of_this_thread and not self._paused and self._depth() == 0

    @property
    def is_of_this_thread(self) -> bool:
        """Whether the thread that asks is the one whose choices are recorded or followed."""
        return threading.get_ident() == self._thread

    def choose(self, name: str, candidates: Optional[Tensor], compute: Callable[[], Any]) -> Any:
        """Record what ``compute`` returns, or return what was recorded under the same name.

        For choices that no torch function makes, such as compiled non-maximum suppression.

        Args:
            name: What chooses.
            candidates: What it chooses from.
            compute: Chooses; not called where a recorded choice is followed.

        Raises:
            Diverged: If something else was recorded at this point.
        """
        shape = None if candidates is None else candidates.shape
        if self._next is None:
            with self.paused():
                chosen = compute()
            self._choices.append(_Choice(name, shape, chosen))
            return chosen
        return self._follow(name, shape).chosen

    def call(self, function: Callable, args: Tuple, kwargs: Dict[str, Any]) -> Any:
        """Call a torch function that chooses."""
        candidates = _candidates(args, kwargs)
        shape = None if candidates is None else candidates.shape
        if self._next is None:
            result = function(*args, **kwargs)
            kept = result.indices if function in _WITH_VALUES else result
            # Masks are put together in place (`mask &= other`).
            self._choices.append(_Choice(function.__name__, shape, map_tensors(torch.clone, kept), type(result)))
            return result
        choice = self._follow(function.__name__, shape)
        if function not in _WITH_VALUES:
            return map_tensors(torch.clone, choice.chosen)
        assert choice.kind is not None and candidates is not None
        values = _taken(candidates, choice.chosen, _dim_of(function, args, kwargs))
        return choice.kind((values, choice.chosen.clone()))

    def _follow(self, name: str, shape: Optional[torch.Size]) -> _Choice:
        assert self._next is not None
        choice = self._choices[self._next] if self._next < len(self._choices) else None
        if choice is None or choice.name != name or choice.shape != shape:
            recorded = 'nothing' if choice is None else f'{choice.name} of {choice.shape}'
            raise Diverged(f'{name} of {shape} is asked for, and {recorded} was recorded')
        self._next += 1
        return choice


class _Watch(TorchFunctionMode):
    def __init__(self, selection: Selection) -> None:
        super().__init__()
        self._selection = selection

    def __torch_function__(
        self, function: Callable, types: Iterable, args: Tuple = (), kwargs: Optional[Dict[str, Any]] = None
    ) -> Any:
        kwargs = kwargs or {}
        if self._selection.watches and _chooses(function, args, kwargs):
            return self._selection.call(function, args, kwargs)
        return function(*args, **kwargs)


def _chooses(function: Callable, args: Tuple, kwargs: Dict[str, Any]) -> bool:
    if function in _MASKS:
        return True
    if function in _WITH_VALUES:
        # The largest of all, or of two tensors cell by cell, is a value.
        return function.__name__ not in ('max', 'min') or isinstance(_dim_of(function, args, kwargs), int)
    if function in _INDICES:
        # What is not zero in a mask follows from the mask.
        return function.__name__ != 'nonzero' or _candidates(args, kwargs).is_floating_point()
    return False


def _candidates(args: Tuple, kwargs: Dict[str, Any]) -> Any:
    """What a function chooses from: its first argument."""
    return args[0] if args and isinstance(args[0], Tensor) else kwargs.get('input')


def _dim_of(function: Callable, args: Tuple, kwargs: Dict[str, Any]) -> Any:
    position = 2 if function.__name__ in ('topk', 'kthvalue') else 1
    default = None if function.__name__ in ('max', 'min') else -1
    return kwargs.get('dim', args[position] if len(args) > position else default)


def _taken(candidates: Tensor, indices: Tensor, dim: int) -> Tensor:
    if indices.ndim == candidates.ndim:
        return candidates.gather(dim, indices)
    return candidates.gather(dim, indices.unsqueeze(dim)).squeeze(dim)
