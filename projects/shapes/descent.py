"""A bare training loop, for what mmengine's runner has no data loader for."""

from __future__ import annotations

from typing import Callable, List, Optional, Sequence

import numpy as np
import torch

WARM_UP = 40


def descend(
    weights: Sequence[torch.Tensor],
    loss_of_step: Callable[[], torch.Tensor],
    steps: int,
    peak: float,
    *,
    last: float,
    weight_decay: float,
    longest: Optional[float] = None,
) -> List[float]:
    """Train weights in place by AdamW: the learning rate rises for :data:`WARM_UP` steps, then falls as a cosine.

    Args:
        weights: What is trained.
        loss_of_step: Returns the loss of the next batch.
        steps: How many batches.
        peak: The highest learning rate.
        last: What is left of it at the end, as a share.
        weight_decay: See AdamW.
        longest: The longest gradient that is taken as it is; longer ones are cut to it.

    Returns:
        The losses, one a step.
    """
    optimizer = torch.optim.AdamW(weights, lr=peak, weight_decay=weight_decay)
    history: List[float] = []
    for step in range(steps):
        falling = last + (1 - last) * np.cos(np.pi / 2 * step / steps) ** 2
        for group in optimizer.param_groups:
            group['lr'] = peak * min(1, (step + 1) / WARM_UP) * falling
        loss = loss_of_step()
        optimizer.zero_grad()
        loss.backward()
        if longest is not None:
            torch.nn.utils.clip_grad_norm_(weights, longest)
        optimizer.step()
        history.append(float(loss.detach()))
        if step % 20 == 19:
            print(f'{step + 1} of {steps}: loss {np.mean(history[-20:]):.3f}', flush=True)
    return history
