"""Change a model temporarily, and give it back as it was."""

from __future__ import annotations

import contextlib
import random
from typing import Any, Callable, Dict, Iterable, Iterator, List, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor, nn

from ..defaults import modules_of
from ..threads import one_at_a_time
from .plain import plain_code

Forward = Callable[..., Any]


@contextlib.contextmanager
def swapped_forwards(
    modules: Sequence[nn.Module], steer: Callable[[nn.Module, Forward, Tuple, Dict[str, Any]], Any]
) -> Iterator[None]:
    """Call ``steer(module, forward, args, kwargs)`` instead of the forward of these modules."""

    def swapped(module: nn.Module) -> Forward:
        forward = module.forward
        return lambda *args, **kwargs: steer(module, forward, args, kwargs)

    # A forward set on the instance itself is somebody else's patch: it is kept and put back.
    patched = {id(module): module.__dict__['forward'] for module in modules if 'forward' in module.__dict__}
    wrappers = [swapped(module) for module in modules]
    try:
        for module, wrapper in zip(modules, wrappers):
            module.__dict__['forward'] = wrapper
        yield
    finally:
        for module in modules:
            module.__dict__.pop('forward', None)
            if id(module) in patched:
                module.__dict__['forward'] = patched[id(module)]


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[List[nn.Module]]:
    """Put a model into eval mode, and give it back as it was. Yields its modules."""
    with contextlib.ExitStack() as undo:
        modules = undo.enter_context(unchanged(model))
        undo.enter_context(torch.inference_mode(False))
        if any(module.training for module in modules):
            # Setting the flags is not enough: LeViT and others fuse their weights when eval() is called.
            undo.enter_context(attributes_kept(modules))
            model.eval()
        for module in modules:
            _set_training(module, False)
        yield modules


def _set_training(module: nn.Module, flag: bool) -> None:
    if 'training' in vars(module):  # a module that torch.compile made asks the one that it wraps
        vars(module)['training'] = flag  # as `module.training = flag`, without nn.Module's checks


@contextlib.contextmanager
def attributes_kept(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Put back which attributes modules have and what they refer to; what is changed in place stays changed."""
    kept = [(module, dict(vars(module))) for module in modules]
    try:
        yield
    finally:
        for module, attributes in kept:
            now = vars(module)
            if now.keys() != attributes.keys() or any(now[name] is not value for name, value in attributes.items()):
                now.clear()
                now.update(attributes)


@contextlib.contextmanager
def unchanged(model: nn.Module) -> Iterator[List[nn.Module]]:
    """Put back flags, buffers, gradients and random states of a model when the block ends. Yields its modules.

    Inside, the model runs its own code, not compiled and not checkpointed; see :mod:`mmlens.attribution.plain`.
    One thread at a time is inside such blocks.
    """
    modules = modules_of(model)
    with one_at_a_time, plain_code(modules), _put_back(modules):
        yield modules


@contextlib.contextmanager
def _put_back(modules: Sequence[nn.Module]) -> Iterator[None]:
    training = [module.training for module in modules]
    parameters = [(p, p.requires_grad, p.grad) for p in parameters_of(modules)]
    buffers = [(module, dict(module._buffers)) for module in modules]
    tensors = [b for _, named in buffers for b in named.values() if b is not None]
    values = _joined(tensors)
    states = _random_states(p.device for p, _, _ in parameters)
    try:
        yield
    finally:
        for module, flag in zip(modules, training):
            _set_training(module, flag)
        for parameter, requires_grad, grad in parameters:
            parameter.requires_grad_(requires_grad)
            parameter.grad = grad
        for module, named in buffers:
            module._buffers.clear()
            module._buffers.update(named)
        _restore_values(tensors, values)
        _restore_random_states(states)


def parameters_of(modules: Sequence[nn.Module]) -> List[nn.Parameter]:
    """The parameters of modules, each once."""
    found = {id(p): p for module in modules for p in module._parameters.values() if p is not None}
    return list(found.values())


Kind = Tuple[torch.dtype, torch.device]


def _joined(tensors: Sequence[Tensor]) -> Dict[Kind, Tensor]:
    """Values of many small tensors, joined by kind: a batch norm alone has three, and each torch call costs."""
    kinds: Dict[Kind, List[Tensor]] = {}
    for tensor in tensors:
        kinds.setdefault((tensor.dtype, tensor.device), []).append(tensor.detach().reshape(-1))
    return {kind: torch.cat(parts) for kind, parts in kinds.items()}


def _restore_values(tensors: Sequence[Tensor], values: Dict[Kind, Tensor]) -> None:
    # Compared by value, for changes through `.data` do not count in a tensor's version.
    now = _joined(tensors)
    for kind, value in values.items():
        if torch.equal(now[kind], value):
            continue
        members = [tensor for tensor in tensors if (tensor.dtype, tensor.device) == kind]
        for tensor, part in zip(members, value.split([tensor.numel() for tensor in members])):
            if not torch.equal(tensor, part.view(tensor.shape)):
                tensor.data.copy_(part.view(tensor.shape))


def _random_states(devices: Iterable[torch.device]) -> Tuple[Any, Any, Tensor, Dict[torch.device, Tensor]]:
    cuda = {device: torch.cuda.get_rng_state(device) for device in set(devices) if device.type == 'cuda'}
    return random.getstate(), np.random.get_state(), torch.get_rng_state(), cuda


def _restore_random_states(states: Tuple[Any, Any, Tensor, Dict[torch.device, Tensor]]) -> None:
    python, numpy, cpu, cuda = states
    random.setstate(python)
    np.random.set_state(numpy)
    torch.set_rng_state(cpu)
    for device, state in cuda.items():
        torch.cuda.set_rng_state(state, device)
