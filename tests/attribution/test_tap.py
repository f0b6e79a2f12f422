"""The tap: where the graph begins, what levels it yields, and that the model is given back as it was."""

import contextlib
from collections import namedtuple

import pytest
import torch
from torch import nn

from mmlens.attribution.layers import resolve_layer
from mmlens.attribution.tap import Tap
from mmlens.errors import LayerError

SIZE = (8, 8)
Output = namedtuple('Output', 'maps name')


class NoWayBack(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        raise AssertionError('the backward pass went below the tapped layer')


class Lower(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 1)

    def forward(self, x):
        return NoWayBack.apply(self.conv(x))


class Return(nn.Module):
    """Returns whatever a function makes of its input."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def conv(weights):
    """1 x 1 convolution, one row of weights an output channel, no bias."""
    layer = nn.Conv2d(len(weights[0]), len(weights), 1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(weights)[:, :, None, None])
    return layer


def tapped_run(net, layers, x, size=SIZE):
    """(levels, gradients of the output's sum) of a net with some layers tapped."""
    with Tap(net, {name: resolve_layer(net, name) for name in layers}) as tap:
        output = net(x)
        levels = tap.levels(size)
        gradients = torch.autograd.grad(output.sum(), tap.tensors, allow_unused=True)
        return levels, gradients


@pytest.fixture
def x():
    torch.manual_seed(0)
    return torch.rand(1, 1, 8, 8)


def test_a_net_worked_out_by_hand():
    # a = (2x, -x); y = relu(a) . (3, 5): for x > 0 the second channel is cut off by the ReLU.
    net = nn.Sequential(conv([[2.0], [-1.0]]), nn.ReLU(inplace=True), conv([[3.0, 5.0]]))
    x = torch.tensor([[[[1.0, -2.0], [0.5, 4.0]]]])
    (level,), (gradient,) = tapped_run(net, ['[0]'], x, (2, 2))
    assert level.activation.tolist() == [[[[2, -4], [1, 8]], [[-1, 2], [-0.5, -4]]]]
    assert gradient.tolist() == [[[[3, 0], [3, 3]], [[0, 5], [0, 0]]]]
    assert not level.activation.requires_grad


def test_the_graph_begins_at_the_layer(x):
    net = nn.Sequential(Lower(), conv([[1.0, 2.0]]), conv([[3.0]]))
    with Tap(net, {'middle': net[1]}) as tap:
        output = net(x)
        (start,) = tap.tensors
        assert start.is_leaf
        output.sum().backward()  # visits everything that has a graph
        assert start.grad.eq(3).all()
    assert all(p.grad is None for p in net.parameters())


def test_what_has_a_graph_below_the_layer_is_not_visited(x):
    offset = torch.ones(1, requires_grad=True)  # no parameter: the tap does not know it
    net = nn.Sequential(Return(lambda t: NoWayBack.apply(t + offset)), conv([[2.0]]), conv([[3.0]]))
    (level,), (gradient,) = tapped_run(net, ['[1]'], x)
    torch.testing.assert_close(level.activation, 2 * (x + 1))
    assert gradient.eq(3).all()


def test_nothing_below_the_layer_keeps_a_graph(x):
    seen = []
    net = nn.Sequential(Return(lambda t: t * 2), nn.Conv2d(1, 1, 3, padding=1), Return(lambda t: seen.append(t) or t))
    net.append(nn.Conv2d(1, 1, 1))
    with Tap(net, {'last': net[3]}):
        assert net(x).requires_grad
    assert not seen[0].requires_grad


@pytest.mark.parametrize('after', [nn.ReLU(inplace=True), Return(lambda t: t.mul_(3)), nn.Hardswish(inplace=True)])
def test_layers_that_work_in_place_do_not_change_the_activation(x, after):
    net = nn.Sequential(conv([[1.0], [-1.0]]), after, conv([[1.0, 1.0]]))
    (level,), _ = tapped_run(net, ['[0]'], x)
    torch.testing.assert_close(level.activation, torch.cat([x, -x], 1))


def test_changing_what_went_into_an_identity_does_not_change_its_activation(x):
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.drop = nn.Dropout(0.5)

        def forward(self, x):
            x = x + 0
            branch = self.drop(x)
            x += 10
            return branch * 2

    (level,), (gradient,) = tapped_run(Residual(), ['drop'], x)
    torch.testing.assert_close(level.activation, x)
    assert gradient.eq(2).all()


@pytest.mark.parametrize(
    ('pack', 'unpack'),
    [
        (lambda t: t, lambda o: o),
        (lambda t: (t, t[:, :, ::2, ::2]), lambda o: o[0] + o[1].repeat(1, 1, 2, 2)),
        (lambda t: [t, None, 'x', t[:, :, ::2, ::2]], lambda o: o[0] + o[3].repeat(1, 1, 2, 2)),
        (lambda t: {'p3': t, 'rest': (t[:, :, ::2, ::2],)}, lambda o: o['p3'] + o['rest'][0].repeat(1, 1, 2, 2)),
        (lambda t: Output([t, t[:, :, ::2, ::2]], 'fpn'), lambda o: o.maps[0] + o.maps[1].repeat(1, 1, 2, 2)),
    ],
    ids=['tensor', 'tuple', 'list', 'dict', 'namedtuple'],
)
def test_every_tensor_of_an_output_is_a_level(x, pack, unpack):
    net = nn.Sequential(Return(pack), Return(unpack))
    levels, gradients = tapped_run(net, ['[0]'], x)
    assert [tuple(level.activation.shape[2:]) for level in levels] == [(8, 8), (4, 4)][: len(levels)]
    assert [level.index for level in levels] == list(range(len(levels)))
    assert gradients[0].eq(1).all()
    if len(levels) == 2:
        assert gradients[1].eq(4).all()


def test_numbers_that_are_no_floats_pass_through(x):
    net = nn.Sequential(Return(lambda t: (t, t.argmax(1), t > 0.5)), Return(lambda o: o[0] * o[1] + o[2]))
    levels, _ = tapped_run(net, ['[0]'], x)
    assert len(levels) == 1


def test_a_layer_that_is_called_several_times_has_a_level_a_call(x):
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = conv([[2.0]])

        def forward(self, x):
            return self.head(x).sum() + 3 * self.head(x[:, :, ::2, ::2]).sum()

    levels, gradients = tapped_run(Shared(), ['head'], x)
    assert [(level.index, tuple(level.tensor.shape[2:])) for level in levels] == [(0, (8, 8)), (1, (4, 4))]
    assert [g.unique().tolist() for g in gradients] == [[1], [3]]


def test_two_layers_one_after_the_other_both_get_gradients(x):
    torch.manual_seed(0)
    net = nn.Sequential(*[nn.Conv2d(1, 1, 3, padding=1) for _ in range(3)], nn.Sigmoid()).double()
    levels, gradients = tapped_run(net, ['[0]', '[1]'], x.double())
    assert [level.layer for level in levels] == ['[0]', '[1]']

    first = net[0](x.double()).detach().requires_grad_()
    second = net[1](first).detach().requires_grad_()
    of_second = torch.autograd.grad(net[3](net[2](second)).sum(), second)[0]
    of_first = torch.autograd.grad(net[1](first), first, of_second)[0]
    torch.testing.assert_close(gradients[1], of_second)
    torch.testing.assert_close(gradients[0], of_first)
    torch.testing.assert_close(levels[1].activation, second.detach())


def test_a_layer_inside_another_tapped_one(x):
    net = nn.Sequential(nn.Sequential(conv([[2.0]]), conv([[3.0]])), conv([[5.0]]))
    levels, gradients = tapped_run(net, ['[0]', '[0][0]'], x)
    assert {level.layer: g.unique().tolist() for level, g in zip(levels, gradients)} == {'[0]': [5], '[0][0]': [15]}


def test_one_tensor_returned_twice_is_not_counted_twice(x):
    net = nn.Sequential(conv([[1.0]]), Return(lambda t: (t, t)), Return(lambda o: o[0] + 2 * o[1]))
    for layers in (['[1]'], ['[0]', '[1]']):
        levels, gradients = tapped_run(net, layers, x)
        assert [g.unique().tolist() for g in gradients[-2:]] == [[1], [2]]


def test_the_output_is_that_of_the_plain_net(x):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Conv2d(4, 2, 3)).eval()
    with torch.no_grad():
        plain = net(x)
    with Tap(net, {'a': net[0], 'b': net[2]}):
        assert torch.equal(net(x), plain)


def test_the_net_runs_in_eval_mode_with_gradients_whatever_the_caller_chose(x):
    net = nn.Sequential(nn.Conv2d(1, 1, 1), nn.Dropout(0.9), nn.BatchNorm2d(1)).train()
    for context in (torch.no_grad(), torch.inference_mode(), torch.enable_grad()):
        with context, Tap(net, {'a': net[0]}) as tap:
            assert not any(m.training for m in net.modules())
            output = net(x.clone())
            assert torch.autograd.grad(output.sum(), tap.tensors)[0].any()


def test_an_input_made_in_inference_mode_will_do():
    net = nn.Sequential(nn.Identity(), conv([[2.0]]))
    with torch.inference_mode():
        x = torch.ones(1, 1, 8, 8)
    _, (gradient,) = tapped_run(net, ['[0]'], x)
    assert gradient.eq(2).all()


def test_feature_maps_need_no_gradients(x):
    net = nn.Sequential(conv([[2.0]]))
    with Tap(net, {'a': net[0]}) as tap, torch.no_grad():
        net(x)
        torch.testing.assert_close(tap.levels(SIZE)[0].activation, 2 * x)


def test_token_layers_are_read_as_maps():
    net = nn.Sequential(Return(lambda t: t.flatten(2).transpose(1, 2)), Return(lambda t: t * torch.arange(16)[:, None]))
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    (level,), (gradient,) = tapped_run(net, ['[0]'], x, (64, 64))
    assert level.tensor.shape == (1, 16, 1)
    assert torch.equal(level.activation, x)
    assert torch.equal(level.layout(gradient), x)


def test_a_layer_in_a_transformers_decoder_returns_objects():
    class DetrTransformerDecoder(nn.Sequential):
        pass

    net = nn.Sequential(DetrTransformerDecoder(nn.Identity()))
    queries = torch.rand(1, 100, 8)
    with Tap(net, {'decoder': net[0][0]}) as tap:
        net(queries)
        with pytest.raises(LayerError, match=r'returns \(1, 100, 8\), which is no map'):
            tap.levels((320, 320))
    with Tap(net[0][0], {'encoder': net[0][0]}) as tap:
        net[0](queries)
        assert len(tap.levels((320, 320))) == 1


@pytest.mark.parametrize(
    ('function', 'shapes'),
    [
        (lambda t: t.mean((2, 3)), '(1, 1)'),
        (lambda t: t.repeat(30, 1, 1, 1), '(30, 1, 8, 8)'),
        (lambda t: (t.mean((2, 3)), t.repeat(2, 1, 1, 1)), '(1, 1), (2, 1, 8, 8)'),
        (lambda t: None, 'no tensor of numbers'),
        (lambda t: t.argmax(1), 'no tensor of numbers'),
    ],
    ids=['vector', 'regions', 'tuple', 'none', 'integers'],
)
def test_a_layer_without_a_map_is_refused(x, function, shapes):
    net = nn.Sequential(Return(function))
    with Tap(net, {'head': net[0]}) as tap:
        net(x)
        with pytest.raises(LayerError) as error:
            tap.levels(SIZE)
    assert str(error.value) == (
        f"Layer 'head' returns {shapes}, which is no map over the picture: choose a layer of the backbone or the neck."
    )


@pytest.mark.parametrize(
    ('extra', 'said'),
    [
        (3, 'with 3 extra tokens 15 tokens are left, which make no grid over an input of 8 x 8'),
        (1, 'with 1 extra token 17 tokens are left, which make no grid over an input of 8 x 8'),
        (0, 'with 0 extra tokens 18 tokens are left, which make no grid over an input of 8 x 8'),
        (18, 'with 18 extra tokens no token is left, so it makes no grid over an input of 8 x 8'),
    ],
)
def test_extra_tokens_that_leave_no_grid_are_told(x, extra, said):
    """A grid of 4 x 4 behind two tokens."""
    net = nn.Sequential(Return(lambda t: t.new_zeros(1, 18, 5)))
    with Tap(net, {'norm': net[0]}) as tap:
        net(x)
        assert len(tap.levels(SIZE, 2)) == 1
        with pytest.raises(LayerError) as error:
            tap.levels(SIZE, extra)
    assert str(error.value) == (
        f"Layer 'norm' returns (1, 18, 5): {said}; choose another `num_extra_tokens`, or a layer of the backbone "
        'or the neck.'
    )


def test_a_layer_that_does_not_run_is_refused(x):
    net = nn.Sequential(conv([[1.0]]))
    net.unused = nn.ModuleDict({'aux': conv([[1.0]]), 'p4': nn.Identity()})
    net.levels = nn.ModuleList([nn.Identity(), nn.Identity()])
    net.forward = lambda x: net[0](x)
    expected = {
        'unused.aux': "Layer 'unused.aux' does not run when the model predicts: choose another (`list_layers(model, "
        'picture)` shows which run).',
        'unused': "Layer 'unused' is a list of layers, which is not run as a whole: choose 'unused.aux' or "
        "'unused.p4'.",
        'levels': "Layer 'levels' is a list of layers, which is not run as a whole: choose 'levels[0]' or 'levels[1]'.",
    }
    for name, sentence in expected.items():
        with Tap(net, {'first': net[0], name: resolve_layer(net, name)}) as tap:
            net(x)
            with pytest.raises(LayerError) as error:
                tap.levels(SIZE)
        assert str(error.value) == sentence


def test_a_tap_may_be_used_again(x):
    net = nn.Sequential(conv([[2.0]]))
    tap = Tap(net, {'a': net[0]})
    for factor in (1, 3):
        with tap:
            net(factor * x)
            (level,) = tap.levels(SIZE)
            torch.testing.assert_close(level.activation, 2 * factor * x)
    assert tap.tensors == []


def test_what_ends_before_the_layers_runs_in_a_context_of_its_own():
    inside, log = [False], []

    @contextlib.contextmanager
    def context():
        inside[0] = True
        try:
            yield
        finally:
            inside[0] = False

    def noting(name):
        return lambda x: log.append((name, inside[0])) or x

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.head = Return(noting('stem')), Return(noting('head'))
            self.body = nn.Sequential(Return(noting('body')), conv([[1.0]]))

        def forward(self, x):
            return self.head(self.stem(self.body(self.stem(x))))

    net = Net().eval()
    forwards = [vars(module).get('forward') for module in net.modules()]
    with Tap(net, {'body[1]': net.body[1]}) as tap, tap.before_layers(context):
        net(torch.ones(1, 1, 8, 8))
    # The stem runs a second time behind the layer, and the body holds it.
    assert log == [('stem', True), ('body', False), ('stem', False), ('head', False)]
    with pytest.raises(TypeError), Tap(net, {'head': net.head}) as tap, tap.before_layers(context):
        net.stem.function = None
        net(torch.ones(1, 1, 8, 8))
    assert not inside[0] and [vars(module).get('forward') for module in net.modules()] == forwards
