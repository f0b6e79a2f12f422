"""What the masks of a pass were thresholded from, found without a table of heads.

Whatever a head pastes, resizes and selects, it ends with a comparison of live values with a threshold. The positions
of these values move with the mask that came of them: through indexing, reshaping and the pasting into a larger mask.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Tuple

import torch
from torch import Tensor

from .functions import functions_of
from .graph import live_graph

NOWHERE = -1  # in place of a position: a cell that came of no comparison


_COMPARISONS = functions_of('gt', 'ge') | {Tensor.__gt__, Tensor.__ge__}
# What changes the type of a mask, or its memory, and leaves every cell where it is.
_KEEP = functions_of('clone', 'detach') | {
    getattr(Tensor, name)
    for name in ('to', 'bool', 'float', 'byte', 'int', 'long', 'type', 'type_as', 'contiguous', 'cpu', 'cuda')
}
# What moves cells, or picks some.
_MOVE = {Tensor.__getitem__} | functions_of(
    'reshape', 'view', 'flatten', 'squeeze', 'unsqueeze', 'permute', 'transpose', 'flip', 'index_select', 'unbind',
    'split', 'chunk', 'expand',
)  # fmt: skip
_JOIN = functions_of('cat', 'stack')
_HANDLED = _COMPARISONS | _KEEP | _MOVE | _JOIN | {Tensor.__setitem__}


class _Compared(NamedTuple):
    """Values that were compared with a threshold, and the position of the first of them."""

    values: Tensor
    threshold: float
    first: int


class live_masks(live_graph):
    """A :class:`~mmlens.attribution.graph.live_graph` that remembers what masks were thresholded from."""

    def __init__(self) -> None:
        super().__init__()
        self._compared: List[_Compared] = []
        self._next = 0
        # By id, with the tensor itself, which keeps the id from being used again.
        self._positions: Dict[int, Tuple[Tensor, Tensor]] = {}

    def __torch_function__(
        self, function: Callable, types: Iterable, args: Tuple = (), kwargs: Optional[Dict[str, Any]] = None
    ) -> Any:
        """Called by torch in place of each of its functions."""
        result = super().__torch_function__(function, types, args, kwargs)
        if function in _HANDLED and args:
            self._follow(function, args, kwargs or {}, result)
        return result

    def _follow(self, function: Callable, args: Tuple, kwargs: Dict[str, Any], result: Any) -> None:
        if function in _COMPARISONS:
            self._compare(args, result)
        elif function is Tensor.__setitem__:
            self._paste(*args)
        elif function in _JOIN:
            self._join(function, args, kwargs, result)
        elif self.known(args[0]):
            moved = self._of(args[0])
            self._know(result, function(moved, *args[1:], **kwargs) if function in _MOVE else moved)

    def _compare(self, args: Tuple, result: Any) -> None:
        values, threshold = args[0], args[1] if len(args) > 1 else None
        if not isinstance(values, Tensor) or not values.requires_grad or values.ndim < 2:
            return
        if isinstance(threshold, Tensor) and threshold.numel() == 1:
            threshold = float(threshold.detach())
        if isinstance(threshold, (int, float)) and not isinstance(threshold, bool):
            kind = torch.int32 if self._next + values.numel() < 2**31 else torch.int64
            positions = torch.arange(self._next, self._next + values.numel(), dtype=kind, device=values.device)
            self._compared.append(_Compared(values, float(threshold), self._next))
            self._next += values.numel()
            self._know(result, positions.reshape(values.shape))

    def _paste(self, canvas: Any, index: Any, pasted: Any) -> None:
        if not self.known(canvas):
            if not self.known(pasted):
                return
            kind = self._of(pasted).dtype
            self._know(canvas, torch.full(canvas.shape, NOWHERE, dtype=kind, device=canvas.device))
        self._of(canvas)[index] = self._of(pasted) if self.known(pasted) else NOWHERE

    def _join(self, function: Callable, args: Tuple, kwargs: Dict[str, Any], result: Any) -> None:
        parts = args[0]
        if isinstance(parts, (list, tuple)) and any(map(self.known, parts)):
            kinds = [self._of(part).dtype for part in parts if self.known(part)]
            moved = [
                self._of(part) if self.known(part) else torch.full_like(part, NOWHERE, dtype=kinds[0]) for part in parts
            ]
            self._know(result, function(moved, *args[1:], **kwargs))

    def known(self, tensor: Any) -> bool:
        """Whether a mask, or any other tensor, came of a comparison of live values."""
        return id(tensor) in self._positions

    def _of(self, tensor: Any) -> Tensor:
        return self._positions[id(tensor)][1]

    def _know(self, result: Any, positions: Any) -> None:
        if isinstance(result, Tensor):
            self._positions[id(result)] = (result, positions)
        else:
            for part, moved in zip(result, positions):
                self._know(part, moved)

    def mean_logit(self, mask: Tensor, number: int, region: Tensor) -> Optional[Tensor]:
        """The mean logit of a mask over a region: ``mean over its pixels of log(p / (1 - p))``.

        ``p`` is the probability that the pixel's mask was thresholded from. Of a head that thresholds other values,
        such as logits at 0, the mean is that of the values minus the threshold.

        Args:
            mask: The masks (N, H, W) that are :meth:`known`.
            number: Which of them.
            region: Shape (H, W), bool. Pixels for which the head predicted nothing, such as those outside of a
                two-stage detector's box, do not count.

        Returns:
            A scalar with a graph; ``None`` if no pixel counts.
        """
        positions = self._of(mask)[number][region.to(mask.device)]
        positions = positions[positions >= 0]
        parts = [_logits(each, positions) for each in self._compared]
        logits = torch.cat(parts) if parts else positions.new_zeros(0).float()
        return logits.mean() if len(logits) else None


def _logits(compared: _Compared, positions: Tensor) -> Tensor:
    """The logits of the values at positions, of those that are among them: (k,)."""
    values, threshold, first = compared
    own = positions[(positions >= first) & (positions < first + values.numel())]
    chosen = values.reshape(-1)[own.to(values.device).long() - first]
    lowest, highest = values.detach().aminmax() if values.numel() else (values.new_zeros(()), values.new_zeros(()))
    if 0 < threshold < 1 and lowest >= 0 and highest <= 1:
        return torch.logit(chosen, eps=torch.finfo(chosen.dtype).eps)
    return chosen - threshold
