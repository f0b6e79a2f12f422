"""Replay: bit for bit what the whole net gives with the output swapped; less is run; no trace is left."""

import random
from collections import namedtuple

import numpy as np
import pytest
import torch
from torch import nn

from mmlens.attribution.layers import resolve_layer
from mmlens.attribution.passes.replay import Replay
from mmlens.attribution.trees import map_tensors, tensors_of
from mmlens.errors import LayerError

SIZE = (8, 8)
Output = namedtuple('Output', 'maps name')


class Return(nn.Module):
    """Returns whatever a function makes of what came in; counts its calls."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.calls = 0

    def forward(self, *args, **kwargs):
        self.calls += 1
        return self.function(*args, **kwargs)


class Net(nn.Module):
    """Named modules, and a function of them and the input as forward."""

    def __init__(self, function, **modules):
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)
        self.function = function

    def forward(self, x):
        return self.function(self, x)


class Box:
    """Hides a tensor from whoever looks for tensors in tuples, lists and dicts."""

    def __init__(self, value):
        self.value = value


def conv(inputs=2, outputs=2, size=3):
    return nn.Conv2d(inputs, outputs, size, padding=size // 2)


def total(x):
    return x.sum((1, 2, 3), keepdim=True)


def picture(seed=5):
    return torch.rand(1, 2, 8, 8, generator=torch.Generator().manual_seed(seed)) - 0.3


def swapped(net, module, number, altered, x):
    """What the whole net returns if the number-th tensor that a module returns is another one."""
    seen = []

    def swap(tensor):
        if not tensor.is_floating_point():
            return tensor
        seen.append(None)
        return altered.clone() if len(seen) - 1 == number else tensor

    handle = module.register_forward_hook(lambda module, inputs, output: map_tensors(swap, output))
    try:
        with torch.no_grad():
            return net(x.expand(altered.shape[0], -1, -1, -1) if len(altered) > 1 else x)
    finally:
        handle.remove()


def same(got, expected):
    got, expected = list(tensors_of(got)), list(tensors_of(expected))
    return len(got) == len(expected) and all(torch.equal(a, b) for a, b in zip(got, expected))


def check(net, *layers, x=None):
    """Alter each level of some layers, and compare with the whole net; also a batch of altered outputs."""
    torch.manual_seed(1)
    net.eval()
    x = picture() if x is None else x
    with torch.no_grad():
        plain = net(x.clone())
    names = {name: resolve_layer(net, name) for name in layers}
    runs = []
    with Replay(net, names, lambda copies: net(x.repeat(copies, 1, 1, 1))) as replay:
        assert same(replay.record(), plain)
        levels = replay.levels(SIZE)
        for level in levels:
            batch = torch.cat([level.tensor * torch.rand(level.tensor.shape) for _ in range(3)])
            runs.append((level, batch, [replay(level, one[None].clone()) for one in batch], replay(level, batch + 0)))
        level, batch, singles, _ = runs[0]
        assert same(replay(level, batch[:1] + 0), singles[0])  # nothing is left of the passes in between
        assert same(replay(level, level.tensor.clone()), plain)
    for level, batch, singles, together in runs:
        for one, single in zip(batch, singles):
            expected = swapped(net, names[level.layer], level.index, one[None], x.clone())
            assert same(single, expected)
            assert not same(single, plain), 'altering the level changes nothing: the test shows nothing'
        copies = list(zip(*(tensors_of(single) for single in singles)))
        for whole, parts in zip(tensors_of(together), copies):
            torch.testing.assert_close(whole, torch.cat(parts), rtol=1e-5, atol=1e-6)
    return levels


# ---------------------------------------------------------------- hand-worked


def scale(factor):
    layer = nn.Conv2d(1, 1, 1, bias=False)
    nn.init.constant_(layer.weight, factor)
    return layer


def test_a_net_worked_out_by_hand():
    # y = 3 a + 5 b with a = 2 x and b = 7 x: altering a to 10 leaves 5 * 7 * x.
    net = Net(lambda n, x: 3 * n.a(x) + n.after(n.b(x)), a=scale(2.0), b=scale(7.0), after=scale(5.0))
    x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    with Replay(net, {'a': net.a}, lambda copies: net(x.expand(copies, -1, -1, -1))) as replay:
        assert replay.record().flatten().tolist() == [41, 82, 123, 164]
        (level,) = replay.levels((2, 2))
        assert level.activation.flatten().tolist() == [2, 4, 6, 8]
        assert replay(level, torch.full((1, 1, 2, 2), 10.0)).flatten().tolist() == [65, 100, 135, 170]
        twice = replay(level, torch.stack([torch.zeros(1, 2, 2), torch.ones(1, 2, 2)]))
        assert twice[:, 0, 0].tolist() == [[35, 70], [38, 73]]


# ---------------------------------------------------------------- exactness, one trap a net


def calls_before_and_after(net, x):
    x = net.shared(x)
    x = net.layer(x).relu()
    return net.shared(x) + total(net.shared(x[:, :, ::2, ::2]))


def in_place_after(net, x):
    identity = net.stem(x)
    out = net.layer(identity)
    out += identity
    identity.mul_(2)
    return net.head(out) + identity


def in_place_ignored(net, x):
    x = net.stem(x)
    net.relu(x)  # what it returns is not looked at
    return net.head(net.layer(x)) + x


def in_place_used_twice(net, x):
    x = net.stem(x)
    y = net.relu(x)
    return net.head(net.layer(y)) + x * y


def identity_written_later(net, x):
    x = net.stem(x)
    shortcut = net.identity(x)
    x += 1
    return net.head(net.layer(x)) + shortcut


def view_written_later(net, x):
    x = net.stem(x)
    left = net.left(x)
    x.mul_(3)
    return net.head(net.layer(x)) + total(left)


def parts_written_later(net, x):
    whole, part = net.parts(net.stem(x))
    part += 1
    return net.head(net.layer(x)) + whole


def list_grown_later(net, x):
    levels = net.levels(x)
    levels.append(net.layer(levels[-1]))
    return sum(total(net.head(level)) * (number + 1) for number, level in enumerate(levels))


def list_grown_within(net, x):
    levels = [net.stem(x)]
    net.extra(levels)
    return net.head(net.layer(levels[-1])) + len(levels)


def dict_changed_later(net, x):
    found = net.levels(x)
    found['b'] = net.layer(found.pop('a'))
    return net.head(found['b']) + sum(total(value) for value in found.values())


def another_branch(net, x):
    return net.head(net.layer(x)) + net.head(net.other(x)) * net.head(net.layer(x) / 9 + x)


def hidden_input(net, x):
    return net.unpack(Box(net.layer(net.stem(x)))) + net.unpack(Box(net.stem(x)))


def hidden_output(net, x):
    return net.head(net.pack(net.layer(x)).value) + net.pack(x).value


def hidden_before(net, x):
    hidden = net.pack(net.stem(x))
    return net.head(net.layer(hidden.value)) + hidden.value


def by_name(net, x):
    return net.head(net.both(x=net.layer(x), y=net.stem(x)))


def cut_and_joined(net, x):
    out = net.layer(x)
    first, second = out.split(1, 1)
    return net.head(torch.cat([net.one(first), net.one(second)], 1))


def counted_in_a_buffer(net, x):
    return net.head(net.layer(x)) + net.stem(x)


NETS = {
    'a module before and after': (calls_before_and_after, dict(shared=conv())),
    'in place after': (in_place_after, dict(stem=conv(), head=nn.ReLU(inplace=True))),
    'in place and ignored': (in_place_ignored, dict(stem=conv(), relu=nn.ReLU(inplace=True), head=conv())),
    'in place and used twice': (in_place_used_twice, dict(stem=conv(), relu=nn.ReLU(inplace=True), head=conv())),
    'an identity, written to later': (identity_written_later, dict(stem=conv(), identity=nn.Identity(), head=conv())),
    'a view, written to later': (view_written_later, dict(stem=conv(), left=Return(lambda x: x[:, :1]), head=conv())),
    'parts of one tensor': (
        parts_written_later,
        dict(stem=conv(), parts=Return(lambda x: (x, x[:, :1])), head=conv()),
    ),
    'a list that grows': (list_grown_later, dict(levels=Return(lambda x: [x * 2, x * 3]), head=conv())),
    'a list that a module lets grow': (
        list_grown_within,
        dict(stem=conv(), extra=Return(lambda levels: levels.append(levels[-1] * 2)), head=conv()),
    ),
    'a dict that changes': (dict_changed_later, dict(levels=Return(lambda x: {'a': x * 2, 'c': x + 1}), head=conv())),
    'branches': (another_branch, dict(other=conv(), head=conv())),
    'hidden in what comes in': (hidden_input, dict(stem=conv(), unpack=Return(lambda box: box.value * 2))),
    'hidden in what is returned': (hidden_output, dict(pack=Return(lambda x: Box(x * 2)), head=conv())),
    'hidden before the layer': (hidden_before, dict(stem=conv(), pack=Return(Box), head=conv())),
    'given by name': (by_name, dict(stem=conv(), both=Return(lambda x, y: x * 2 + y), head=conv())),
    'cut and joined': (cut_and_joined, dict(one=conv(1, 1), head=conv())),
    'dropout and norms': (
        counted_in_a_buffer,
        dict(stem=nn.Sequential(conv(), nn.BatchNorm2d(2), nn.Dropout()), head=nn.BatchNorm2d(2)),
    ),
}


@pytest.mark.parametrize('name', NETS)
def test_altered_outputs_give_what_the_whole_net_gives(name):
    torch.manual_seed(0)
    function, modules = NETS[name]
    check(Net(function, layer=conv(), **modules), 'layer')


@pytest.mark.parametrize('name', NETS)
def test_every_module_that_returns_maps_can_be_the_layer(name):
    torch.manual_seed(0)
    function, modules = NETS[name]
    net = Net(function, layer=conv(), **modules)
    for layer in modules:
        if layer in ('extra', 'pack', 'unpack') or name == 'in place and ignored' and layer == 'relu':
            continue  # returns no map, or nothing that is looked at
        if layer not in ('identity', 'left', 'parts', 'one', 'shared'):
            check(net, layer)


@pytest.mark.parametrize('name', [name for name in NETS if name != 'in place and ignored'])
def test_a_net_inside_a_net(name):
    torch.manual_seed(0)
    function, modules = NETS[name]
    inner = Net(function, layer=conv(), **modules)
    check(nn.Sequential(conv(), inner, nn.Flatten()), '[1].layer')


@pytest.mark.parametrize(
    ('pack', 'unpack'),
    [
        (lambda t: (t, t[:, :, ::2, ::2] * 2), lambda o: o[0] + o[1].repeat(1, 1, 2, 2)),
        (lambda t: [t, None, 'x', t[:, :, ::2, ::2] * 2], lambda o: o[0] + o[3].repeat(1, 1, 2, 2)),
        (lambda t: {'p3': t, 'rest': (t[:, :, ::2, ::2],)}, lambda o: o['p3'] + o['rest'][0].repeat(1, 1, 2, 2)),
        (lambda t: Output([t, t[:, :, ::2, ::2]], 'fpn'), lambda o: o.maps[0] + o.maps[1].repeat(1, 1, 2, 2)),
        (lambda t: (t, t), lambda o: o[0] + 2 * o[1]),
        (lambda t: (t, t[:, :, ::2, ::2], (t > 0).long()), lambda o: o[0] * o[2] + o[1].repeat(1, 1, 2, 2)),
    ],
    ids=['tuple', 'list', 'dict', 'namedtuple', 'one tensor twice', 'integers too'],
)
def test_every_tensor_of_an_output_can_be_altered(pack, unpack):
    torch.manual_seed(0)
    levels = check(nn.Sequential(conv(), Return(pack), Return(unpack), conv()), '[1]')
    assert len(levels) == 2


def test_each_level_of_a_shared_head_is_run_for_itself():
    def forward(net, x):
        fine, coarse = net.neck(x)
        return net.head(fine), net.head(coarse), net.head(fine) * total(net.head(coarse))

    torch.manual_seed(0)
    head = Return(conv().forward)
    net = Net(forward, neck=Return(lambda x: (x * 2, x[:, :, ::2, ::2] * 3)), head=head)
    check(net, 'neck')
    with Replay(net, {'neck': net.neck}, lambda copies: net(picture())) as replay:
        replay.record()
        head.calls = 0
        replay(replay.levels(SIZE)[0], torch.zeros(1, 2, 8, 8))
        assert head.calls == 2  # of four: those of the coarse level are known


def test_two_tapped_tensors_that_are_one():
    """What depends on one of them may be handed out only if it does not depend on the other."""

    def forward(net, x):
        first, second = net.layer(net.stem(x))
        return net.one(first) + 2 * net.two(second)

    torch.manual_seed(0)
    net = Net(forward, stem=conv(), layer=Return(lambda x: (x, x)), one=conv(), two=conv())
    assert len(check(net, 'layer')) == 2


def test_layers_in_series_and_one_within_another():
    torch.manual_seed(0)
    net = nn.Sequential(conv(), nn.Sequential(conv(), nn.ReLU(inplace=True), conv()), nn.Sigmoid(), conv())
    levels = check(net, '[0]', '[1][0]', '[1]', '[2]')
    assert [level.layer for level in levels] == ['[0]', '[1][0]', '[1]', '[2]']


def test_a_layer_that_works_in_place():
    def forward(net, x):
        x = net.stem(x)
        y = net.layer(x)
        return net.head(y) + x  # the ReLU of what the stem returned, whatever the layer's output is swapped for

    torch.manual_seed(0)
    check(Net(forward, stem=conv(), layer=nn.ReLU(inplace=True), head=conv()), 'layer')


@pytest.mark.parametrize('recurrent', [False, True])
def test_a_layer_that_is_called_several_times(recurrent):
    def forward(net, x):
        first = net.layer(net.stem(x))
        second = net.layer(first + x if recurrent else x)
        return net.head(first) + 3 * net.head(second)

    torch.manual_seed(0)
    levels = check(Net(forward, stem=conv(), layer=conv(), head=conv()), 'layer')
    assert [level.index for level in levels] == [0, 1]


def test_a_layer_that_is_an_identity():
    def forward(net, x):
        x = net.stem(x)
        return net.head(net.layer(x)) + net.head(x)

    torch.manual_seed(0)
    check(Net(forward, stem=conv(), layer=nn.Identity(), head=conv()), 'layer')


@pytest.mark.parametrize('batch_first', [True, False])
def test_tokens(batch_first):
    def tokens(x):
        flat = x.flatten(2)
        return flat.permute(0, 2, 1) * 2 if batch_first else flat.permute(2, 0, 1) * 2

    def forward(net, x):
        out = net.head(net.encoder(net.layer(x)) + net.layer_before(x))
        return out if batch_first else out.transpose(0, 1)

    torch.manual_seed(0)
    net = Net(forward, layer=Return(tokens), layer_before=Return(tokens), encoder=nn.Linear(2, 2), head=nn.Linear(2, 2))
    x = picture()
    with Replay(net, {'layer': net.layer}, lambda copies: net(x.repeat(copies, 1, 1, 1))) as replay:
        plain = replay.record()
        (level,) = replay.levels((64, 64))
        assert level.activation.shape == (1, 2, 8, 8) and replay.batches
        axis = 0 if batch_first else 1
        batch = torch.cat([level.tensor, level.tensor * 0, level.tensor + 1], axis)
        got = replay(level, batch.clone())
        singles = [replay(level, one.clone()) for one in batch.split(1, axis)]
    assert got.shape == (3, 64, 2) and same(singles[0], plain)
    torch.testing.assert_close(got, torch.cat(singles))
    net.layer.function = lambda x: tokens(x) * 0
    with torch.no_grad():
        assert same(singles[1], net(x))


# ---------------------------------------------------------------- less is run


def test_only_what_follows_is_run():
    stem, other, after = (Return(conv().forward) for _ in range(3))
    net = Net(lambda n, x: n.after(n.layer(n.stem(x)) + n.other(x)), stem=stem, layer=conv(), other=other, after=after)
    net.eval()  # else its attributes would be put back, counters included
    with Replay(net, {'layer': net.layer}, lambda copies: net(picture().expand(copies, -1, -1, -1))) as replay:
        replay.record()
        (level,) = replay.levels(SIZE)
        replay(level, torch.zeros(4, 2, 8, 8))
        replay(level, torch.zeros(4, 2, 8, 8))
    assert (stem.calls, other.calls, after.calls) == (1, 1, 3)


def test_what_no_pass_needs_is_not_kept():
    import weakref

    seen = {}

    def noting(name):
        def note(x):
            result = x * 2
            seen[name] = weakref.ref(result)
            return result

        return Return(note)

    stem = nn.Sequential(noting('early'), noting('stem'))
    net = Net(lambda n, x: n.head(n.layer(n.stem(x))) + n.side(x), stem=stem, layer=conv(), side=noting('side'))
    net.head = nn.Sequential(noting('late'), noting('last'))
    with Replay(net, {'layer': net.layer}, lambda copies: net(picture())) as replay:
        replay.record()
        assert {name for name, reference in seen.items() if reference() is not None} == {'stem', 'side'}
    assert not any(reference() is not None for reference in seen.values())


def test_how_deep_the_model_is_inside_itself():
    seen = []
    note = Return(lambda x: seen.append(replay.depth) or x)
    net = Net(lambda n, x: (seen.append(replay.depth), n.top(x))[1], top=nn.Sequential(nn.Identity(), note))
    replay = Replay(net, {}, lambda copies: net(picture()))
    with replay:
        assert replay.depth == 0
        replay.record()
        replay.whole(lambda: net(picture()))
        assert seen == [0, 2] * 2 and replay.depth == 0


def test_a_model_inside_a_model_is_not_deep():
    """What is given more than tensors, data samples for example, is not yet the network."""
    seen = []
    note = Return(lambda x, heads: seen.append(replay.depth) or x)  # heads are given to a transformer's decoder
    inner = Return(lambda x, samples: (seen.append(replay.depth), inner.note(x, heads=nn.ModuleList([conv()])))[1])
    inner.note = note
    net = Net(lambda n, x: n.inner(x, [Box(1)]), inner=inner)
    replay = Replay(net, {'inner.note': note}, lambda copies: net(picture()))
    with replay:
        replay.record()
        replay(replay.levels(SIZE)[0], torch.zeros(1, 2, 8, 8))
        replay.whole(lambda: net(picture()))
    assert seen == [0, 1, 0, 0, 1]  # the layer is not run again


# ---------------------------------------------------------------- what cannot be done, and what is left behind


def test_without_a_layer_there_is_nothing_to_alter():
    net = nn.Sequential(conv())
    with Replay(net, {}, lambda copies: net(picture())) as replay:
        assert torch.equal(replay.record(), net(picture()))
        assert replay.levels(SIZE) == [] and replay.batches


def test_layers_that_do_not_run_or_return_no_map_are_refused():
    net = Net(lambda n, x: n.head(n.pack(x).value), head=conv(), pack=Return(Box), unused=conv())
    for name, sentence in {'unused': "'unused' does not run", 'pack': "'pack' returns no tensor of numbers"}.items():
        with Replay(net, {name: resolve_layer(net, name)}, lambda copies: net(picture())) as replay:
            replay.record()
            with pytest.raises(LayerError, match=sentence):
                replay.levels(SIZE)


def test_what_has_no_batch_axis_tells_so():
    table = Return(lambda: torch.arange(128.0).reshape(64, 2))
    net = Net(lambda n, x: n.layer(x).flatten(2) @ n.table(), layer=conv(), table=table)
    with Replay(net, {'layer': net.layer}, lambda copies: net(picture())) as replay:
        replay.record()
        assert not replay.batches


def test_an_input_made_in_inference_mode_will_do():
    torch.manual_seed(0)
    with torch.inference_mode():
        x = picture()
    net = Net(lambda n, x: n.layer(n.same(x)) + n.same(x), layer=conv(), same=nn.Identity())
    with torch.inference_mode(), Replay(net, {'layer': net.layer}, lambda copies: net(x)) as replay:
        replay.record()
        (level,) = replay.levels(SIZE)
        assert torch.equal(replay(level, torch.ones(1, 2, 8, 8)), x + 1)


class Restless(nn.Module):
    """Changes its buffers, and draws random numbers."""

    def __init__(self):
        super().__init__()
        self.register_buffer('count', torch.zeros(1))
        self.raises = None

    def forward(self, x):
        self.count += 1
        random.random()
        np.random.rand()
        torch.rand(1)
        if self.raises:
            raise self.raises
        return x + 0


def state(net):
    hooks = ('_forward_hooks', '_forward_pre_hooks', '_backward_hooks')
    return {
        'forwards': [module.__dict__.get('forward') for module in net.modules()],
        'attributes': [sorted(module.__dict__) for module in net.modules()],
        'hooks': [[list(getattr(module, name)) for name in hooks] for module in net.modules()],
        'modes': [module.training for module in net.modules()],
        'parameters': [(id(p), p.requires_grad, p.tolist(), id(p.grad)) for p in net.parameters()],
        'buffers': [(id(b), b.tolist()) for b in net.buffers()],
        'random': (random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()),
        'modes of torch': (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
    }


@pytest.fixture
def restless():
    net = nn.Sequential(conv(), nn.BatchNorm2d(2), Restless(), conv()).train()
    net[1].eval()
    net[3].weight.requires_grad_(False)
    net[0].bias.grad = torch.ones(2)
    net[0].register_forward_hook(lambda module, inputs, output: None)
    return net


@pytest.mark.parametrize('when', ['never', 'recording', 'a pass', 'outside a pass', 'interrupted'])
def test_no_trace_is_left(restless, when):
    net, before = restless, state(restless)
    if when == 'recording':
        net[2].raises = ZeroDivisionError()
    try:
        with Replay(net, {'[0]': net[0]}, lambda copies: net(picture().expand(copies, -1, -1, -1))) as replay:
            replay.record()
            (level,) = replay.levels(SIZE)
            replay(level, torch.zeros(2, 2, 8, 8))
            net[2].raises = {'a pass': ZeroDivisionError(), 'interrupted': KeyboardInterrupt()}.get(when)
            if when == 'outside a pass':
                raise ZeroDivisionError
            replay(level, torch.zeros(2, 2, 8, 8))
        assert when == 'never'
    except (ZeroDivisionError, KeyboardInterrupt):
        assert when != 'never'
    net[2].raises = None
    del net[2].__dict__['raises']
    before['attributes'][3].remove('raises')
    assert state(net) == before


def test_after_an_error_in_a_pass_the_next_one_is_right(restless):
    net = restless
    with Replay(net, {'[0]': net[0]}, lambda copies: net(picture().expand(copies, -1, -1, -1))) as replay:
        replay.record()
        (level,) = replay.levels(SIZE)
        expected = replay(level, torch.ones(1, 2, 8, 8))
        net[2].raises = ZeroDivisionError()
        with pytest.raises(ZeroDivisionError):
            replay(level, torch.zeros(1, 2, 8, 8))
        net[2].raises = None
        assert replay.depth == 0
        assert torch.equal(replay(level, torch.ones(1, 2, 8, 8)), expected)


def test_a_forward_that_somebody_patched_is_called_and_put_back():
    torch.manual_seed(0)
    net = nn.Sequential(conv(), conv(), conv())
    plain, calls = net[2].forward, []

    def patched(x):
        calls.append(1)
        return plain(x) + 1

    net[2].forward = patched
    check(net, '[1]')
    assert calls and net[2].__dict__['forward'] is patched
    assert 'forward' not in net[1].__dict__


# ---------------------------------------------------------------- with a graph


def test_a_graph_from_the_layers_gives_the_gradients_of_the_whole_net():
    net = Net(lambda n, x: n.one(n.layer(x)[0]) * 2 + n.two(n.layer(x)[1]), layer=nn.Module(), one=conv(), two=conv())
    net.stem, net.fork = conv(), conv()
    net.layer.forward = lambda x: (net.stem(x), net.fork(x).relu_())
    net.eval().requires_grad_(False)
    with Replay(net, {'layer': net.layer}, lambda copies: net(picture())) as replay:
        replay.record()
        levels = replay.levels(SIZE)
        with torch.enable_grad():
            returned, starts = replay.from_layers(levels)
            gradients = torch.autograd.grad(returned.square().sum(), [x.tensor for x in starts], allow_unused=True)
        assert all(same(start.tensor, level.tensor) for start, level in zip(starts, levels))
    x = [level.tensor.clone().requires_grad_() for level in levels]
    expected = net.one(x[0]) * 2 + net.two(x[3])
    whole = torch.autograd.grad(expected.square().sum(), [x[0], x[3]])
    assert same(returned, expected)
    assert [gradient is None for gradient in gradients] == [False, True, True, False]
    assert same([gradients[0], gradients[3]], whole)


def test_layers_in_series_have_no_graph_of_their_own():
    net = Net(lambda n, x: n.after(n.layer(x)), layer=conv(), after=conv())
    with Replay(net, {'a': net.layer, 'b': net.after}, lambda copies: net(picture())) as replay:
        replay.record()
        assert replay.from_layers(replay.levels(SIZE)) is None


@pytest.mark.parametrize('after', ['nothing', 'writes'])
def test_what_a_layer_works_out_in_place_takes_no_second_pass(after):
    body = nn.Sequential(conv(), nn.ReLU(inplace=True))
    net = Net(lambda n, x: n.head(n.layer(x).relu_() if after == 'writes' else n.layer(x)), layer=body, head=conv())
    runs = []
    with Replay(net, {'layer': net.layer}, lambda copies: (runs.append(copies), net(picture()))[1]) as replay:
        replay.record()
    assert len(runs) == (1 if after == 'nothing' else 2)
    check(net, 'layer')
