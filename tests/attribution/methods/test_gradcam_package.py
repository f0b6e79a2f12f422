"""Methods of the installed pytorch-grad-cam that mmlens does not define itself."""

import numpy as np
import pytest
import torch

from mmlens.attribution.methods import EngineMethod, available_methods, get_method
from mmlens.attribution.methods.gradcam_package import from_gradcam_package
from mmlens.compat.gradcam import cam_classes, needs_forward_passes

ONE_PASS = sorted(name for name, cam_class in cam_classes().items() if not needs_forward_passes(cam_class))
OTHERS = sorted(set(cam_classes()) - set(ONE_PASS))


@pytest.fixture
def level():
    """(activation, gradient), (1, 6, 5, 7)."""
    return torch.randn(2, 1, 6, 5, 7, generator=torch.Generator().manual_seed(0)).unbind(0)


def skip_unless_there(*names):
    for name in names:
        if name not in cam_classes():
            pytest.skip(f'this grad-cam has no {name}')


@pytest.mark.parametrize('name', ONE_PASS)
def test_every_method_of_one_pass_runs(name, level):
    method = from_gradcam_package(name)
    assert method.name == name
    found = method(*level, True)
    assert found.shape == (1, 5, 7)
    assert found.dtype == torch.float32
    assert found.isfinite().all()


@pytest.mark.parametrize('name', ['gradcamelementwise', 'fem', 'kpca_cam', 'randomcam', 'segeigencam'])
def test_they_are_found_by_name_in_any_case(name, level):
    skip_unless_there(name)
    method = get_method(name.upper())
    assert method.name == name
    assert method.shows == f"pytorch-grad-cam's {cam_classes()[name].__name__}"
    assert method(*level).shape == (1, 5, 7)


def test_a_gradient_is_asked_for_only_where_it_is_used(level):
    skip_unless_there('fem', 'kpca_cam')
    for name in ('fem', 'kpca_cam'):
        method = get_method(name)
        assert not method.uses_gradients
        assert torch.equal(method(level[0], None), method(*level))
    assert get_method('gradcamelementwise').uses_gradients


def test_gradcamelementwise_by_hand():
    skip_unless_there('gradcamelementwise')
    a = torch.tensor([[[[1.0, 2.0]], [[3.0, 1.0]]]])
    g = torch.tensor([[[[2.0, -1.0]], [[1.0, 4.0]]]])
    # relu(G A): 2, 0 and 3, 4.
    assert get_method('gradcamelementwise')(a, g).tolist() == [[[5, 4]]]


def test_randomcam_follows_the_random_state(level):
    skip_unless_there('randomcam')
    state = np.random.get_state()
    first = get_method('randomcam')(*level)
    np.random.set_state(state)
    assert torch.equal(get_method('randomcam')(*level), first)


@pytest.mark.parametrize('name', sorted(set(available_methods(one_pass_only=True)) & set(cam_classes())))
def test_our_own_come_first(name):
    assert not get_method(name).shows.startswith('pytorch-grad-cam')


@pytest.mark.parametrize('name', OTHERS)
def test_what_needs_more_runs_by_the_packages_own_engine(name):
    method = from_gradcam_package(name)
    assert isinstance(method, EngineMethod) and method.cam_class is cam_classes()[name]
    assert (method.name, method.uses_layers) == (name, name != 'fullgrad')


def test_there_is_something_that_needs_more():
    assert {'ablationcam', 'scorecam', 'fullgrad'} <= set(OTHERS)


@pytest.mark.parametrize('name', ['basecam', 'ablationlayer', 'guidedbackproprelumodel', 'nothing', 'GradCAM'])
def test_what_is_no_method_there(name):
    assert from_gradcam_package(name) is None


def test_activation_and_gradient_stay_as_they_are(level):
    before = [t.clone() for t in level]
    for name in ONE_PASS:
        from_gradcam_package(name)(*level)
    assert all(torch.equal(t, b) for t, b in zip(level, before))
