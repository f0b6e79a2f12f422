"""The fit of what random masks did, against slow fits and figures worked out by hand."""

import numpy as np
import pytest
import torch

from mmlens.attribution.methods import mask_fit
from mmlens.attribution.methods.drise import random_mask
from mmlens.attribution.methods.mask_fit import expected, fit, parts_of, refit, shared


def ridge_by_hand(masks, weights, ridge):
    """Normal equations with an intercept that is not shrunk."""
    design = np.column_stack([np.ones(len(masks)), masks])
    penalty = ridge * np.eye(design.shape[1])
    penalty[0, 0] = 0
    return np.linalg.solve(design.T @ design + penalty, design.T @ weights)


def left_out_by_hand(masks, weights, ridge):
    """The mean squared error of each mask by a fit to all others."""
    errors = []
    for number in range(len(masks)):
        others = np.arange(len(masks)) != number
        found = ridge_by_hand(masks[others], weights[others], ridge)
        errors.append(weights[number] - found[0] - masks[number] @ found[1:])
    return np.mean(np.square(errors))


@pytest.mark.parametrize(('count', 'parts'), [(30, 6), (12, 20)])
def test_the_ridge_is_that_which_predicts_masks_left_out_best(count, parts, monkeypatch):
    random = np.random.default_rng(0)
    masks = random.random((count, parts))
    weights = masks @ random.normal(size=(parts, 2)) + 0.3 * random.normal(size=(count, 2)) + 5
    monkeypatch.setattr(mask_fit, '_RIDGES', (0.03, 0.3, 3.0))
    found = fit(torch.from_numpy(masks), torch.from_numpy(weights)).numpy()
    mean_square = (np.linalg.svd(masks - masks.mean(0), compute_uv=False) ** 2).mean()
    for target, of_target in enumerate(found):
        ridges = [share * mean_square for share in (0.03, 0.3, 3.0)]
        # The fit itself leaves the mean of all masks in place: nearly the same.
        best = min(ridges, key=lambda ridge: left_out_by_hand(masks, weights[:, target], ridge))
        np.testing.assert_allclose(of_target, ridge_by_hand(masks, weights[:, target], best)[1:], rtol=1e-6, atol=1e-8)


def test_what_adds_up_is_found_exactly():
    random = torch.Generator().manual_seed(0)
    masks, truth = torch.rand(40, 5, generator=random), torch.tensor([[1.0, 0, -2, 0, 0.5], [0, 0, 3, 0, 0]])
    found = fit(masks, masks @ truth.T + 7)
    np.testing.assert_allclose(found, truth, atol=0.02)


def test_targets_do_not_touch_each_other():
    random = torch.Generator().manual_seed(0)
    masks, weights = torch.rand(20, 30, generator=random), torch.rand(20, 3, generator=random)
    together = fit(masks, weights)
    for target in range(3):
        torch.testing.assert_close(fit(masks, weights[:, target : target + 1])[0], together[target])


@pytest.mark.parametrize('count', [1, 2, 5])
def test_what_never_changes_is_nothing(count):
    masks = torch.rand(count, 6, generator=torch.Generator().manual_seed(0))
    assert fit(masks, torch.full((count, 2), 0.4)).abs().max() < 1e-9


def test_one_mask_says_nothing():
    assert torch.equal(fit(torch.ones(1, 4), torch.ones(1, 2)), torch.zeros(2, 4, dtype=torch.float64))


def test_fitting_again_spends_few_masks_where_the_map_is():
    """One part of 144 matters, and 40 masks with noise are tried: less of the map lies elsewhere."""
    size, grid = (24, 24), 6
    random = torch.Generator().manual_seed(1)
    masks = (torch.rand(40, 144, generator=random) < 0.5).float()
    weights = masks[:, 5 * 12 + 5 : 5 * 12 + 6] + 0.3 * torch.randn(40, 1, generator=random)
    shares = []
    for parts in (fit(masks, weights), refit(masks, weights, size, grid)):
        found = expected(parts, size, grid, 0.5)[0].clamp_min(0)
        shares.append(float(found[4:18, 4:18].sum() / found.sum()))
    assert 1.5 * shares[0] < shares[1]


def test_fitting_again_is_a_ridge_on_scaled_parts():
    random = torch.Generator().manual_seed(2)
    masks, weights = torch.rand(30, 16, generator=random).double(), torch.rand(30, 2, generator=random).double()
    side = torch.nn.functional.adaptive_avg_pool1d(shared(8, 2)[None], 4)[0]
    for target, found in enumerate(refit(masks, weights, (8, 8), 2)):
        expected_ = fit(masks, weights)[target]
        for _ in range(2):
            matters = (side @ expected_.reshape(4, 4) @ side).clamp_min(0).flatten()
            scales = (matters / matters.max() + 0.01).sqrt()
            expected_ = fit(masks * scales, weights)[target] * scales
        torch.testing.assert_close(found, expected_)


@pytest.mark.parametrize('count', [1, 4])
def test_nothing_is_not_fitted_again(count):
    found = refit(torch.rand(count, 16), torch.full((count, 2), 0.4), (8, 8), 2)
    assert found.abs().max() < 1e-9


def test_masks_share_what_they_are_said_to_share():
    """The covariance of parts and pixels, against many masks."""
    size, grid, keep = (24, 20), 4, 0.3
    masks = torch.from_numpy(np.stack([random_mask(number, size, grid, keep, 1) for number in range(4000)]))
    parts = torch.nn.functional.adaptive_avg_pool2d(masks, (8, 8)).flatten(1)
    centred, pixels = parts - parts.mean(0), masks.flatten(1) - masks.flatten(1).mean(0)
    measured = (centred.T @ pixels / len(masks)).reshape(8, 8, *size)
    down, across = (shared(side, grid) for side in size)
    computed = keep * (1 - keep) * torch.einsum('ay,bx->abyx', down, across).float()
    np.testing.assert_allclose(measured, computed, atol=0.02)  # at the edges of the input too
    assert (measured - computed).square().mean().sqrt() < 0.004
    assert computed.max() > 0.07


def test_the_map_of_one_part_lies_around_it():
    parts = torch.zeros(1, 8, 8)
    parts[0, 2, 5] = 4.0
    found = expected(parts.flatten(1), (16, 24), 4, 0.5)
    assert found.shape == (1, 16, 24) and found.dtype == torch.float32
    where = np.unravel_index(int(found[0].argmax()), (16, 24))
    assert where[0] in (4, 5) and where[1] in (15, 16, 17)


@pytest.mark.parametrize(('side', 'grid', 'parts'), [(416, 16, 32), (8, 16, 8), (12, 4, 8), (1, 1, 1)])
def test_a_part_is_half_a_cell_or_a_pixel(side, grid, parts):
    assert parts_of(side, grid) == parts and shared(side, grid).shape == (parts, side)


def test_cells_share_by_hand():
    """One row of two cells on two pixels: interpolated to three, (1, 0), (1/2, 1/2), (0, 1), and never shifted."""
    torch.testing.assert_close(shared(2, 2).float(), torch.tensor([[1.0, 0.5], [0.5, 0.5]]))
