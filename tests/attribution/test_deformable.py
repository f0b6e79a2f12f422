"""Deformable attention by sparse sums is mmcv's, written with ``grid_sample``."""

import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck

from mmlens.attribution import deformable
from mmlens.attribution.deformable import attention, deformable_attention

SIZES = ((3, 4), (2, 2))


def case(batch=2, queries=5, dtype=torch.float64, spread=1.6):
    """Values, locations some of which lie outside the levels, and weights."""
    random = torch.Generator().manual_seed(0)
    value = torch.randn(batch, 16, 2, 3, generator=random, dtype=dtype)
    locations = torch.rand(batch, queries, 2, 2, 4, 2, generator=random, dtype=dtype) * spread - (spread - 1) / 2
    weights = torch.rand(batch, queries, 2, 2, 4, generator=random, dtype=dtype)
    return [each.requires_grad_() for each in (value, locations, weights)]


def plain(value, shapes, locations, weights):
    """Level by level and head by head."""
    start, received = 0, 0
    for level, (height, width) in enumerate(shapes):
        maps = value[:, start : start + height * width].permute(0, 2, 3, 1).flatten(0, 1).unflatten(2, (height, width))
        grid = (2 * locations[:, :, :, level] - 1).transpose(1, 2).flatten(0, 1)
        seen = F.grid_sample(maps, grid, align_corners=False)  # (B * heads, channels, queries, points)
        received = received + (seen * weights[:, :, :, level].transpose(1, 2).flatten(0, 1)[:, None]).sum(-1)
        start += height * width
    return received.unflatten(0, (len(value), -1)).permute(0, 3, 1, 2).flatten(2)


@pytest.mark.parametrize('queries', [slice(None), slice(2, 3), slice(0, 0)], ids=['all', 'one', 'none'])
def test_values_and_gradients_are_those_of_grid_sample(queries):
    starts = case()
    found, expected = deformable_attention(starts[0], SIZES, *starts[1:]), plain(starts[0], SIZES, *starts[1:])
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    sent = torch.zeros_like(found)
    sent[:, queries] = torch.randn(found[:, queries].shape, dtype=found.dtype)
    for _ in range(2):  # a second box finds the cells sorted already
        ours = torch.autograd.grad(found, starts, sent, retain_graph=True)
        for mine, theirs in zip(ours, torch.autograd.grad(expected, starts, sent, retain_graph=True)):
            torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-12)


def test_its_gradient_is_right_by_differences():
    value, locations, weights = case(batch=1, queries=3)
    assert gradcheck(lambda *starts: deformable_attention(starts[0], SIZES, *starts[1:]), (value, locations, weights))


def test_a_point_between_four_cells_sees_a_quarter_of_each():
    value = torch.tensor([1.0, 2, 4, 8]).view(1, 4, 1, 1).requires_grad_()  # one level of 2 x 2 cells
    locations = torch.tensor([[0.5, 0.5], [0.25, 0.75]]).view(1, 1, 1, 1, 2, 2)
    weights = torch.tensor([1.0, 10]).view(1, 1, 1, 1, 2)
    found = deformable_attention(value, [(2, 2)], locations, weights)
    assert found.tolist() == [[[15 / 4 + 10 * 4]]]  # the second stands on the centre of the lower left one
    (gradient,) = torch.autograd.grad(found.sum(), value)
    assert gradient.flatten().tolist() == [0.25, 0.25, 10.25, 0.25]


def test_on_the_centre_of_a_cell_the_derivative_is_taken_from_the_same_side():
    height, width = 7, 20  # sizes that round
    cells = torch.stack(torch.meshgrid(torch.arange(width), torch.arange(height), indexing='ij'), -1).flatten(0, 1)
    locations = (cells + 0.5) / torch.tensor([width, height])
    locations = locations.view(1, -1, 1, 1, 1, 2).requires_grad_()
    value = torch.randn(1, height * width, 1, 1, generator=torch.Generator().manual_seed(0))
    weights = torch.ones(1, len(cells), 1, 1, 1)
    ours, theirs = (
        torch.autograd.grad(run(value, [(height, width)], locations, weights).sum(), locations)[0]
        for run in (deformable_attention, plain)
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-3)


def test_points_far_outside_see_nothing():
    value, locations, weights = case(batch=1, queries=2)
    far = torch.tensor([-1e30, -7.0, -1.0, 2.0, 7.0, 1e30])
    places = torch.stack(torch.meshgrid(far, torch.tensor([0.5, 9.0]), indexing='ij'), -1).flatten(0, 1).double()
    locations = places.view(1, 12, 1, 1, 1, 2).expand(-1, -1, 2, 2, 4, -1).contiguous().requires_grad_()
    found = deformable_attention(value, SIZES, locations, torch.ones(1, 12, 2, 2, 4).double())
    assert not found.any()
    assert not any(gradient.any() for gradient in torch.autograd.grad(found.sum(), (value, locations)))


@pytest.mark.parametrize('wanted', [0, 1, 2])
def test_only_what_is_asked_for_is_computed(wanted, monkeypatch):
    calls = []
    for name in ('_products', '_ByCell'):
        whole = getattr(deformable, name)
        monkeypatch.setattr(deformable, name, _counted(whole, name, calls))
    starts = [each.detach() for each in case()]
    starts[wanted].requires_grad_()
    found = deformable_attention(starts[0], SIZES, *starts[1:])
    (ours,) = torch.autograd.grad(found.sum(), starts[wanted])
    (theirs,) = torch.autograd.grad(plain(starts[0], SIZES, *starts[1:]).sum(), starts[wanted])
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    assert calls == ['_ByCell' if wanted == 0 else '_products']


class _counted:
    def __init__(self, whole, name, calls):
        self._whole, self._name, self._calls = whole, name, calls

    def __call__(self, *args):
        self._calls.append(self._name)
        return self._whole(*args)

    def of(self, *args):
        self._calls.append(self._name)
        return self._whole.of(*args)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64, torch.bfloat16])
def test_half_precision_is_left_to_the_original(dtype):
    asked = []

    def original(value, shapes, locations, weights):
        asked.append(value.dtype)
        return plain(value.float(), shapes, locations.float(), weights.float())

    value, locations, weights = case(dtype=torch.float64)
    starts = value.to(dtype), SIZES, locations.to(dtype), weights.to(dtype)
    found = attention(original, *starts)
    assert asked == ([dtype] if dtype is torch.bfloat16 else [])
    torch.testing.assert_close(found.double(), plain(value, SIZES, locations, weights), rtol=0.05, atol=0.05)


def test_products_are_the_same_without_sparse_ones(monkeypatch):
    rows = torch.randint(0, 7, (4, 6), dtype=torch.int32, generator=torch.Generator().manual_seed(0))
    sent, cells = torch.randn(4, 3), torch.randn(7, 3)
    expected = (sent[:, None] * cells[rows.long()]).sum(-1)
    torch.testing.assert_close(deformable._products(rows, sent, cells), expected)
    monkeypatch.setattr(deformable, '_SPARSE', False)
    torch.testing.assert_close(deformable._products(rows, sent, cells), expected)
