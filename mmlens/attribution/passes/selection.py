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
from ..trees import map_tensors, tensors_of

_COMPARISONS = ('gt', 'ge', 'lt', 'le', 'eq', 'ne')


_MASKS = functions_of(*_COMPARISONS) | {getattr(Tensor, f'__{name}__') for name in _COMPARISONS}
_WITH_VALUES = functions_of('topk', 'sort', 'max', 'min', 'kthvalue')
_INDICES = functions_of('argmax', 'argmin', 'argsort', 'nonzero')
_MAY_CHOOSE = frozenset(_MASKS | _WITH_VALUES | _INDICES)


class Diverged(Exception):
    """A later pass did not reach the choices that were recorded."""


@dataclass
class _Choice:
    """What one function chose: a mask, or indices."""

    name: str
    shape: Optional[torch.Size]
    chosen: Any
    kind: Optional[type] = None

    def is_of_one(self, shape: torch.Size, copies: int) -> bool:
        """Whether this was chosen for a batch of one, where a batch of copies has a shape."""
        own = self.shape
        if own is None or not len(own) or own[0] != 1 or shape != (copies, *own[1:]):
            return False
        return all(tensor.ndim > 0 and len(tensor) == 1 for tensor in tensors_of(self.chosen))

    def of_copies(self, copies: int) -> _Choice:
        """The same for each of several copies."""
        chosen = map_tensors(lambda tensor: tensor.expand(copies, *tensor.shape[1:]).contiguous(), self.chosen)
        return _Choice(self.name, self.shape, chosen, self.kind)


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
        self._copies, self._copy, self._of_each = 1, 1, 0
        self._paused = False
        self._thread = threading.get_ident()

    @contextlib.contextmanager
    def record(self) -> Iterator[None]:
        """Keep the choices of the pass that is run inside."""
        self._choices, self._next = [], None
        with _Watch(self):
            yield

    @contextlib.contextmanager
    def follow(self, copies: int = 1) -> Iterator[None]:
        """Make the recorded choices again in the pass that is run inside.

        Args:
            copies: How many times as many pictures the pass has as the recorded one of a single picture; see
                :meth:`spreads`. Defaults to 1: as many as there were.

        Raises:
            Diverged: If the pass asks for other choices than were recorded.
        """
        self._begin(copies)
        with _Watch(self):
            yield
        self._end()

    def _begin(self, copies: int) -> None:
        self._next, self._copies, self._copy, self._of_each = 0, copies, 1, 0

    def _end(self) -> None:
        # All choices were made for the whole batch, or those that were not, once for each picture.
        each = self._of_each < len(self._choices)
        if self._next != len(self._choices) or self._copy != (self._copies if each else 1):
            raise Diverged('fewer choices were made than recorded')

    def spreads(self, several: Selection, copies: int) -> bool:
        """Whether the choices of one picture are, for each of its copies, those recorded of the copies together.

        Heads choose for the whole batch, picture after picture, or first the one and then the other. Where recorded
        choices, spread over copies in this way, are what the heads chose for a few copies, they need not be recorded
        for many.

        Args:
            several: What was chosen in a pass of the copies.
            copies: How many.
        """
        self._begin(copies)
        try:
            same = all(_alike(self._follow(own.name, own.shape).chosen, own.chosen) for own in several._choices)
            self._end()
        except Diverged:
            return False
        return same

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
        if self._next == len(self._choices) and self._copy < self._copies:
            self._next, self._copy = self._of_each, self._copy + 1  # the same for the next picture
        choice = self._choices[self._next] if self._next < len(self._choices) else None
        self._next += 1
        if choice is not None and choice.name == name:
            if choice.shape == shape:
                return choice
            if self._copy == 1 and shape is not None and choice.is_of_one(shape, self._copies):
                self._of_each = self._next  # this one was for all pictures
                return choice.of_copies(self._copies)
        recorded = 'nothing' if choice is None else f'{choice.name} of {choice.shape}'
        raise Diverged(f'{name} of {shape} is asked for, and {recorded} was recorded')


class _Watch(TorchFunctionMode):
    def __init__(self, selection: Selection) -> None:
        super().__init__()
        self._selection = selection

    def __torch_function__(
        self, function: Callable, types: Iterable, args: Tuple = (), kwargs: Optional[Dict[str, Any]] = None
    ) -> Any:
        kwargs = kwargs or {}
        # Post-processing calls a hundred functions a picture, most of which choose nothing: the quickest test is first.
        if function in _MAY_CHOOSE and self._selection.watches and _chooses(function, args, kwargs):
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


def _alike(one: Any, other: Any) -> bool:
    """Whether the same was chosen; weights within rounding."""
    pairs = list(zip(tensors_of(one), tensors_of(other)))
    if len(pairs) != len(list(tensors_of(other))):
        return False
    return all(a.shape == b.shape and torch.allclose(a.float(), b.float(), rtol=1e-3) for a, b in pairs)
