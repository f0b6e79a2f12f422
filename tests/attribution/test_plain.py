"""Models run as they are written while they are explained: not compiled, not checkpointed, with normal tensors."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from mmlens.attribution.tap import Tap


class Net(nn.Module):
    """Two layers, of which the second may be checkpointed."""

    def __init__(self, reentrant=None):
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.block = nn.Conv2d(1, 2, 3), nn.Sequential(nn.Conv2d(2, 3, 1), nn.Sigmoid())
        self.register_buffer('shift', torch.ones(1))
        self.anchor = torch.ones(1)
        self.reentrant = reentrant

    def forward(self, x):
        x = self.stem(x) + self.shift * self.anchor
        x = self.block(x) if self.reentrant is None else checkpoint(self.block, x, use_reentrant=self.reentrant)
        return x.mean((2, 3))


INPUT = torch.arange(25.0).reshape(1, 1, 5, 5) / 25


def gradient(model, layer='stem'):
    """The gradient at a layer, and how often the layer was tapped."""
    with Tap(model, {layer: model.get_submodule(layer)}) as tap:
        score = model(INPUT)[0, 0]
        found = torch.autograd.grad(score, tap.tensors)
    return found[0], len(found)


@pytest.fixture
def expected():
    return gradient(Net())[0]


@pytest.mark.parametrize('reentrant', [True, False])
@pytest.mark.parametrize('layer', ['stem', 'block.0'])
def test_a_checkpointed_block_keeps_what_it_computes(reentrant, layer, expected):
    model = Net(reentrant)
    model.stem.requires_grad_(False)
    found, times = gradient(model, layer)
    torch.testing.assert_close(found, gradient(Net(), layer)[0], rtol=0, atol=0)
    assert times == 1 and torch.utils.checkpoint.CheckpointFunction.__module__ == 'torch.utils.checkpoint'
    (model(INPUT.clone().requires_grad_()).sum()).backward()  # and goes on training as before
    assert model.block[0].weight.grad is not None


@pytest.mark.parametrize('how', ['child', 'in place', 'forward'])
def test_compiled_parts_run_their_own_code(how, expected):
    model, ran = Net(), []
    plain = model.block

    def backend(graph, inputs):
        ran.append(1)
        return graph.forward

    if how == 'child':
        model.block = torch.compile(plain, backend=backend)
    elif how == 'in place':
        plain.compile(backend=backend)
    else:
        plain.forward = torch.compile(plain.forward, backend=backend)
    before = dict(vars(model.block))
    torch.testing.assert_close(gradient(model)[0], expected, rtol=0, atol=0)
    assert not ran and dict(vars(model.block)) == before  # the compiled code is in its place again


def test_weights_made_in_inference_mode_are_copied_for_a_while(expected):
    with torch.inference_mode():
        model = Net()
    made = [*model.parameters(), *model.buffers(), model.anchor]
    found, _ = gradient(model)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    now = [*model.parameters(), *model.buffers(), model.anchor]
    assert all(one is other and one.is_inference() for one, other in zip(made, now))
