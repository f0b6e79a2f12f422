"""Levels -> one map on the input's grid."""

from __future__ import annotations

import math
from typing import Optional, Sequence, Tuple, Union

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

Size = Tuple[int, int]


def fuse_levels(maps: Sequence[Tensor], size: Size, max_shape: Optional[Size] = None) -> Tensor:
    """Add the levels' maps on the input's grid.

    The raw values are added as they are: gradients carry the scale, so the box's own level wins by
    itself.

    Args:
        maps: Shape (h, w) each, any sizes; negative values count as zero.
        size: ``(H, W)`` of the input.
        max_shape: Larger maps are averaged down to at most this ``(h, w)`` first; ``-1`` leaves a
            side as it is.

    Returns:
        Shape (H, W), float32, >= 0.
    """
    total = torch.zeros(size, dtype=torch.float32, device=maps[0].device if maps else None)
    for level in maps:
        level = level.float().clamp_min(0)[None, None]
        if not bool(level.any()):  # most boxes depend on one level
            continue
        if max_shape is not None:
            height, width = (min(n, m) if m > 0 else n for n, m in zip(level.shape[-2:], max_shape))
            level = F.adaptive_avg_pool2d(level, (height, width))
        # Half-pixel centres, for cells are squares. Cubic keeps more of a small object's evidence in its
        # box than linear, which smears its outer cells over their neighbours.
        total += F.interpolate(level, size, mode='bicubic', align_corners=False)[0, 0].clamp_min(0)
    return total


def fuse_layers(maps: Sequence[Tensor], size: Size) -> Tensor:
    """Lay layers' maps over the input's grid as CAM methods are published for classes.

    Args:
        maps: Shape (h, w) each, any sizes; negative values count as zero.
        size: ``(H, W)`` of the input.

    Returns:
        Shape (H, W), float32, >= 0: the one map, interpolated linearly; or the mean of several, each
        scaled to [0, 1] first.
    """
    total = torch.zeros(size, dtype=torch.float32, device=maps[0].device if maps else None)
    for level in maps:
        level = level.float().clamp_min(0)
        if len(maps) > 1:
            level = (level - level.min()) / (level.max() - level.min()).clamp_min(1e-30)
        total += F.interpolate(level[None, None], size, mode='bilinear', align_corners=False)[0, 0] / len(maps)
    return total


def stretch(raw: Tensor) -> Tensor:
    """Scale a map so that its minimum is 0 and its maximum 1, as published for classes; a flat map becomes zero."""
    low, high = raw.min(), raw.max()
    return (raw - low) / (high - low) if bool(high > low) else torch.zeros_like(raw)


def normalise(raw: np.ndarray) -> np.ndarray:
    """Scale a map >= 0 so that its maximum is 1; an all-zero map stays zero."""
    peak = float(raw.max()) if raw.size else 0.0
    return (raw / peak).astype(np.float32, copy=False) if peak > 0 else np.zeros_like(raw, dtype=np.float32)


def normalise_in_box(raw: np.ndarray, box: Union[np.ndarray, Sequence[float]]) -> np.ndarray:
    """Rescale a map to [0, 1] within a box; zero outside (MMYOLO's ``norm_in_bbox``).

    Args:
        raw: Shape (H, W), >= 0.
        box: ``x1, y1, x2, y2`` in the map's pixels; clipped to the map. A pixel lies within it if its
            centre does; in a box narrower than a pixel, if it is touched.
    """
    height, width = raw.shape
    box = np.nan_to_num(box)  # a broken box has no inside
    x1, x2 = _pixels_between(box[0], box[2], width)
    y1, y2 = _pixels_between(box[1], box[3], height)
    result = np.zeros_like(raw, dtype=np.float32)
    inside = raw[y1:y2, x1:x2]
    if inside.size and inside.max() > 0:
        low = inside.min() if inside.min() < inside.max() else 0.0
        result[y1:y2, x1:x2] = (inside - low) / (inside.max() - low)
    return result


def _pixels_between(low: float, high: float, size: int) -> Tuple[int, int]:
    first, last = round(low), round(high)
    if first == last:
        first, last = math.floor(low), math.ceil(high)
    return min(max(first, 0), size), min(max(last, 0), size)
