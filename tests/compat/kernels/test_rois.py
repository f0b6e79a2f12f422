from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

ROIS = torch.tensor(
    [[0, 4.3, 6.1, 21.7, 18.2], [1, 8.0, 2.0, 26.0, 27.5], [0, 5.5, 5.5, 9.5, 8.5]], dtype=torch.float64
)


def slow_roi_align(bilinear, planes, roi, size, scale, samples):
    """(C, H, W) and one region, aligned, all samples inside the planes -> (C, size, size)."""
    x1, y1, x2, y2 = (edge * scale - 0.5 for edge in roi)
    height, width = (y2 - y1) / size, (x2 - x1) / size
    out = np.zeros((len(planes), size, size))
    places = [(k + 0.5) / samples for k in range(samples)]
    for c, i, j in itertools.product(range(len(planes)), range(size), range(size)):
        points = [(y1 + (i + v) * height, x1 + (j + u) * width) for v in places for u in places]
        out[c, i, j] = np.mean([bilinear(planes[c], y, x) for y, x in points])
    return out


def slow_roi_pool(planes, roi, size, scale):
    """(C, H, W) and one region -> (C, size, size): the maximum of the cells that each bin touches."""
    _, rows, columns = planes.shape
    x1, y1, x2, y2 = roi[0] * scale, roi[1] * scale, (roi[2] + 1) * scale, (roi[3] + 1) * scale
    out = np.zeros((len(planes), size, size))
    for c, i, j in itertools.product(range(len(planes)), range(size), range(size)):
        top, bottom = y1 + i * (y2 - y1) / size, y1 + (i + 1) * (y2 - y1) / size
        left, right = x1 + j * (x2 - x1) / size, x1 + (j + 1) * (x2 - x1) / size
        cells = [
            planes[c, y, x]
            for y, x in itertools.product(range(rows), range(columns))
            if y + 1 > top and y < bottom and x + 1 > left and x < right
        ]
        out[c, i, j] = max(cells, default=0)
    return out


@pytest.mark.parametrize('samples', [1, 2, 3])
def test_roi_align_averages_the_samples_of_each_bin(ops, bilinear, samples):
    planes = torch.randn(2, 2, 16, 16, dtype=torch.float64)
    pooled = ops.RoIAlign(3, spatial_scale=0.5, sampling_ratio=samples)(planes, ROIS)
    expected = [slow_roi_align(bilinear, planes[int(r[0])].numpy(), r[1:].tolist(), 3, 0.5, samples) for r in ROIS]
    np.testing.assert_allclose(pooled.numpy(), np.stack(expected), rtol=1e-10)


@pytest.mark.parametrize('aligned', [True, False])
@pytest.mark.parametrize('samples', [0, 2])
def test_roi_align_has_the_gradient_of_torchvision(ops, aligned, samples):
    from torchvision.ops import roi_align

    planes = torch.randn(2, 3, 16, 16, dtype=torch.float64, requires_grad=True)
    ours = ops.roi_align(planes, ROIS, (3, 2), 0.5, samples, 'avg', aligned)
    theirs = roi_align(planes, ROIS, (3, 2), 0.5, samples, aligned)
    assert torch.equal(ours, theirs)
    slope = torch.randn_like(ours)
    assert torch.equal(*(torch.autograd.grad(y, planes, slope)[0] for y in (ours, theirs)))


def test_roi_align_passes_gradcheck(ops):
    planes = torch.randn(2, 2, 8, 9, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: ops.roi_align(x, ROIS, (2, 3), 0.25, 2, 'avg', True), planes)


def test_roi_align_takes_regions_of_another_precision(ops):
    planes = torch.randn(2, 2, 16, 16)
    pooled = ops.roi_align(planes, ROIS, 3, 0.5, 2)
    assert torch.equal(pooled, ops.roi_align(planes, ROIS.float(), 3, 0.5, 2))
    assert ops.roi_align(planes, ROIS[:0].float(), 3, 0.5, 2).shape == (0, 2, 3, 3)


def test_roi_align_by_maximum_says_that_it_is_not_served(ops):
    with pytest.raises(ImportError, match='compiled ops'):
        ops.roi_align(torch.zeros(1, 1, 8, 8), torch.zeros(1, 5), 2, 1.0, 2, 'max', True)


@pytest.mark.parametrize('scale', [0.5, 0.3, 1.0])
def test_roi_pool_takes_the_maximum_of_the_cells_a_bin_touches(ops, scale):
    planes = torch.randn(2, 2, 16, 16, dtype=torch.float64)
    outside = torch.tensor([[0, 40.0, 40, 60, 60], [1, -9, -9, 3, 3], [0, 9, 9, 2, 2]], dtype=torch.float64)
    rois = torch.cat([ROIS, outside])
    pooled = ops.RoIPool(3, spatial_scale=scale)(planes, rois)
    expected = [slow_roi_pool(planes[int(r[0])].numpy(), r[1:].tolist(), 3, scale) for r in rois[:-1]]
    np.testing.assert_array_equal(pooled[:-1].numpy(), np.stack(expected))
    assert not pooled[-1].any()  # a region whose right edge is left of its left one


def test_roi_pool_passes_gradcheck(ops):
    planes = torch.randperm(2 * 2 * 72, dtype=torch.float64).reshape(2, 2, 8, 9).requires_grad_()
    assert gradcheck(lambda x: ops.roi_pool(x, ROIS, (2, 3), 0.25), planes)
