"""What torch makes tensors of where nothing is said: their type and device, which users may have set otherwise."""

from __future__ import annotations

import contextlib
from typing import Any, ContextManager, Dict, Iterator, List, Sequence

import torch
from torch import nn


def modules_of(model: nn.Module) -> List[nn.Module]:
    """All modules of a model, each once, in the order of ``model.modules()``.

    That goes through a generator for each step of depth, and takes ten times as long: as long as a layer.
    """
    found: Dict[int, nn.Module] = {}

    def visit(module: nn.Module) -> None:
        if id(module) not in found:
            found[id(module)] = module
            for child in module._modules.values():
                if child is not None:
                    visit(child)

    visit(model)
    return list(found.values())


def number_type(modules: Sequence[nn.Module]) -> torch.dtype:
    """The type that a model computes in: that of its first weight, float32 if it has none."""
    weights = (p for module in modules for p in module._parameters.values() if p is not None and p.is_floating_point())
    first = next(weights, None)
    return torch.float32 if first is None else first.dtype


@contextlib.contextmanager
def usual_defaults(modules: Sequence[nn.Module] = ()) -> Iterator[None]:
    """New tensors are float32 and on the CPU unless they say otherwise, as torch begins.

    A default that is the model's own type or device stays: its code may rely on it.
    """
    kind, device = torch.get_default_dtype(), torch.empty(0).device.type
    known = next((p.device.type for module in modules for p in module._parameters.values() if p is not None), 'cpu')
    strange: ContextManager[Any] = torch.device('cpu') if device not in ('cpu', known) else contextlib.nullcontext()
    changed = kind not in (torch.float32, number_type(modules))
    with strange:
        try:
            if changed:
                torch.set_default_dtype(torch.float32)
            yield
        finally:
            if changed:
                torch.set_default_dtype(kind)
