"""Pooling of regions: RoIAlign and RoIPool, forward and backward."""

from __future__ import annotations

import math
from typing import List, Tuple

import torch
import torchvision  # noqa: F401  (registers torch.ops.torchvision)
from torch import Tensor

from mmlens.compat.dependencies import DependencyError

MAX, AVERAGE = 0, 1  # RoIAlign's pool modes, numbered as mmcv numbers them


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """RoIAlign of input (B, C, H, W) at rois (N, 5: image, corners) into output (N, C, height, width)."""
    _check_average(pool_mode)
    size = (aligned_height, aligned_width)
    rois = rois.to(input.dtype)
    output.copy_(torch.ops.torchvision.roi_align(input, rois, spatial_scale, *size, sampling_ratio, aligned))


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Add RoIAlign's gradient for its input to grad_input (B, C, H, W)."""
    _check_average(pool_mode)
    size = (aligned_height, aligned_width, *grad_input.shape)
    # One detection's gradient comes from one of a thousand regions, and the kernel would visit them all.
    sending = grad_output.flatten(1).any(1)
    grad_output, rois = grad_output[sending], rois[sending].to(grad_output.dtype)
    backward = torch.ops.torchvision._roi_align_backward
    grad_input += backward(grad_output, rois, spatial_scale, *size, sampling_ratio, aligned)


def roi_pool_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """RoIPool of input (B, C, H, W) at rois (N, 5: image, corners) into output (N, C, height, width).

    torchvision's kernel rounds a region to whole cells first and mmcv's does not, so their values differ: this is
    mmcv's definition, in torch. argmax gets the flat index (row * W + column) of each maximum, -1 for an empty bin.
    """
    height, width = input.shape[-2:]
    output.zero_()
    argmax.fill_(-1)
    for n, (image, x1, y1, x2, y2) in enumerate(rois.tolist()):
        rows = _bins(y1 * spatial_scale, (y2 + 1) * spatial_scale, pooled_height, height)
        columns = _bins(x1 * spatial_scale, (x2 + 1) * spatial_scale, pooled_width, width)
        for i, (top, bottom) in enumerate(rows):
            if bottom <= top:
                continue
            strip, strip_row = input[int(image), :, top:bottom].max(dim=1)  # (C, W)
            for j, (left, right) in enumerate(columns):
                if right > left:
                    peak, column = strip[:, left:right].max(dim=1)  # (C,)
                    column = column + left
                    row = strip_row.gather(1, column[:, None])[:, 0] + top
                    output[n, :, i, j] = peak
                    argmax[n, :, i, j] = (row * width + column).to(argmax.dtype)


def roi_pool_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax: Tensor,
    grad_input: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Add RoIPool's gradient for its input to grad_input (B, C, H, W)."""
    batch, channels, height, width = grad_input.shape
    index = argmax.flatten(2).long()
    gradient = grad_output.flatten(2) * (index >= 0)
    per_roi = grad_input.new_zeros(len(rois), channels, height * width)
    per_roi.scatter_add_(2, index.clamp(min=0), gradient)
    grad_input.view(batch, channels, -1).index_add_(0, rois[:, 0].long(), per_roi)


def _check_average(pool_mode: int) -> None:
    if pool_mode != AVERAGE:
        raise DependencyError(
            "RoIAlign with pool_mode='max' needs mmcv with its compiled ops; torchvision pools the average only."
        )


def _bins(start: float, stop: float, count: int, limit: int) -> List[Tuple[int, int]]:
    """Whole cells [first, last) of each of `count` equal bins of [start, stop), within [0, limit)."""
    if stop <= start:
        return [(0, 0)] * count
    size = (stop - start) / count
    edges = [(math.floor(i * size + start), math.ceil((i + 1) * size + start)) for i in range(count)]
    return [(min(max(first, 0), limit), min(max(last, 0), limit)) for first, last in edges]
