"""Smoothing of class maps, as pytorch-grad-cam defines it."""

from __future__ import annotations

from dataclasses import replace
from typing import Callable, List, Optional

import torch
from torch import Tensor

from ..errors import MethodError
from .methods import OnePassMethod
from .methods.activation import first_component
from .methods.gradcam_package import smoothed_formula

# grad-cam's test-time augmentation.
FACTORS = (0.9, 1.0, 1.1)


def eigen_smoothed(method: OnePassMethod) -> OnePassMethod:
    """The method with the first principal component of its weighted activations in place of their sum.

    EigenCAM and EigenGradCAM are made of that component already and stay as they are.

    Raises:
        MethodError: When it is called, if the method does not weigh channel by channel.
    """
    if method.name in ('eigencam', 'eigengradcam'):
        return method
    formula = smoothed_formula(method) or _component_of_channels(method)
    return replace(method, formula=formula)


def _component_of_channels(method: OnePassMethod) -> Callable[..., Tensor]:
    def formula(activation: Tensor, gradient: Optional[Tensor], spatial: bool) -> Tensor:
        # A method that weighs channel by channel gives a channel's share when it sees that channel alone.
        channels = activation.transpose(0, 1)
        weighted = method(channels, None if gradient is None else gradient.transpose(0, 1), spatial)
        whole = method(activation, gradient, spatial)
        if weighted.shape != channels[:, 0].shape or not torch.allclose(
            weighted.sum(0), whole[0], rtol=1e-3, atol=1e-4 * float(whole.abs().max())
        ):
            raise MethodError(f"Method '{method.name}' does not add up channels: leave out `eigen_smooth`.")
        return first_component(weighted[None])

    return formula


def augmented_mean(explain: Callable[[Tensor], Optional[Tensor]], inputs: Tensor) -> Tensor:
    """The mean map, or maps, over inputs that are mirrored or not, and multiplied by 0.9, 1 and 1.1.

    Args:
        explain: Takes an input like ``inputs`` and returns its map (H, W), or maps (N, H, W), in [0, 1];
            ``None`` leaves that input out, which may not be the first.
        inputs: Shape (1, 3, H, W).
    """
    maps: List[Tensor] = []
    for mirrored in (False, True):
        for factor in FACTORS:
            changed = (inputs.flip(3) if mirrored else inputs) * factor
            found = explain(changed)
            if found is not None:
                maps.append(found.flip(-1) if mirrored else found)
    return torch.stack(maps).mean(0)
