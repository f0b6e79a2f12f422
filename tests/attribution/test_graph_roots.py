"""Roots of 0 in a post-processing: no gradient becomes NaN for them."""

import numpy as np
import pytest
import torch

from mmlens.attribution.graph import live_graph


@pytest.fixture
def x():
    torch.manual_seed(0)
    return torch.rand(4, 6, requires_grad=True)


ROOTS = {
    'sqrt': lambda t: t.sqrt(),
    'torch.sqrt': torch.sqrt,
    'in place': lambda t: (t * 1).sqrt_(),
    'power': lambda t: t**0.5,
    'torch.pow': lambda t: torch.pow(t, 0.5),
    'power in place': lambda t: (t * 1).pow_(0.5),
}


@pytest.mark.parametrize('root', ROOTS.values(), ids=ROOTS)
def test_a_zero_under_the_root_beside_the_score_does_not_make_it_nan(root):
    quality = torch.tensor([0.25, 0.5], requires_grad=True)
    with live_graph():
        # As PAA: a class of zeros is appended before the geometric mean of score and quality is taken.
        scores = torch.cat([torch.tensor([[0.64], [0.1]]), torch.zeros(2, 1)], 1)
        mean = root(scores * quality[:, None])
        found = torch.autograd.grad(mean[0, 0], quality)[0]
    torch.testing.assert_close(found, torch.tensor([0.8 * 0.5 / 0.5, 0.0]))


@pytest.mark.parametrize('root', ROOTS.values(), ids=ROOTS)
def test_roots_of_other_numbers_have_the_gradient_they_always_had(x, root):
    with live_graph():
        found = torch.autograd.grad(root(x).sum(), x)[0]
    torch.testing.assert_close(found, 0.5 / x.detach().sqrt())


def test_a_power_with_a_tensor_of_exponents_keeps_both_gradients():
    base, exponent = torch.tensor([[2.0], [3.0]], requires_grad=True), torch.tensor([1.0, 2.0], requires_grad=True)
    with live_graph():
        by_base, by_exponent = torch.autograd.grad((base**exponent)[1, 1], [base, exponent])
    torch.testing.assert_close(by_base, torch.tensor([[0.0], [6.0]]))
    torch.testing.assert_close(by_exponent, torch.tensor([0.0, 9 * np.log(3.0)], dtype=torch.float32))
