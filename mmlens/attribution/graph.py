"""The autograd graph, kept alive through a detector's post-processing."""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Dict, Iterable, Iterator, Optional, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode, _get_current_function_mode

from ..compat.mmcv_attention import attend
from .class_scores import ClassScores
from .deformable import attention
from .functions import functions_of
from .self_attention import multi_head_attention
from .windows import WINDOWED, which_nonzero

_OTHERWISE: Dict[Callable, Callable[..., Any]] = {
    **WINDOWED,
    attend: attention,
    F.multi_head_attention_forward: multi_head_attention,
}

_DETACH = functions_of('detach') | {Tensor.detach_, Tensor.data.__get__}  # type: ignore[attr-defined]
_VIEWS = functions_of('unbind', 'split', 'split_with_sizes', 'chunk', 'tensor_split')
_LEAVE_TORCH = {Tensor.numpy, Tensor.__array__, Tensor.tolist, Tensor.item, Tensor.__float__, Tensor.__int__}
_JOINS = {torch.cat, torch.concat, torch.concatenate, torch.stack}
_ROOTS = functions_of('sqrt', 'pow') | {Tensor.sqrt_, Tensor.pow_, Tensor.__pow__, Tensor.__ipow__}
_HANDLED = _DETACH | _VIEWS | _LEAVE_TORCH | _JOINS | _ROOTS | {Tensor.__deepcopy__} | set(_OTHERWISE)


class live_graph(TorchFunctionMode):
    """Let gradients of final detections reach the network.

    Post-processing is written for inference: heads ``detach`` what they select and change views of
    ``unbind``, ``split`` and ``chunk`` in place, both of which end the graph. Inside this context
    ``detach`` does nothing and those views are copies, so no table of heads is needed. Converting
    to NumPy and ``copy.deepcopy`` still work, and tensors without gradients are left alone.

    Where levels are joined (``cat``, ``stack``), the backward pass stops at those whose gradient is
    all zero: a box of one level does not pay for the others. This changes no gradient. Large convolutions and
    linear layers are passed only where their gradient is not zero; see :mod:`~mmlens.attribution.windows`.

    The derivative of a root at 0 is infinite: other scores of 0, such as that of a padded class, would turn
    the gradient into NaN. Here, what receives no gradient passes none on.

    Args:
        scores: Keeps what heads turn into class scores; ``None`` keeps nothing.
    """

    def __init__(self, scores: Optional[ClassScores] = None) -> None:
        super().__init__()
        self._scores = scores

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the context temporarily if it is torch's innermost function mode: every call within it costs."""
        if _get_current_function_mode() is not self:
            yield
            return
        self.__exit__(None, None, None)
        try:
            yield
        finally:
            self.__enter__()

    def __torch_function__(
        self, function: Callable, types: Iterable, args: Tuple = (), kwargs: Optional[Dict[str, Any]] = None
    ) -> Any:
        """Called by torch in place of each of its functions."""
        kwargs = kwargs or {}
        if self._scores is not None and self._scores.wants(function, args, kwargs):
            return self._scores.call(function, args, kwargs)
        if function not in _HANDLED:
            return function(*args, **kwargs)
        if function in _OTHERWISE:
            return _OTHERWISE[function](function, *args, **kwargs)
        if function in _DETACH:
            tensor = args[0] if args else kwargs['input']
            return tensor if tensor.requires_grad else function(*args, **kwargs)
        if function in _LEAVE_TORCH and args[0].requires_grad:
            return function(args[0].detach(), *args[1:], **kwargs)
        if function is Tensor.__deepcopy__ and not args[0].is_leaf:
            return args[0].clone()
        result = function(*args, **kwargs)
        if function in _VIEWS and any(part.requires_grad for part in result):
            return type(result)(part.clone() for part in result)
        if function in _JOINS and result.grad_fn is not None:
            result.grad_fn.register_hook(_drop_zeros)
        if function in _ROOTS and result.grad_fn is not None:
            result.grad_fn.register_hook(_none_from_none)
        return result


def _drop_zeros(grad_inputs: Tuple[Optional[Tensor], ...], grad_outputs: Tuple[Any, ...]) -> Tuple:
    return tuple(g if reached else None for g, reached in zip(grad_inputs, which_nonzero(grad_inputs)))


def _none_from_none(grad_inputs: Tuple[Optional[Tensor], ...], grad_outputs: Tuple[Any, ...]) -> Tuple:
    (sent,) = grad_outputs
    return tuple(g if g is None or g.shape != sent.shape else g.masked_fill(sent == 0, 0) for g in grad_inputs)


def depends_on(scalar: Tensor, tensors: Iterable[Tensor]) -> bool:
    """Whether the graph of ``scalar`` reaches any of ``tensors``, whatever the gradient's value."""
    wanted = {id(t) for t in tensors}
    nodes = {t.grad_fn for t in tensors if t.grad_fn is not None}
    stack, seen = [scalar.grad_fn], set()
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if node in nodes or id(getattr(node, 'variable', None)) in wanted:
            return True
        stack.extend(child for child, _ in node.next_functions)
    return False
