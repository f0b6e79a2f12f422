"""The registry of methods, of whatever kind."""

import importlib.util
import sys

import pytest
import torch

from mmlens.attribution.methods import PassMethod, available_methods, get_method, register_method, register_pass_method
from mmlens.attribution.methods import registry as registry_of_methods
from mmlens.errors import MethodError

BUILT_IN = ['eigencam', 'eigengradcam', 'evidencecam', 'gradcam', 'gradcam++', 'hirescam', 'layercam', 'xgradcam']
BY_PASSES = ['ablationcam', 'drise', 'integratedgradients', 'precisionsearch', 'reciprocam', 'scorecam']


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    """Methods registered by a test go with it, and those of other tests' modules are not seen."""
    own = {
        name: method
        for name, method in registry_of_methods._METHODS.items()
        if (method.explain if isinstance(method, PassMethod) else method.formula).__module__.startswith('mmlens.')
    }
    monkeypatch.setattr(registry_of_methods, '_METHODS', own)


def test_the_built_in_methods():
    assert available_methods(one_pass_only=True) == BUILT_IN
    assert available_methods() == sorted(BUILT_IN + BY_PASSES)
    assert all(get_method(name).shows for name in BUILT_IN)
    assert [name for name in BUILT_IN if not get_method(name).uses_gradients] == ['eigencam']


@pytest.mark.parametrize(
    ('written', 'name'),
    [('GradCAM', 'gradcam'), ('GRADCAM++', 'gradcam++'), ('EigenGradCam', 'eigengradcam'), ('hirescam', 'hirescam')],
)
def test_names_are_found_in_any_case(written, name):
    assert get_method(written).name == name


def test_a_method_of_ones_own():
    @register_method('GradSum', shows='where the gradient is large')
    def gradsum(activation, gradient, spatial):
        return gradient.abs().sum(1)

    method = get_method('gradSUM')
    assert (method.name, method.shows, method.uses_gradients) == ('gradsum', 'where the gradient is large', True)
    assert method(torch.zeros(1, 2, 1, 1), torch.tensor([[[[3.0]], [[-4.0]]]])).tolist() == [[[7.0]]]
    assert available_methods(one_pass_only=True) == sorted([*BUILT_IN, 'gradsum'])
    assert gradsum(None, torch.ones(1, 2, 1, 1), True).item() == 2  # the function stays a function


def test_a_method_may_go_without_gradients():
    register_method('norm', uses_gradients=False)(lambda activation, gradient, spatial: activation.norm(dim=1))
    assert not get_method('norm').uses_gradients
    assert get_method('norm')(torch.tensor([[[[3.0]], [[4.0]]]]), None).item() == 5


def test_spatial_is_asked_for_unless_told_otherwise():
    asked = []

    @register_method('asks')
    def asks(activation, gradient, spatial):
        asked.append(spatial)
        return gradient.sum(1)

    one = torch.ones(1, 1, 1, 1)
    get_method('asks')(one, one)
    get_method('asks')(one, one, False)
    assert asked == [True, False]


@pytest.mark.parametrize('name', ['gradcam', 'GradCAM', 'eigencam'])
def test_a_name_that_is_taken(name):
    with pytest.raises(MethodError) as error:

        @register_method(name)
        def mine(activation, gradient, spatial):
            return activation.sum(1)

    assert str(error.value) == f"The method name '{name.lower()}' is taken: register yours under another one."
    assert get_method(name)(*torch.ones(2, 1, 1, 1, 1)) == 1 or name == 'eigencam'


def test_a_function_of_the_same_name_in_another_module_is_another():
    def gradcam(activation, gradient, spatial):
        return activation.sum(1)

    gradcam.__qualname__ = 'gradcam'
    with pytest.raises(MethodError, match="'gradcam' is taken"):
        register_method('gradcam')(gradcam)


def test_a_module_may_be_loaded_again(tmp_path, monkeypatch):
    # The file is rewritten within a second, with the same size: bytecode of the first version would count as fresh.
    monkeypatch.setattr(sys, 'dont_write_bytecode', True)
    path = tmp_path / 'my_methods.py'
    path.write_text(
        'from mmlens.attribution.methods import register_method\n'
        "@register_method('mine')\n"
        'def mine(activation, gradient, spatial):\n'
        '    return FACTOR * gradient.sum(1)\n'
        'FACTOR = 2\n'
    )
    for factor in (2, 3):
        path.write_text(path.read_text().replace('FACTOR = 2', f'FACTOR = {factor}'))
        spec = importlib.util.spec_from_file_location('my_methods', path)
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    assert get_method('mine')(*torch.ones(2, 1, 1, 1, 1)).item() == 3


def test_a_formula_may_be_an_object():
    class Power:
        def __init__(self, exponent):
            self.exponent = exponent

        def __call__(self, activation, gradient, spatial):
            return (gradient**self.exponent).sum(1)

    register_method('power')(Power(3))
    assert get_method('power')(torch.zeros(1, 1, 1, 1), torch.full((1, 1, 1, 1), 2.0)).item() == 8
    with pytest.raises(MethodError):
        register_method('power')(lambda activation, gradient, spatial: gradient)


@pytest.mark.parametrize(
    ('name', 'sentence'),
    [
        ('grad-cam', "Unknown method 'grad-cam': did you mean gradcam or xgradcam?"),
        ('LayrCAM', "Unknown method 'LayrCAM': did you mean layercam?"),
        ('saliency', f"Unknown method 'saliency': choose one of {', '.join(sorted(BUILT_IN + BY_PASSES))}."),
        ('', f"Unknown method '': choose one of {', '.join(sorted(BUILT_IN + BY_PASSES))}."),
    ],
)
def test_an_unknown_method(name, sentence):
    with pytest.raises(MethodError) as error:
        get_method(name)
    assert str(error.value) == sentence


@pytest.mark.parametrize('name', ['ablationcam', 'AblationCAM', 'ScoreCAM', 'scorecam', 'drise'])
def test_methods_of_many_passes_are_found_like_others(name):
    method = get_method(name)
    assert isinstance(method, PassMethod) and method.name == name.lower()


def test_a_method_of_many_passes_of_ones_own():
    @register_pass_method('Halves', uses_gradients=False, shows='what each half of the level holds', parts=2)
    def halves(job):
        return []

    method = get_method('HALVES')
    assert isinstance(method, PassMethod) and (method.name, method.explain) == ('halves', halves)
    assert method.complete({'parts': 3}) == dict(batch_size=None, memory=None, parts=3)
    assert (method.uses_gradients, method.uses_layers, method.shows) == (
        False,
        True,
        'what each half of the level holds',
    )
    assert 'halves' in available_methods() and 'halves' not in available_methods(one_pass_only=True)


@pytest.mark.parametrize('name', ['gradcam', 'drise'])
def test_a_name_that_is_taken_by_whatever_kind(name):
    with pytest.raises(MethodError, match=f"The method name '{name}' is taken: register yours under another one."):
        register_pass_method(name)(lambda job: [])


def test_one_may_bring_a_method_that_is_not_built_in():
    register_method('FullGrad')(lambda activation, gradient, spatial: activation.sum(1))
    assert get_method('fullgrad')(torch.ones(1, 3, 1, 1), None).item() == 3
    with pytest.raises(MethodError, match="The method name 'scorecam' is taken"):
        register_method('ScoreCAM')(lambda activation, gradient, spatial: activation.sum(1))
