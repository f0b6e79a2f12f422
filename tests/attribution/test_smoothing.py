"""Smoothing of maps, with figures worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmlens.attribution.attribute import Attribution
from mmlens.attribution.methods import OnePassMethod, get_method
from mmlens.attribution.smoothing import MeanMaps, Noise, augmented_mean, eigen_smoothed
from mmlens.errors import MethodError


def test_the_component_of_two_weighted_channels():
    # Weights: the mean gradients 1 and 2. Weighted channels: (1, 2, 3, 6) and (2, 4, 6, 12), centred by 3 and 6, are
    # multiples of (-2, -1, 0, 3): the component is (1, 2) / sqrt(5), and cells lie at (-2, -1, 0, 3) * sqrt(5).
    activation = torch.tensor([[1.0, 2, 3, 6], [1, 2, 3, 6]]).reshape(1, 2, 2, 2)
    gradient = torch.tensor([1.0, 2.0]).reshape(1, 2, 1, 1).expand(1, 2, 2, 2)
    found = eigen_smoothed(get_method('gradcam'))(activation, gradient, False)
    expected = np.array([[[-2, -1], [0, 3]]]) * 5**0.5
    sign = np.sign(float(found[0, 1, 1]))  # a component is known but for its sign
    np.testing.assert_allclose(sign * found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('name', ['eigencam', 'eigengradcam'])
def test_what_is_a_component_already_stays(name):
    assert eigen_smoothed(get_method(name)) is get_method(name)


def test_a_method_that_does_not_add_up_channels_is_refused():
    strongest = OnePassMethod('strongest', lambda activation, gradient, spatial: activation.amax(1))
    with pytest.raises(MethodError, match="'strongest' does not add up channels: leave out `eigen_smooth`"):
        eigen_smoothed(strongest)(torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 4), False)


def test_the_mean_over_mirrored_and_brightened_inputs():
    # The map is the input itself, so mirrored inputs come back as they were, times 0.9, 1 and 1.1.
    seen = []

    def explain(inputs):
        seen.append(inputs)
        return inputs[0, 0]

    inputs = torch.arange(18.0).reshape(1, 3, 2, 3)
    np.testing.assert_allclose(augmented_mean(explain, inputs), inputs[0, 0], rtol=1e-6)
    assert len(seen) == 6 and sum(bool(one[0, 0, 0, 0] > one[0, 0, 0, 1]) for one in seen) == 3


def test_an_uneven_map_is_not_mirrored_by_the_mean():
    def explain(inputs):
        return torch.tensor([[0.0, 0.5, 1.0]])

    np.testing.assert_allclose(augmented_mean(explain, torch.ones(1, 3, 1, 3)), [[0.5, 0.5, 0.5]])


# ---------------------------------------------------------------- SmoothGrad


def test_noise_is_a_share_of_the_range_and_depends_on_the_copy_alone():
    inputs = torch.linspace(-1, 3, 3 * 60 * 80).reshape(1, 3, 60, 80)
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    first, second = (Noise(5, 0.2).added(inputs, number) - inputs for number in (0, 1))
    assert torch.equal(torch.get_rng_state(), states[0]) and np.array_equal(np.random.get_state()[1], states[1])
    for noise in (first, second):
        assert noise.std() == pytest.approx(0.2 * 4, rel=0.03) and noise.mean() == pytest.approx(0, abs=0.03)
    assert not torch.allclose(first, second)
    assert torch.equal(Noise(9, 0.2).added(inputs, 1) - inputs, second)


@pytest.mark.parametrize('settings', [(-1, 0.1), (3, 0.0), (3, -1.0), (3, float('inf'))])
def test_noise_that_makes_no_sense_is_refused(settings):
    with pytest.raises(MethodError, match='^`smooth_grad` must be at least 1 and `smooth_noise` more than 0, not '):
        Noise(*settings)


def test_the_mean_of_two_targets_by_hand():
    mean = MeanMaps()
    for factor in (1.0, 3.0):
        lit, dark = torch.tensor([[0.0, 1.0]]), torch.zeros(1, 2)
        mean.add([Attribution(factor * lit, 'dim', counter=factor * (1 - lit)), Attribution(dark, 'dark')])
    one, other = mean.maps()
    assert mean.count == 2 and one.raw.tolist() == [[0, 2]] and one.counter.tolist() == [[2, 0]] and one.blank is None
    assert other.raw.tolist() == [[0, 0]] and other.counter is None and other.blank == 'dark'


def test_reasons_that_are_found_out_later_replace_the_first_ones():
    mean, dark, lit = MeanMaps(), torch.zeros(1, 2), torch.ones(1, 2)
    for _ in range(2):
        mean.add([Attribution(dark, 'blank'), Attribution(lit)])
    mean.give_reasons([Attribution(dark, 'the layer is not on the path', unreached=True), Attribution(lit)])
    one, other = mean.maps()
    assert mean.count == 2 and (one.blank, one.unreached) == ('the layer is not on the path', True)
    assert (other.blank, other.unreached, other.raw.tolist()) == (None, False, [[1, 1]])
