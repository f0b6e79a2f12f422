"""Contrast: why this class and not that one, of the same candidate."""

from __future__ import annotations

from typing import Any, List, Optional, Sequence, Union

import torch
from torch import Tensor

from ..errors import MmlensError

AUTO = 'auto'
BACKGROUND = 'background'

# Why nothing can be asked where `contrasted` returns None.
ITSELF = 'it is of the only class that it would be contrasted with'

# What a class is contrasted with: indexes of other classes, or one of the two names above.
Against = Union[str, Sequence[int]]


def one_of(against: Any) -> Any:
    """A list that holds ``'auto'`` or ``'background'`` alone, as a command line gives it, as that name itself."""
    listed = isinstance(against, (list, tuple)) and len(against) == 1 and against[0] in (AUTO, BACKGROUND)
    return against[0] if listed else against


def contrasted(against: Against, logits: Tensor, label: int, classes: int, has_background: bool) -> Optional[List[int]]:
    """Which entries of a candidate's logits a class is contrasted with.

    Args:
        against: What the user asked for.
        logits: Shape (n,): of all classes, and of the background at last where there is one.
        label: Index of the class that is explained.
        classes: How many classes there are without the background.
        has_background: Whether the last logit is the background's.

    Returns:
        Their indexes; none for the background of a head whose classes do not compete with one, which the logit of the
        class itself already stands against. ``None`` if nothing but the class itself is left.

    Raises:
        MmlensError: If there is only one class.
    """
    if against == BACKGROUND:
        return [classes] if has_background else []
    if classes < 2:
        raise MmlensError('The model has one class only: there is none that it could be contrasted with.')
    if against == AUTO:
        others = logits.detach()[:classes].clone()
        others[label] = -torch.inf
        return [int(others.argmax())]
    left = [int(index) for index in against if int(index) != label]
    return left or None


def contrast(logits: Tensor, label: int, others: Sequence[int]) -> Tensor:
    """The logit of a class minus those of others, weighted by how likely these are.

    ``sum_k p_k (z_c - z_k) / sum_k p_k`` with ``p = softmax(z)``; for a single other class, ``z_c - z_k``.

    Source: Finer-CAM (Zhang et al., CVPR 2025, https://arxiv.org/abs/2501.11309), eq. 3 to 5 with a comparison strength
    of 1. There the logits are those of a picture; here they may be those of one candidate of a detector.

    Args:
        logits: Shape (n,), with a graph.
        label: The class that is explained.
        others: The classes that it is contrasted with; none leaves the logit as it is.
    """
    if not others:
        return logits[label]
    index = torch.as_tensor(list(others), device=logits.device)
    # Shares of the likelihoods of these alone: without an epsilon, which would bend the contrast with unlikely classes.
    weights = logits[index].softmax(0)
    return (weights * (logits[label] - logits[index])).sum()
