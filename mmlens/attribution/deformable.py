"""Multi-scale deformable attention by sparse sums, forwards and backwards.

Each query looks at a few points of each level, between four cells each: what it receives is a weighted sum of a few
dozen rows of the values. mmcv, where it has no kernel of its own, writes it with ``grid_sample``: on the CPU that is
most of the time of a DETR, and the gradient takes longer still. Here the weights of the rows are computed once, the sum
is an ``embedding_bag``, and the backward pass computes only what is asked for, of the queries whose gradient is not
zero. Values and gradients equal those of ``grid_sample`` up to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Optional, Sequence, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from .windows import nonzero_rows

# Before 2.1 torch multiplied all rows by all rows, to keep a few of the products.
_SPARSE = torch.__version__ >= '2.1'


def attention(original: Callable[..., Tensor], value: Tensor, *others: Any) -> Tensor:
    """``original``, computed by :func:`deformable_attention` where that is faster: on the CPU, in full precision."""
    if value.device.type != 'cpu' or value.dtype not in (torch.float32, torch.float64):
        return original(value, *others)
    return deformable_attention(value, *others)


def deformable_attention(value: Tensor, shapes: Any, locations: Tensor, weights: Tensor) -> Tensor:
    """What each query receives from the points it looks at.

    Args:
        value: Shape (B, keys, heads, channels): the cells of all levels, one level after the other.
        shapes: Height and width of each level: (levels, 2), a tensor or numbers.
        locations: Shape (B, queries, heads, levels, points, 2): x and y of each point, 0 to 1 over a level.
        weights: Shape (B, queries, heads, levels, points).

    Returns:
        Shape (B, queries, heads * channels). Points outside a level are 0.

    Source: Zhu et al. 2021, eq. 3; https://arxiv.org/abs/2010.04159.
    """
    sizes = [(int(height), int(width)) for height, width in shapes]
    result: Tensor = _Attention.apply(value, sizes, locations, weights)
    return result


@dataclass(frozen=True)
class _Corners:
    """The four cells around each point: upper left, upper right, lower left, lower right.

    Attributes:
        rows: Shape (R, T, 4), int: which row of the values, in the layout (B * keys * heads, channels); of any cell for
            those outside a level. R is B * queries * heads, T levels * points.
        shares: Shape (R, T, 4): how much of the cell a point sees; 0 of those outside a level.
        inside: Shape (R, T, 4): whether the cell is in its level.
        right, below: Shape (R, T): how far a point is from the cells on its left, and above it.
        scales: Shape (T, 2): width and height of each point's level.
    """

    rows: Tensor
    shares: Tensor
    inside: Tensor
    right: Tensor
    below: Tensor
    scales: Tensor

    @classmethod
    def of(cls, sizes: Sequence[Tuple[int, int]], locations: Tensor, keys: int) -> _Corners:
        """The cells around points (B, queries, heads, levels, points, 2)."""
        batch, queries, heads, levels, points, _ = locations.shape
        places = locations.reshape(batch * queries * heads, levels * points, 2)
        heights, widths, starts = _by_point(sizes, points, places)
        x, right = _cells(places[..., 0], widths)
        y, below = _cells(places[..., 1], heights)
        across = [_in_range(x + step, widths) for step in (0, 1)]
        down = [_in_range(y + step, heights) for step in (0, 1)]
        image = torch.arange(batch, device=places.device).repeat_interleave(queries * heads)[:, None]
        head = torch.arange(heads, device=places.device).repeat(batch * queries)[:, None]
        first = (image * keys + starts).mul_(heads).add_(head).to(torch.int32)
        line = [(row * (widths * heads)).to(torch.int32) + first for row, _ in down]
        column = [(cell * heads).to(torch.int32) for cell, _ in across]
        rows = torch.stack([above + aside for above in line for aside in column], -1)
        inside = torch.stack([a & b for _, a in down for _, b in across], -1)
        shares = torch.stack([v * h for v in (1 - below, below) for h in (1 - right, right)], -1).mul_(inside)
        return cls(rows, shares, inside, right, below, torch.stack([widths, heights], -1))

    def part(self, receiving: Tensor) -> _Corners:
        """Those of some of the R."""
        each = (self.rows, self.shares, self.inside, self.right, self.below)
        rows, shares, inside, right, below = (values[receiving] for values in each)
        return _Corners(rows, shares, inside, right, below, self.scales)


def _by_point(sizes: Sequence[Tuple[int, int]], points: int, like: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    """Height and width of the level of each point, in the type of ``like``, and the number of its first cell."""
    starts = [sum(height * width for height, width in sizes[:level]) for level in range(len(sizes))]
    heights, widths = (like.new_tensor([size[axis] for size in sizes]) for axis in (0, 1))
    first = torch.tensor(starts, device=like.device)
    return tuple(each.repeat_interleave(points) for each in (heights, widths, first))  # type: ignore[return-value]


def _cells(places: Tensor, sizes: Tensor) -> Tuple[Tensor, Tensor]:
    """The cell before each place (R, T), as a whole number, and how far behind its centre the place is.

    Rounded as in ``grid_sample``, which multiplies and adds in one step: on the centre of a cell, as points of an
    untrained network are, the derivative depends on the side from which it is taken.
    """
    position = torch.addcmul(places.new_tensor(-0.5), 2 * places - 1 + 1, sizes / 2)
    cells = position.floor()
    return cells, position.sub_(cells)


def _in_range(cells: Tensor, sizes: Tensor) -> Tuple[Tensor, Tensor]:
    """Cells that are brought into their level, and whether they were in it."""
    inside = (cells >= 0) & (cells < sizes)
    return torch.where(inside, cells, 0), inside


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, value: Tensor, sizes: Sequence[Tuple[int, int]], locations: Tensor, weights: Tensor
    ) -> Tensor:
        batch, keys, heads, channels = value.shape
        locations, weights = locations.to(value.dtype), weights.to(value.dtype)
        corners = _Corners.of(sizes, locations, keys)
        weights = weights.reshape(len(corners.rows), -1)
        cells = value.reshape(-1, channels)
        received = _bags(corners.rows.flatten(1), (corners.shares * weights[..., None]).flatten(1), cells)
        ctx.save_for_backward(cells, weights)
        ctx.corners, ctx.shapes, ctx.by_cell = corners, (value.shape, locations.shape), None
        ctx.set_materialize_grads(False)
        return received.view(batch, -1, heads * channels)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Optional[Tensor]) -> Tuple[Optional[Tensor], ...]:
        if gradient is None:
            return None, None, None, None
        (cells, weights), corners, (of_value, of_locations) = ctx.saved_tensors, ctx.corners, ctx.shapes
        sent = gradient.reshape(-1, cells.shape[1])
        sending, by_cell = nonzero_rows(sent), ctx.by_cell
        if sending is not None:  # one query of a decoder's last layer
            corners, weights, sent, by_cell = corners.part(sending), weights[sending], sent[sending], None
        to_value = to_places = to_weights = None
        if ctx.needs_input_grad[0]:
            by_cell = by_cell or _ByCell.of(corners.rows, corners.shares * weights[..., None], len(cells))
            ctx.by_cell = by_cell if sending is None else ctx.by_cell  # other boxes ask for it too
            to_value = by_cell.sum(sent).view(of_value)
        if ctx.needs_input_grad[2] or ctx.needs_input_grad[3]:
            products = _products(corners.rows.flatten(1), sent, cells).view(corners.shares.shape)
            to_weights = (products * corners.shares).sum(-1)
            to_places = _to_places(corners, products, weights)
            if sending is not None:
                to_weights, to_places = (_spread(each, sending, of_locations) for each in (to_weights, to_places))
            to_weights, to_places = to_weights.view(of_locations[:-1]), to_places.view(of_locations)
        return to_value, None, to_places, to_weights


def _spread(values: Tensor, rows: Tensor, shape: torch.Size) -> Tensor:
    """Values of some rows among zeros."""
    whole = values.new_zeros(shape[0] * shape[1] * shape[2], *values.shape[1:])
    whole[rows] = values
    return whole


def _to_places(corners: _Corners, products: Tensor, weights: Tensor) -> Tensor:
    """The gradient (R, T, 2) at the points' x and y, from that at their cells' shares (R, T, 4)."""
    upper_left, upper_right, lower_left, lower_right = (products * corners.inside).unbind(-1)
    x = torch.lerp(upper_right - upper_left, lower_right - lower_left, corners.below)
    y = torch.lerp(lower_left - upper_left, lower_right - upper_right, corners.right)
    return torch.stack([x, y], -1).mul_(corners.scales).mul_(weights[..., None])


def _bags(rows: Tensor, shares: Tensor, cells: Tensor) -> Tensor:
    """Sums (R, channels) of the cells' rows (R, n), each times its share (R, n)."""
    return F.embedding_bag(rows, cells, mode='sum', per_sample_weights=shares)


@dataclass(frozen=True)
class _ByCell:
    """The shares sorted by the cell that they are of.

    Attributes:
        rows: Shape (N,), int: the row that receives each.
        shares: Shape (N,).
        starts: Shape (cells,), int: where each cell's begin.
    """

    rows: Tensor
    shares: Tensor
    starts: Tensor

    @classmethod
    def of(cls, rows: Tensor, shares: Tensor, cells: int) -> _ByCell:
        """Sort shares (R, T, 4) of the cells' rows (R, T, 4)."""
        cell, order = rows.flatten().sort(stable=True)  # stable: a radix sort, several times as fast
        starts = torch.searchsorted(cell, torch.arange(cells, dtype=cell.dtype, device=cell.device), out_int32=True)
        receiver = order.to(torch.int32).div_(rows.shape[1] * rows.shape[2], rounding_mode='floor')
        return cls(receiver, shares.flatten()[order], starts)

    def sum(self, sent: Tensor) -> Tensor:
        """What cells (cells, channels) receive of what the rows (R, channels) send back."""
        return F.embedding_bag(self.rows, sent, self.starts, mode='sum', per_sample_weights=self.shares)


def _products(rows: Tensor, sent: Tensor, cells: Tensor) -> Tensor:
    """The scalar product (R, n) of each row of ``sent`` (R, channels) with each of its cells' rows (R, n)."""
    starts = torch.arange(0, rows.numel() + 1, rows.shape[1], dtype=rows.dtype, device=rows.device)
    if _SPARSE:
        zeros, shape = sent.new_zeros(rows.numel()), (len(sent), len(cells))
        places = torch.sparse_csr_tensor(starts, rows.flatten(), zeros, shape, check_invariants=False)
        return torch.sparse.sampled_addmm(places, sent, cells.T).values().view(rows.shape)
    with torch.enable_grad():  # they are the gradient at the shares of a sum
        shares = sent.new_zeros(rows.shape).requires_grad_()
        return torch.autograd.grad(_bags(rows, shares, cells), shares, sent)[0]
