"""What one pass of a model returns, module by module, and what of it depends on the tapped tensors."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, FrozenSet, Iterator, List, Optional, Sequence, Set, Tuple, Union

import torch
from torch import Tensor, nn

from ..trees import map_tensors, tensors_of

Positions = FrozenSet[int]  # of tapped tensors, in the order in which they were computed
_NONE: Positions = frozenset()
# (which module, its how many-th call within the call around it)
Key = Tuple[int, int]


@dataclass
class Call:
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
        shares: Whether what it returned shares memory with what came in, or among itself.
        again: Whether it has to be run in every pass, because handing out what it returned is not all that it
            does: it writes to what came in, or what it shares is written to later, or what came in or was
            returned hides more than tensors.
    """

    path: Tuple[Key, ...] = ()
    children: Dict[Key, Call] = field(default_factory=dict)
    counts: Dict[int, int] = field(default_factory=dict)
    depends: Positions = _NONE
    taps: Tuple[int, ...] = ()
    output: Any = None
    versions: Tuple[int, ...] = ()
    in_place: bool = False
    shares: bool = False
    again: bool = False

    def next_key(self, module: nn.Module) -> Key:
        """The key of the next call of a module within this call."""
        count = self.counts.get(id(module), 0)
        self.counts[id(module)] = count + 1
        return id(module), count


def calls_within(call: Call) -> Iterator[Call]:
    """The call itself, and all within it."""
    yield call
    for child in call.children.values():
        yield from calls_within(child)


class _Origins:
    """Which tapped tensors each tensor depends on, while it lives and is not written to."""

    def __init__(self) -> None:
        self._known: Dict[int, Tuple[weakref.ref, int, Positions]] = {}

    def of(self, tensor: Tensor) -> Optional[Positions]:
        reference, version, depends = self._known.get(id(tensor), (None, 0, _NONE))
        return depends if reference is not None and reference() is tensor and _version(tensor) == version else None

    def note(self, tensor: Tensor, depends: Positions) -> None:
        self._known[id(tensor)] = (weakref.ref(tensor), _version(tensor), depends)


class Watcher:
    """Knows which modules are running: the last of ``stack``, in the one before it, and so on.

    Attributes:
        depth: How many of them are part of the network. A detector inside a detector, which is given data samples
            beside tensors, is not.
    """

    def __init__(self, root: Any) -> None:
        self.stack: List[Any] = [root]
        self.depth = 0

    def call(self, module: nn.Module, forward: Callable, args: Tuple, kwargs: Dict[str, Any]) -> Any:
        """Call a module's forward, or something else in its place."""
        raise NotImplementedError

    def _inside(self, entry: Any, forward: Callable, args: Tuple, kwargs: Dict[str, Any]) -> Any:
        of_network = is_plain([args, kwargs])
        self.stack.append(entry)
        self.depth += of_network
        try:
            return forward(*args, **kwargs)
        finally:
            self.stack.pop()
            self.depth -= of_network


class Counter(Watcher):
    """Counts the modules that are running, and nothing else."""

    def __init__(self) -> None:
        super().__init__(None)

    def call(self, module: nn.Module, forward: Callable, args: Tuple, kwargs: Dict[str, Any]) -> Any:
        """Call a module's forward."""
        return self._inside(None, forward, args, kwargs)


class Recorder(Watcher):
    """Keeps what one pass of a model returns, and what that depends on."""

    def __init__(self, names: Dict[int, str], copied: FrozenSet[Tuple[Key, ...]]) -> None:
        self.root = Call()
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
        """Call a module's forward, and keep what it returned."""
        around = self.stack[-1]
        key = around.next_key(module)
        call = around.children[key] = Call((*around.path, key))
        inputs = [args, kwargs]
        came_in, before = self._depends(inputs), _written(inputs)
        first = len(self.tapped)
        output = self._inside(call, forward, args, kwargs)
        call.again = not (is_plain(inputs) and is_plain(output)) or _written(inputs) != before
        call.shares = _share_memory(inputs, output)
        return self._returned(call, module, output, came_in | frozenset(range(first, len(self.tapped))))

    def _depends(self, value: Any) -> Positions:
        """The tapped tensors that a call depends on by what came in."""
        if not is_plain(value):
            return self._so_far
        return frozenset().union(*(self._origin(tensor) for tensor in tensors_of(value)))

    def _origin(self, tensor: Tensor) -> Positions:
        depends = self._origins.of(tensor)
        if depends is None:  # no module returned it: but what is there already depends on nothing that comes later
            depends = self._so_far
            self._origins.note(tensor, depends)
        return depends

    def _returned(self, call: Call, module: nn.Module, output: Any, depends: Positions) -> Any:
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
        plain = is_plain(output)
        call.depends = frozenset().union(*own) if plain else self._so_far
        if plain or call.taps:
            # Lists and dicts of its own: those that were returned may grow.
            call.output = map_tensors(torch.clone if call.path in self._copied else _itself, output)
            call.versions = tuple(_version(tensor) for tensor in tensors_of(call.output))
        self._forget(call)
        return output

    def _tap(self, name: str, tensor: Tensor, depends: Positions) -> Tensor:
        if not tensor.is_floating_point():
            return tensor
        # It may be tapped already, as another layer's output or as another part of this one's.
        known = self._origins.of(tensor) or _NONE
        self._origins.note(tensor, depends | known | {len(self.tapped)})
        self.tapped.append((name, tensor.clone()))  # stays as it is, whatever is written to what the layer returned
        return tensor

    def _forget(self, call: Call) -> None:
        """Drop what no pass will ask for, now that a call has returned."""
        if not call.again and call.depends <= frozenset(call.taps):
            call.children = {}  # handed out as a whole in every pass, or altered as a whole
        for child in call.children.values():
            if not call.again and call.depends <= child.depends and not child.taps:
                child.output = None  # run again wherever the call around it is

    def finish(self) -> None:
        """Drop what depends on every tapped tensor, and find what was written to after it was returned."""
        for call in calls_within(self.root):
            if call.output is not None:
                versions = tuple(_version(tensor) for tensor in tensors_of(call.output))
                call.in_place = call.path in self._copied or versions != call.versions
                call.again = call.again or call.in_place and call.shares
            if (call.again or call.depends == self._so_far) and not call.taps:
                call.output = None
            if call.taps and not call.in_place:
                self._drop_copies(call)

    def _drop_copies(self, call: Call) -> None:
        """Take what a tapped layer returned for its copy: nothing was written to it."""
        returned = [tensor for tensor in tensors_of(call.output) if tensor.is_floating_point()]
        for position, tensor in zip(call.taps, returned):
            if not any(tensor is tapped for _, tapped in self.tapped):  # each stands for one position
                self.tapped[position] = (self.tapped[position][0], tensor)


def _version(tensor: Tensor) -> int:
    """How often a tensor was written to; what inference mode made cannot be outside of it."""
    return 0 if tensor.is_inference() else tensor._version


def _itself(tensor: Tensor) -> Tensor:
    return tensor


def _written(inputs: Any) -> List[Tuple[int, int]]:
    """Changes when a tensor in what came in is written to, or a list or dict gets other tensors."""
    return [(id(tensor), _version(tensor)) for tensor in tensors_of(inputs)]


def _share_memory(inputs: Any, output: Any) -> bool:
    """Whether tensors that were returned lie in one another's memory, or in that of what came in."""
    (came_in, returned) = ([_memory(tensor) for tensor in tensors_of(value)] for value in (inputs, output))
    return len(set(returned)) < len(returned) or not set(returned).isdisjoint(came_in)


def _memory(tensor: Tensor) -> int:
    """Where a tensor's memory begins; nowhere else for one that has none."""
    begin = tensor.untyped_storage().data_ptr() if tensor.layout is torch.strided else 0
    return begin or -id(tensor)


# A module that is given to another one (heads to a transformer's decoder) hides no tensor of this pass.
_PLAIN = (Tensor, nn.Module, bool, int, float, str, torch.Size, torch.dtype, torch.device)


def is_plain(value: Union[Any, Sequence[Any]]) -> bool:
    """Whether a value is tensors, numbers and text in tuples, lists and dicts, and nothing that hides a tensor."""
    if value is None or isinstance(value, _PLAIN):
        return True
    if isinstance(value, dict):
        return all(is_plain(one) for one in value.values())
    return isinstance(value, (tuple, list)) and all(is_plain(one) for one in value)
