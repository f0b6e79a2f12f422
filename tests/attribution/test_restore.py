"""The model is given back as it was: hooks, modes, parameters, buffers, random states, whatever happened."""

import random

import numpy as np
import pytest
import torch
from torch import nn

from mmlens.attribution.attribute import attribute
from mmlens.attribution.graph import live_graph
from mmlens.attribution.layers import resolve_layer
from mmlens.attribution.methods import OnePassMethod, available_methods, get_method
from mmlens.attribution.restore import unchanged
from mmlens.attribution.tap import Tap, observe_outputs
from mmlens.errors import LayerError


class Restless(nn.Module):
    """Changes its buffers in every way there is, also in eval mode, and draws random numbers."""

    def __init__(self):
        super().__init__()
        self.register_buffer('count', torch.zeros(3, dtype=torch.int64))
        self.register_buffer('mean', torch.zeros(2, 2))
        self.register_buffer('hidden', torch.full((2,), float('nan')))
        self.register_buffer('grid', torch.zeros(2), persistent=False)
        self.register_buffer('cache', None)
        self.register_buffer('lost', torch.ones(1))

    def forward(self, x):
        self.count += 1
        self.mean.copy_(torch.full((2, 2), x.mean().item()))
        self.hidden.data.fill_(7)  # not counted in the tensor's version
        self.grid = torch.arange(2.0)
        self.cache = torch.ones(2)
        if 'new' not in self._buffers:
            self.register_buffer('new', torch.ones(1))
        if 'lost' in self._buffers:
            del self.lost
        random.random()
        np.random.rand()
        torch.rand(1)
        return x


class Detector(nn.Module):
    """A picture (1, 3, H, W) becomes boxes and scores, with what real ones have: levels, sigmoid, selection, detach."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.backbone = nn.Sequential(nn.Conv2d(3, 8, 3, 4, 1), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Dropout())
        self.neck = nn.ModuleList([nn.Conv2d(8, 8, 3, 1, 1), nn.Conv2d(8, 8, 3, 2, 1)])
        self.restless = Restless()
        self.head = nn.Conv2d(8, 5, 1)
        self.raises = None

    def forward(self, x):
        x = self.restless(self.backbone(x))
        levels = [conv(x) for conv in self.neck]
        if self.raises:
            raise self.raises
        rows = torch.cat([self.head(level).flatten(2) for level in levels], 2)[0].T
        x1, y1, x2, y2, score = rows.unbind(1)
        x2 += 10
        y2 += 10
        score = score.sigmoid().detach()
        best = score.topk(3).indices
        return torch.stack([x1, y1, x2, y2], 1)[best], score[best]


@pytest.fixture
def net():
    """Modes, frozen parameters, gradients and hooks are mixed."""
    net = Detector().train()
    net.backbone[1].eval()
    net.neck[1].eval()
    net.head.weight.requires_grad_(False)
    net.backbone[0].weight.grad = torch.ones_like(net.backbone[0].weight)
    net.head.bias.grad = torch.zeros(5)
    net.backbone[0].register_forward_hook(lambda module, inputs, output: None)
    return net


def picture():
    return torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def state(net):
    """Everything that must not change; tensors by identity and by value."""
    hooks = ('_forward_hooks', '_forward_pre_hooks', '_backward_hooks', '_backward_pre_hooks')
    return {
        'hooks': [[list(getattr(m, name)) for name in hooks] for m in net.modules()],
        'modes': [m.training for m in net.modules()],
        'parameters': [(n, id(p), p.requires_grad, p.detach().tolist()) for n, p in net.named_parameters()],
        'gradients': [(n, id(p.grad), None if p.grad is None else p.grad.tolist()) for n, p in net.named_parameters()],
        'buffers': [(n, id(b), str(b)) for m in net.modules() for n, b in m._buffers.items()],
        'saved': sorted(net.state_dict()),
        'random': (random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()),
        'grad mode': (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        'function modes': len(torch.overrides._get_current_function_mode_stack()),
    }


METHODS = [*available_methods(one_pass_only=True), 'gradcamelementwise', 'fem']


def explain(net, method, layers, select=lambda scores: range(len(scores))):
    """As the front door does it, through the public pieces."""
    tapped = {name: resolve_layer(net, name) for name in layers}
    maps = []
    with Tap(net, tapped) as tap, live_graph():
        boxes, scores = net(picture())
        levels = tap.levels((32, 32))
        chosen = list(select(scores))
        for n in chosen:
            target = scores[n].logit() + boxes[n].sum()
            maps.append(attribute(target, levels, get_method(method), (32, 32), keep_graph=n != chosen[-1]))
    return maps


@pytest.mark.parametrize('method', METHODS)
class TestMatrix:
    def test_normal(self, net, method):
        before = state(net)
        maps = explain(net, method, ['neck[0]', 'neck[1]'])
        assert state(net) == before
        assert len(maps) == 3
        assert all(m.raw.isfinite().all() and m.raw.min() >= 0 for m in maps)
        assert all((m.raw.max() > 0) == (m.blank is None) for m in maps)

    def test_bad_layer(self, net, method):
        before = state(net)
        for layers in (['neck[2]'], ['neck[0]', 'nick'], ['neck'], ['neck[0]', 'restless.nothing']):
            with pytest.raises(LayerError):
                explain(net, method, layers)
        assert state(net) == before

    def test_raising_module(self, net, method):
        net.raises = ZeroDivisionError('in forward')
        before = state(net)
        with pytest.raises(ZeroDivisionError, match='in forward'):
            explain(net, method, ['neck[0]', 'backbone'])
        assert state(net) == before

    def test_no_detections(self, net, method):
        before = state(net)
        assert explain(net, method, ['backbone', 'neck[0]'], lambda scores: []) == []
        assert state(net) == before


def test_an_error_in_the_block(net):
    before = state(net)
    with pytest.raises(KeyError, match='in the block'), Tap(net, {'head': net.head}), live_graph():
        net(picture())
        raise KeyError('in the block')
    assert state(net) == before


def test_an_interrupt(net):
    before = state(net)
    net_raises = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt), Tap(net, {'head': net.head}):
        net.raises = net_raises
        net(picture())
    assert state(net) == before


def test_an_error_before_the_block(net):
    before = state(net)
    with pytest.raises(AttributeError), Tap(net, {'head': net.head, 'bad': 'not a module'}):
        raise AssertionError('never reached')
    assert state(net) == before


def test_a_formula_that_raises(net):
    before = state(net)
    with pytest.raises(TypeError), Tap(net, {'stem': net.backbone}) as tap, live_graph():
        _, scores = net(picture())
        attribute(scores[0], tap.levels((32, 32)), OnePassMethod('nothing', lambda *arguments: None), (32, 32))
    assert state(net) == before


def test_inside_it_is_different(net):
    before = state(net)
    with Tap(net, {'head': net.head}), live_graph():
        assert not any(m.training for m in net.modules())
        assert not any(p.requires_grad for p in net.parameters())
        assert len(net.head._forward_hooks) == 1
        net(picture())
        inside = state(net)
    assert {key for key in before if before[key] == inside[key]} == {'gradients', 'grad mode'}
    assert state(net) == before


def test_a_backward_pass_of_ones_own_inside(net):
    before = state(net)
    with Tap(net, {'neck': net.neck[0]}) as tap, live_graph():
        sum(part.sum() for part in net(picture())).backward()
        assert tap.tensors[0].grad.any()
    assert state(net) == before


def test_gradients_cleared_or_set_inside(net):
    before = state(net)
    with Tap(net, {'head': net.head}):
        net.zero_grad()
        net.head.weight.grad = torch.ones_like(net.head.weight)
    assert state(net) == before


def test_nested_taps(net):
    before = state(net)
    with Tap(net, {'neck': net.neck[0]}):
        between = state(net)
        with Tap(net, {'head': net.head}) as inner, live_graph():
            net(picture())
            assert len(inner.tensors) == 2
        assert state(net) == between
    assert state(net) == before


@pytest.mark.parametrize('error', [None, ValueError])
def test_observing_outputs(net, error):
    before = state(net)
    noted = []
    try:
        with observe_outputs(net, [('head', net.head)], lambda name, output: noted.append((name, output.shape[2:]))):
            net(picture())
            if error:
                raise error
    except ValueError:
        pass
    assert noted == [('head', (8, 8)), ('head', (4, 4))]
    assert state(net) == before


def test_buffers_made_in_inference_mode(net):
    with torch.inference_mode():
        net.restless.grid = torch.zeros(2)
    before = state(net)
    with Tap(net, {'head': net.head}), live_graph():
        net(picture())
    assert state(net) == before


def test_buffers_of_many_kinds_are_written_back():
    net = nn.Module()
    values = {
        'empty': torch.zeros(0),
        'scalar': torch.tensor(3),
        'flag': torch.tensor([True, False]),
        'a_float16': torch.ones(2, dtype=torch.float16),
        'a_bfloat16': torch.ones(2, dtype=torch.bfloat16),
        'a_float64': torch.rand(2, 3, dtype=torch.float64),
        'transposed': torch.rand(2, 3).T,
        'expanded': torch.rand(1).expand(4),
        'complex': torch.zeros(2, dtype=torch.complex64),
    }
    for name, value in values.items():
        net.register_buffer(name, value)
    net.register_buffer('shared', values['scalar'])
    expected = {name: value.clone() for name, value in values.items()}
    with unchanged(net):
        for name, value in values.items():
            if name != 'expanded':
                value.zero_() if name in ('scalar', 'flag') else value.fill_(5)
    for name, value in values.items():
        assert net._buffers[name] is value
        assert torch.equal(value, expected[name])


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_a_model_on_the_gpu(net):
    net.cuda()
    before = state(net), torch.cuda.get_rng_state()
    with Tap(net, {'head': net.head}), live_graph():
        net(picture().cuda())
        torch.rand(3, device='cuda')
    assert state(net) == before[0]
    assert torch.equal(torch.cuda.get_rng_state(), before[1])
