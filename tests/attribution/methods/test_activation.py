"""EigenCAM and its kin."""

import time

import numpy as np
import pytest
import torch
from pytorch_grad_cam import EigenCAM, EigenGradCAM
from pytorch_grad_cam.utils.image import scale_cam_image
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from pytorch_grad_cam.utils.svd_on_activations import get_2d_projection
from torch import nn

from mmlens.attribution.methods import get_method

# Two channels, one three times the other: all variance lies along (1, 3) / sqrt(10).
A = torch.tensor([[[[1.0, 2.0], [0.0, 1.0]], [[3.0, 6.0], [0.0, 3.0]]]])


@pytest.mark.parametrize('spatial', [True, False])
def test_eigencam_by_hand(spatial):
    # Centred, channel 0 is 0, 1, -1, 0; the length of (v, 3 v) is sqrt(10) v. The component's sign is not defined.
    expected = 10**0.5 * torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
    found = get_method('eigencam')(A, None, spatial)
    assert found.shape == (1, 2, 2)
    torch.testing.assert_close(found[0].abs(), expected.abs())
    torch.testing.assert_close(found[0] * found[0, 0, 1].sign(), expected)


@pytest.mark.parametrize('spatial', [True, False])
def test_eigengradcam_by_hand(spatial):
    # G A is 2, 2, 0, 0 in channel 0 and nothing in channel 1: centred, 1, 1, -1, -1.
    gradient = torch.tensor([[[[2.0, 1.0], [5.0, 0.0]], [[0.0, 0.0], [7.0, 0.0]]]])
    found = get_method('eigengradcam')(A, gradient, spatial)
    torch.testing.assert_close(found[0] * found[0, 0, 0].sign(), torch.tensor([[1.0, 1.0], [-1.0, -1.0]]))


def test_eigencam_looks_at_no_gradient():
    method = get_method('eigencam')
    assert not method.uses_gradients
    assert torch.equal(method(A, None), method(A, torch.rand_like(A)))
    assert get_method('eigengradcam').uses_gradients


@pytest.mark.parametrize(
    'shape', [(3, 2, 2), (16, 5, 4), (512, 7, 7), (196, 14, 14), (64, 26, 26), (5, 1, 1), (1, 6, 7)]
)
def test_the_component_is_pytorch_grad_cams_sign_included(shape):
    generator = np.random.default_rng(0)
    for _ in range(3):
        activation = np.maximum(generator.normal(size=(1, *shape)), -0.3).astype(np.float32)
        found = get_method('eigencam')(torch.from_numpy(activation), None).numpy()
        np.testing.assert_allclose(found, get_2d_projection(activation), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(('name', 'cam_class'), [('eigencam', EigenCAM), ('eigengradcam', EigenGradCAM)])
@pytest.mark.parametrize('layer', [0, 1, 2])
def test_classes_equal_pytorch_grad_cam(name, cam_class, layer):
    torch.manual_seed(layer)
    net = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.Conv2d(8, 6, 3), nn.Flatten(), nn.Linear(6 * 11 * 9, 4))
    net.eval()
    picture = torch.rand(1, 3, 27, 23)
    with cam_class(net, [net[layer]]) as cam:
        expected = cam(picture, [ClassifierOutputTarget(2)])[0]

    activation = net[: layer + 1](picture).detach().requires_grad_()
    gradient = torch.autograd.grad(net[layer + 1 :](activation)[0, 2], activation)[0]
    found = get_method(name)(activation.detach(), gradient, spatial=False)
    found = scale_cam_image(scale_cam_image(found.clamp_min(0).numpy(), (23, 27)))[0]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_a_necks_finest_level_takes_no_gigabytes():
    # The full decomposition of 152 x 100 cells would hold 15200^2 numbers, 0.9 GB, and take minutes.
    started = time.perf_counter()
    found = get_method('eigencam')(torch.rand(1, 8, 100, 152), None)
    assert found.shape == (1, 100, 152)
    assert time.perf_counter() - started < 60  # half a second is usual


def test_an_activation_that_is_the_same_everywhere_has_no_component():
    assert not get_method('eigencam')(torch.full((1, 3, 4, 4), 2.0), None).any()


def test_nothing_is_changed_in_place():
    a = A.clone()
    get_method('eigencam')(a, None)
    get_method('eigengradcam')(a, a)
    assert torch.equal(a, A)
