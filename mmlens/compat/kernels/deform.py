"""Deformable convolution, without (v1) and with modulation (v2), forward and backward.

mmcv orders the geometry differently in the two; below, both are brought into torchvision's order.
"""

from __future__ import annotations

from typing import Dict, List, Tuple

import torch
import torchvision  # noqa: F401  (registers torch.ops.torchvision)
from torch import Tensor


def deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    **geometry: int,
) -> None:
    """Deformable convolution (v1) of input (B, C, H, W) into output; columns and ones are mmcv's workspaces."""
    output.copy_(torch.ops.torchvision.deform_conv2d(*_unmodulated(input, weight, offset), *_v1(geometry), False))


def deform_conv_backward_input(
    input: Tensor,
    offset: Tensor,
    gradOutput: Tensor,
    gradInput: Tensor,
    gradOffset: Tensor,
    weight: Tensor,
    columns: Tensor,
    **geometry: int,
) -> None:
    """Add the gradients of a deformable convolution (v1) for its input and its offset."""
    backward = torch.ops.torchvision._deform_conv2d_backward
    gradients = backward(gradOutput, *_unmodulated(input, weight, offset), *_v1(geometry), False)
    gradInput += gradients[0]
    gradOffset += gradients[2]


def deform_conv_backward_parameters(
    input: Tensor,
    offset: Tensor,
    gradOutput: Tensor,
    gradWeight: Tensor,
    columns: Tensor,
    ones: Tensor,
    scale: float,
    **geometry: int,
) -> None:
    """Add the gradient of a deformable convolution (v1) for its weight, times scale."""
    # torchvision's kernel only reads the weight's shape: the gradient of the weight does not depend on its values.
    weight = gradWeight.new_zeros(gradWeight.shape)
    backward = torch.ops.torchvision._deform_conv2d_backward
    gradients = backward(gradOutput, *_unmodulated(input, weight, offset), *_v1(geometry), False)
    gradWeight += scale * gradients[1]


def modulated_deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    with_bias: bool,
    **geometry: int,
) -> None:
    """Modulated deformable convolution (v2) of input (B, C, H, W) into output."""
    bias = bias if with_bias else weight.new_zeros(weight.shape[0])
    offset, mask = (_as_read(x, output) for x in (offset, mask))
    output.copy_(torch.ops.torchvision.deform_conv2d(input, weight, offset, mask, bias, *_v2(geometry), True))


def modulated_deform_conv_backward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    with_bias: bool,
    **geometry: int,
) -> None:
    """Add the gradients of a modulated deformable convolution (v2) for all its inputs."""
    bias = bias if with_bias else weight.new_zeros(weight.shape[0])
    offset, mask, grad_offset, grad_mask = (_as_read(x, grad_output) for x in (offset, mask, grad_offset, grad_mask))
    backward = torch.ops.torchvision._deform_conv2d_backward
    gradients = backward(grad_output, input, weight, offset, mask, bias, *_v2(geometry), True)
    targets = [grad_input, grad_weight, grad_offset, grad_mask, grad_bias]
    for target, gradient in zip(targets if with_bias else targets[:-1], gradients):
        target += gradient


def _as_read(tensor: Tensor, output: Tensor) -> Tensor:
    """The part of an offset or a mask (B, C, h, w) that mmcv's kernel reads: a view of the output's height and width.

    The kernel walks through a sample's numbers in order and takes as many as the output has positions. mmdet's DyHead
    relies on that: it passes offsets of a finer level. A tensor that is too small is left for torchvision to refuse.
    """
    batch, channels = tensor.shape[:2]
    size = output.shape[-2:]
    if tensor.shape[-2:] == size or tensor[0, 0].numel() < size.numel():
        return tensor
    return tensor.view(batch, -1)[:, : channels * size.numel()].view(batch, channels, *size)


def _v1(geometry: Dict[str, int]) -> List[int]:
    names = ('dH', 'dW', 'padH', 'padW', 'dilationH', 'dilationW', 'group', 'deformable_group')
    return [geometry[name] for name in names]


def _v2(geometry: Dict[str, int]) -> List[int]:
    names = ('stride_h', 'stride_w', 'pad_h', 'pad_w', 'dilation_h', 'dilation_w', 'group', 'deformable_group')
    return [geometry[name] for name in names]


def _unmodulated(input: Tensor, weight: Tensor, offset: Tensor) -> Tuple[Tensor, ...]:
    """torchvision's tensors for a convolution with neither mask nor bias: it wants an empty mask and a zero bias."""
    return input, weight, offset, input.new_zeros(input.shape[0], 1), input.new_zeros(weight.shape[0])
