"""What a method of each kind says of itself, and how it is called."""

from __future__ import annotations

import pytest
import torch

from mmlens.attribution.methods.base import EngineMethod, Method, OnePassMethod
from mmlens.errors import MethodError


def test_a_formula_gets_activation_gradient_and_whether_to_keep_positions():
    seen = []

    def weighted(activation, gradient, spatial):
        seen.append(spatial)
        weights = gradient if spatial else gradient.mean((2, 3), keepdim=True)
        return (weights * activation).sum(1)

    method = OnePassMethod('weighted', weighted, shows='the product')
    activation = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])
    gradient = torch.tensor([[[[1.0, 0.0]], [[0.0, -1.0]]]])
    assert method(activation, gradient).tolist() == [[[1.0, -4.0]]]
    # Means over the map: 1/2 and -1/2.
    assert method(activation, gradient, spatial=False).tolist() == [[[-1.0, -1.0]]]
    assert seen == [True, False]
    assert (method.uses_gradients, method.uses_layers, method.shows) == (True, True, 'the product')


@pytest.mark.parametrize('options', [None, {}])
def test_a_method_without_options_completes_none(options):
    assert OnePassMethod('plain', torch.add).complete(options) == {}
    assert EngineMethod('other', object).complete(options) == {}


def test_options_that_a_method_does_not_have_are_named():
    with pytest.raises(MethodError) as raised:
        OnePassMethod('plain', torch.add).complete({'batch_size': 2, 'seed': 1})
    assert str(raised.value) == "Method 'plain' takes no options: leave out `batch_size`, `seed`."


def test_only_fullgrad_finds_its_own_layers():
    gradcam = pytest.importorskip('pytorch_grad_cam')
    assert EngineMethod('gradcam', gradcam.GradCAM).uses_layers
    assert not EngineMethod('fullgrad', gradcam.FullGrad).uses_layers
    assert EngineMethod('gradcam', gradcam.GradCAM).uses_gradients


def test_methods_do_not_change_once_they_are_made():
    for method in (OnePassMethod('plain', torch.add), EngineMethod('other', object)):
        assert isinstance(method, Method)
        with pytest.raises(AttributeError):
            method.name = 'another'
