"""Passes without gradients in less time: batch norms folded into convolutions, activations in one step and in place."""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Dict, Iterator, List, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..attribution.restore import swapped_forwards

_NORMS = (nn.BatchNorm2d, nn.SyncBatchNorm)
_SILUS = ('SiLU', 'Swish')  # the latter is mmcv's, and written out

Replacement = Callable[..., Any]


@contextlib.contextmanager
def quick_passes(model: nn.Module) -> Iterator[None]:
    """Within the block, a model in evaluation without gradients takes less time for the same results, to rounding.

    In each ``ConvModule`` of mmcv that is a convolution, its batch norm and an activation in this order, the norm
    becomes part of the convolution's weights, and SiLU overwrites what the convolution returned. What has hooks, or a
    forward that somebody replaced, is left as it is. On other models nothing changes.

    Args:
        model: The model; given back as it was.
    """
    replaced: Dict[nn.Module, Replacement] = {}
    for module in model.modules():
        if type(module).__name__ == 'ConvModule':
            replaced.update(_folded(module))

    def quick(module: nn.Module, forward: Replacement, args: Tuple, kwargs: Dict[str, Any]) -> Any:
        return replaced[module](*args, **kwargs)

    with swapped_forwards(list(replaced), quick):
        yield


def _folded(module: Any) -> Dict[nn.Module, Replacement]:
    """The parts of a ConvModule with what they do instead; empty where that would not be the same."""
    conv: Any = module.conv
    norm: Any = module.norm if module.with_norm else None
    plain = type(conv) is nn.Conv2d and conv.padding_mode == 'zeros' and conv.weight.dtype == torch.float32
    if not plain or type(norm) not in _NORMS or tuple(module.order) != ('conv', 'norm', 'act'):
        return {}
    if norm.running_var is None or _watched(module) or _watched(conv) or _watched(norm):
        return {}
    # Not in training: mmcv's own form of this, which it may have switched on, is left alone.
    if getattr(module, 'fast_conv_bn_eval_forward', None) is not None:
        return {}
    weight, bias = _weights_of(conv, norm)
    found: Dict[nn.Module, Replacement] = {
        conv: lambda x: F.conv2d(x, weight, bias, conv.stride, conv.padding, conv.dilation, conv.groups),
        norm: lambda x: x,
    }
    activation: Any = module.activate if module.with_activation else None
    if type(activation).__name__ in _SILUS and not _watched(activation):
        found[activation] = lambda x, *_: F.silu(x, inplace=True)
    return found


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
