"""One target -> one map, or the reason why there is none."""

import pytest
import torch
from torch import nn

from mmlens.attribution.attribute import (
    FLAT,
    Attribution,
    attribute,
    blank_if_flat,
    gradients_of_one,
    gradients_of_sum,
    is_flat,
)
from mmlens.attribution.fusion import LevelMap, add_levels
from mmlens.attribution.graph import live_graph
from mmlens.attribution.methods import OnePassMethod, available_methods, get_method
from mmlens.attribution.tap import Level, Tap

SIZE = (8, 8)


def level(values, name='neck', index=0, layout=lambda t: t):
    return Level(name, index, torch.as_tensor(values, dtype=torch.float32).requires_grad_(), layout)


@pytest.fixture
def good():
    """Activation 1 at all four cells of two channels."""
    return level(torch.ones(1, 2, 2, 2))


def test_a_good_map_by_hand(good):
    # Gradient 1 at cell (0, 1) of channel 0, -3 at cell (1, 0) of channel 1.
    found = attribute(good.tensor[0, 0, 0, 1] - 3 * good.tensor[0, 1, 1, 0], [good], get_method('gradcam'), (2, 2))
    assert found.raw.tolist() == [[0, 1], [0, 0]]
    assert found.blank is None


@pytest.mark.parametrize('name', available_methods(one_pass_only=True))
def test_every_method_gives_a_good_map_no_reason(name):
    torch.manual_seed(0)
    one = level(torch.rand(1, 4, 3, 3))
    found = attribute((one.tensor * torch.randn(1, 4, 3, 3)).sum(), [one], get_method(name), SIZE)
    assert found.blank is None
    assert found.raw.shape == SIZE
    assert found.raw.dtype == torch.float32
    assert found.raw.max() > 0
    assert found.raw.min() >= 0


def test_levels_are_added_on_the_inputs_grid():
    torch.manual_seed(0)
    fine, coarse = level(torch.rand(1, 3, 8, 8)), level(torch.rand(1, 3, 2, 2), index=1)
    target = (fine.tensor**2).sum() + 5 * coarse.tensor.sum()
    found = attribute(target, [fine, coarse], get_method('gradcam'), (16, 16))
    maps = [(2 * fine.activation**2).sum(1)[0], (5 * coarse.activation).sum(1)[0]]
    torch.testing.assert_close(found.raw, add_levels([LevelMap.of('neck', each) for each in maps], (16, 16)))


def test_max_shape_reaches_the_fusion():
    one = level(torch.rand(1, 1, 8, 8))
    found = attribute(one.tensor.sum(), [one], get_method('gradcam'), SIZE, max_shape=(2, 2))
    torch.testing.assert_close(found.raw, add_levels([LevelMap.of('neck', one.activation[0, 0], (2, 2))], SIZE))


def test_spatial_reaches_the_method(good):
    target = good.tensor[0, 0, 0, 1]
    boxes = attribute(target, [good], get_method('gradcam'), (2, 2), keep_graph=True)
    classes = attribute(target, [good], get_method('gradcam'), (2, 2), spatial=False)
    assert boxes.raw.tolist() == [[0, 1], [0, 0]]
    assert classes.raw.tolist() == [[0.25, 0.25], [0.25, 0.25]]


def test_a_level_off_the_path_counts_nothing(good):
    other = level(torch.ones(1, 2, 4, 4), index=1)
    found = attribute(good.tensor.sum(), [good, other], get_method('gradcam'), (2, 2))
    assert found.raw.tolist() == [[2, 2], [2, 2]]
    assert found.blank is None


def test_the_graph_is_kept_only_if_asked(good):
    target = (good.tensor**2).sum()
    first = attribute(target, [good], get_method('gradcam'), (2, 2), keep_graph=True)
    second = attribute(target, [good], get_method('gradcam'), (2, 2))
    assert torch.equal(first.raw, second.raw)
    with pytest.raises(RuntimeError, match='second time'):
        attribute(target, [good], get_method('gradcam'), (2, 2))


def test_levels_of_one_token_tensor_share_its_gradient():
    asked = []
    tokens = torch.rand(1, 5, 2, requires_grad=True)
    tokens.register_hook(lambda gradient: asked.append(gradient.shape))
    fine = Level('encoder', 0, tokens, lambda t: t[0, :4].T.reshape(1, 2, 2, 2))
    coarse = Level('encoder', 1, tokens, lambda t: t[0, 4:].T.reshape(1, 2, 1, 1))
    weights = torch.tensor([1.0, 2, 3, 4, 5])[None, :, None]
    found = attribute((tokens * weights).sum(), [fine, coarse], get_method('gradcam'), (2, 2))
    assert asked == [(1, 5, 2)]
    per_cell = (tokens.detach() * weights)[0].sum(1)
    torch.testing.assert_close(found.raw, per_cell[:4].reshape(2, 2) + per_cell[4])


# --- why a map is blank


def blank(target, levels, method='gradcam'):
    found = attribute(target, levels, get_method(method), SIZE)
    assert found.raw.shape == SIZE
    assert not found.raw.any()
    return found.blank


NOT_ON_THE_PATH = "'neck' is not on the path to this target; choose a layer that the target comes through"
SATURATED = "no gradient reaches 'neck': the target is saturated there; choose a later layer or another target"


def test_not_on_the_path(good):
    other = torch.ones(2, requires_grad=True)
    assert blank(other.sum(), [good]) == NOT_ON_THE_PATH
    assert blank(torch.tensor(3.0), [good]) == NOT_ON_THE_PATH
    assert blank(good.tensor.detach().sum(), [good]) == NOT_ON_THE_PATH


def test_saturated(good):
    assert blank((good.tensor * 1000).sigmoid().sum(), [good]) == SATURATED
    assert blank((good.tensor * 0).sum(), [good]) == SATURATED
    assert blank((-good.tensor).relu().sum(), [good]) == SATURATED


@pytest.mark.parametrize('method', ['gradcam', 'gradcam++', 'hirescam', 'xgradcam'])
def test_all_against_it(good, method):
    assert blank(-good.tensor.sum(), [good], method) == (
        f"all evidence at 'neck' is negative for this target ({method} is nowhere positive); try the method 'layercam' "
        'or another layer'
    )


def test_layercam_is_not_told_to_try_itself():
    negative = level(-torch.ones(1, 2, 2, 2))
    assert blank(negative.tensor.sum(), [negative], 'layercam') == (
        "all evidence at 'neck' is negative for this target (layercam is nowhere positive); try the method 'hirescam' "
        'or another layer'
    )


@pytest.mark.parametrize('method', ['gradcam', 'layercam', 'hirescam'])
def test_activations_that_are_zero_where_a_gradient_arrives(method):
    half = level(torch.tensor([[[[0.0, 1.0]]]]))
    for sign in (1, -1):
        assert blank(sign * half.tensor[0, 0, 0, 0], [half], method) == (
            "the activations at 'neck' are zero wherever a gradient arrives; choose another layer"
        )


@pytest.mark.parametrize('method', available_methods(one_pass_only=True))
def test_all_activations_zero(method):
    dead = level(torch.zeros(1, 2, 2, 2))
    assert blank(dead.tensor.sum(), [dead], method) == "every activation of 'neck' is zero; choose another layer"


def test_a_gradient_free_method_that_finds_nothing(good):
    assert blank(good.tensor.sum(), [good], 'eigencam') == (
        "eigencam is nowhere positive at 'neck'; choose another layer or method"
    )


def test_a_gradient_that_is_no_number(good):
    zero = level(torch.zeros(1, 1, 2, 2))
    target = (zero.tensor.sqrt() * 0).sum() + good.tensor.sum() * float('nan')
    assert blank(target, [good]) == (
        "the gradient at 'neck' is not a number; run the model in full precision, or choose another layer"
    )


def test_all_layers_are_named(good):
    dead = level(torch.ones(1, 2, 4, 4), name='backbone[1]')
    target = (good.tensor * 0).sum()
    assert blank(target, [good, level(torch.ones(1, 1, 2, 2), index=1), dead]) == SATURATED.replace(
        "'neck'", "'backbone[1]', 'neck'"
    )


# --- numbers that are none


def test_one_broken_number_does_not_cost_the_map():
    values = torch.ones(1, 2, 3, 3)
    values[0, 0, 0, 0] = float('inf')
    values[0, 1, 1, 1] = float('nan')
    for name in available_methods(one_pass_only=True):
        one = level(values)
        weights = torch.rand(1, 2, 3, 3, generator=torch.Generator().manual_seed(0)) + 1
        weights[0, 0, 2, 2] = float('nan')
        found = attribute((one.tensor * weights).sum(), [one], get_method(name), SIZE)
        assert found.raw.isfinite().all()
        assert found.raw.min() >= 0
        assert found.blank is None, name


def test_a_formula_that_overflows():
    one = level(torch.full((1, 1, 2, 2), 1e30))
    huge = OnePassMethod('huge', lambda a, g, spatial: torch.where(torch.eye(2) > 0, a * a, a)[0])
    found = attribute(one.tensor.sum(), [one], huge, (2, 2))
    assert found.raw.isfinite().all()
    torch.testing.assert_close(found.raw, torch.tensor([[0, 1e30], [1e30, 0]]))


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize('name', available_methods(one_pass_only=True))
def test_other_precisions(name, dtype):
    one = level(torch.rand(1, 2, 3, 3))
    one.tensor = one.tensor.detach().to(dtype).requires_grad_()
    found = attribute((one.tensor * torch.rand(1, 2, 3, 3)).sum(), [one], get_method(name), SIZE)
    assert found.raw.dtype == torch.float32
    assert found.blank is None


# --- with a real tap


class TwoObjects(nn.Module):
    """Scores of the left and of the right half of a picture, after a shared convolution."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 1, bias=False)
        nn.init.ones_(self.conv.weight)

    def forward(self, x):
        left, right = self.conv(x).chunk(2, -1)
        left *= 2
        return torch.stack([left.sum(), right.sum()]).sigmoid().detach()


def test_each_target_of_one_pass_has_its_own_map():
    net = TwoObjects()
    with Tap(net, {'conv': net.conv}) as tap, live_graph():
        scores = net(torch.full((1, 1, 8, 8), 0.01))
        levels = tap.levels(SIZE)
        method = get_method('gradcam')
        left = attribute(scores[0].logit(), levels, method, SIZE, keep_graph=True).raw
        right = attribute(scores[1].logit(), levels, method, SIZE).raw
    torch.testing.assert_close(left[:, :4], torch.full((8, 4), 0.02))
    torch.testing.assert_close(right[:, 4:], torch.full((8, 4), 0.01))
    assert not left[:, 4:].any()
    assert not right[:, :4].any()


@pytest.mark.parametrize(
    ('values', 'flat'),
    [
        ([2.0, 2.0], True),
        ([1.0, 1 + 1e-6], True),
        ([1.0, 1.001], False),
        ([0.0, 0.0], False),
        ([0.0, 1e-9], False),
        ([], False),
    ],
)
def test_what_is_the_same_everywhere_but_for_rounding_is_flat(values, flat):
    raw = torch.tensor(values)
    assert is_flat(raw) == flat
    found = blank_if_flat(Attribution(raw))
    assert (found.blank == FLAT and not found.raw.any()) if flat else found.raw is raw


def test_the_gradients_of_two_inputs_of_one_batch_by_hand():
    layer, inputs = nn.Conv2d(1, 1, 1, bias=False), torch.rand(2, 1, 2, 2)
    nn.init.ones_(layer.weight)
    with Tap(layer, {'layer': layer}) as tap:
        output = layer(inputs)
        scalars = [3 * output[0].sum(), (output[1] ** 2).sum()]
        each = tap.levels_of_each(2, (2, 2))
        gradients = gradients_of_sum(scalars, tap.tensors, get_method('gradcam'), False)
        one, other = (gradients_of_one(gradients, n, levels, tap.tensors) for n, levels in enumerate(each))
    assert torch.equal(one[0], torch.full((1, 1, 2, 2), 3.0)) and torch.equal(other[0], 2 * inputs[1:])
    assert gradients_of_sum(scalars, [inputs], get_method('eigencam'), False) == [None]
