"""Multi-scale deformable attention by sparse sums, forwards and backwards.

Each query looks at a few points of each level, between four cells each: what it receives is a weighted sum of a few
dozen rows of the values. mmcv, where it has no kernel of its own, writes it with ``grid_sample``: on the CPU that is
most of the time of a DETR, and the gradient takes longer still. Here the weights of the rows are computed once, the sum
is an ``embedding_bag``, and the backward pass computes only what is asked for, of the queries whose gradient is not
zero. Values and gradients equal those of ``grid_sample`` up to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Callable, List, Optional, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from .windows import nonzero_rows

# Cells of zeros around each level: a point may stand anywhere, and its four cells are always there.
_BORDER = 2
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
    levels = _Levels(tuple((int(height), int(width)) for height, width in shapes))
    result: Tensor = _Attention.apply(value, levels, locations, weights)
    return result


@dataclass(frozen=True)
class _Levels:
    """How the cells of all levels lie one after the other, each level with a border of zeros.

    Attributes:
        sizes: Height and width of each, without the border.
    """

    sizes: Tuple[Tuple[int, int], ...]

    @property
    def areas(self) -> List[Tuple[int, int]]:
        """Height and width of each level with its border."""
        return [(height + 2 * _BORDER, width + 2 * _BORDER) for height, width in self.sizes]

    @property
    def starts(self) -> List[int]:
        """The number of the first cell of each level with its border, and after the last level that of all cells."""
        return [0, *accumulate(height * width for height, width in self.areas)]

    def with_border(self, value: Tensor) -> Tensor:
        """Values (B, keys, heads, channels) as rows (B * cells * heads, channels)."""
        parts = value.flatten(2).split([height * width for height, width in self.sizes], 1)
        border = (0, 0, *[_BORDER] * 4)
        padded = [F.pad(part.unflatten(1, size), border).flatten(1, 2) for part, size in zip(parts, self.sizes)]
        return torch.cat(padded, 1).view(-1, value.shape[-1])

    def without_border(self, cells: Tensor) -> Tensor:
        """Cells (B, cells, n) as (B, keys, n)."""
        parts = cells.split([height * width for height, width in self.areas], 1)
        inside = slice(_BORDER, -_BORDER)
        cropped = [part.unflatten(1, area)[:, inside, inside].flatten(1, 2) for part, area in zip(parts, self.areas)]
        return torch.cat(cropped, 1)


@dataclass(frozen=True)
class _Corners:
    """The four cells around each point: upper left, upper right, lower left, lower right.

    Attributes:
        rows: Shape (R, T, 4), int32: which row of :meth:`_Levels.with_border` each is. R is B * queries * heads, T
            levels * points.
        shares: Shape (R, T, 4): how much of it the point sees.
        right, below: Shape (R, T): how far the point is from the cells on its left, and above it.
        scales: Shape (T, 2): width and height of each point's level.
    """

    rows: Tensor
    shares: Tensor
    right: Tensor
    below: Tensor
    scales: Tensor

    @classmethod
    def of(cls, levels: _Levels, locations: Tensor) -> _Corners:
        """The cells around points (B, queries, heads, levels, points, 2)."""
        batch, queries, heads, _, points, _ = locations.shape
        places = locations.reshape(batch * queries * heads, -1, 2)
        scales = places.new_tensor(levels.sizes).flip(-1).repeat_interleave(points, 0)
        x, right = _cells(places[..., 0], scales[:, 0])
        y, below = _cells(places[..., 1], scales[:, 1])
        pitch = (scales[:, 0] + 2 * _BORDER).to(torch.int32)
        first = torch.tensor(levels.starts[:-1], dtype=torch.int32).repeat_interleave(points) + _BORDER * (pitch + 1)
        image = torch.arange(batch, dtype=torch.int32).repeat_interleave(queries * heads) * levels.starts[-1]
        head = torch.arange(heads, dtype=torch.int32).repeat(batch * queries)
        upper_left = torch.addcmul(x, y, pitch.to(x.dtype)).to(torch.int32).add_(first).mul_(heads)
        upper_left += (image * heads + head)[:, None]
        steps = torch.stack([torch.zeros_like(pitch), torch.ones_like(pitch), pitch, pitch + 1], -1) * heads
        shares = torch.stack([v * h for v in (1 - below, below) for h in (1 - right, right)], -1)
        return cls(upper_left[..., None] + steps, shares, right, below, scales)

    def part(self, receiving: Tensor) -> _Corners:
        """Those of some of the R."""
        rows, shares, right, below = (each[receiving] for each in (self.rows, self.shares, self.right, self.below))
        return _Corners(rows, shares, right, below, self.scales)


def _cells(places: Tensor, sizes: Tensor) -> Tuple[Tensor, Tensor]:
    """The cell before each place (R, T), as a whole number, and how far behind its centre the place is.

    Rounded as in ``grid_sample``, which multiplies and adds in one step: on the centre of a cell, as points of an
    untrained network are, the derivative depends on the side from which it is taken.
    """
    position = torch.addcmul(places.new_tensor(-0.5), 2 * places - 1 + 1, sizes / 2)
    cells = position.floor()
    behind = position.sub_(cells)
    # Farther away there are only zeros too.
    return cells.nan_to_num_(-_BORDER).clamp_(min=-_BORDER).minimum(sizes), behind


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, levels: _Levels, locations: Tensor, weights: Tensor) -> Tensor:  # type: ignore[override]
        batch, _, heads, channels = value.shape
        locations, weights = locations.to(value.dtype), weights.to(value.dtype)
        corners = _Corners.of(levels, locations)
        weights = weights.reshape(len(corners.rows), -1)
        cells = levels.with_border(value)
        received = _bags(corners.rows.flatten(1), (corners.shares * weights[..., None]).flatten(1), cells)
        ctx.save_for_backward(cells, weights)
        ctx.corners, ctx.levels, ctx.shapes, ctx.by_cell = corners, levels, (value.shape, locations.shape), None
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
            by_cell = by_cell or _ByCell.of(corners, weights, len(cells))
            ctx.by_cell = by_cell if sending is None else ctx.by_cell  # other boxes ask for it too
            to_value = by_cell.sum(sent, ctx.levels, of_value[0]).view(of_value)
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
    upper_left, upper_right, lower_left, lower_right = products.unbind(-1)
    x = torch.lerp(upper_right - upper_left, lower_right - lower_left, corners.below)
    y = torch.lerp(lower_left - upper_left, lower_right - upper_right, corners.right)
    return torch.stack([x, y], -1).mul_(corners.scales).mul_(weights[..., None])


def _bags(rows: Tensor, shares: Tensor, cells: Tensor) -> Tensor:
    """Sums (R, channels) of the cells' rows (R, n), each times its share (R, n)."""
    return F.embedding_bag(rows, cells, mode='sum', per_sample_weights=shares)


@dataclass(frozen=True)
class _ByCell:
    """The points sorted by the cell at their upper left.

    Attributes:
        rows: Shape (R * T,), int32: the row that each belongs to.
        shares: Shape (4, R * T): what that row receives of each of its four cells.
        starts: Shape (rows of cells,), int32: where the points of each begin.
    """

    rows: Tensor
    shares: Tensor
    starts: Tensor

    @classmethod
    def of(cls, corners: _Corners, weights: Tensor, cells: int) -> _ByCell:
        """Sort points, each with a weight (R, T)."""
        # Stable means a radix sort, which is several times as fast.
        cell, order = corners.rows[..., 0].flatten().sort(stable=True)
        starts = torch.searchsorted(cell, torch.arange(cells, dtype=cell.dtype), out_int32=True)
        rows = order.div(weights.shape[1], rounding_mode='floor').to(torch.int32)
        shares = (corners.shares * weights[..., None]).flatten(0, 1).index_select(0, order)
        return cls(rows, shares.T.contiguous(), starts)

    def sum(self, sent: Tensor, levels: _Levels, batch: int) -> Tensor:
        """What the values (B, keys, n) receive of what the rows (R, channels) send back."""
        first, *others = (
            F.embedding_bag(self.rows, sent, self.starts, mode='sum', per_sample_weights=shares).view(
                batch, levels.starts[-1], -1
            )
            for shares in self.shares
        )
        for start, (height, width) in zip(levels.starts, levels.areas):
            end = start + height * width
            for each, step in zip(others, (1, width, width + 1)):
                first[:, start + step : end] += each[:, start : end - step]
        return levels.without_border(first)


def _products(rows: Tensor, sent: Tensor, cells: Tensor) -> Tensor:
    """The scalar product (R, n) of each row of ``sent`` (R, channels) with each of its cells' rows (R, n)."""
    starts = torch.arange(0, rows.numel() + 1, rows.shape[1], dtype=rows.dtype, device=rows.device)
    if _SPARSE:
        zeros, shape = sent.new_zeros(rows.numel()), (len(sent), len(cells))
        places = torch.sparse_csr_tensor(starts, rows.flatten(), zeros, shape, check_invariants=False)
        return torch.sparse.sampled_addmm(places, sent, cells.T).values().view(rows.shape)
    return torch.bmm(cells[rows.long()], sent[..., None])[..., 0]
