"""Multi-scale deformable attention on an accelerator (on the CPU mmcv falls back to its own torch version)."""

from __future__ import annotations

import torch
from torch import Tensor


def ms_deform_attn_forward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    im2col_step: int,
) -> Tensor:
    """Attention output (B, queries, heads * channels), by mmcv's torch version."""
    from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch

    return multi_scale_deformable_attn_pytorch(value, value_spatial_shapes, sampling_locations, attention_weights)


def ms_deform_attn_backward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    grad_output: Tensor,
    grad_value: Tensor,
    grad_sampling_loc: Tensor,
    grad_attn_weight: Tensor,
    im2col_step: int,
) -> None:
    """Add the gradients for value, sampling locations and attention weights."""
    # clone() without grad, not detach(): mmlens itself makes detach the identity while it explains a model.
    with torch.no_grad():
        inputs = [x.clone() for x in (value, sampling_locations, attention_weights)]
    with torch.enable_grad():
        value, locations, weights = (x.requires_grad_() for x in inputs)
        levels = value_level_start_index
        output = ms_deform_attn_forward(value, value_spatial_shapes, levels, locations, weights, im2col_step)
        gradients = torch.autograd.grad(output, (value, locations, weights), grad_output)
    for target, gradient in zip((grad_value, grad_sampling_loc, grad_attn_weight), gradients):
        target += gradient
