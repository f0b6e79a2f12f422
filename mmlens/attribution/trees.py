"""Tensors inside what a layer returns: a tensor, or tuples, lists and dicts of them."""

from __future__ import annotations

import copy
from typing import Any, Callable, Iterator

from torch import Tensor


def tensors_of(output: Any) -> Iterator[Tensor]:
    """Yield the tensors inside nested tuples, lists and dicts, in order."""
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, dict):
        for value in output.values():
            yield from tensors_of(value)
    elif isinstance(output, (tuple, list)):
        for value in output:
            yield from tensors_of(value)


def map_tensors(function: Callable[[Tensor], Tensor], output: Any) -> Any:
    """Rebuild nested tuples, lists and dicts with ``function`` applied to each tensor.

    Example:
        >>> map_tensors(lambda t: t + 1, {'x': (torch.zeros(1), None)})
        {'x': (tensor([1.]), None)}
    """
    if isinstance(output, Tensor):
        return function(output)
    if isinstance(output, dict):
        rebuilt = copy.copy(output)  # keeps what a subclass knows besides its items
        for key, value in output.items():
            rebuilt[key] = map_tensors(function, value)
        return rebuilt
    if isinstance(output, tuple) and hasattr(output, '_fields'):
        return type(output)(*(map_tensors(function, value) for value in output))
    if isinstance(output, (tuple, list)):
        return type(output)(map_tensors(function, value) for value in output)
    return output
