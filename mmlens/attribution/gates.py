"""Gradients that hold the gates of activation functions."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, ContextManager, Dict, Iterable, Optional, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from .functions import functions_of

if TYPE_CHECKING:
    from .methods import OnePassMethod
    from .tap import Tap

_GATED = {F.silu, F.gelu, F.mish, F.hardswish}
_SIGMOIDS = functions_of('sigmoid')
_PRODUCTS = {torch.mul, Tensor.mul, Tensor.__mul__, Tensor.mul_, Tensor.__imul__}
# Inputs closer to 0 have the gate that this one has.
_NEAR_ZERO = 1e-6


class held_gates(TorchFunctionMode):
    """Let gradients pass activation functions of the kind ``f(x) = x g(x)`` as if their gate ``g(x)`` were constant.

    SiLU, GELU, Mish and Hardswish multiply their input by a gate. The slope of such a function is also that of its
    gate: it is negative or over 1 in places, and says how the output would change, not what it is made of. With the
    gate held, gradient times activation distributes the output over the inputs exactly as it was put together
    (``g(x) x = f(x)``). ReLU is the same either way. A SiLU that is written out, ``x * sigmoid(x)``, is one too.

    A SiLU that follows a batch norm in evaluation is passed together with it: one multiplication, not two.

    Args:
        wanted: Asked at each function whether gates are held; always, if it is left out.

    Source: the identity rule for element-wise functions of layer-wise relevance propagation, as AttnLRP states it
    (Achtibat et al. 2024, https://arxiv.org/abs/2402.05602).
    """

    def __init__(self, wanted: Optional[Callable[[], bool]] = None) -> None:
        super().__init__()
        self._wanted = wanted
        self._gate: Tuple[Optional[Tensor], Optional[Tensor]] = (None, None)  # input and output of the last sigmoid
        self._norm: Optional[_Norm] = None  # the last batch norm

    def __torch_function__(
        self, function: Callable, types: Iterable, args: Tuple = (), kwargs: Optional[Dict[str, Any]] = None
    ) -> Any:
        """Called by torch in place of each of its functions."""
        kwargs = kwargs or {}
        if self._wanted is not None and not self._wanted():
            return function(*args, **kwargs)
        if function in _GATED:
            tensor = args[0] if args else kwargs['input']
            if tensor.requires_grad and function is F.silu:
                plain = tensor.detach()
                return self._held_silu(tensor, torch.sigmoid(plain), lambda: F.silu(plain))
            if tensor.requires_grad:
                options = {name: value for name, value in kwargs.items() if name not in ('input', 'inplace')}
                return _Held.apply(tensor, lambda values: function(values, **options))
        elif function in _PRODUCTS and self._is_gated(args):
            values, gate = self._gate
            assert values is not None and gate is not None
            plain, slope = values.detach(), gate.detach()
            return self._held_silu(values, slope, lambda: plain * slope)
        result = function(*args, **kwargs)
        if function is F.batch_norm:
            self._norm = _Norm.of(result, *args, **kwargs)
        if function in _SIGMOIDS and isinstance(result, Tensor) and result.requires_grad:
            self._gate = (args[0] if args else kwargs['input'], result)
        return result

    def _held_silu(self, values: Tensor, gate: Tensor, compute: Callable[[], Tensor]) -> Tensor:
        norm = self._norm
        if norm is None or norm.output is not values:
            return _Sloped.apply(values, gate, compute)
        return _Sloped.apply(norm.input, gate * norm.scale.to(gate.dtype), compute)

    def _is_gated(self, factors: Tuple) -> bool:
        """Whether the factors of a product are the input and the output of the last sigmoid."""
        given, gate = self._gate
        if gate is None or len(factors) != 2:
            return False
        return (factors[0] is given and factors[1] is gate) or (factors[0] is gate and factors[1] is given)


@dataclass(frozen=True)
class _Norm:
    """A batch norm in evaluation, with frozen parameters.

    Attributes:
        input: What it was given.
        output: What it returned.
        scale: What it multiplied each channel by, shaped (C, 1, ...).
    """

    input: Tensor
    output: Tensor
    scale: Tensor

    @classmethod
    def of(
        cls,
        output: Tensor,
        input: Tensor,
        running_mean: Optional[Tensor],
        running_var: Optional[Tensor],
        weight: Optional[Tensor] = None,
        bias: Optional[Tensor] = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Optional[_Norm]:
        """What ``F.batch_norm`` did, by its arguments; ``None`` if it is no multiplication by constants."""
        if training or running_var is None or not input.requires_grad or (weight is not None and weight.requires_grad):
            return None
        scale = (running_var + eps).rsqrt()
        scale = scale if weight is None else scale * weight
        return cls(input, output, scale.reshape(-1, *[1] * (input.ndim - 2)))


class _Held(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:  # type: ignore[override]
        returned = function(values)
        at_zero = function(values.new_tensor(_NEAR_ZERO)) / _NEAR_ZERO
        ctx.save_for_backward((returned / values).masked_fill_(values.abs() < _NEAR_ZERO, at_zero))
        return returned

    @staticmethod
    def backward(ctx: Any, *sent: Tensor) -> Tuple[Tensor, None]:  # type: ignore[override]
        (gate,) = ctx.saved_tensors
        return sent[0] * gate, None


class _Sloped(torch.autograd.Function):
    """What was computed from ``start``, bit by bit as without gradients, with a slope that is given."""

    @staticmethod
    def forward(ctx: Any, start: Tensor, slope: Tensor, compute: Callable[[], Tensor]) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(slope)
        return compute()

    @staticmethod
    def backward(ctx: Any, *sent: Tensor) -> Tuple[Tensor, None, None]:  # type: ignore[override]
        (slope,) = ctx.saved_tensors
        return sent[0] * slope, None, None


def held_gates_of(method: OnePassMethod, tap: Tap) -> ContextManager[None]:
    """What a method's forward pass runs in: of three layers or more, gates are held behind the second that runs."""
    # Before it, where activations tell edges, the slope of gates says better which pixels matter (docs/truth.md).
    if not method.holds_gates:
        return contextlib.nullcontext()
    return held_gates(None if len(tap.layers) < 3 else lambda: tap.ran > 1)
