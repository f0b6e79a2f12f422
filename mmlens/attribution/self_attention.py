"""Multi-head attention whose backward pass works on a few queries at a time.

Torch's own goes through the matrix of all queries by all keys several times, one step after the other. Here each part
of it takes all its steps while it is in the processor's cache, and queries whose gradient is zero are left out: of the
last layer of a decoder, one box needs one query. Values are torch's, gradients equal its own up to rounding.
"""

from __future__ import annotations

import inspect
import math
from typing import Any, Callable, Dict, Optional, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from . import windows

_QUERIES = 128  # at a time
_ATTENTION: Callable[..., Any] = F.multi_head_attention_forward
_SIGNATURE = inspect.signature(_ATTENTION)

Result = Tuple[Tensor, Optional[Tensor]]


def multi_head_attention(original: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
    """``torch.nn.functional.multi_head_attention_forward``, as far as detectors use it in evaluation."""
    given = _SIGNATURE.bind(*args, **kwargs)
    given.apply_defaults()
    how = given.arguments
    if not _is_plain(how) or not _is_worth_it(how):
        return original(*args, **kwargs)
    return _attended(how)


def _is_plain(how: Dict[str, Any]) -> bool:
    """Whether a call is one of the common kind: frozen weights of one size, no dropout, and weights asked for."""
    absent = ('bias_k', 'bias_v', 'static_k', 'static_v')
    if any(how[name] is not None for name in absent) or how['in_proj_weight'] is None or how['query'].ndim != 3:
        return False
    if how['add_zero_attn'] or how['use_separate_proj_weight'] or not how['need_weights'] or how.get('is_causal'):
        return False
    if how['training'] and how['dropout_p'] > 0:
        return False
    parameters = [how[f'{which}_proj_{what}'] for which in ('in', 'out') for what in ('weight', 'bias')]
    return not any(each is not None and each.requires_grad for each in parameters)


def _is_worth_it(how: Dict[str, Any]) -> bool:
    query, key, value = how['query'], how['key'], how['value']
    learns = query.requires_grad or key.requires_grad or value.requires_grad
    return learns and query.device.type == 'cpu' and query.numel() * len(key) >= windows.WORTH_IT


def _attended(how: Dict[str, Any]) -> Result:
    query, key, value, heads = how['query'], how['key'], how['value'], how['num_heads']
    length, batch, channels = query.shape
    weights, biases = how['in_proj_weight'].chunk(3), (None, None, None)
    if how['in_proj_bias'] is not None:
        biases = how['in_proj_bias'].chunk(3)
    q, k, v = (
        windows.linear(F.linear, each, weight, bias).view(len(each), batch * heads, -1).transpose(0, 1)
        for each, weight, bias in zip((query, key, value), weights, biases)
    )
    mask = _mask(how['attn_mask'], how['key_padding_mask'], heads, q)
    received, seen = _Heads.apply(q * math.sqrt(1.0 / q.shape[-1]), k, v, mask)
    received = received.transpose(0, 1).reshape(length, batch, channels)
    result = windows.linear(F.linear, received, how['out_proj_weight'], how['out_proj_bias'])
    seen = seen.view(batch, heads, length, len(key))
    return result, seen.mean(1) if how.get('average_attn_weights', True) else seen


def _mask(mask: Optional[Tensor], padding: Optional[Tensor], heads: int, like: Tensor) -> Optional[Tensor]:
    """What is added to the logits (B * heads, queries, keys), in a shape that fits; ``None`` for nothing."""
    if mask is not None:
        mask = _added(mask, like)
        mask = mask[None] if mask.ndim == 2 else mask
    if padding is not None:
        padding = _added(padding, like)[:, None, None].expand(-1, heads, -1, -1).flatten(0, 1)
        mask = padding if mask is None else mask + padding
    return mask


def _added(mask: Tensor, like: Tensor) -> Tensor:
    if mask.dtype is not torch.bool:
        return mask
    return torch.zeros_like(mask, dtype=like.dtype).masked_fill_(mask, -math.inf)


class _Heads(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, mask: Optional[Tensor]) -> Tuple[Tensor, Tensor]:
        """What queries (N, T, d) receive of values (N, S, d), and how much of each: (N, T, S)."""
        logits = torch.bmm(q, k.mT) if mask is None else torch.baddbmm(mask, q, k.mT)
        seen = logits.softmax(-1)
        received = torch.bmm(seen, v)
        ctx.save_for_backward(q, k, v, seen, received)
        ctx.set_materialize_grads(False)
        return received, seen

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, sent: Optional[Tensor], of_seen: Optional[Tensor]) -> Tuple[Optional[Tensor], ...]:
        q, k, v, seen, received = ctx.saved_tensors
        if of_seen is not None:  # somebody used how much was seen of each
            return (*_whole(q, k, v, seen, sent, of_seen), None)
        if sent is None:
            return None, None, None, None
        rows = windows.nonzero_rows(sent.transpose(0, 1).flatten(1))
        if rows is None:
            return (*_in_parts(q, k, v, seen, received, sent), None)
        few, to_k, to_v = _in_parts(q[:, rows], k, v, seen[:, rows], received[:, rows], sent[:, rows])
        to_q = torch.zeros_like(q)
        to_q[:, rows] = few
        return to_q, to_k, to_v, None


def _whole(
    q: Tensor, k: Tensor, v: Tensor, seen: Tensor, sent: Optional[Tensor], of_seen: Tensor
) -> Tuple[Tensor, Tensor, Optional[Tensor]]:
    of_logits = of_seen if sent is None else torch.baddbmm(of_seen, sent, v.mT)
    of_logits = seen * (of_logits - (of_logits * seen).sum(-1, keepdim=True))
    to_v = None if sent is None else torch.bmm(seen.mT, sent)
    return torch.bmm(of_logits, k), torch.bmm(of_logits.mT, q), to_v


def _in_parts(
    q: Tensor, k: Tensor, v: Tensor, seen: Tensor, received: Tensor, sent: Tensor
) -> Tuple[Tensor, Tensor, Tensor]:
    """The gradients of q, k and v."""
    to_q, to_k, to_v = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
    # The gradient of a softmax is the softmax times (what is sent minus its mean); that mean is known beforehand.
    mean = (sent * received).sum(-1, keepdim=True)
    for head, (keys, values, of_keys, of_values) in enumerate(zip(k, v.mT, to_k, to_v)):
        for queries, sees, gets, less, of_queries in zip(
            *(each[head].split(_QUERIES) for each in (q, seen, sent, mean, to_q))
        ):
            of_logits = torch.addmm(less, gets, values, beta=-1).mul_(sees)
            torch.mm(of_logits, keys, out=of_queries)
            of_keys.addmm_(of_logits.T, queries)
            of_values.addmm_(sees.T, gets)
    return to_q, to_k, to_v
