"""Gradients that hold the gates of activation functions."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmlens.attribution.gates import held_gates

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
    torch.testing.assert_close(y.detach(), expected)
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
