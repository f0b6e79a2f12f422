"""Run a network once, and after that only the code of the model around it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Callable, Dict, Tuple

import torch
from torch import Tensor, nn

from ...threads import one_at_a_time
from ..trees import map_tensors
from .recording import is_plain


@dataclass
class _Kept:
    """What came into one call of a module, and what it returned."""

    inputs: Any
    output: Any


class Once:
    """Lets a model run several times in which its modules run only once, graph and hooks included.

    The first time, what each module returns is kept; from then on a module that is given the same returns it again.
    What a model does by itself, such as post-processing, runs each time, and may be steered to do something else. A
    module that is given something else, such as the mask head of other boxes, runs as always.

    What is handed out are copies: the model may write to them.

    Args:
        model: The model.

    Attributes:
        depth: How many modules of the network are running right now; 0 in the code of the model around it.

    Example:
        >>> with Once(model) as once:
        ...     plain = model(picture)
        ...     once.again()
        ...     model.threshold = 0.0
        ...     more = model(picture)  # costs what comes after the modules
    """

    def __init__(self, model: nn.Module) -> None:
        self._members = {id(module) for module in model.modules() if module is not model}
        self._kept: Dict[Tuple[int, int], _Kept] = {}
        self._counts: Dict[int, int] = {}
        self._call: Any = None
        self._thread = 0
        self.depth = 0

    def __enter__(self) -> Once:
        # Calls, and not only forwards, so that hooks do not run again: what a tap began stays the only beginning.
        one_at_a_time.acquire()
        self._thread = threading.get_ident()
        self._call = call = nn.Module.__call__
        nn.Module.__call__ = lambda module, *args, **kwargs: (  # type: ignore[method-assign]
            self._steer(module, call, args, kwargs)
        )
        return self

    def __exit__(self, *error: Any) -> None:
        nn.Module.__call__ = self._call  # type: ignore[method-assign]
        one_at_a_time.release()
        self._kept = {}

    def again(self) -> None:
        """The model is about to run again."""
        self._counts = {}

    def _steer(self, module: nn.Module, call: Callable, args: Tuple, kwargs: Dict[str, Any]) -> Any:
        if threading.get_ident() != self._thread:
            return call(module, *args, **kwargs)
        inputs = [args, kwargs]
        # A detector inside a detector is given data samples, and is no part of the network.
        if self.depth or id(module) not in self._members or not is_plain(inputs):
            return call(module, *args, **kwargs)
        count = self._counts.get(id(module), 0)
        self._counts[id(module)] = count + 1
        kept = self._kept.get((id(module), count))
        if kept is not None and _same(kept.inputs, inputs):
            return map_tensors(torch.clone, kept.output)
        before = map_tensors(lambda tensor: tensor.detach().clone(), inputs) if kept is None else None
        self.depth += 1
        try:
            output = call(module, *args, **kwargs)
        finally:
            self.depth -= 1
        if before is None or not is_plain(output):
            return output
        self._kept[id(module), count] = _Kept(before, output)
        return map_tensors(torch.clone, output)


def _same(one: Any, other: Any) -> bool:
    """Whether nested values are equal; tensors bit by bit."""
    if isinstance(one, Tensor) or isinstance(other, Tensor):
        both = isinstance(one, Tensor) and isinstance(other, Tensor)
        return both and one.dtype == other.dtype and one.shape == other.shape and torch.equal(one, other)
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(_same(one[k], other[k]) for k in one)
    if isinstance(one, (tuple, list)):
        same_kind = isinstance(other, (tuple, list)) and len(one) == len(other)
        return same_kind and all(_same(a, b) for a, b in zip(one, other))
    return one is other or one == other
