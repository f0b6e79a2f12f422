"""The maps of levels and layers -> one map on the input's grid."""

import pytest
import torch

from mmlens.attribution.fusion import LevelMap, add_levels


def added(values, size, max_shape=None):
    """Maps of levels of one layer, added."""
    return add_levels([LevelMap.of('neck', each, max_shape) for each in values], size)


def centroid(fused):
    """(x, y) of the mass, pixel (0, 0) centred at (0.5, 0.5)."""
    ys, xs = torch.meshgrid(torch.arange(fused.shape[0]) + 0.5, torch.arange(fused.shape[1]) + 0.5, indexing='ij')
    return ((fused * xs).sum() / fused.sum()).item(), ((fused * ys).sum() / fused.sum()).item()


@pytest.mark.parametrize(
    ('grid', 'size'),
    [((8, 8), (64, 64)), ((10, 6), (80, 48)), ((13, 13), (416, 416)), ((7, 9), (70, 126)), ((5, 8), (100, 136))]
    + [((12, 20), (90, 150)), ((6, 6), (6, 6))],
)
def test_a_cell_lies_at_its_documented_centre(grid, size):
    (h, w), (height, width) = grid, size
    for i in range(2, h - 2):
        for j in range(2, w - 2):
            level = torch.zeros(grid)
            level[i, j] = 1
            x, y = centroid(added([level], size))
            assert x == pytest.approx((j + 0.5) * width / w, abs=0.05)
            assert y == pytest.approx((i + 0.5) * height / h, abs=0.05)


@pytest.mark.parametrize('stride', [2, 4, 8, 32])
def test_a_cell_at_the_edge_stays_at_the_edge(stride):
    level = torch.zeros(4, 4)
    level[0, 3] = 1
    fused = added([level], (4 * stride, 4 * stride))
    assert fused.argmax() // (4 * stride) < stride
    assert fused.argmax() % (4 * stride) >= 3 * stride


def test_a_constant_stays_constant():
    fused = added([torch.full((3, 5), 2.5)], (48, 80))
    torch.testing.assert_close(fused, torch.full((48, 80), 2.5))


def test_same_size_is_the_map_itself():
    level = torch.rand(6, 7)
    torch.testing.assert_close(added([level], (6, 7)), level)


def test_levels_are_added():
    fine, coarse = torch.rand(16, 16), torch.rand(4, 4)
    both = added([fine, coarse], (64, 64))
    torch.testing.assert_close(both, added([fine], (64, 64)) + added([coarse], (64, 64)))
    torch.testing.assert_close(
        added([torch.full((2, 2), 1.0), torch.full((4, 4), 3.0)], (8, 8)).unique().tolist(), [4.0]
    )


def test_a_negative_level_takes_nothing_from_another():
    good = torch.rand(4, 4)
    torch.testing.assert_close(added([good, -torch.rand(8, 8)], (32, 32)), added([good], (32, 32)))


def test_no_level_is_a_blank_map():
    assert added([], (3, 4)).tolist() == [[0.0] * 4] * 3


def test_other_precisions_come_out_as_float32():
    for dtype in (torch.float64, torch.float16, torch.bfloat16):
        fused = added([torch.ones(2, 2, dtype=dtype)], (4, 4))
        assert fused.dtype == torch.float32
        assert fused.eq(1).all()


def test_nothing_is_negative_after_interpolation():
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        level = (torch.rand(7, 9, generator=generator) > 0.8).float() * 100
        assert added([level], (50, 70)).min() >= 0


def test_max_shape_averages_blocks():
    level = torch.arange(16.0).reshape(4, 4)
    # Means of the four 2 x 2 blocks: (0+1+4+5)/4 and so on.
    expected = added([torch.tensor([[2.5, 4.5], [10.5, 12.5]])], (8, 8))
    torch.testing.assert_close(added([level], (8, 8), max_shape=(2, 2)), expected)


@pytest.mark.parametrize(
    ('max_shape', 'expected'),
    [
        (None, (4, 4)),
        ((-1, -1), (4, 4)),
        ((2, -1), (2, 4)),
        ((-1, 2), (4, 2)),
        ((9, 9), (4, 4)),
        ((1, 9), (1, 4)),
    ],
)
def test_max_shape_leaves_smaller_sides_alone(max_shape, expected):
    level = torch.rand(4, 4)
    reference = torch.nn.functional.adaptive_avg_pool2d(level[None], expected)[0]
    torch.testing.assert_close(added([level], (4, 4), max_shape), added([reference], (4, 4)))
