"""What random masks did, fitted part by part: far fewer masks are needed than by averaging."""

from __future__ import annotations

from typing import Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

_REFITS, _LEAST = 2, 0.01
# Ridges that are tried, in units of the mean squared singular value: from hardly any to next to nothing left.
_RIDGES = tuple(10 ** (half / 2) for half in range(-6, 5))


def fit(masks: Tensor, weights: Tensor) -> Tensor:
    """What each part of a mask adds to a weight, if the parts add up: ridge regression with an intercept.

    ``min_b sum_k (w_k - a - sum_f b_f m_kf)^2 + ridge sum_f b_f^2``. The ridge is chosen for each target by the error
    that each mask has when it is left out, which takes no fit of its own: ``r_k / (1 - h_k)`` with the residuals ``r``
    and the leverages ``h``.

    Source: Hoerl and Kennard 1970, Ridge regression; Allen 1974 for the residuals; that a linear fit needs fewer masks
    than an average is what LIME (Ribeiro et al. 2016) and KernelSHAP (Lundberg and Lee 2017) rest on.

    Args:
        masks: Shape (K, F): how much of each part is kept.
        weights: Shape (K, N), of each target.

    Returns:
        Shape (N, F), float64: the ``b`` of each target.
    """
    masks, weights = masks.double(), weights.double()
    count = len(masks)
    centred = weights - weights.mean(0)
    left, sizes, right = torch.linalg.svd(masks - masks.mean(0), full_matrices=False)
    squares = sizes**2
    turned = left.T @ centred
    best = torch.zeros_like(turned)
    least = torch.full((weights.shape[1],), float('inf'), dtype=torch.float64)
    for share in _RIDGES:
        ridge = share * squares.mean().clamp_min(1e-12)
        kept = squares / (squares + ridge)
        leverage = (left**2 @ kept + 1 / count).clamp_max(1 - 1e-9)
        errors = ((centred - left @ (kept[:, None] * turned)) / (1 - leverage)[:, None]).square().sum(0)
        better = errors < least
        least = torch.where(better, errors, least)
        best = torch.where(better, turned * (sizes / (squares + ridge))[:, None], best)
    return (right.T @ best).T


def refit(masks: Tensor, weights: Tensor, size: Tuple[int, int], grid: int) -> Tensor:
    """Fit twice more, and let parts add the more, the more the map showed there before.

    ``ridge sum_f b_f^2 / s_f`` with ``s = max(S, 0) / max S + 0.01``, where ``S`` is the map of the fit before: what
    few masks can tell is spent on the places that matter.

    Source: Grandvalet 1998, Least absolute shrinkage is equivalent to quadratic penalization (adaptive ridge), with the
    map in place of single coefficients.

    Args:
        masks: Shape (K, F), the parts row by row.
        weights: Shape (K, N).
        size, grid: Of the masks; see :func:`expected`.

    Returns:
        Shape (N, F), float64.
    """
    found = fit(masks, weights)
    sides = [parts_of(side, grid) for side in size]
    down, across = (F.adaptive_avg_pool1d(shared(side, grid)[None], n)[0] for side, n in zip(size, sides))
    for target, of_target in enumerate(found):
        for _ in range(_REFITS):
            matters = (down @ of_target.reshape(sides) @ across).clamp_min(0).flatten()
            if not matters.any():
                break
            scales = (matters / matters.max() + _LEAST).sqrt()
            of_target = fit(masks.double() * scales, weights[:, target : target + 1])[0] * scales
        found[target] = of_target
    return found


def parts_of(side: int, grid: int) -> int:
    """Into how many parts a side of the input is cut: two a cell, where there are as many pixels."""
    return min(side, 2 * grid)


def shared(side: int, grid: int) -> Tensor:
    """What a part of a mask's side has in common with each pixel: shape (parts, side), float64.

    ``mean_t sum_c B_t(x, c) B_t(y, c)`` over all shifts ``t``, where ``B_t(x, c)`` is how much cell ``c`` counts at
    pixel ``x``; its mean over the pixels ``x`` of each part. As cells are independent and both shifts are too, the
    covariance of a mask at two places is the product of both sides', times the variance of a cell.
    """
    cell = -(-side // grid)
    cells = torch.eye(grid, dtype=torch.float64)[None]
    counts = F.interpolate(cells, (grid + 1) * cell, mode='linear', align_corners=False)[0]
    shifted = torch.cat([counts[:, shift : shift + side] for shift in range(cell)])
    return F.adaptive_avg_pool1d((shifted.T @ shifted / cell)[None], parts_of(side, grid))[0].T


def expected(parts: Tensor, size: Tuple[int, int], grid: int, keep: float) -> Tensor:
    """The map that D-RISE would average to if the weights were what was fitted: ``Cov(w, M(x)) / keep``.

    Args:
        parts: Shape (N, F): what each part adds, row by row.
        size: Height and width of the input.
        grid, keep: Of the masks.

    Returns:
        Shape (N, H, W), float32.
    """
    down, across = (shared(side, grid) for side in size)
    cells = parts.double().reshape(-1, len(down), len(across))
    return ((1 - keep) * (down.T @ cells @ across)).float()
