"""Which layer of a classifier to look at by default, found from what the network does."""

from __future__ import annotations

import contextlib
from typing import Callable, Dict, List, Optional, Tuple

import torch
from torch import Tensor, nn

from ..errors import LayerError
from .layers import written_name
from .tap import Tap


def find_default_layer(
    model: nn.Module,
    inside: str,
    run: Callable[[], Tensor],
    input_size: Tuple[int, int],
    extra_tokens: Optional[int] = None,
) -> Tuple[str, bool]:
    """The last norm layer that lies over the picture and whose cells the prediction depends on.

    For convolutional and window-attention networks that is the last norm layer. Where the head reads a
    class token, patches reach it through the last attention layer at the latest: it is the norm before that one.

    Args:
        model: A classifier.
        inside: Name of the child to look in, such as ``backbone``.
        run: Runs the model on a picture and returns logits (1, n).
        input_size: ``(height, width)`` of the input.
        extra_tokens: See :func:`~mmlens.attribution.tokens.layouts_of`.

    Returns:
        Its name, and whether the prediction depends on it. Where it depends on none, as with a head that is
        still all zeros, that is the last norm layer over the picture, and another once the head has learned.

    Raises:
        LayerError: If no norm layer lies over the picture.
    """
    norms = _norm_layers(model, inside)
    order: List[str] = []
    # The norm that is defined last usually runs last, so it is tried in the same run that records the order.
    likely = next(reversed(list(norms)), None)
    known = {likely: _dependence(model, likely, norms, run, input_size, extra_tokens, order)} if likely else {}
    last = {name: position for position, name in enumerate(order)}
    lying: List[str] = []
    for name in sorted(last, key=lambda name: -last[name]):
        if name not in known:
            known[name] = _dependence(model, name, norms, run, input_size, extra_tokens)
        if known[name]:
            return name, True
        if known[name] is not None:
            lying.append(name)
    if lying:
        return lying[0], False
    raise LayerError(f"No norm layer of '{inside}' lies over the picture: name one with `layers`.")


def _dependence(
    model: nn.Module,
    name: str,
    norms: Dict[str, nn.Module],
    run: Callable[[], Tensor],
    input_size: Tuple[int, int],
    extra_tokens: Optional[int],
    order: Optional[List[str]] = None,
) -> Optional[bool]:
    """Whether the prediction depends on a norm layer's cells; ``None`` if it has none over the picture.

    ``order`` is filled with the names of all norm layers as they run.
    """
    with Tap(model, {name: norms[name]}) as tap, contextlib.ExitStack() as hooks:
        if order is not None:
            for other, module in norms.items():
                hooks.callback(module.register_forward_hook(_noting(order, other)).remove)
        logits = run()
        try:
            levels = tap.levels(input_size, extra_tokens)
        except LayerError:
            return None  # after pooling, or not run at all
        gradients = torch.autograd.grad(logits.max(), [level.tensor for level in levels], allow_unused=True)
        return any(g is not None and bool(level.layout(g).any()) for level, g in zip(levels, gradients))


def _noting(names: List[str], name: str) -> Callable[..., None]:
    return lambda module, inputs, output: names.append(name)


def _norm_layers(model: nn.Module, inside: str) -> Dict[str, nn.Module]:
    named = getattr(model, inside).named_modules()
    return {written_name(f'{inside}.{name}'): module for name, module in named if _is_norm(module)}


def _is_norm(module: nn.Module) -> bool:
    return 'norm' in type(module).__name__.lower() and not any(True for _ in module.children())
