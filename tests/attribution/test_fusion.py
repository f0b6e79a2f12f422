"""The maps of levels and layers -> one map on the input's grid."""

import numpy as np
import pytest
import torch

from mmlens.attribution import fusion
from mmlens.attribution.fusion import (
    LevelMap,
    _blurred,
    add_levels,
    available_fusions,
    get_fusion,
    multiply_layers,
    of_contrasts,
    on_grid,
    register_fusion,
    strongest_level,
)
from mmlens.errors import MethodError


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


def layer(name, *values):
    return [LevelMap.of(name, torch.as_tensor(each, dtype=torch.float32)) for each in values]


def slow_blur(values, deviation):
    """A Gaussian of at least one cell, cut off at three deviations, over the cells that there are."""
    deviation = max(deviation, 1)
    reach, (h, w) = round(3 * deviation), values.shape
    blurred = np.zeros((h, w))
    rows, columns = np.indices((h, w))
    for i in range(h):
        for j in range(w):
            near = (abs(rows - i) <= reach) & (abs(columns - j) <= reach)
            weights = np.exp(-((rows - i) ** 2 + (columns - j) ** 2) / (2 * deviation**2)) * near
            blurred[i, j] = np.average(values, weights=weights)
    return blurred / blurred.max()


def slow_product(layers, powers):
    """The product as its docstring states it: cell by cell, in float64, for layers of one level and one grid."""
    layers = [np.asarray(values, np.float64) for values in layers]
    extent = np.sqrt((layers[-1] > layers[-1].max() / 2).sum())
    factors = [slow_blur(values, 0.07 * extent) for values in layers]
    factors_in_product = [factor**power for factor, power in zip(factors, powers)]
    if len(layers) > 1:
        factors_in_product[-1] = factors_in_product[-1] + 0.01
    product = np.prod(factors_in_product, axis=0)
    product /= product.max()
    return product + 0.002 * slow_blur(product, 0.15 * extent) + 1e-4 * np.mean(factors, axis=0)


@pytest.mark.parametrize('powers', [(3,), (3, 1), (3, 2, 1), (3, 1, 2, 1), (3, 1, 1, 2, 1)])
def test_a_product_is_worked_out_as_stated(powers):
    generator = np.random.default_rng(0)
    values = [generator.random((9, 11)), generator.random((9, 11)) > 0.7, *generator.random((3, 9, 11))][: len(powers)]
    maps = [level for number, each in enumerate(values) for level in layer(f'stage{number}', each)]
    np.testing.assert_allclose(multiply_layers(maps, (9, 11)).numpy(), slow_product(values, powers), rtol=1e-5)


@pytest.mark.parametrize('powers', [(6,), (6, 1), (6, 3, 1), (6, 0.5, 3, 1), (6, 0.5, 0.5, 3, 1)])
def test_a_product_of_contrasts_is_worked_out_as_stated(powers):
    generator = np.random.default_rng(0)
    values = [generator.random((9, 11)), generator.random((9, 11)) > 0.7, *generator.random((3, 9, 11))][: len(powers)]
    maps = [level for number, each in enumerate(values) for level in layer(f'stage{number}', each)]
    found = of_contrasts(multiply_layers)(maps, (9, 11))
    np.testing.assert_allclose(found.numpy(), slow_product(values, powers), rtol=1e-5)
    assert not any(level.contrast for level in maps)


def test_what_nearly_ties_in_a_score_does_not_in_a_contrast():
    # Two squares, wider than the blur, by hand: the finest layer sees one, those behind it the other. Their
    # surroundings are of the same shape, and in proportion to what is in their middle.
    maps = []
    for name, one, other in [('stem', 1, 0.5), ('stage1', 0.25, 1), ('stage2', 0.5, 1), ('neck', 1, 0.5)]:
        values = torch.zeros(32, 32)
        values[4:13, 4:13], values[20:29, 20:29] = one, other
        maps += layer(name, values)
    score, contrast = multiply_layers(maps, (32, 32)), of_contrasts(multiply_layers)(maps, (32, 32))
    at_one, at_other = (8, 8), (24, 24)
    # 1^3 * 0.25 * 0.5^2 * 1.01 = 0.063125, and 0.5^3 * 1 * 1^2 * 0.51 = 0.06375; mean factors: 2.75 / 4 and 3 / 4.
    assert score[at_one].item() == pytest.approx(1.002 * 0.063125 / 0.06375 + 0.6875e-4, abs=1e-6)
    assert score[at_other].item() == pytest.approx(1.002 + 0.75e-4, abs=1e-6)
    # 1^6 * 0.25^0.5 * 0.5^3 * 1.01 = 1.01 / 16, and 0.5^6 * 1^0.5 * 1^3 * 0.51 = 0.51 / 64.
    assert contrast[at_one].item() == pytest.approx(1.002 + 0.6875e-4, abs=1e-6)
    assert contrast[at_other].item() == pytest.approx(1.002 * 0.51 / 4.04 + 0.75e-4, abs=1e-6)


@pytest.mark.parametrize(('seen', 'peak'), [(0.3, (22, 22)), (0.2, (6, 6))])
def test_what_the_last_layer_does_not_see_keeps_a_hundredth(seen, peak):
    # 1^3 * 0.01 is less than 0.3^3 * 1.01, and more than 0.2^3 * 1.01.
    fine, coarse = torch.full((32, 32), 1e-7), torch.full((32, 32), 1e-7)
    fine[4:9, 4:9], coarse[20:25, 20:25], fine[20:25, 20:25] = 1, 1, seen
    found = multiply_layers(layer('stem', fine) + layer('neck', coarse), (32, 32))
    assert divmod(int(found.argmax()), 32) == peak
    assert found.max().item() == pytest.approx(1.002, abs=1e-3)


def test_what_another_layer_does_not_see_keeps_nothing():
    fine, middle, coarse = torch.full((32, 32), 1e-7), torch.full((32, 32), 1e-7), torch.ones(32, 32)
    fine[4:9, 4:9], middle[20:25, 20:25], fine[20:25, 20:25] = 1, 1, 2e-2
    found = multiply_layers(layer('stem', fine) + layer('stage1', middle) + layer('neck', coarse), (32, 32))
    assert divmod(int(found.argmax()), 32) == (22, 22)
    assert found[6, 6].item() < 0.003


def test_levels_of_a_layer_are_added_before_they_are_multiplied():
    one, two = torch.rand(8, 8), torch.rand(8, 8)
    fine = torch.rand(8, 8)
    apart = multiply_layers(layer('stem', fine) + layer('neck', one, two), (16, 16))
    together = multiply_layers(layer('stem', fine) + layer('neck', one + two), (16, 16))
    torch.testing.assert_close(apart, together)


def test_a_layer_that_a_box_does_not_use_is_no_zero_factor():
    fine, coarse = torch.rand(8, 8), torch.rand(4, 4)
    without = multiply_layers(layer('stem', fine) + layer('neck', coarse), (16, 16))
    unused = layer('stem', fine) + layer('stage4', torch.zeros(2, 2)) + layer('neck', torch.zeros(8, 8), coarse)
    torch.testing.assert_close(multiply_layers(unused, (16, 16)), without)


def test_the_layer_before_the_last_counts_twice_as_named_even_if_the_last_is_unused():
    fine, middle, coarse = torch.rand(8, 8), torch.rand(8, 8), torch.rand(8, 8)
    unused = layer('neck', torch.zeros(4, 4))
    found = multiply_layers(layer('stem', fine) + layer('stage1', middle) + layer('stage2', coarse) + unused, (8, 8))
    expected = slow_product([fine.numpy(), middle.numpy(), coarse.numpy()], (3, 1, 2))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4)


def test_the_finest_layer_counts_three_times_wherever_it_stands():
    fine, coarse = torch.rand(8, 8) ** 8, torch.eye(4)  # both are over a half in few cells, and blurred by one
    enlarged = on_grid(coarse, (8, 8))
    one = multiply_layers(layer('stem', fine) + layer('neck', coarse), (8, 8))
    np.testing.assert_allclose(one.numpy(), slow_product([fine, enlarged], (3, 1)), rtol=1e-4)
    other = multiply_layers(layer('neck', coarse) + layer('stem', fine), (8, 8))
    np.testing.assert_allclose(other.numpy(), slow_product([enlarged, fine], (1, 3)), rtol=1e-4)
    alone = multiply_layers(layer('stem', fine), (8, 8))
    assert alone.max().item() == pytest.approx(1 + 0.002 + 1e-4, rel=1e-2)


def test_the_larger_what_the_last_layer_sees_the_wider_a_product_is():
    """A spot of the fine layer, and an object of 4 or 48 cells around it: the blur is 1 and 3.4 cells wide."""
    fine = torch.zeros(64, 64)
    fine[32, 32] = 1

    def width(side):
        coarse = torch.zeros(64, 64)
        coarse[32 - side // 2 : 32 + side // 2, 32 - side // 2 : 32 + side // 2] = 1
        found = multiply_layers(layer('stem', fine) + layer('neck', coarse), (64, 64))
        return int((found[32] > found[32].max() / 2).sum())

    # Half of the cube of a Gaussian is 1.36 deviations wide.
    assert width(4) == 1
    assert width(48) == 5


def test_surroundings_are_in_the_order_of_their_evidence():
    fine, coarse = torch.zeros(64, 64), torch.zeros(64, 64)
    fine[32, 28], fine[32, 44] = 1, 0.8
    coarse[16:48, 16:48] = 1
    found = multiply_layers(layer('stem', fine) + layer('neck', coarse), (64, 64))
    assert found[32, 28] > found[32, 44] > found[40, 28] > found[40, 44] > found[47, 20]


@pytest.mark.parametrize('deviation', [1.0, 2.5, 4.0, 9.0])
def test_a_wide_blur_on_a_coarser_grid_is_one_on_the_grid_itself(deviation):
    values = torch.zeros(2, 41, 53)
    values[0, 10:30, 7:19], values[1, 35:, 48:] = 1, 1
    found = _blurred(values, deviation)
    for blurred, one in zip(found, values):
        expected = slow_blur(one.numpy(), deviation)
        scaled = (blurred / blurred.max()).numpy()
        np.testing.assert_allclose(scaled, expected, atol=0.05)
        assert abs(scaled - expected).mean() < 0.01


def test_a_product_keeps_an_order_where_a_factor_is_zero():
    fine, coarse = torch.zeros(16, 16), torch.zeros(16, 16)
    fine[2, 2] = 1
    coarse[12, 12], coarse[12, 2] = 1, 0.5
    found = multiply_layers(layer('stem', fine) + layer('neck', coarse), (16, 16))
    assert found[12, 12] > found[12, 2] > 0


def test_the_maximum_scales_each_level():
    found = strongest_level(layer('neck', [[1.0, 0.5]], [[2.0, 100.0]]), (1, 2))
    torch.testing.assert_close(found, torch.tensor([[1.0, 1.0]]))
    found = strongest_level(layer('neck', [[4.0, 1.0]], [[0.0, 0.0]]), (1, 2))
    torch.testing.assert_close(found, torch.tensor([[1.0, 0.25]]))


@pytest.mark.parametrize('name', ['sum', 'max', 'product', 'mean'])
def test_nothing_to_fuse_is_blank_and_finite(name):
    for maps in ([], layer('neck', torch.zeros(2, 3), torch.zeros(1, 1))):
        found = get_fusion(name)(maps, (4, 6))
        assert found.shape == (4, 6) and found.dtype == torch.float32 and not found.any()


@pytest.mark.parametrize('name', ['sum', 'max', 'product', 'mean'])
def test_every_fusion_lies_where_its_maps_do(name):
    fine, coarse = torch.zeros(16, 16), torch.zeros(4, 4)
    fine[9, 5] = coarse[2, 1] = 3
    found = get_fusion(name)(layer('stem', fine) + layer('neck', coarse), (64, 64))
    row, column = divmod(int(found.argmax()), 64)
    assert abs(row + 0.5 - 38) <= 2 and abs(column + 0.5 - 22) <= 2
    assert bool(torch.isfinite(found).all()) and found.min() >= 0


def test_names_are_found_whatever_their_case_and_others_are_told():
    assert get_fusion('Product') is multiply_layers
    assert set(available_fusions()) >= {'sum', 'max', 'product', 'mean'}
    with pytest.raises(MethodError, match="Unknown fusion 'prodct': did you mean product"):
        get_fusion('prodct')
    with pytest.raises(MethodError, match="Unknown fusion '': choose one of max, mean"):
        get_fusion('')


def test_a_fusion_of_ones_own(monkeypatch):
    monkeypatch.setattr(fusion, '_FUSIONS', dict(fusion._FUSIONS))

    @register_fusion('Finest')
    def finest(maps, size):
        return on_grid(max(maps, key=lambda level: level.values.numel()).values, size)

    values = torch.rand(4, 4)
    assert torch.equal(get_fusion('finest')(layer('a', values) + layer('b', torch.rand(2, 2)), (4, 4)), values)
    with pytest.raises(MethodError, match='is taken'):
        register_fusion('sum')(finest)
