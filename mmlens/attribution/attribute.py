"""One target -> gradients at the tapped levels -> one map, or the reason why it is blank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Optional, Sequence

import torch
from torch import Tensor

from .fusion import Fusion, LevelMap, Size, add_levels
from .graph import depends_on
from .methods import OnePassMethod
from .tap import Level, finite
from .windows import any_nonzero, which_nonzero


@dataclass
class Attribution:
    """The map of one target.

    Attributes:
        raw: Shape (H, W), float32 >= 0, on the input's grid.
        blank: Why the map is empty and what to try; ``None`` if it is not.
        counter: The map of what speaks against the target, of the same kind; ``None`` if it was not asked for.
        extra_tokens_only: Whether it is empty because the target depends on the layers' extra tokens
            (class, distillation) and on none of the cells.
        unreached: Whether it is empty because no gradient reaches the layers.
    """

    raw: Tensor
    blank: Optional[str] = None
    extra_tokens_only: bool = False
    counter: Optional[Tensor] = None
    unreached: bool = False


SATURATED = 'the target is saturated there; choose a later layer or another target'

FLAT = 'its evidence is the same everywhere; choose an earlier layer'
# Interpolating a constant leaves it constant but for the last digits.
_ROUNDING = 1e-5


def is_flat(raw: Tensor) -> bool:
    """Whether a map >= 0 is the same everywhere but for rounding, and not zero: its peak would be noise."""
    if not raw.numel():
        return False
    low, high = raw.aminmax()
    return bool((high > 0) & (high - low <= _ROUNDING * high))


def blank_if_flat(found: Attribution) -> Attribution:
    """The same, or an empty map that says why, if it is the same everywhere."""
    if not is_flat(found.raw):
        return found
    return Attribution(torch.zeros_like(found.raw), FLAT, counter=found.counter)


def attribute(
    target: Tensor,
    levels: Sequence[Level],
    method: OnePassMethod,
    input_size: Size,
    *,
    spatial: bool = True,
    max_shape: Optional[Size] = None,
    keep_graph: bool = False,
    fuse: Fusion = add_levels,
    both_ways: bool = False,
    known: Optional[Sequence[Optional[Tensor]]] = None,
) -> Attribution:
    """Explain one scalar by the levels it was computed from.

    Args:
        target: The scalar, with a graph that begins at the levels.
        levels: What the tapped layers returned.
        method: Turns each level's activation and gradient into a map.
        input_size: ``(H, W)`` of the network's input.
        spatial: Keep the gradients' positions where the method would average them over the map;
            right for boxes, not for classes.
        max_shape: See :meth:`~mmlens.attribution.fusion.LevelMap.of`.
        keep_graph: Whether another target of the same graph follows.
        fuse: Makes one map of the levels' maps.
        both_ways: Whether to explain the negative of the scalar too, from the same gradients.
        known: The gradient at each level's tensor, where it is known already.
    """
    at_tensors = known
    if at_tensors is None:
        at_tensors = _gradients(target, levels, keep_graph) if method.uses_gradients else [None] * len(levels)
    gradients = _at_cells(levels, at_tensors)

    with torch.no_grad():
        used = [
            (level, None if gradient is None else finite(gradient))
            for level, gradient in zip(levels, gradients)
            if gradient is not None or not method.uses_gradients
        ]

        def explained(sign: int) -> Tensor:
            maps: List[LevelMap] = []
            for level, gradient in used:
                signed = method(level.finite, gradient if gradient is None or sign == 1 else -gradient, spatial)
                maps.append(LevelMap.of(level.layer, finite(signed[0]), max_shape))
            return fuse(maps, input_size).to(target.device)

        found = Attribution(explained(1), counter=explained(-1) if both_ways else None)
        if not bool((found.raw > 0).any()):
            found.blank = _why_blank(target, levels, gradients, method, spatial)
            reached = any(g is not None and any_nonzero(g) for g in at_tensors)
            found.extra_tokens_only = reached and all(g is None for g in gradients)
            found.unreached = method.uses_gradients and not reached
        return found


def gradients_at(target: Tensor, levels: Sequence[Level], keep_graph: bool = False) -> List[Optional[Tensor]]:
    """Gradient of a target at each level's cells: (1, C, h, w), or ``None`` where it is zero everywhere.

    Args:
        target: See :func:`attribute`.
        levels: See :func:`attribute`.
        keep_graph: See :func:`attribute`.
    """
    return _at_cells(levels, _gradients(target, levels, keep_graph))


def _gradients(target: Tensor, levels: Sequence[Level], keep_graph: bool) -> List[Optional[Tensor]]:
    """Gradient of each level, in its layer's own layout; ``None`` where there is no path."""
    if not target.requires_grad:
        return [None] * len(levels)
    # Levels of one token tensor share it: ask once.
    unique = {id(level.tensor): level.tensor for level in levels}
    gradients = torch.autograd.grad(target, list(unique.values()), retain_graph=keep_graph, allow_unused=True)
    by_tensor = dict(zip(unique, gradients))
    return [by_tensor[id(level.tensor)] for level in levels]


def _at_cells(levels: Sequence[Level], gradients: Sequence[Optional[Tensor]]) -> List[Optional[Tensor]]:
    """The gradient of each level as (1, C, h, w); ``None`` where it is zero at every cell."""
    laid = [None if gradient is None else level.layout(gradient) for level, gradient in zip(levels, gradients)]
    return [gradient if seen else None for gradient, seen in zip(laid, which_nonzero(laid))]


def _why_blank(
    target: Tensor,
    levels: Sequence[Level],
    gradients: Sequence[Optional[Tensor]],
    method: OnePassMethod,
    spatial: bool,
) -> str:
    names = ', '.join(sorted({f"'{level.layer}'" for level in levels}))
    if not method.uses_gradients or any(g is not None for g in gradients):
        if all(not bool(level.activation.any()) for level in levels):
            return f'every activation of {names} is zero; choose another layer'
        if not method.uses_gradients:
            return f'{method.name} is nowhere positive at {names}; choose another layer or method'
        if not any(bool(g.isfinite().any()) for g in gradients if g is not None):
            return f'the gradient at {names} is not a number; run the model in full precision, or choose another layer'
        if _says_nothing(levels, gradients, method, spatial):
            return f'the activations at {names} are zero wherever a gradient arrives; choose another layer'
        other = 'hirescam' if method.name == 'layercam' else 'layercam'
        return (
            f'all evidence at {names} is negative for this target ({method.name} is nowhere positive); try the method '
            f"'{other}' or another layer"
        )
    if not target.requires_grad or not depends_on(target, [level.tensor for level in levels]):
        return f'{names} is not on the path to this target; choose a layer that the target comes through'
    return f'no gradient reaches {names}: {SATURATED}'


def _says_nothing(
    levels: Sequence[Level], gradients: Sequence[Optional[Tensor]], method: OnePassMethod, spatial: bool
) -> bool:
    """Whether a method finds nothing against a target either, as every activation times its gradient is zero."""
    pairs = [(level.finite, finite(each)) for level, each in zip(levels, gradients) if each is not None]
    return not any(bool((a * g).any()) or bool((method(a, -g, spatial)[0] > 0).any()) for a, g in pairs)


def gradients_of_sum(
    scalars: Sequence[Tensor], tensors: Sequence[Tensor], method: OnePassMethod, keep_graph: bool
) -> Sequence[Optional[Tensor]]:
    """The gradient of the sum of scalars, one of each input of a batch, at each tapped tensor; ``None`` for no path.

    In a network that predicts, inputs of a batch do not touch each other: at each input's part of a tensor, this is the
    gradient of its own scalar.
    """
    with_graph = [scalar for scalar in scalars if scalar.requires_grad]
    if not method.uses_gradients or not with_graph:
        return [None] * len(tensors)
    return torch.autograd.grad(torch.stack(with_graph).sum(), tensors, retain_graph=keep_graph, allow_unused=True)


def gradients_of_one(
    gradients: Sequence[Optional[Tensor]], position: int, levels: Sequence[Level], tensors: Sequence[Tensor]
) -> List[Optional[Tensor]]:
    """The gradients at the levels of one input of a batch.

    Args:
        gradients: See :func:`gradients_of_sum`.
        position: Of the input in the batch.
        levels: Its levels; see :meth:`~mmlens.attribution.tap.Tap.levels_of_each`.
        tensors: Those that the gradients were taken at.
    """
    parts = {}
    for tensor, gradient in zip(tensors, gradients):
        own = tensor[position : position + 1]
        parts[own.data_ptr()] = None if gradient is None else gradient[position : position + 1]
    return [parts[level.tensor.data_ptr()] for level in levels]
