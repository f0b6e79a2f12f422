"""Which layer of a classifier to look at by default, found from what the network does."""

from __future__ import annotations

from typing import Callable, List, Optional, Tuple

import torch
from torch import Tensor, nn

from ..errors import LayerError
from .layers import written_name
from .tap import Tap, observe_outputs


def find_default_layer(
    model: nn.Module,
    inside: str,
    run: Callable[[], Tensor],
    input_size: Tuple[int, int],
    extra_tokens: Optional[int] = None,
) -> Tuple[str, bool]:
    """The last norm layer that lies over the picture and whose cells the prediction depends on.

    For convolutional and window-attention networks that is the last norm layer. Where the head reads a
    class token, patches reach it through the last attention at the latest, so it is the norm before that.

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
    lying: List[str] = []
    for name, module in reversed(_norm_layers_in_order(model, inside, run)):
        with Tap(model, {name: module}) as tap:
            logits = run()
            try:
                levels = tap.levels(input_size, extra_tokens)
            except LayerError:
                continue  # after pooling
            lying.append(name)
            tensors = [level.tensor for level in levels]
            gradients = torch.autograd.grad(logits.max(), tensors, allow_unused=True)
            if any(g is not None and bool(level.layout(g).any()) for level, g in zip(levels, gradients)):
                return name, True
    if lying:
        return lying[0], False
    raise LayerError(f"No norm layer of '{inside}' lies over the picture: name a layer.")


def _norm_layers_in_order(model: nn.Module, inside: str, run: Callable[[], Tensor]) -> List[Tuple[str, nn.Module]]:
    """Norm layers in the order they run."""
    named = getattr(model, inside).named_modules()
    norms = {written_name(f'{inside}.{name}'): module for name, module in named if _is_norm(module)}
    order: List[str] = []
    with observe_outputs(model, norms.items(), lambda name, output: order.append(name)):
        run()
    last = {name: position for position, name in enumerate(order)}
    return [(name, norms[name]) for name in sorted(last, key=lambda name: last[name])]


def _is_norm(module: nn.Module) -> bool:
    return 'norm' in type(module).__name__.lower() and not any(True for _ in module.children())
