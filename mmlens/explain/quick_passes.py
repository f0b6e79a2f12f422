"""Passes without gradients in less time: batch norms folded into convolutions, activations in one step and in place."""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Dict, Iterator, List, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..attribution.restore import swapped_forwards

# RTMDet's norms are synchronised ones, or what became of them, as soon as there are two processes.
_NORMS = (nn.BatchNorm2d.forward, nn.SyncBatchNorm.forward)
_SILUS = ('SiLU', 'Swish')  # the latter is mmcv's, and written out


@contextlib.contextmanager
def quick_passes(model: nn.Module) -> Iterator[None]:
    """Within the block, a model in evaluation without gradients takes less time for the same results, to rounding.

    In each ``ConvModule`` of mmcv that is a convolution, its batch norm and an activation in this order, the norm
    becomes part of the convolution's weights, and SiLU overwrites what the convolution returned. What has hooks, or a
    forward that somebody replaced, is left as it is. Other modules stay what they are.

    Args:
        model: The model; given back as it was.
    """
    folded: Dict[nn.Module, Callable[[Tensor], Tensor]] = {}
    for module in model.modules():
        if type(module).__name__ == 'ConvModule' and _can_be_folded(module):
            folded[module] = _folded(module)

    def quick(module: nn.Module, forward: Callable[..., Any], args: Tuple, kwargs: Dict[str, Any]) -> Any:
        # Asked for less than all of it, a module does what it is asked for.
        return folded[module](args[0]) if len(args) == 1 and not kwargs else forward(*args, **kwargs)

    with swapped_forwards(list(folded), quick):
        yield


def _can_be_folded(module: Any) -> bool:
    """Whether a ConvModule is what :func:`quick_passes` says, and nobody would notice."""
    conv, norm, activation = _parts_of(module)
    plain = type(conv) is nn.Conv2d and conv.padding_mode == 'zeros' and conv.weight.dtype == torch.float32
    if not plain or norm is None or type(norm).forward not in _NORMS or norm.running_var is None:
        return False
    if tuple(module.order) != ('conv', 'norm', 'act') or module.with_explicit_padding:
        return False
    return not any(_watched(part) for part in (module, conv, norm, activation) if part is not None)


def _folded(module: Any) -> Callable[[Tensor], Tensor]:
    """What a ConvModule does, in one or two steps; several may share a convolution, each with a norm of its own."""
    conv, norm, activation = _parts_of(module)
    weight, bias = _weights_of(conv, norm)

    def run(x: Tensor) -> Tensor:
        x = F.conv2d(x, weight, bias, conv.stride, conv.padding, conv.dilation, conv.groups)
        if activation is None:
            return x
        return F.silu(x, inplace=True) if type(activation).__name__ in _SILUS else activation(x)

    return run


def _parts_of(module: Any) -> Tuple[Any, Any, Any]:
    norm = module.norm if module.with_norm else None
    return module.conv, norm, module.activate if module.with_activation else None


def _weights_of(conv: nn.Conv2d, norm: Any) -> Tuple[Tensor, Tensor]:
    """Weights and bias of a convolution that does what the norm did after it."""
    scale = torch.rsqrt(norm.running_var + norm.eps)
    scale = scale if norm.weight is None else scale * norm.weight
    shift = torch.zeros_like(scale) if norm.bias is None else norm.bias
    mean = norm.running_mean if conv.bias is None else norm.running_mean - conv.bias
    return conv.weight * scale.view(-1, 1, 1, 1), shift - mean * scale


def _watched(module: Any) -> bool:
    """Whether somebody would notice: there are hooks, or a forward of the instance's own."""
    hooks: List[Any] = [module._forward_hooks, module._forward_pre_hooks]
    return any(hooks) or 'forward' in vars(module)
