"""Altered outputs, in every layout that a layer may have: compared with loops over channels and cells."""

import pytest
import torch

from mmlens.attribution.passes.altering import (
    ABLATED_VALUES,
    batch_axis,
    blurred,
    one_colour,
    with_cells,
    without_channels,
)
from mmlens.attribution.tap import Level
from mmlens.attribution.tokens import layouts_of

# Shape of the tensor, size of the input, extra tokens.
LAYOUTS = {
    'maps': ((1, 3, 4, 6), (32, 48), None),
    'one channel': ((1, 1, 4, 6), (32, 48), None),
    'channels last': ((1, 4, 6, 3), (32, 48), None),
    'tokens': ((1, 24, 3), (32, 48), None),
    'tokens, batch second': ((24, 1, 3), (32, 48), None),
    'a class token': ((1, 25, 3), (32, 48), 1),
    'pyramid': ((1, 96 + 24 + 6, 3), (64, 96), None),
    'pyramid, batch second': ((96 + 24 + 6, 1, 3), (64, 96), None),
}


@pytest.fixture(params=LAYOUTS)
def levels(request):
    shape, size, extra = LAYOUTS[request.param]
    tensor = torch.rand(shape, generator=torch.Generator().manual_seed(0)) + 0.5
    return [Level('layer', number, tensor, layout) for number, layout in enumerate(layouts_of(shape, size, (), extra))]


def copies(level, altered):
    """Each copy as a tensor of the layer's own shape, and as a map (C, h, w)."""
    parts = altered.split(1, batch_axis(level))
    assert all(part.shape == level.tensor.shape for part in parts)
    return [(part, level.layout(part)[0]) for part in parts]


def outside(level, tensor):
    """What lies in the same tensor beside the level's cells."""
    marks = torch.arange(tensor.numel()).reshape(tensor.shape)
    inside = set(level.layout(marks).flatten().tolist())
    return [value for place, value in enumerate(tensor.flatten().tolist()) if place not in inside]


def test_the_layouts_are_those_meant():
    shapes = []
    for shape, size, extra in LAYOUTS.values():
        tensor = torch.rand(shape)
        shapes.append([tuple(layout(tensor).shape[1:]) for layout in layouts_of(shape, size, (), extra)])
    grid = [(3, 4, 6)]
    pyramid = [(3, 8, 12), (3, 4, 6), (3, 2, 3)]
    assert shapes == [grid, [(1, 4, 6)], grid, grid, grid, grid, pyramid, pyramid]


@pytest.mark.parametrize('value', ['zero', 'mean'])
def test_a_channel_of_one_level_is_a_constant_and_nothing_else_changes(levels, value):
    for level in levels:
        plain = level.activation[0].clone()
        chosen = list(range(len(plain)))[::-1]
        for channel, (tensor, maps) in zip(chosen, copies(level, without_channels(level, chosen, value))):
            for other in range(len(plain)):
                if other != channel:
                    assert torch.equal(maps[other], plain[other])
            constant = 0 if value == 'zero' else plain[channel].mean()
            assert (maps[channel] == constant).all()
            assert outside(level, tensor) == outside(level, level.tensor)
        assert torch.equal(level.activation[0], plain)


def test_a_whole_channel_is_ablated_where_it_is_asked_for(levels):
    for level in levels:
        count = len(level.activation[0])
        altered = without_channels(level, range(count), cells_only=False)
        for channel, (tensor, maps) in enumerate(copies(level, altered)):
            assert not maps[channel].any()
            # All that is not of this channel is as it was: everything of the other channels, extra tokens included.
            assert int((tensor == 0).sum()) == level.tensor.numel() // count
            assert torch.equal(tensor[tensor != 0], level.tensor[tensor != 0])


def test_what_pytorch_gradcam_takes():
    assert set(ABLATED_VALUES) == {'zero', 'mean', 'gradcam'}
    (layout,) = layouts_of((1, 40, 2, 2), (16, 16))
    positive = torch.rand(1, 40, 2, 2).clamp_min(0.1)
    positive[0, 0, 0, 0] = 0
    assert not without_channels(Level('a', 0, positive, layout), [3], 'gradcam')[0, 3].any()
    signed = torch.randn(1, 40, 2, 2, dtype=torch.float64)
    level, least = Level('a', 0, signed, layout), signed.min().item()
    altered = torch.cat(
        [without_channels(level, range(30), 'gradcam'), without_channels(level, range(30, 40), 'gradcam', first=30)]
    )
    for rank in range(40):
        assert altered[rank, rank].unique().tolist() == [least - 1e7 * (rank % 32 + 1)]


def test_cells_are_multiplied_by_masks_and_the_rest_is_left(levels):
    for level in levels:
        plain = level.activation[0]
        masks = torch.rand(3, *plain.shape[1:], generator=torch.Generator().manual_seed(1))
        masks[0] = 0
        for mask, (tensor, maps) in zip(masks, copies(level, with_cells(level, masks))):
            slow = plain.clone()
            for channel in range(plain.shape[0]):
                for row in range(plain.shape[1]):
                    for column in range(plain.shape[2]):
                        slow[channel, row, column] *= mask[row, column]
            assert torch.equal(maps, slow)
            assert outside(level, tensor) == outside(level, level.tensor)


def test_half_precision_stays_half():
    level = Level('a', 0, torch.ones(1, 2, 2, 2, dtype=torch.float16), lambda tensor: tensor)
    assert without_channels(level, [0], 'mean').dtype == torch.float16
    assert with_cells(level, torch.ones(1, 2, 2)).dtype == torch.float16


def test_where_the_batch_stands():
    assert [batch_axis(Level('a', 0, torch.rand(shape), None)) for shape in ((1, 2, 3), (2, 1, 3), (1, 1, 3))] == [
        0,
        1,
        0,
    ]


def test_blurring_keeps_what_is_even_and_spreads_a_point_over_both_sides():
    assert torch.allclose(blurred(torch.full((3, 20, 64), 7.0)), torch.full((3, 20, 64), 7.0))
    point = torch.zeros(1, 65, 97)
    point[0, 32, 48] = 1
    spread = blurred(point)[0]
    assert spread.sum() == pytest.approx(1, abs=1e-4) and torch.allclose(spread, spread.flip(0).flip(1))
    rows = torch.arange(65.0) - 32
    assert float((spread.sum(1) * rows**2).sum()) == pytest.approx((97 / 32) ** 2, rel=0.05)


def test_one_colour_is_the_mean_of_each_channel():
    picture = torch.stack([torch.full((2, 3), 4.0), torch.arange(6.0).reshape(2, 3)])
    assert one_colour(picture).tolist() == [[[4.0] * 3] * 2, [[2.5] * 3] * 2]
