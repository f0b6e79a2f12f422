"""Sigmoid focal loss (Lin et al. 2017): mmdet calls the op when it trains on CUDA."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Write the loss of every logit to output.

    Args:
        input: Logits (N, classes).
        target: Class of each row, int64 (N,); ``classes`` is background.
        weight: (classes,) or empty; a row is multiplied by the weight of its class, a background row by 1.
        output: (N, classes), overwritten.
        gamma: Exponent of the focusing factor.
        alpha: Weight of the positives; negatives have ``1 - alpha``.
    """
    p, positive = input.sigmoid(), _one_hot(input, target)
    of_positive = -alpha * (1 - p) ** gamma * F.logsigmoid(input)
    of_negative = -(1 - alpha) * p**gamma * F.logsigmoid(-input)
    output.copy_(torch.where(positive, of_positive, of_negative) * _row_weight(target, weight))


def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Write the derivative of every loss by its own logit to grad_input (N, classes); arguments as above."""
    p, positive = input.sigmoid(), _one_hot(input, target)
    of_positive = -alpha * (1 - p) ** gamma * (1 - p - gamma * p * F.logsigmoid(input))
    of_negative = -(1 - alpha) * p**gamma * (gamma * (1 - p) * F.logsigmoid(-input) - p)
    grad_input.copy_(torch.where(positive, of_positive, of_negative) * _row_weight(target, weight))


def _one_hot(input: Tensor, target: Tensor) -> Tensor:
    return target[:, None] == torch.arange(input.shape[1], device=input.device)


def _row_weight(target: Tensor, weight: Tensor) -> Tensor:
    """(N, 1) weight of each row's class."""
    if not weight.numel():
        return weight.new_ones(len(target), 1)
    return torch.cat([weight, weight.new_ones(1)])[target.clamp(max=len(weight))][:, None]
