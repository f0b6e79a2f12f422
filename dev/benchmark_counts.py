"""Counts what a run costs that no other work on the machine changes: multiplications, and readings from the device.

A reading (``float(tensor)``, ``.tolist()``, ``.cpu()``, ``nonzero``, indexing by a mask) waits on a GPU until all that
was queued has ended. Here they are counted where they are asked for, so that the figure can be had without one; on a
GPU torch's own debug mode counts what really waited.
"""

from __future__ import annotations

import warnings
from collections import Counter
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

_READING = {f'aten::{name}' for name in ('_local_scalar_dense', 'nonzero', 'equal', 'masked_select', '_unique2')}
_INDEXING = {f'aten::{name}' for name in ('index', 'index_put', 'index_put_', '_index_put_impl_')}
_TO_MEMORY = {Tensor.tolist, Tensor.cpu}


class Counts:
    """What was counted.

    Attributes:
        multiplications: Of convolutions and products of matrices, forwards and backwards.
        calls: How often each operation ran, by its name, such as ``aten::convolution``.
        reads: How often a value was read from a tensor, or its size depended on values.
        waits: How often the process waited for a GPU; ``None`` without one.
    """

    def __init__(self) -> None:
        self.multiplications = 0
        self.calls: Dict[str, int] = Counter()
        self.reads = 0
        self.waits: Optional[int] = None


class _Operations(TorchDispatchMode):
    def __init__(self, counts: Counts) -> None:
        super().__init__()
        self._counts = counts

    def __torch_dispatch__(
        self, function: Any, types: Iterable, args: Tuple = (), kwargs: Optional[Dict[str, Any]] = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        name = function._schema.name
        self._counts.calls[name] += 1
        self._counts.reads += name in _READING or (name in _INDEXING and any(map(_is_mask, args[1])))
        self._counts.multiplications += _multiplications(name, args, result)
        return result


class _Readings(TorchFunctionMode):
    """What is read without an operation of torch's."""

    def __init__(self, counts: Counts) -> None:
        super().__init__()
        self._counts = counts

    def __torch_function__(
        self, function: Callable, types: Iterable, args: Tuple = (), kwargs: Optional[Dict[str, Any]] = None
    ) -> Any:
        self._counts.reads += function in _TO_MEMORY
        return function(*args, **(kwargs or {}))


def count(function: Callable[[], Any]) -> Tuple[Any, Counts]:
    """Run a function; returns what it returned, and what was counted."""
    counts = Counts()
    with warnings.catch_warnings(record=True) as told, _Readings(counts), _Operations(counts):
        warnings.simplefilter('always')
        if torch.cuda.is_available():
            torch.cuda.set_sync_debug_mode('warn')
        try:
            result = function()
        finally:
            if torch.cuda.is_available():
                torch.cuda.set_sync_debug_mode('default')
                counts.waits = sum('synchronizing CUDA operation' in str(each.message) for each in told)
    return result, counts


def bytes_kept(result: Any) -> int:
    """Bytes of all arrays that a result holds, those that several of its parts share counted once."""
    seen: Dict[int, Any] = {}
    arrays: Dict[int, int] = {}
    left: List[Any] = [result]
    while left:
        one = left.pop()
        if id(one) in seen:
            continue
        seen[id(one)] = one  # kept alive, or another object could get its id
        if isinstance(one, np.ndarray):
            whole = one if one.base is None else one.base
            arrays[id(whole)] = getattr(whole, 'nbytes', one.nbytes)
            seen[id(whole)] = whole
        elif isinstance(one, dict):
            left.extend(one.values())
        elif isinstance(one, (list, tuple)):
            left.extend(one)
        elif type(one).__module__.startswith('mmlens'):
            left.extend(vars(one).values())
    return sum(arrays.values())


def _is_mask(index: Any) -> bool:
    return isinstance(index, Tensor) and index.dtype in (torch.bool, torch.uint8)


def _multiplications(name: str, args: Tuple, result: Any) -> int:
    """Of one operation."""
    if name in ('aten::mm', 'aten::bmm', 'aten::addmm', 'aten::baddbmm'):
        first = args[1] if 'add' in name else args[0]
        return first.shape[-1] * result.numel()
    if name in ('aten::convolution', 'aten::_convolution'):
        inputs, weight, transposed = args[0], args[1], args[6]
        return (inputs if transposed else result).numel() * weight[0].numel()
    if name == 'aten::convolution_backward':
        gradient, inputs, weight, transposed, wanted = args[0], args[1], args[2], args[7], args[10]
        return sum(wanted[:2]) * (inputs if transposed else gradient).numel() * weight[0].numel()
    return 0
