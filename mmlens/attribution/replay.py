"""Run again only what comes after a layer: one recorded pass, then passes with altered outputs."""

from __future__ import annotations

import contextlib
import weakref
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, FrozenSet, Iterator, List, Optional, Sequence, Set, Tuple, TypeVar, Union

import torch
from torch import Tensor, nn

from ..errors import LayerError
from .tap import Level, evaluating, levels_of, swapped_forwards
from .trees import map_tensors, tensors_of

Result = TypeVar('Result')
Positions = FrozenSet[int]  # of tapped tensors, in the order in which they were computed
_NONE: Positions = frozenset()
# (which module, its how many-th call within the call around it)
Key = Tuple[int, int]


@dataclass
class _Call:
    """One recorded call of a module.

    Attributes:
        path: Keys of the calls around it and its own: the same in every pass.
        children: The calls within it.
        counts: How often each module was called directly within it.
        depends: The tapped tensors that what it returned depends on.
        taps: The tapped tensors that it returned itself.
        output: What it returned, while some pass may need it.
        versions: How often its tensors had been written to when it returned.
        in_place: Whether what it returned is written to later.
        plain: Whether it returned tensors in tuples, lists and dicts, and nothing else.
    """

    path: Tuple[Key, ...] = ()
    children: Dict[Key, _Call] = field(default_factory=dict)
    counts: Dict[int, int] = field(default_factory=dict)
    depends: Positions = _NONE
    taps: Tuple[int, ...] = ()
    output: Any = None
    versions: Tuple[int, ...] = ()
    in_place: bool = False
    plain: bool = True

    def next_key(self, module: nn.Module) -> Key:
        count = self.counts.get(id(module), 0)
        self.counts[id(module)] = count + 1
        return id(module), count


class Replay:
    """A recorded pass of a model, from which only what comes after a layer is run again.

    In a pass with an altered output, a module that does not depend on what was altered returns what
    it returned when the pass was recorded, copied over the batch: what finished before the layer, and
    after it the branches of the other levels. The rest, post-processing included, runs as always, so the
    results are those of the whole model with the altered output.

    A call is taken to depend on a tapped tensor if that tensor came in, directly or through other
    calls, or if anything came in that no module returned.

    Attributes:
        bytes: What the modules without modules of their own returned in the last pass; an upper bound of the
            memory that activations took.

    Args:
        model: The model; given back as it was when the context ends.
        layers: Modules to tap, by the names that errors will show.
        run: Runs the whole model on this many copies of one input.

    Example:
        >>> def run(copies):
        ...     return model(picture.expand(copies, -1, -1, -1))
        >>> with Replay(model, {'neck': model.neck}, run) as replay:
        ...     plain = replay.record()
        ...     (level,) = replay.levels(input_size=(4, 4))
        ...     twice = replay(level, torch.cat([level.tensor, 2 * level.tensor]))
    """

    def __init__(self, model: nn.Module, layers: Dict[str, nn.Module], run: Callable[[int], Result]) -> None:
        self.model = model
        self.layers = layers
        self._run = run
        self._names = {id(module): name for name, module in layers.items()}
        self._tapped: List[Tuple[str, Tensor]] = []
        self._ran: Set[str] = set()
        self._root = _Call()
        self._watcher: Optional[_Watcher] = None
        self.bytes = 0
        self._undo = contextlib.ExitStack()

    def __enter__(self) -> Replay:
        with contextlib.ExitStack() as undo:
            undo.enter_context(evaluating(self.model))
            undo.enter_context(torch.no_grad())
            undo.enter_context(swapped_forwards(self.model, self._steer))
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._undo.__exit__(*error)
        self._root, self._tapped = _Call(), []

    def _steer(self, module: nn.Module, forward: Callable, args: Tuple, kwargs: Dict[str, Any]) -> Any:
        return forward(*args, **kwargs) if self._watcher is None else self._watcher.call(module, forward, args, kwargs)

    def _watched(self, watcher: _Watcher, run: Callable[[], Result]) -> Result:
        self._watcher = watcher
        try:
            return run()
        finally:
            self._watcher = None
            self.bytes = watcher.bytes

    @property
    def depth(self) -> int:
        """How many modules within the model are running right now; 0 in the model's own code."""
        return 0 if self._watcher is None else len(self._watcher.stack) - 1

    def whole(self, run: Callable[[], Result]) -> Result:
        """Run the whole model another way, with :attr:`depth` counted and nothing recorded or replayed."""
        return self._watched(_Counter(), run)

    def record(self) -> Any:
        """Run the whole model once and keep what later passes need.

        Returns:
            What ``run(1)`` returned.
        """
        result, written = self._record(frozenset())
        if written:
            # Something was written to after a module returned it: what it was before is kept in a second pass.
            result, _ = self._record(written)
        return result

    def _record(self, copied: FrozenSet[Tuple[Key, ...]]) -> Tuple[Any, FrozenSet[Tuple[Key, ...]]]:
        recorder = _Recorder(self._names, copied)
        result = self._watched(recorder, lambda: self._run(1))
        recorder.finish()
        self._root, self._tapped, self._ran = recorder.root, recorder.tapped, recorder.ran
        return result, frozenset(call.path for call in _calls(self._root) if call.in_place)

    def levels(self, input_size: Tuple[int, int], extra_tokens: Optional[int] = None) -> List[Level]:
        """What the tapped layers returned, as maps; see :meth:`Tap.levels`."""
        found: List[Level] = []
        for name, module in self.layers.items():
            outputs = [tensor for tapped, tensor in self._tapped if tapped == name] if name in self._ran else None
            found += levels_of(self.model, name, module, outputs, input_size, extra_tokens)
        return found

    def _position(self, tensor: Tensor) -> int:
        return next(position for position, (_, tapped) in enumerate(self._tapped) if tapped is tensor)

    @property
    def batches(self) -> bool:
        """Whether all that is handed out can stand for several copies of the input."""
        held = [tensor for call in _calls(self._root) if call.output is not None for tensor in tensors_of(call.output)]
        return all(_batch_axis(tensor) is not None for tensor in held if tensor.ndim > 1)

    def __call__(self, level: Level, altered: Tensor) -> Any:
        """Run what comes after a level, on a batch of altered outputs.

        Args:
            level: One of :meth:`levels`.
            altered: Shape of ``level.tensor``, with B in place of the 1 of its batch axis. The model may
                write to it.

        Returns:
            What ``run(B)`` returned.
        """
        axis = _batch_axis(level.tensor)
        copies = 1 if axis is None else altered.shape[axis]
        if axis is None and altered.shape != level.tensor.shape:
            raise LayerError(f"Layer '{level.layer}' has no batch axis: alter one output at a time.")
        player = _Player(self._root, self._tapped, self._position(level.tensor), altered, copies)
        return self._watched(player, lambda: self._run(copies))


def _calls(call: _Call) -> Iterator[_Call]:
    yield call
    for child in call.children.values():
        yield from _calls(child)


def _batch_axis(tensor: Tensor) -> Optional[int]:
    """Where the 1 of the batch stands: first, or second in tokens (L, 1, C)."""
    if tensor.ndim and tensor.shape[0] == 1:
        return 0
    return 1 if tensor.ndim == 3 and tensor.shape[1] == 1 else None


def _expanded(tensor: Tensor, copies: int, own: bool) -> Tensor:
    axis = _batch_axis(tensor)
    if copies > 1 and axis is not None and tensor.ndim > 1:
        sizes = list(tensor.shape)
        sizes[axis] = copies
        tensor = tensor.expand(sizes)
    return tensor.clone() if own else tensor


class _Origins:
    """Which tapped tensors each tensor depends on, while it lives and is not written to."""

    def __init__(self) -> None:
        self._known: Dict[int, Tuple[weakref.ref, int, Positions]] = {}

    def of(self, tensor: Tensor) -> Optional[Positions]:
        reference, version, depends = self._known.get(id(tensor), (None, 0, _NONE))
        return depends if reference is not None and reference() is tensor and tensor._version == version else None

    def note(self, tensor: Tensor, depends: Positions) -> None:
        self._known[id(tensor)] = (weakref.ref(tensor), tensor._version, depends)


class _Watcher:
    """Knows which modules are running: the last of ``stack``, in the one before it, and so on."""

    def __init__(self, root: Any) -> None:
        self.stack: List[Any] = [root]
        self.bytes = 0

    def call(self, module: nn.Module, forward: Callable, args: Tuple, kwargs: Dict[str, Any]) -> Any:
        """Call a module's forward, or something else in its place."""
        raise NotImplementedError

    def _inside(self, entry: Any, module: nn.Module, forward: Callable, args: Tuple, kwargs: Dict[str, Any]) -> Any:
        self.stack.append(entry)
        try:
            output = forward(*args, **kwargs)
        finally:
            self.stack.pop()
        if not module._modules:
            self.bytes += sum(tensor.numel() * tensor.element_size() for tensor in tensors_of(output))
        return output


class _Counter(_Watcher):
    """Counts the modules that are running, and nothing else."""

    def __init__(self) -> None:
        super().__init__(None)

    def call(self, module: nn.Module, forward: Callable, args: Tuple, kwargs: Dict[str, Any]) -> Any:
        return self._inside(None, module, forward, args, kwargs)


class _Recorder(_Watcher):
    """Keeps what one pass of a model returns, and what that depends on."""

    def __init__(self, names: Dict[int, str], copied: FrozenSet[Tuple[Key, ...]]) -> None:
        self.root = _Call()
        super().__init__(self.root)
        self.tapped: List[Tuple[str, Tensor]] = []
        self.ran: Set[str] = set()
        self._names = names
        self._copied = copied
        self._origins = _Origins()

    @property
    def _so_far(self) -> Positions:
        return frozenset(range(len(self.tapped)))

    def call(self, module: nn.Module, forward: Callable, args: Tuple, kwargs: Dict[str, Any]) -> Any:
        around = self.stack[-1]
        key = around.next_key(module)
        call = around.children[key] = _Call((*around.path, key))
        came_in = self._depends([args, kwargs])
        first = len(self.tapped)
        output = self._inside(call, module, forward, args, kwargs)
        return self._returned(call, module, output, came_in | frozenset(range(first, len(self.tapped))))

    def _depends(self, value: Any) -> Positions:
        """The tapped tensors that a call depends on by what came in."""
        if not _is_plain(value):
            return self._so_far
        found = [self._origins.of(tensor) for tensor in tensors_of(value)]
        return frozenset().union(*(self._so_far if depends is None else depends for depends in found))

    def _returned(self, call: _Call, module: nn.Module, output: Any, depends: Positions) -> Any:
        name = self._names.get(id(module))
        if name is not None:
            self.ran.add(name)
            first = len(self.tapped)
            output = map_tensors(lambda tensor: self._tap(name, tensor, depends), output)
            call.taps = tuple(range(first, len(self.tapped)))
        own = []
        for tensor in tensors_of(output):
            origin = self._origins.of(tensor)
            if origin is None:
                self._origins.note(tensor, depends)
            own.append(depends if origin is None else origin)
        call.plain = _is_plain(output)
        call.depends = frozenset().union(*own) if call.plain else self._so_far
        call.output = map_tensors(torch.clone, output) if call.path in self._copied else output
        call.versions = tuple(tensor._version for tensor in tensors_of(call.output))
        self._forget(call)
        return output

    def _tap(self, name: str, tensor: Tensor, depends: Positions) -> Tensor:
        if not tensor.is_floating_point():
            return tensor
        self._origins.note(tensor, depends | {len(self.tapped)})
        self.tapped.append((name, tensor.clone()))  # stays as it is, whatever is written to what the layer returned
        return tensor

    def _forget(self, call: _Call) -> None:
        """Drop what no pass will ask for, now that a call has returned."""
        if call.plain and not call.depends:
            call.children = {}  # handed out as a whole in every pass
        for child in call.children.values():
            if call.plain and call.depends <= child.depends and not child.taps:
                child.output = None  # run again wherever the call around it is

    def finish(self) -> None:
        """Drop what depends on every tapped tensor, and find what was written to after it was returned."""
        for call in _calls(self.root):
            if call.depends == self._so_far and not call.taps:
                call.output = None
            if call.output is not None:
                versions = tuple(tensor._version for tensor in tensors_of(call.output))
                call.in_place = call.path in self._copied or versions != call.versions


class _Player(_Watcher):
    """Steers one pass with an altered output."""

    def __init__(
        self, root: _Call, tapped: Sequence[Tuple[str, Tensor]], position: int, altered: Tensor, copies: int
    ) -> None:
        self._tapped = tapped
        self._position = position
        self._altered = altered
        self._copies = copies
        super().__init__((root, {}))

    def call(self, module: nn.Module, forward: Callable, args: Tuple, kwargs: Dict[str, Any]) -> Any:
        around, counts = self.stack[-1]
        count = counts.get(id(module), 0)
        counts[id(module)] = count + 1
        recorded = None if around is None else around.children.get((id(module), count))
        if recorded is not None and recorded.output is not None:
            if self._position in recorded.taps:
                return self._with_altered(recorded)
            if recorded.plain and self._position not in recorded.depends:
                return map_tensors(lambda tensor: _expanded(tensor, self._copies, recorded.in_place), recorded.output)
        return self._inside((recorded, {}), module, forward, args, kwargs)

    def _with_altered(self, call: _Call) -> Any:
        positions = iter(call.taps)

        def replace(tensor: Tensor) -> Tensor:
            if not tensor.is_floating_point():
                return _expanded(tensor, self._copies, True)
            position = next(positions)
            if position == self._position:
                return self._altered
            return _expanded(self._tapped[position][1], self._copies, call.in_place)

        return map_tensors(replace, call.output)


def _is_plain(value: Union[Any, Sequence[Any]]) -> bool:
    """Whether a value holds tensors, numbers and text in tuples, lists and dicts, and nothing that hides a tensor."""
    if value is None or isinstance(value, (Tensor, bool, int, float, str, torch.Size, torch.dtype, torch.device)):
        return True
    if isinstance(value, dict):
        return all(_is_plain(one) for one in value.values())
    return isinstance(value, (tuple, list)) and all(_is_plain(one) for one in value)
