"""Token layers as maps: which part of a layer's output lies on which grid over the input."""

from __future__ import annotations

import math
from typing import Callable, List, Optional, Sequence, Tuple

from torch import Tensor

from ..errors import count

# Turns a layer's output, or its gradient, into (1, C, h, w).
Layout = Callable[[Tensor], Tensor]
Grid = Tuple[int, int]

_STRIDES = (1, 2, 4, 7, 8, 14, 16, 28, 32, 64, 128)
# Not 7: it has nearly as many cells as 8, 16 and 32 together. Not 64 and 128: no token layer is that coarse, but
# a 640 x 640 input has 100 cells of 64, as many as a detector has queries.
_TOKEN_STRIDES = (1, 2, 4, 8, 14, 16, 28, 32)
_PYRAMID = (4, 8, 16, 32, 64, 128)
# Parts of class names. What these return stands for objects, whose number may happen to equal a grid's.
_OBJECTS = ('TransformerDecoder', 'DETRHead', 'DINOHead', 'RoIHead')
# Within these, the last resort is a grid of any stride: they know no queries or words, whose number it might equal.
_PICTURES_ONLY = 'Classifier'
# These stack the coarsest level first (Mask2Former).
_COARSE_FIRST = 'PixelDecoder'


def layouts_of(
    shape: Sequence[int], input_size: Grid, inside: Sequence[str] = (), extra_tokens: Optional[int] = None
) -> List[Layout]:
    """How the maps of one output tensor are read from it.

    Args:
        shape: Shape of the tensor. Maps are (1, C, h, w) or (1, h, w, C); tokens are (1, L, C) or
            (L, 1, C), where L counts the cells of one grid (class tokens may precede it) or of
            several grids one after another, as in deformable encoders.
        input_size: ``(height, width)`` of the network's input.
        inside: Class names of the module that returned the tensor and of those around it; a shape
            alone does not distinguish object queries from the cells of a grid.
        extra_tokens: How many tokens (class, distillation, registers) stand before the grid, where it
            is known; a layer before they join has none of them. By default it is found by trying.

    Returns:
        One layout a map; none if the tensor does not lie over a single input.
    """
    if any(part in name for part in _OBJECTS for name in inside):
        return []
    if len(shape) == 4 and shape[0] == 1:
        if _is_channels_last(shape, input_size):
            return [_channels_last]
        return [_as_it_is] if _has_shape_of(shape[2:], input_size) else []
    if len(shape) == 3 and 1 in shape[:2]:
        batch_first = shape[0] == 1
        length = shape[1] if batch_first else shape[0]
        coarse_first = any(_COARSE_FIRST in name for name in inside)
        found = _token_layouts(length, batch_first, input_size, coarse_first, extra_tokens)
        if not found and extra_tokens is None and any(_PICTURES_ONLY in name for name in inside):
            grid = _grid_of_any_stride(length, input_size)
            return [_tokens(0, grid, batch_first)] if grid else []
        return found
    return []


def why_no_map(shapes: Sequence[Sequence[int]], input_size: Grid, extra_tokens: Optional[int] = None) -> str:
    """Why a layer's output tensors hold no map, and what to choose: to go on with after a layer's name.

    Args:
        shapes: Their shapes.
        input_size, extra_tokens: See :func:`layouts_of`.
    """
    told = ', '.join(str(tuple(shape)) for shape in shapes[:3]) or 'no tensor of numbers'
    if extra_tokens is None or len(shapes) != 1 or len(shapes[0]) != 3 or 1 not in shapes[0][:2]:
        return f'returns {told}, which is no map over the picture: choose a layer of the backbone or the neck.'
    left = max(shapes[0][:2]) - extra_tokens
    which = f'{left} tokens are left, which make' if left > 0 else 'no token is left, so it makes'
    height, width = input_size
    extra = count(extra_tokens, 'extra token')
    return (
        f'returns {told}: with {extra} {which} no grid over an input of {width} x {height}; choose another '
        '`num_extra_tokens`, or a layer of the backbone or the neck.'
    )


def token_grid(length: int, input_size: Grid, extra: int = 0) -> Optional[Grid]:
    """The grid of ``length - extra`` tokens whose cells are squares over the input.

    Example:
        >>> token_grid(197, (224, 224), extra=1)
        (14, 14)
        >>> token_grid(950, (800, 1216))
        (25, 38)
    """
    for stride in _TOKEN_STRIDES:
        grid = _grid(input_size, stride)
        if grid[0] * grid[1] == length - extra and length > extra:
            return grid
    return None


def _grid_of_any_stride(cells: int, input_size: Grid) -> Optional[Grid]:
    """The grid of that many cells where the number of cells is known for sure; patches that do not fit are cut off."""
    if cells < 2:
        return None
    for stride in range(2, 65):
        for grid in (_grid(input_size, stride), (input_size[0] // stride, input_size[1] // stride)):
            if grid[0] * grid[1] == cells:
                return grid
    return None


def _grid(input_size: Grid, stride: int) -> Grid:
    return math.ceil(input_size[0] / stride), math.ceil(input_size[1] / stride)


def _token_layouts(
    length: int, batch_first: bool, input_size: Grid, coarse_first: bool, extra_tokens: Optional[int]
) -> List[Layout]:
    # Class, distillation and register tokens stand first.
    for extra in range(6) if extra_tokens is None else sorted({extra_tokens, 0}, reverse=True):
        grid = token_grid(length, input_size, extra)
        if grid is None and extra_tokens is not None:
            grid = _grid_of_any_stride(length - extra, input_size)
        if grid is not None and grid[0] * grid[1] > 1:
            return [_tokens(extra, grid, batch_first)]
    pyramid = [_grid(input_size, stride) for stride in _PYRAMID]
    for levels in (5, 4, 3, 2):
        for finest in range(len(pyramid) - levels + 1):
            grids = pyramid[finest : finest + levels]
            if sum(h * w for h, w in grids) == length:
                return _stacked(grids[::-1] if coarse_first else grids, batch_first)
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


def _has_shape_of(grid: Sequence[int], input_size: Grid) -> bool:
    """Whether cells may be roughly as wide as high, sides rounded; (tokens, channels) are not."""
    (h, w), (height, width) = grid, input_size
    return (h - 1) * width <= 1.25 * (w + 1) * height and (w - 1) * height <= 1.25 * (h + 1) * width


def _as_it_is(tensor: Tensor) -> Tensor:
    return tensor


def _channels_last(tensor: Tensor) -> Tensor:
    return tensor.permute(0, 3, 1, 2)
