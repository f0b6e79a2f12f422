"""Token layers as maps: which part of a layer's output lies on which grid over the input."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Callable, List, Optional, Sequence, Tuple

from torch import Tensor

# Turns a layer's output, or its gradient, into (1, C, h, w).
Layout = Callable[[Tensor], Tensor]
Grid = Tuple[int, int]

_STRIDES = (1, 2, 4, 7, 8, 14, 16, 28, 32, 64, 128)


def layouts_of(shape: Sequence[int], input_size: Grid) -> List[Layout]:
    """How the maps of one output tensor are read from it.

    Args:
        shape: Shape of the tensor. Maps are (1, C, h, w) or (1, h, w, C); tokens are (1, L, C) or
            (L, 1, C), where L counts the cells of one grid (class tokens may precede it) or of
            several grids one after another, as in deformable encoders.
        input_size: ``(height, width)`` of the network's input.

    Returns:
        One layout a map; none if the tensor does not lie over a single input.
    """
    if len(shape) == 4 and shape[0] == 1:
        return [_channels_last if _is_channels_last(shape, input_size) else _as_it_is]
    if len(shape) == 3 and 1 in shape[:2]:
        batch_first = shape[0] == 1
        length = shape[1] if batch_first else shape[0]
        return _token_layouts(length, batch_first, input_size)
    return []


def token_grid(length: int, input_size: Grid, extra: int = 0) -> Optional[Grid]:
    """The grid of ``length - extra`` tokens whose cells are squares over the input.

    Example:
        >>> token_grid(197, (224, 224), extra=1)
        (14, 14)
        >>> token_grid(1064, (800, 1216), extra=114)
        (25, 38)
    """
    for stride in _STRIDES:
        grid = _grid(input_size, stride)
        if grid[0] * grid[1] == length - extra and length > extra:
            return grid
    return None


def _grid(input_size: Grid, stride: int) -> Grid:
    return math.ceil(input_size[0] / stride), math.ceil(input_size[1] / stride)


def _token_layouts(length: int, batch_first: bool, input_size: Grid) -> List[Layout]:
    for extra in range(6):  # class, distillation and register tokens stand first
        grid = token_grid(length, input_size, extra)
        if grid is not None and grid[0] * grid[1] > 1:
            return [_tokens(extra, grid, batch_first)]
    for count in (5, 4, 3, 2):
        for strides in combinations((4, 8, 16, 32, 64, 128), count):
            grids = [_grid(input_size, stride) for stride in strides]
            if sum(h * w for h, w in grids) == length:
                return _stacked(grids, batch_first)
    return []


def _stacked(grids: Sequence[Grid], batch_first: bool) -> List[Layout]:
    layouts, start = [], 0
    for grid in grids:
        layouts.append(_tokens(start, grid, batch_first))
        start += grid[0] * grid[1]
    return layouts


def _tokens(start: int, grid: Grid, batch_first: bool) -> Layout:
    def layout(tensor: Tensor) -> Tensor:
        tokens = tensor[0] if batch_first else tensor[:, 0]
        return tokens[start : start + grid[0] * grid[1]].T.reshape(1, -1, *grid)

    return layout


def _is_channels_last(shape: Sequence[int], input_size: Grid) -> bool:
    grids = [_grid(input_size, stride) for stride in _STRIDES]
    return tuple(shape[1:3]) in grids and tuple(shape[2:4]) not in grids


def _as_it_is(tensor: Tensor) -> Tensor:
    return tensor


def _channels_last(tensor: Tensor) -> Tensor:
    return tensor.permute(0, 3, 1, 2)
