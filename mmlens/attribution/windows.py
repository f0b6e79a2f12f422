"""Backward passes that visit only what the explained detection depends on.

The score of one box comes from one cell of a head's output, or from one proposal: the gradient that a convolution or a
linear layer receives is zero outside a small window or a few rows. These send back the same gradient as torch's own,
at the window's cost. Layers that mix all cells, such as group norms, end the window: from there on all is visited.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.grad import conv2d_input

# Multiplications below which torch's own backward pass is faster than looking for the window; and where looking means
# to wait for the device, which nobody has measured.
WORTH_IT = 5e7
WORTH_WAITING = 5e9
# The same for the transposed convolution of 1 x 1 weights, which needs no window to be faster.
POINTWISE_WORTH_IT = 1e6
_FEW_COLUMNS = 8

Pair = Tuple[int, int]


def conv2d(
    original: Callable[..., Tensor],
    input: Tensor,
    weight: Tensor,
    bias: Optional[Tensor] = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """``torch.conv2d`` of frozen weights; backwards it visits the window where its output's gradient is not zero."""
    work = input.numel() * weight[:, 0].numel() // groups
    windowed = _worth_it(input)
    least = min(windowed, POINTWISE_WORTH_IT)
    if work < least or input.ndim != 4 or isinstance(padding, str) or not _frozen(input, weight, bias):
        return original(input, weight, bias, stride, padding, dilation, groups)
    how = (_pair(stride), _pair(padding), _pair(dilation), groups)
    # Cells that see padding alone are left to torch.
    if work >= windowed and all(p <= d * (k - 1) for p, d, k in zip(how[1], how[2], weight.shape[2:])):
        return _Convolution.apply(input, weight, bias, *how)
    if work >= POINTWISE_WORTH_IT and weight.shape[2:] == (1, 1) and how == ((1, 1), (0, 0), (1, 1), 1):
        return _Pointwise.apply(input, weight, bias)
    return original(input, weight, bias, *how)


def linear(original: Callable[..., Tensor], input: Tensor, weight: Tensor, bias: Optional[Tensor] = None) -> Tensor:
    """``torch.nn.functional.linear`` of frozen weights; backwards it visits the rows whose gradient is not zero."""
    if input.numel() * len(weight) < _worth_it(input) or input.ndim < 2 or not _frozen(input, weight, bias):
        return original(input, weight, bias)
    return _Linear.apply(input, weight, bias)


def reads_at_once(values: Tensor) -> bool:
    """Whether a value of a tensor can be read without waiting: elsewhere all that was queued has to end first."""
    return values.device.type == 'cpu'


def any_nonzero(values: Tensor) -> bool:
    """Whether a tensor has an element that is not 0, NaN included; several times as fast as ``any`` on the CPU."""
    if values.dtype != torch.float32 or not values.numel():
        return bool(values.any())
    return any(extreme != 0 for extreme in torch.stack(values.aminmax()).tolist())


def which_nonzero(several: Sequence[Optional[Tensor]]) -> List[bool]:
    """:func:`any_nonzero` of each tensor, by one reading; ``None`` has none."""
    there = [values for values in several if values is not None]
    if all(map(reads_at_once, there)):
        return [values is not None and any_nonzero(values) for values in several]
    found = iter(torch.stack([values.any() for values in there]).tolist())
    return [values is not None and next(found) for values in several]


def _worth_it(values: Tensor) -> float:
    return WORTH_IT if reads_at_once(values) else WORTH_WAITING


def nonzero_rows(values: Tensor) -> Optional[Tensor]:
    """Which rows (k,) of values (R, n) have an element that is not 0; ``None`` if they are more than half."""
    # The first few columns tell most often, and are read in a fraction of the time.
    if reads_at_once(values) and 2 * int(values[:, :_FEW_COLUMNS].any(-1).sum()) > len(values):
        return None
    rows = values.any(-1).nonzero()[:, 0]
    return None if 2 * len(rows) > len(values) else rows


def _frozen(input: Tensor, *parameters: Optional[Tensor]) -> bool:
    return input.requires_grad and not any(p is not None and p.requires_grad for p in parameters)


def _pair(value: Any) -> Pair:
    values = (value,) if isinstance(value, int) else tuple(value)
    return (int(values[0]), int(values[-1]))


class _Pointwise(torch.autograd.Function):
    """A 1 x 1 convolution, whose gradient is one too; torch's own backward pass takes a general way."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor, bias: Optional[Tensor]) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.set_materialize_grads(False)
        return F.conv2d(input, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Optional[Tensor]) -> Tuple[Optional[Tensor], ...]:
        (weight,) = ctx.saved_tensors
        if gradient is None:
            return None, None, None
        sent = weight.to(gradient.dtype).flatten(1).T @ gradient.flatten(2)
        return sent.unflatten(2, gradient.shape[2:]), None, None


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor, bias: Optional[Tensor], *how: Any) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.set_materialize_grads(False)  # no gradient costs nothing
        ctx.shape, ctx.how = input.shape, how
        return F.conv2d(input, weight, bias, *how)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Optional[Tensor]) -> Tuple[Optional[Tensor], ...]:
        (weight,) = ctx.saved_tensors
        return (None if gradient is None else _sent_back(gradient, weight, ctx.shape, *ctx.how), *[None] * 6)


def _sent_back(
    gradient: Tensor, weight: Tensor, shape: torch.Size, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Optional[Tensor]:
    """Gradient of a convolution's input (B, C, H, W), or ``None`` for zero."""
    cells = gradient.any(1).any(0)
    seen = torch.cat([cells.any(1), cells.any(0)]).tolist()
    rows, columns = ([n for n, any_ in enumerate(side) if any_] for side in (seen[: len(cells)], seen[len(cells) :]))
    if not rows:
        return None
    weight = weight.to(gradient.dtype)
    (top, bottom), (left, right) = ((places[0], places[-1] + 1) for places in (rows, columns))
    if 2 * (bottom - top) * (right - left) > cells.numel():
        return conv2d_input(shape, weight, gradient, stride, padding, dilation, groups)
    part = F.conv_transpose2d(gradient[:, :, top:bottom, left:right], weight, None, stride, 0, 0, groups, dilation)
    sent = gradient.new_zeros(shape)
    y, x = top * stride[0] - padding[0], left * stride[1] - padding[1]
    (height, width), (part_height, part_width) = shape[2:], part.shape[2:]
    inside = part[:, :, max(-y, 0) : height - y, max(-x, 0) : width - x]  # the rest fell on the padding
    sent[:, :, max(y, 0) : y + part_height, max(x, 0) : x + part_width] = inside
    return sent


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor, bias: Optional[Tensor]) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.set_materialize_grads(False)
        result = F.linear(input, weight, bias)
        # Rows of more than two axes come as a view, which layers that work in place, such as ReLU, could not change.
        return torch.ops.aten._unsafe_view(result, result.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Optional[Tensor]) -> Tuple[Optional[Tensor], ...]:
        if gradient is None:
            return None, None, None
        (weight,) = ctx.saved_tensors
        weight = weight.to(gradient.dtype)
        by_row = gradient.reshape(-1, gradient.shape[-1])
        rows = nonzero_rows(by_row)
        if rows is None:
            return gradient @ weight, None, None
        sent = gradient.new_zeros(len(by_row), weight.shape[1])
        sent[rows] = by_row[rows] @ weight
        return sent.reshape(*gradient.shape[:-1], weight.shape[1]), None, None


WINDOWED: Dict[Callable, Callable[..., Tensor]] = {torch.conv2d: conv2d, F.linear: linear}
