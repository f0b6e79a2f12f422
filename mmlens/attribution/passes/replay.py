"""Run again only what comes after a layer: one recorded pass, then passes with altered outputs."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any, Callable, Dict, FrozenSet, List, Optional, Sequence, Set, Tuple, TypeVar

import torch
from torch import Tensor, nn

from ...errors import LayerError
from ..restore import evaluating, swapped_forwards
from ..tap import Level, levels_of
from ..trees import map_tensors, tensors_of
from .recording import Call, Counter, Key, Recorder, Watcher, calls_within

Result = TypeVar('Result')


class Replay:
    """A recorded pass of a model, from which only what comes after a layer is run again.

    In a pass with an altered output, a module that does not depend on what was altered returns what
    it returned when the pass was recorded, copied over the batch: what finished before the layer, and
    after it the branches of the other levels. The rest, post-processing included, runs as always, so the
    results are those of the whole model with the altered output.

    A call is taken to depend on a tapped tensor if that tensor came in, directly or through other
    calls, or if anything came in that no module returned.

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
        self._root = Call()
        self._watcher: Optional[Watcher] = None
        self._undo = contextlib.ExitStack()

    def __enter__(self) -> Replay:
        with contextlib.ExitStack() as undo:
            inner = [module for module in undo.enter_context(evaluating(self.model)) if module is not self.model]
            undo.enter_context(torch.no_grad())
            undo.enter_context(swapped_forwards(inner, self._steer))
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._undo.__exit__(*error)
        self._root, self._tapped = Call(), []

    def _steer(self, module: nn.Module, forward: Callable, args: Tuple, kwargs: Dict[str, Any]) -> Any:
        return forward(*args, **kwargs) if self._watcher is None else self._watcher.call(module, forward, args, kwargs)

    def _watched(self, watcher: Watcher, run: Callable[[], Result]) -> Result:
        self._watcher = watcher
        try:
            return run()
        finally:
            self._watcher = None

    @property
    def depth(self) -> int:
        """How many modules of the network are running right now; 0 in the code of the model around it."""
        return 0 if self._watcher is None else self._watcher.depth

    def whole(self, run: Callable[[], Result]) -> Result:
        """Run the whole model another way, with :attr:`depth` counted and nothing recorded or replayed."""
        return self._watched(Counter(), run)

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
        recorder = Recorder(self._names, copied)
        result = self._watched(recorder, lambda: self._run(1))
        recorder.finish()
        self._root, self._tapped, self._ran = recorder.root, recorder.tapped, recorder.ran
        return result, frozenset(call.path for call in calls_within(self._root) if call.in_place)

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
        held = [
            tensor for call in calls_within(self._root) if call.output is not None for tensor in tensors_of(call.output)
        ]
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
        return self._with({self._position(level.tensor): altered}, copies)

    def _with(self, altered: Dict[int, Tensor], copies: int) -> Any:
        player = _Player(self._root, self._tapped, altered, copies)
        return self._watched(player, lambda: self._run(copies))

    def from_layers(self, levels: Sequence[Level]) -> Optional[Tuple[Any, List[Level]]]:
        """Run what comes after all layers with a graph that begins there, as in a :class:`~mmlens.attribution.tap.Tap`.

        To be called where torch keeps graphs.

        Args:
            levels: All of :meth:`levels`.

        Returns:
            What ``run(1)`` returned, and the levels with the tensors from which the graph begins; ``None`` where one
            of the layers comes after another, or hides more than tensors.
        """
        tapping = [call for call in calls_within(self._root) if call.taps]
        if any(call.again or not call.depends <= frozenset(call.taps) for call in tapping):
            return None
        starts = {position: tensor.clone().requires_grad_() for position, (_, tensor) in enumerate(self._tapped)}
        returned = self._with({position: start.clone() for position, start in starts.items()}, 1)
        return returned, [replace(level, tensor=starts[self._position(level.tensor)]) for level in levels]


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


class _Player(Watcher):
    """Steers one pass with altered outputs.

    Args:
        root, tapped: What was recorded.
        altered: What takes the place of tapped tensors, by their positions.
        copies: How many copies of the input there are.
    """

    def __init__(
        self, root: Call, tapped: Sequence[Tuple[str, Tensor]], altered: Dict[int, Tensor], copies: int
    ) -> None:
        self._tapped = tapped
        self._altered = altered
        self._positions = frozenset(altered)
        self._copies = copies
        super().__init__((root, {}))

    def call(self, module: nn.Module, forward: Callable, args: Tuple, kwargs: Dict[str, Any]) -> Any:
        around, counts = self.stack[-1]
        count = counts.get(id(module), 0)
        counts[id(module)] = count + 1
        recorded = None if around is None else around.children.get((id(module), count))
        if recorded is None or recorded.output is None:
            return self._inside((recorded, {}), forward, args, kwargs)
        altered = not self._positions.isdisjoint(recorded.taps)
        if recorded.again or not altered and not self._positions.isdisjoint(recorded.depends):
            output = self._inside((recorded, {}), forward, args, kwargs)
            return self._with_altered(recorded) if altered else output
        if altered:
            return self._with_altered(recorded)
        return map_tensors(lambda tensor: _expanded(tensor, self._copies, recorded.in_place), recorded.output)

    def _with_altered(self, call: Call) -> Any:
        positions = iter(call.taps)

        def changed(tensor: Tensor) -> Tensor:
            if not tensor.is_floating_point():
                return _expanded(tensor, self._copies, True)
            position = next(positions)
            if position in self._altered:
                return self._altered[position]
            return _expanded(self._tapped[position][1], self._copies, call.in_place)

        return map_tensors(changed, call.output)
