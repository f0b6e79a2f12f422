"""Methods that weigh activations by gradients: figures by hand, slow loops, pytorch-grad-cam's own classes."""

import math

import numpy as np
import pytest
import torch
from pytorch_grad_cam import GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM, XGradCAM
from pytorch_grad_cam.utils.image import scale_cam_image
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

from mmlens.attribution.methods import get_method

# Two channels of 2 x 2.
A = torch.tensor([[[[1.0, 2.0], [0.0, 1.0]], [[3.0, 0.0], [1.0, 2.0]]]])
G = torch.tensor([[[[1.0, -1.0], [2.0, 0.0]], [[0.5, 1.0], [-1.0, 0.5]]]])

# name, spatial -> what comes out of A and G
BY_HAND = {
    # G A summed over channels: 1*1 + .5*3, -1*2 + 1*0, 2*0 - 1*1, 0*1 + .5*2
    ('gradcam', True): [[2.5, -2.0], [-1.0, 1.0]],
    ('hirescam', True): [[2.5, -2.0], [-1.0, 1.0]],
    ('hirescam', False): [[2.5, -2.0], [-1.0, 1.0]],
    # Means of G are 2/4 and 1/4.
    ('gradcam', False): [[1.25, 1.0], [0.25, 1.0]],
    # Negative gradients count as zero.
    ('layercam', True): [[2.5, 0.0], [0.0, 1.0]],
    ('layercam', False): [[2.5, 0.0], [0.0, 1.0]],
    # Sums of G A are -1 and 1.5, those of A are 4 and 6: weights -0.25 and 0.25.
    ('xgradcam', True): [[0.5, -0.5], [0.25, 0.25]],
    ('xgradcam', False): [[0.5, -0.5], [0.25, 0.25]],
    # alpha = 1 / (2 + G sum A): 1/6, 1/(2-4), 1/10, 0 where G is 0; and 1/5, 1/8, 1/(2-6), 1/5.
    # w = alpha relu(G): 1/6, 0, 1/5, 0; and 1/10, 1/8, 0, 1/10.
    ('gradcam++', True): [[1 / 6 + 3 / 10, 0.0], [0.0, 2 / 10]],
    # Their sums over the map are 11/30 and 13/40.
    ('gradcam++', False): [[11 / 30 + 39 / 40, 22 / 30], [13 / 40, 11 / 30 + 26 / 40]],
}


@pytest.mark.parametrize(('name', 'spatial'), BY_HAND)
def test_by_hand(name, spatial):
    found = get_method(name)(A, G, spatial)
    assert found.shape == (1, 2, 2)
    torch.testing.assert_close(found[0], torch.tensor(BY_HAND[name, spatial]), rtol=1e-4, atol=1e-5)


def slow(name, a, g, spatial):
    """The formulas as loops over single numbers."""
    channels, height, width = a.shape
    cells = [(i, j) for i in range(height) for j in range(width)]
    result = np.zeros((height, width))
    for c in range(channels):
        total = sum(a[c, i, j] for i, j in cells)
        alpha = {}
        for i, j in cells:
            square = g[c, i, j] ** 2
            alpha[i, j] = square / (2 * square + total * g[c, i, j] ** 3 + 1e-6) if g[c, i, j] else 0.0
        for i, j in cells:
            weight = {
                'gradcam': g[c, i, j] if spatial else sum(g[c, y, x] for y, x in cells) / len(cells),
                'hirescam': g[c, i, j],
                'layercam': max(g[c, i, j], 0.0),
                'xgradcam': sum(g[c, y, x] * a[c, y, x] for y, x in cells) / (total + 1e-7),
                'gradcam++': alpha[i, j] * max(g[c, i, j], 0.0)
                if spatial
                else sum(alpha[y, x] * max(g[c, y, x], 0.0) for y, x in cells),
            }[name]
            result[i, j] += weight * a[c, i, j]
    return result


@pytest.mark.parametrize('spatial', [True, False])
@pytest.mark.parametrize('name', ['gradcam', 'gradcam++', 'layercam', 'hirescam', 'xgradcam'])
def test_equal_to_slow_loops(name, spatial):
    generator = np.random.default_rng(0)
    for shape in [(1, 1, 1), (3, 4, 5), (6, 1, 7), (2, 5, 2)]:
        a, g = generator.normal(size=shape), generator.normal(size=shape)
        g[generator.random(shape) < 0.2] = 0
        found = get_method(name)(torch.from_numpy(a)[None], torch.from_numpy(g)[None], spatial)
        np.testing.assert_allclose(found[0].numpy(), slow(name, a, g, spatial), rtol=1e-9, atol=1e-12)


@pytest.fixture(scope='module')
def classifier():
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.Conv2d(8, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 11 * 9, 4)]
    return nn.Sequential(*layers).eval()


@pytest.mark.parametrize('layer', [0, 2, 3])
@pytest.mark.parametrize(
    ('name', 'cam_class'),
    [
        ('gradcam', GradCAM),
        ('gradcam++', GradCAMPlusPlus),
        ('layercam', LayerCAM),
        ('hirescam', HiResCAM),
        ('xgradcam', XGradCAM),
    ],
)
def test_classes_equal_pytorch_grad_cam(classifier, name, cam_class, layer):
    picture = torch.rand(1, 3, 27, 23, generator=torch.Generator().manual_seed(layer))
    with cam_class(classifier, [classifier[layer]]) as cam:
        expected = cam(picture, [ClassifierOutputTarget(2)])[0]

    activation = classifier[: layer + 1](picture).detach().requires_grad_()
    # A copy: the ReLU behind the layer is not in place here, but it is in real networks.
    score = classifier[layer + 1 :](activation.clone())[0, 2]
    gradient = torch.autograd.grad(score, activation)[0]
    found = get_method(name)(activation.detach(), gradient, spatial=False)
    found = scale_cam_image(scale_cam_image(found.clamp_min(0).numpy(), (23, 27)))[0]
    assert found.max() > 0.99
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('spatial', [True, False])
@pytest.mark.parametrize('name', ['gradcam', 'gradcam++', 'layercam', 'hirescam', 'xgradcam'])
def test_channels_without_a_gradient_count_nothing(name, spatial):
    quiet = torch.cat([G, torch.zeros(1, 1, 2, 2)], 1)
    more = torch.cat([A, torch.full((1, 1, 2, 2), 9.0)], 1)
    torch.testing.assert_close(get_method(name)(more, quiet, spatial), get_method(name)(A, G, spatial))
    assert not get_method(name)(A, torch.zeros_like(A), spatial).any()


@pytest.mark.parametrize('name', ['gradcam', 'layercam', 'hirescam', 'xgradcam'])
def test_maps_grow_with_the_gradient(name):
    torch.testing.assert_close(get_method(name)(A, 3 * G, True), 3 * get_method(name)(A, G, True))


def test_a_gradient_at_one_place_marks_this_place_only():
    # What "spatial" is for: two equal objects, one of them explained.
    activation = torch.ones(1, 2, 4, 4)
    gradient = torch.zeros(1, 2, 4, 4)
    gradient[:, :, 1, 2] = 1
    for name in ('gradcam', 'gradcam++', 'layercam', 'hirescam'):
        found = get_method(name)(activation, gradient, True)[0]
        assert found.nonzero().tolist() == [[1, 2]]
    assert (get_method('gradcam')(activation, gradient, False) > 0).all()


@pytest.mark.parametrize('name', ['gradcam', 'gradcam++', 'layercam', 'hirescam', 'xgradcam'])
def test_nothing_is_changed_in_place(name):
    a, g = A.clone(), G.clone()
    get_method(name)(a, g, True)
    get_method(name)(a, g, False)
    assert torch.equal(a, A)
    assert torch.equal(g, G)


def test_gradcam_plus_plus_where_the_denominator_vanishes():
    # 2 G^2 + G^3 sum A = 0 for G = 1 and sum A = -2.
    found = get_method('gradcam++')(torch.tensor([[[[-1.0, -1.0]]]]), torch.tensor([[[[1.0, 1.0]]]]), True)
    assert math.isfinite(found.sum())
