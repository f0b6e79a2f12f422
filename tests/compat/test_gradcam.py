from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from pytorch_grad_cam.base_cam import BaseCAM
from pytorch_grad_cam.utils.image import scale_cam_image
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from mmlens.compat.gradcam import bare, cam_classes, needs_forward_passes

ONE_PASS = sorted(name for name, cam_class in cam_classes().items() if not needs_forward_passes(cam_class))


@pytest.fixture
def network():
    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(3, 6, 3, 2), torch.nn.ReLU(), torch.nn.Conv2d(6, 5, 3), torch.nn.Flatten()]
    return torch.nn.Sequential(*layers, torch.nn.Linear(5 * 5 * 5, 4)).eval()


def test_the_methods_of_the_package_are_found():
    assert {'gradcam', 'gradcamplusplus', 'xgradcam', 'eigencam', 'hirescam', 'layercam'} <= set(ONE_PASS)
    assert cam_classes()['gradcam'].__name__ == 'GradCAM'
    assert 'basecam' not in cam_classes()
    assert 'ablationlayer' not in cam_classes()
    assert 'activationsandgradients' not in cam_classes()


@pytest.mark.parametrize('name', ['ablationcam', 'scorecam', 'fullgrad', 'shapleycam', 'finercam', 'sess', 'refinecam'])
def test_methods_of_many_passes_are_known_as_such(name):
    if name not in cam_classes():
        pytest.skip(f'this grad-cam has no {name}')
    assert needs_forward_passes(cam_classes()[name])


def test_gradcam_by_hand():
    # Channel means of the gradients are 1 and -2, so the map is a - 2 b.
    activations = np.array([[[[1.0, 2.0]], [[0.5, 3.0]]]], dtype=np.float32)
    gradients = np.array([[[[0.0, 2.0]], [[-1.0, -3.0]]]], dtype=np.float32)
    cam = bare(cam_classes()['gradcam']).get_cam_image(None, None, None, activations, gradients, False)
    np.testing.assert_allclose(cam, [[[0.0, -4.0]]])


@pytest.mark.parametrize('name', ONE_PASS)
def test_a_bare_method_gives_what_the_package_gives(name, network):
    picture, layer, target = torch.rand(1, 3, 15, 15), network[2], ClassifierOutputTarget(1)
    np.random.seed(0)
    with cam_classes()[name](network, [layer]) as cam:
        expected = cam(picture, [target])

    kept = {}
    handle = layer.register_forward_hook(lambda module, inputs, output: kept.update(activations=output))
    score = target(network(picture)[0])
    handle.remove()
    gradients = torch.autograd.grad(score, kept['activations'])[0].numpy()
    np.random.seed(0)
    found = bare(cam_classes()[name]).get_cam_image(
        None, None, None, kept['activations'].detach().numpy(), gradients, False
    )
    scaled = scale_cam_image(scale_cam_image(np.maximum(found, 0), (15, 15)))  # a layer, then all layers
    np.testing.assert_allclose(scaled, expected, rtol=1e-4, atol=1e-6)


def test_options_reach_the_constructor():
    if 'fem' not in cam_classes():
        pytest.skip('this grad-cam has no FEM')
    assert bare(cam_classes()['fem'], k=1).k == 1


def test_a_bare_method_hooks_nothing():
    cam = bare(cam_classes()['gradcam'])
    assert not any(module._forward_hooks for module in cam.model.modules())
    assert cam.activations_and_grads.handles == []


def test_asking_leaves_the_random_state_alone():
    needs_forward_passes.cache_clear()
    np.random.seed(3)
    expected = np.random.rand()
    np.random.seed(3)
    assert not needs_forward_passes(cam_classes()['randomcam'])
    assert np.random.rand() == expected


def test_a_method_of_ones_own():
    class Mean(BaseCAM):
        def get_cam_weights(self, input_tensor, target_layers, targets, activations, grads):
            return np.ones(grads.shape[:2])

    class LooksAtTheInput(Mean):
        def get_cam_weights(self, input_tensor, *rest):
            return super().get_cam_weights(input_tensor, *rest) * float(input_tensor.mean())

    class HasAnEngine(Mean):
        def forward(self, input_tensor, targets, eigen_smooth=False):
            return sum(super().forward(input_tensor + noise, targets, eigen_smooth) for noise in (0.1, 0.2))

    assert [needs_forward_passes(cam) for cam in (Mean, LooksAtTheInput, HasAnEngine)] == [False, True, True]


def test_a_missing_package_says_what_to_install(fresh):
    done = fresh('from mmlens.compat.gradcam import cam_classes\ncam_classes()', bare=True)
    assert done.stderr.strip().endswith('pytorch_grad_cam is not installed; run `pip install grad-cam`.')


@pytest.mark.skipif(
    'MMLENS_OLD_GRAD_CAM' not in os.environ,
    reason='names a folder made by: pip install --no-deps --target FOLDER grad-cam==1.4.8',
)
def test_an_older_package(fresh):
    code = """
from pytorch_grad_cam import GradCAM
import inspect
from mmlens.compat.gradcam import bare, cam_classes, needs_forward_passes
assert 'use_cuda' in inspect.signature(GradCAM.__mro__[1]).parameters
bare(GradCAM)
print(*sorted(name for name, cam in cam_classes().items() if needs_forward_passes(cam)))
"""
    done = fresh(code, os.environ['MMLENS_OLD_GRAD_CAM'])
    assert done.stdout.split() == ['ablationcam', 'fullgrad', 'scorecam'], done.stderr
