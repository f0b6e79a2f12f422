"""Follow a sample through the transforms of its dataset without changing what they do."""

from __future__ import annotations

import contextlib
import types
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from mmcv.transforms import BaseTransform
from mmcv.transforms import Compose as TransformCompose
from mmengine.dataset import Compose as DatasetCompose

from .states import State, same, take_state


@dataclass
class Call:
    """One call of a transform, or of a dataset for one sample.

    Attributes:
        subject: The transform or dataset; ``None`` for the root of all calls.
        given: Its argument: the results dict of a transform, the index of a dataset.
        returned: What it returned; also ``None`` while it is running.
        left: Copies of what it returned.
        calls: The calls it made itself.
        cached: What a mixing transform took from its cache.
        of_dataset: Whether a dataset was asked for a sample.
        mixed: How many other samples the wrapper around the dataset passed to a mixing transform.
        before: Copies of what the dataset itself holds, if it holds pictures rather than files.
    """

    subject: Any
    given: Any
    returned: Any = None
    left: Optional[State] = None
    calls: List[Call] = field(default_factory=list)
    cached: List[State] = field(default_factory=list)
    of_dataset: bool = False
    mixed: int = 0
    before: Optional[State] = None

    @property
    def name(self) -> str:
        """Class name of the transform or dataset."""
        return name_of(self.subject)


@dataclass
class Record:
    """The calls of a recording.

    Attributes:
        root: Its ``calls`` are those made from outside the dataset.
        failed: The innermost call that raised, if one did.
    """

    root: Call = field(default_factory=lambda: Call(None, None))
    failed: Optional[Call] = None


@contextlib.contextmanager
def recording(dataset: Any) -> Iterator[Record]:
    """Record what the transforms of a dataset do while the block runs.

    For the duration of the block every transform and dataset becomes an instance of a subclass that notes what
    passes through it. Nothing else changes: attributes, random numbers and results are the same as without recording.

    Args:
        dataset: A dataset, wrapped or not.

    Yields:
        The record, filled while the block runs.
    """
    watcher = _Watcher()
    watched: List[Tuple[Any, type]] = []
    try:
        for subject in (*datasets_of(dataset), *transforms_of(dataset)):
            kind = type(subject)
            # A function cannot be watched: its effect shows in the next step.
            with contextlib.suppress(TypeError):
                subject.__class__ = watcher.watching(kind)
                watched.append((subject, kind))
        yield watcher.record
    finally:
        watcher.active = False
        for subject, kind in watched:
            subject.__class__ = kind


def name_of(transform: Any) -> str:
    """Class name of a transform; for mmpretrain's wrapper, of the torchvision transform inside."""
    kind = type(transform).__name__
    return f'torchvision/{type(transform.t).__name__}' if kind == 'TorchVisonTransformWrapper' else kind


def datasets_of(dataset: Any) -> List[Any]:
    """A dataset and everything it wraps, outermost first."""
    parts = [part for part in (getattr(dataset, 'dataset', None), *_items(dataset, 'datasets')) if part is not None]
    return [dataset, *(inner for part in parts for inner in datasets_of(part))]


def transforms_of(dataset: Any) -> List[Any]:
    """Every transform of a dataset and of the datasets it wraps, including nested ones, each once."""
    found: Dict[int, Any] = {}
    for each in datasets_of(dataset):
        pipeline = getattr(each, 'pipeline', None) or []
        for transform in getattr(pipeline, 'transforms', pipeline):
            _collect(transform, found)
    return list(found.values())


def _collect(transform: Any, found: Dict[int, Any]) -> None:
    if id(transform) in found:
        return
    if not isinstance(transform, (DatasetCompose, TransformCompose)) or type(transform).__name__ != 'Compose':
        found[id(transform)] = transform
    for name, value in getattr(transform, '__dict__', {}).items():
        for part in _flat(value):
            if isinstance(part, (BaseTransform, DatasetCompose)) or (name == 'transforms' and callable(part)):
                _collect(part, found)


def _flat(value: Any, depth: int = 3) -> Iterator[Any]:
    """A value, or the contents of a list or dict."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        if depth:
            for part in value:
                yield from _flat(part, depth - 1)
    else:
        yield value


def _items(holder: Any, name: str) -> List[Any]:
    value = getattr(holder, name, None)
    return list(value) if isinstance(value, (list, tuple)) else []


class _Watcher:
    """Creates the subclasses that note their calls, and keeps the notes."""

    def __init__(self) -> None:
        self.record = Record()
        self.active = True
        self._stack = [self.record.root]
        self._kinds: Dict[type, type] = {}
        self._last: Optional[State] = None

    def watching(self, kind: type) -> type:
        """The subclass of a class that notes its calls."""
        if kind not in self._kinds:
            self._kinds[kind] = self._subclass(kind)
        return self._kinds[kind]

    def _subclass(self, kind: type) -> type:
        watcher = self
        method = '__call__' if _defines(kind, '__call__') else '__getitem__'

        def noted(subject: Any, *args: Any, **kwargs: Any) -> Any:
            call = Call(subject, args[0] if args else None, of_dataset=method == '__getitem__')
            return watcher.run(getattr(super(watched, subject), method), call, args, kwargs)

        def get_indexes(subject: Any, source: Any) -> Any:
            indexes = super(watched, subject).get_indexes(source)  # type: ignore[misc]
            watcher.note_choice(subject, source, indexes)
            return indexes

        def fill(body: Dict[str, Any]) -> None:
            body.update({'__slots__': (), '__module__': kind.__module__, method: noted})
            if _defines(kind, 'get_indexes'):
                body['get_indexes'] = get_indexes

        watched: Any = types.new_class(kind.__name__, (kind,), {}, fill)
        return watched

    def run(self, method: Callable[..., Any], call: Call, args: Any, kwargs: Any) -> Any:
        """Call a method of a watched object and note the call."""
        if not self.active:
            return method(*args, **kwargs)
        caller = self._stack[-1]
        if isinstance(call.given, dict):
            call.mixed = len(call.given.get('mix_results') or ())
            if caller.of_dataset and (not caller.calls or caller.calls[-1].returned is None):
                call.before = self._state(call.given)
        caller.calls.append(call)
        self._stack.append(call)
        try:
            call.returned = method(*args, **kwargs)
        except Exception:
            self.record.failed = self.record.failed or call
            raise
        finally:
            self._stack.pop()
        if not call.of_dataset:
            call.left = self._state(call.returned)
        return call.returned

    def _state(self, returned: Any) -> Optional[State]:
        state = take_state(returned)
        if state and self._last and same(state, self._last):
            state.items = self._last.items  # a step that changes nothing costs no memory
        self._last = state or self._last
        return state

    def note_choice(self, subject: Any, source: Any, indexes: Any) -> None:
        """Note which pictures a mixing transform chose, copying those from its own cache."""
        call = self._stack[-1]
        if not self.active or call.subject is not subject:
            return
        # It chooses again if the previous choice was unusable.
        call.calls.clear()
        chosen = list(indexes) if isinstance(indexes, (list, tuple)) else [indexes]
        states = [take_state(source[index]) for index in chosen] if isinstance(source, list) else []
        call.cached = [state for state in states if state is not None]


def _defines(kind: type, name: str) -> bool:
    # Not hasattr: a class itself is always callable.
    return any(name in vars(base) for base in kind.__mro__)
