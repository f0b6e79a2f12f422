"""Altered outputs of a layer: without a channel, or with some cells only; altered inputs: blurred, or of one colour."""

from __future__ import annotations

from typing import Optional, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..tap import Level

ABLATED_VALUES = ('zero', 'mean', 'gradcam')
_FAR_BELOW = 1e7
_BLUR = 1 / 32  # of the longer side: little is found on a picture as blurred as that


def without_channels(
    level: Level, channels: Sequence[int], value: str = 'zero', cells_only: bool = True, first: int = 0
) -> Tensor:
    """Copies of a level's output, each with one channel set to a constant.

    Args:
        level: The level.
        channels: The channel of each copy.
        value: ``'zero'``; ``'mean'`` over the channel's cells; or ``'gradcam'``, what pytorch-grad-cam takes: zero
            if the least activation is zero, else 1e7 below it. There, each channel of a batch of 32 lies another
            1e7 below the one before it, for the least of the whole batch is taken.
        cells_only: Leave alone what else shares the tensor with the level's cells (extra tokens,
            other levels).
        first: How many channels came before these.

    Returns:
        Shape of ``level.tensor``, with the number of channels in place of the 1 of its batch axis.
    """
    index, activation = _index(level), level.activation[0]
    copies = level.tensor.reshape(1, -1).repeat(len(channels), 1)
    for position, channel in enumerate(channels):
        where = index[channel].reshape(-1) if cells_only else _whole_channel(level, index, channel)
        copies[position, where] = _constant(level, activation[channel], value, first + position)
    return _laid_out(copies, level)


def _constant(level: Level, channel: Tensor, value: str, rank: int) -> Tensor:
    if value == 'mean':
        return channel.mean()
    least = level.tensor.min()
    return least.new_zeros(()) if value == 'zero' or least == 0 else least - _FAR_BELOW * (rank % 32 + 1)


def with_cells(level: Level, masks: Tensor) -> Tensor:
    """Copies of a level's output, each multiplied by a mask over its cells.

    Args:
        level: The level.
        masks: Shape (B, h, w).

    Returns:
        Shape of ``level.tensor``, with B in place of the 1 of its batch axis.
    """
    index = _index(level)
    factors = torch.ones(len(masks), level.tensor.numel(), dtype=level.tensor.dtype, device=level.tensor.device)
    factors[:, index.reshape(len(index), -1)] = masks.to(factors).reshape(len(masks), 1, -1)
    return _laid_out(factors.mul_(level.tensor.reshape(1, -1)), level)


def _laid_out(copies: Tensor, level: Level) -> Tensor:
    """Flattened copies (B, numbers) in a level's own layout, with B in place of the 1 of its batch axis."""
    axis = batch_axis(level)
    shape = [size for dimension, size in enumerate(level.tensor.shape) if dimension != axis]
    return copies.reshape(len(copies), *shape).movedim(0, axis)


def batch_axis(level: Level) -> int:
    """Where the 1 of the batch stands in a level's own layout: first, or second in tokens (L, 1, C)."""
    return 0 if level.tensor.shape[0] == 1 else 1


def _index(level: Level) -> Tensor:
    """Where each channel's cells stand in the flattened tensor: (C, h, w)."""
    # A layout moves numbers and computes none, so it moves their places as well.
    places = torch.arange(level.tensor.numel(), device=level.tensor.device).reshape(level.tensor.shape)
    return level.layout(places)[0]


def _whole_channel(level: Level, index: Tensor, channel: int) -> Tensor:
    """Where everything of a channel stands in the flattened tensor, extra tokens included."""
    shape = level.tensor.shape
    axis = _channel_axis(index, shape)
    places = torch.arange(level.tensor.numel(), device=level.tensor.device).reshape(shape)
    return places.reshape(-1) if axis is None else places.select(axis, channel).reshape(-1)


def _channel_axis(index: Tensor, shape: torch.Size) -> Optional[int]:
    if len(index) == 1:
        return None
    first, second = (np.unravel_index(int(index[channel, 0, 0]), tuple(shape)) for channel in (0, 1))
    return next(axis for axis, (a, b) in enumerate(zip(first, second)) if a != b)


def blurred(picture: Tensor, share: float = _BLUR) -> Tensor:
    """A picture (C, H, W) blurred, its edges mirrored; by default so far that little is found on it.

    Args:
        picture: The picture.
        share: Standard deviation as a share of the longer side.
    """
    height, width = picture.shape[1:]
    sigma = max(height, width) * share
    radius = min(int(round(3 * sigma)), height - 1, width - 1)
    steps = torch.arange(-radius, radius + 1, device=picture.device, dtype=torch.float32)
    kernel = torch.softmax(-(steps**2) / (2 * sigma**2), 0).to(picture)
    mirrored = F.pad(picture[:, None], (radius,) * 4, 'reflect')
    return F.conv2d(F.conv2d(mirrored, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))[:, 0]


def one_colour(picture: Tensor) -> Tensor:
    """A picture (C, H, W) that is all of another's mean colour."""
    return picture.mean((1, 2), keepdim=True).expand_as(picture)
