"""Run a model's own code and nothing around it: not compiled, not checkpointed, with the usual defaults of torch.

None of these changes what a model computes. All stand between a model and hooks, gradients or new tensors.
"""

from __future__ import annotations

import contextlib
import sys
from typing import Any, Callable, Dict, Iterator, List, Sequence, Tuple

import torch
from torch import Tensor, nn

from ..defaults import usual_defaults


@contextlib.contextmanager
def plain_code(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Let modules run as they are written while the block lasts; they are given back as they were.

    Args:
        modules: All modules of a model.
    """
    with _normal_tensors(modules), _uncompiled(modules), _without_checkpoints(), usual_defaults(modules):
        yield


@contextlib.contextmanager
def _uncompiled(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Give modules their own code back where torch.compile replaced it: our hooks would have it compiled again."""
    kept: List[Tuple[nn.Module, str, Any]] = []
    for module in modules:
        own = getattr(vars(module).get('forward'), '_torchdynamo_orig_callable', None)
        if own is not None:
            kept.append((module, 'forward', vars(module)['forward']))
            vars(module)['forward'] = own
        if vars(module).get('_compiled_call_impl') is not None:
            kept.append((module, '_compiled_call_impl', vars(module)['_compiled_call_impl']))
            vars(module)['_compiled_call_impl'] = None
    try:
        yield
    finally:
        for module, name, value in kept:
            vars(module)[name] = value


@contextlib.contextmanager
def _normal_tensors(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Replace tensors made in torch's inference mode, which no gradient passes through, by copies."""
    stores: List[Dict[str, Any]] = [store for module in modules for store in (module._parameters, module._buffers)]
    kept: List[Tuple[Dict[str, Any], str, Tensor]] = []
    copies: Dict[int, Tensor] = {}
    if not any(each is not None and each.is_inference() for store in stores for each in store.values()):
        yield
        return
    stores += [vars(module) for module in modules]  # anchors and masks are often plain attributes
    for store in stores:
        for name, value in list(store.items()):
            if isinstance(value, Tensor) and value.is_inference():
                kept.append((store, name, value))
                if id(value) not in copies:
                    copies[id(value)] = _copied(value)
                store[name] = copies[id(value)]
    try:
        yield
    finally:
        for store, name, value in kept:
            store[name] = value


def _copied(value: Tensor) -> Tensor:
    with torch.inference_mode(False):
        copy = value.detach().clone()
        return nn.Parameter(copy, value.requires_grad) if isinstance(value, nn.Parameter) else copy


@contextlib.contextmanager
def _without_checkpoints() -> Iterator[None]:
    """Keep activations instead of computing them anew in the backward pass.

    Reentrant checkpointing refuses ``torch.autograd.grad``, and the other kind runs our hooks twice. Whoever imported
    ``checkpoint``, under whatever name, comes through these two.
    """
    module = sys.modules.get('torch.utils.checkpoint')  # a model that uses it has imported it
    stand_ins: Dict[str, Any] = {
        'CheckpointFunction': _Reentrant,
        '_checkpoint_without_reentrant_generator': _without_reentrance,
        '_checkpoint_without_reentrant': _called_in_torch_2_0,
    }
    kept = {name: getattr(module, name) for name in stand_ins if hasattr(module, name)}
    try:
        for name in kept:
            setattr(module, name, stand_ins[name])
        yield
    finally:
        for name, value in kept.items():
            setattr(module, name, value)


class _Reentrant:
    """Stands in for torch's function: it runs what it is given."""

    @staticmethod
    def apply(function: Callable[..., Any], preserve: bool, *args: Any) -> Any:
        return function(*args)


def _without_reentrance(function: Callable[..., Any], *settings: Any, **more: Any) -> Iterator[None]:
    # torch runs the function between two steps of this generator.
    yield


def _called_in_torch_2_0(function: Callable[..., Any], preserve: bool, *args: Any, **options: Any) -> Any:
    return function(*args, **options)
