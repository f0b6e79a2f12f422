"""Where the gradient of a target becomes zero between a layer and the target."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import torch
from torch import Tensor, nn

from .graph import depends_on
from .layers import written_name
from .tap import Tap
from .windows import any_nonzero

ELSEWHERE = (
    'what it leads to does not count for this target, which comes through another level or branch; choose a layer '
    'before it'
)
_Outputs = List[Tuple[str, Tensor]]


def where_gradients_vanish(
    model: nn.Module,
    layers: Dict[str, nn.Module],
    scalars: Callable[[Tap], Sequence[Tensor]],
    positions: Sequence[int],
) -> Dict[int, str]:
    """Why no gradient of some targets reaches any of the layers, by one more pass with all modules watched.

    Args:
        model: The model; given back as it was.
        layers: The layers, by name.
        scalars: Runs the model within a tap and returns all targets, with gradients on.
        positions: Which of them no gradient reaches.

    Returns:
        By position, a part of a sentence and what to try; none where the targets themselves do not change with what
        the network computes: a score that is 0 or 1 as far as its number type can tell, or an edge at the border.
    """
    inner = {f'{name}.': module for name, module in model.named_modules() if name and not any(module.children())}
    order: List[str] = []
    with Tap(model, {**layers, **inner}) as tap, contextlib.ExitStack() as hooks:
        for name, module in inner.items():
            hooks.callback(module.register_forward_hook(_noting(order, name)).remove)
        targets = scalars(tap)
        starts = [tensor for name in layers for tensor in tap.outputs_of(name)]
        outputs = list(_in_order(order, {name: tap.outputs_of(name) for name in inner}))
        return {n: why for n in positions for why in [_why(targets[n], starts, outputs, inner)] if why}


def _noting(order: List[str], name: str) -> Callable[..., None]:
    def note(module: nn.Module, args: Any, output: Any) -> None:
        order.append(name)

    return note


def _in_order(order: Sequence[str], outputs: Dict[str, List[Tensor]]) -> Iterator[Tuple[str, Tensor]]:
    """All outputs as they came: a module that runs several times has one of each call."""
    calls = Counter(order)
    seen: Dict[str, int] = Counter()
    for name in order:
        each = outputs[name]
        if len(each) == calls[name]:
            yield name, each[seen[name]]
        elif not seen[name]:
            yield from ((name, tensor) for tensor in each)
        seen[name] += 1


def _why(target: Tensor, starts: Sequence[Tensor], outputs: _Outputs, modules: Dict[str, nn.Module]) -> Optional[str]:
    reached = _reached(target, outputs)
    for name, output, gradient in reached:
        if depends_on(output, starts):
            module = modules[name]
            return f'it ends {_how(written_name(name[:-1]), module, output, gradient)}'
    return ELSEWHERE if reached else None


def _reached(target: Tensor, outputs: _Outputs) -> List[Tuple[str, Tensor, Tensor]]:
    """The outputs that a gradient reaches, in the order in which the modules ran, with their gradients."""
    if not target.requires_grad:
        return []
    gradients = torch.autograd.grad(target, [tensor for _, tensor in outputs], retain_graph=True, allow_unused=True)
    found = [(*each, gradient) for each, gradient in zip(outputs, gradients) if gradient is not None]
    return [each for each in found if any_nonzero(each[2])]


def _how(name: str, module: nn.Module, output: Tensor, gradient: Tensor) -> str:
    """What stops the gradient that still reaches a module's output, as far as that can be told."""
    which = f"'{name}' ({type(module).__name__})"
    weight = getattr(module, 'weight', None)
    if isinstance(weight, Tensor) and weight.numel() and not any_nonzero(weight.detach()):
        return f'in {which}, whose weights are all zero, as before a training; choose that layer or a later one'
    if 'ReLU' in type(module).__name__ and not bool(((output > 0) & (gradient != 0)).any()):
        return f'in {which}, which is off wherever this target looks; choose that layer or a later one'
    return f'on the way to {which}; choose that layer or a later one'
