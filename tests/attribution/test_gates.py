"""Gradients that hold the gates of activation functions."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmlens.attribution.gates import held_gates, held_gates_of
from mmlens.attribution.methods import get_method
from mmlens.attribution.tap import Tap

GATED = {
    'silu': F.silu,
    'silu module in place': nn.SiLU(inplace=True),
    'gelu': F.gelu,
    'gelu tanh': nn.GELU(approximate='tanh'),
    'mish': F.mish,
    'hardswish': nn.Hardswish(),
    'written out': lambda x: x * torch.sigmoid(x),
    'written the other way': lambda x: x.sigmoid() * x,
}


@pytest.mark.parametrize('function', GATED.values(), ids=GATED)
def test_the_gradient_is_output_over_input(function):
    x = torch.linspace(-4, 4, 41, dtype=torch.float64).requires_grad_()
    expected = function(x.detach().clone())
    with held_gates():
        y = function(x * 1.0)
    assert torch.equal(y.detach(), expected)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    # So that gradient times input puts the output together again.
    torch.testing.assert_close(gradient * x.detach(), expected, atol=1e-6, rtol=1e-6)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize('function', GATED.values(), ids=GATED)
def test_at_zero_it_is_the_slope_there(function):
    x = torch.zeros(3, requires_grad=True)
    with held_gates():
        (held,) = torch.autograd.grad(function(x * 1.0).sum(), x)
    (plain,) = torch.autograd.grad(function(x * 1.0).sum(), x)
    torch.testing.assert_close(held, plain, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('affine', [True, False])
@pytest.mark.parametrize('silu', [nn.SiLU(inplace=True), lambda x: x * torch.sigmoid(x)], ids=['module', 'written out'])
def test_a_batch_norm_is_passed_together_with_the_gate(silu, affine):
    norm = nn.BatchNorm2d(3, affine=affine).double().eval().requires_grad_(False)
    norm.running_mean.copy_(torch.tensor([0.5, -1.0, 2.0]))
    norm.running_var.copy_(torch.tensor([0.3, 2.0, 1.0]))
    if affine:
        norm.weight.copy_(torch.tensor([1.5, -0.5, 2.0]))
        norm.bias.copy_(torch.tensor([0.1, 0.2, -0.3]))
    x = torch.randn(1, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    with held_gates():
        y = silu(norm(x))
    assert torch.equal(y, silu(norm(x)))
    (gradient,) = torch.autograd.grad(y.sum(), x)
    normed = norm(x)
    (slope,) = torch.autograd.grad((normed * torch.sigmoid(normed).detach()).sum(), x)
    torch.testing.assert_close(gradient, slope, rtol=1e-12, atol=1e-12)


def test_a_norm_whose_output_is_used_twice_is_followed_twice():
    norm = nn.BatchNorm1d(3).double().eval().requires_grad_(False)
    x = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    with held_gates():
        normed = norm(x)
        (gradient,) = torch.autograd.grad((F.silu(normed) + normed).sum(), x)
    gate = torch.sigmoid(normed.detach())
    torch.testing.assert_close(gradient, (gate + 1) / (1 + norm.eps) ** 0.5, rtol=1e-12, atol=1e-12)


def test_a_norm_that_learns_is_left_alone():
    norm = nn.BatchNorm1d(3).eval()
    x = torch.randn(2, 3, requires_grad=True)
    with held_gates():
        F.silu(norm(x)).sum().backward()
    assert norm.weight.grad is not None and x.grad is not None


def test_relu_and_other_products_are_as_always():
    x = torch.randn(20, requires_grad=True)
    y = torch.randn(20)
    for function in (F.relu, lambda t: t * y.sigmoid(), lambda t: (t * 2).sigmoid() * t, torch.sigmoid, torch.tanh):
        with held_gates():
            (held,) = torch.autograd.grad(function(x).sum(), x)
        (plain,) = torch.autograd.grad(function(x).sum(), x)
        torch.testing.assert_close(held, plain)


def test_outside_nothing_has_changed():
    x = torch.randn(5, requires_grad=True)
    (before,) = torch.autograd.grad(F.silu(x).sum(), x)
    with held_gates():
        F.silu(x)
    (after,) = torch.autograd.grad(F.silu(x).sum(), x)
    assert torch.equal(before, after)


def test_a_chain_of_layers_puts_its_score_together():
    """Without biases, gradient times activation sums to the score at every layer."""
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(6, 8, bias=False), nn.SiLU(), nn.Linear(8, 8, bias=False), nn.GELU())
    x = torch.randn(1, 6, requires_grad=True)
    with held_gates():
        score = layers(x)[0, 3]
    (gradient,) = torch.autograd.grad(score, x)
    assert (gradient * x).sum().item() == pytest.approx(score.item(), rel=1e-4)


def test_gates_are_held_only_while_it_is_wanted():
    x, wanted = torch.tensor([1.5, -2.0], requires_grad=True), [False]
    with held_gates(lambda: wanted[0]):
        first = F.silu(x * 1.0)
        wanted[0] = True
        second = F.silu(x * 1.0)
    (plain,) = torch.autograd.grad(F.silu(x * 1.0).sum(), x)
    assert torch.equal(torch.autograd.grad(first.sum(), x)[0], plain)
    torch.testing.assert_close(torch.autograd.grad(second.sum(), x)[0], x.detach().sigmoid())


@pytest.mark.parametrize(('tapped', 'held_from'), [('0', 1), ('02', 1), ('012', 2), ('0123', 2), ('123', 3)])
def test_gates_are_held_behind_the_second_of_three_layers(tapped, held_from):
    model = torch.nn.Sequential(*(torch.nn.SiLU() for _ in range(5))).double()
    start, x = torch.full((1, 1, 2, 2), 1.7, dtype=torch.float64), torch.full((1, 1, 2, 2), 1.7, dtype=torch.float64)
    expected = torch.ones_like(x)
    for number, layer in enumerate(model):
        leaf = x.detach().requires_grad_()
        if number > int(tapped[0]):  # the graph begins at the first tapped layer
            (slope,) = torch.autograd.grad(layer(leaf).sum(), leaf)
            expected = expected * (leaf.sigmoid() if number >= held_from else slope).detach()
        x = layer(leaf)
    with Tap(model, {name: model[int(name)] for name in tapped}) as tap:
        assert tap.ran == 0
        with held_gates_of(get_method('evidencecam'), tap):
            scalar = model(start).sum()
        assert tap.ran == len(tapped)
        torch.testing.assert_close(torch.autograd.grad(scalar, tap.tensors[0])[0], expected)
