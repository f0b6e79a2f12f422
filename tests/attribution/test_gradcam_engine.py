"""Methods in pytorch-grad-cam's own engine, on networks that are small enough to work out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmlens.attribution.gradcam_engine import borrowed, guided_gradients, map_by_engine
from mmlens.compat.gradcam import cam_classes
from mmlens.errors import MethodError
from mmlens.explain.normalise import stretch

OTHERS = ['FinerCAM', 'FullGrad', 'RefineCAM', 'SESS', 'ShapleyCAM']


class Net(nn.Module):
    """A convolution with a bias, a norm, ReLU in place, a mean over the map, and a linear head."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3, 2, 1)
        self.norm = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(4, 3)
        self.eval()

    def forward(self, inputs):
        return self.head(self.relu(self.norm(self.conv(inputs))).mean((2, 3)))


@pytest.fixture
def net():
    return Net()


@pytest.fixture
def inputs():
    return torch.rand(1, 3, 16, 24, generator=torch.Generator().manual_seed(0))


def engine_class(name):
    return cam_classes().get(name.lower())


def explain(net, inputs, name, category=1, **options):
    layers = {} if name == 'FullGrad' else {'norm': net.norm}
    return map_by_engine(engine_class(name), net, net, layers, inputs, category, **options)


@pytest.mark.parametrize('name', OTHERS)
def test_what_else_the_package_offers_gives_a_map_and_the_model_back(net, inputs, name, capfd):
    if engine_class(name) is None:
        pytest.skip(f'this grad-cam has no {name}')
    before = {key: value.clone() for key, value in net.state_dict().items()}
    for smooth in (False, True):
        found = explain(net, inputs, name, eigen_smooth=smooth)
        assert found.shape == (16, 24) and found.dtype == torch.float32
        assert float(found.min()) >= 0 and float(found.max()) == pytest.approx(1, abs=1e-4)
    assert not any(module._forward_hooks for module in net.modules())
    assert all(p.requires_grad and p.grad is None for p in net.parameters())
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert capfd.readouterr() == ('', '')


def test_finer_cam_compares_the_class_with_its_neighbours(net, inputs):
    if engine_class('FinerCAM') is None:
        pytest.skip('this grad-cam has no FinerCAM')
    # GradCAM of how far the class is ahead of the others, each of these weighed by its probability p:
    # sum_k p_k (y_1 - y_k) / sum_k p_k, k = 0, 2.
    activation = net.norm(net.conv(inputs)).detach().requires_grad_()
    logits = net.head(activation.relu().mean((2, 3)))[0]
    shares = logits.softmax(0)
    ahead = sum(shares[k] * (logits[1] - logits[k]) for k in (0, 2)) / (shares[0] + shares[2])
    weights = torch.autograd.grad(ahead, activation)[0].mean((2, 3), keepdim=True)
    expected = stretch((weights * activation).sum(1, keepdim=True).clamp_min(0))
    expected = stretch(F.interpolate(expected, (16, 24), mode='bilinear', align_corners=False))[0, 0]
    np.testing.assert_allclose(explain(net, inputs, 'FinerCAM'), expected.detach(), rtol=1e-4, atol=1e-5)


def test_a_method_that_fails_says_so_and_leaves_no_hook(net, inputs):
    with pytest.raises(MethodError, match=r'FullGrad of pytorch-grad-cam does not work on this model \(.*\); choose'):
        map_by_engine(engine_class('FullGrad'), net.conv, net.conv, {}, inputs.double(), 1)
    assert not any(module._forward_hooks for module in net.modules())


def test_a_borrowed_model_comes_back_after_an_error(net):
    children = dict(net.named_children())
    with pytest.raises(ZeroDivisionError), borrowed(net):
        net.relu = nn.Identity()
        net.conv.register_forward_hook(lambda *args: None)
        net.requires_grad_(False)
        raise ZeroDivisionError
    assert dict(net.named_children()) == children and not net.conv._forward_hooks
    assert all(p.requires_grad for p in net.parameters())


def test_guided_gradients_by_hand():
    # y = relu(x1) * 2 - relu(x2) * 3 + relu(x3) * 5 at x = (1, 1, -1): the gradient is (2, -3, 0); the negative one
    # is stopped at its ReLU, and the one of x3 as well, which is not active.
    class Signed(nn.Module):
        def __init__(self):
            super().__init__()
            self.relu = nn.ReLU()

        def forward(self, inputs):
            return (self.relu(inputs) * torch.tensor([2.0, -3.0, 5.0])[:, None, None]).sum((1, 2, 3))[:, None]

    inputs = torch.tensor([1.0, 1.0, -1.0]).reshape(1, 3, 1, 1)
    model = Signed()
    found = guided_gradients(model, model, inputs, 0)
    np.testing.assert_allclose(found.flatten().numpy(), [2, 0, 0])
    assert type(model.relu) is nn.ReLU


def test_a_class_is_contrasted_with_others(net, inputs):
    """By hand: the gradients of the logit's weighted difference, averaged over the map."""
    logits, activation = net(inputs)[0].detach(), net.norm(net.conv(inputs)).detach()
    p = logits.softmax(0)

    def weights_of(others):
        start = activation.clone().requires_grad_()
        z = net.head(net.relu(start.clone()).mean((2, 3)))[0]
        value = sum(p[k] * (z[1] - z[k]) for k in others) / sum(p[k] for k in others)
        return torch.autograd.grad(value, start)[0].mean((2, 3), keepdim=True)

    # For a single other class the weights cancel, so that their own gradient does not matter.
    expected = stretch(
        F.interpolate((weights_of([0]) * activation).sum(1, True).relu(), (16, 24), mode='bilinear')[0, 0]
    )
    found = explain(net, inputs, 'FinerCAM', others=[0])
    np.testing.assert_allclose(found, expected.detach(), rtol=1e-4, atol=1e-5)
    assert not np.allclose(found, explain(net, inputs, 'FinerCAM', others=[2]), atol=1e-2)
    assert not np.allclose(explain(net, inputs, 'FullGrad', others=[0]), explain(net, inputs, 'FullGrad'), atol=1e-2)
