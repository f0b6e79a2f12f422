"""Levels -> one map on the input's grid."""

import numpy as np
import pytest
import torch

from mmlens.attribution.fuse import fuse_levels, normalise, normalise_in_box


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
            x, y = centroid(fuse_levels([level], size))
            assert x == pytest.approx((j + 0.5) * width / w, abs=0.05)
            assert y == pytest.approx((i + 0.5) * height / h, abs=0.05)


@pytest.mark.parametrize('stride', [2, 4, 8, 32])
def test_a_cell_at_the_edge_stays_at_the_edge(stride):
    level = torch.zeros(4, 4)
    level[0, 3] = 1
    fused = fuse_levels([level], (4 * stride, 4 * stride))
    assert fused.argmax() // (4 * stride) < stride
    assert fused.argmax() % (4 * stride) >= 3 * stride


def test_a_constant_stays_constant():
    fused = fuse_levels([torch.full((3, 5), 2.5)], (48, 80))
    torch.testing.assert_close(fused, torch.full((48, 80), 2.5))


def test_same_size_is_the_map_itself():
    level = torch.rand(6, 7)
    torch.testing.assert_close(fuse_levels([level], (6, 7)), level)


def test_levels_are_added():
    fine, coarse = torch.rand(16, 16), torch.rand(4, 4)
    both = fuse_levels([fine, coarse], (64, 64))
    torch.testing.assert_close(both, fuse_levels([fine], (64, 64)) + fuse_levels([coarse], (64, 64)))
    torch.testing.assert_close(
        fuse_levels([torch.full((2, 2), 1.0), torch.full((4, 4), 3.0)], (8, 8)).unique().tolist(), [4.0]
    )


def test_a_negative_level_takes_nothing_from_another():
    good = torch.rand(4, 4)
    torch.testing.assert_close(fuse_levels([good, -torch.rand(8, 8)], (32, 32)), fuse_levels([good], (32, 32)))


def test_no_level_is_a_blank_map():
    assert fuse_levels([], (3, 4)).tolist() == [[0.0] * 4] * 3


def test_other_precisions_come_out_as_float32():
    for dtype in (torch.float64, torch.float16, torch.bfloat16):
        fused = fuse_levels([torch.ones(2, 2, dtype=dtype)], (4, 4))
        assert fused.dtype == torch.float32
        assert fused.eq(1).all()


def test_nothing_is_negative_after_interpolation():
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        level = (torch.rand(7, 9, generator=generator) > 0.8).float() * 100
        assert fuse_levels([level], (50, 70)).min() >= 0


def test_max_shape_averages_blocks():
    level = torch.arange(16.0).reshape(4, 4)
    # Means of the four 2 x 2 blocks: (0+1+4+5)/4 and so on.
    expected = fuse_levels([torch.tensor([[2.5, 4.5], [10.5, 12.5]])], (8, 8))
    torch.testing.assert_close(fuse_levels([level], (8, 8), max_shape=(2, 2)), expected)


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
    torch.testing.assert_close(fuse_levels([level], (4, 4), max_shape), fuse_levels([reference], (4, 4)))


def test_normalise_scales_to_a_maximum_of_one():
    found = normalise(np.array([[0, 2], [4, 1]], np.float32))
    np.testing.assert_array_equal(found, np.array([[0, 0.5], [1, 0.25]], np.float32))
    assert found.dtype == np.float32


@pytest.mark.parametrize(
    'raw', [np.zeros((2, 3)), np.zeros((0, 0)), np.zeros((0, 4), np.float32)], ids=['zeros', 'empty', 'no row']
)
def test_a_blank_map_stays_blank(raw):
    found = normalise(raw)
    assert found.shape == raw.shape
    assert not found.any()


def test_normalise_of_a_constant_and_of_tiny_numbers():
    np.testing.assert_array_equal(normalise(np.full((2, 2), 7, np.float32)), np.ones((2, 2), np.float32))
    tiny = normalise(np.array([[0, 1e-42]], np.float32))
    assert tiny.max() == 1
    assert np.isfinite(tiny).all()


RAW = np.arange(16, dtype=np.float32).reshape(4, 4)


def test_within_a_box_the_map_runs_from_zero_to_one():
    found = normalise_in_box(RAW, [1, 1, 3, 3])
    # Inside: 5 6 / 9 10.
    expected = np.zeros((4, 4), np.float32)
    expected[1:3, 1:3] = [[0, 0.2], [0.8, 1]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_pixel_is_inside_if_its_centre_is():
    found = normalise_in_box(RAW, [0.6, 1.4, 2.4, 3.4])
    assert {tuple(at) for at in np.argwhere(found > 0)} == {(2, 1)}  # (1, 1) is the minimum
    assert found[2, 1] == 1


def test_a_pixel_that_a_tiny_box_touches_is_inside():
    found = normalise_in_box(RAW, [1.9, 1.9, 2.1, 2.1])
    assert {tuple(at) for at in np.argwhere(found > 0)} == {(1, 2), (2, 1), (2, 2)}  # (1, 1) is the minimum
    assert found[2, 2] == 1


@pytest.mark.parametrize(
    ('box', 'inside'),
    [
        ([-5, -5, 2, 2], (slice(0, 2), slice(0, 2))),
        ([2, 3, 50, 50], (slice(3, 4), slice(2, 4))),
        ([-np.inf, 0, np.inf, 1], (slice(0, 1), slice(0, 4))),
    ],
)
def test_a_box_is_clipped_to_the_map(box, inside):
    found = normalise_in_box(RAW, box)
    mask = np.zeros((4, 4), bool)
    mask[inside] = True
    assert found[mask].max() == 1
    assert found[mask].min() == 0
    assert not found[~mask].any()


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize(
    'box', [[4, 4, 9, 9], [-9, -9, -1, -1], [2, 2, 2, 2], [3, 3, 1, 1], [0, 9, 4, 12], [np.nan] * 4]
)
def test_a_box_without_an_inside_gives_a_blank_map(box):
    assert not normalise_in_box(RAW, np.array(box, np.float32)).any()


def test_constants_within_a_box():
    ones = np.ones((4, 4), np.float32)
    found = normalise_in_box(ones, [0, 0, 2, 2])
    assert found.sum() == 4
    assert not normalise_in_box(0 * ones, [0, 0, 2, 2]).any()
    single = normalise_in_box(RAW, [2, 2, 3, 3])
    assert single[2, 2] == 1
    assert single.sum() == 1


def test_the_input_is_not_changed():
    raw = RAW.copy()
    normalise(raw)
    normalise_in_box(raw, [0, 0, 2, 2])
    np.testing.assert_array_equal(raw, RAW)
