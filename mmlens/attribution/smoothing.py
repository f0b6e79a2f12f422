"""Smoothing: SmoothGrad's noise for any map, and what pytorch-grad-cam does to class maps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Callable, List, Optional, Sequence

import numpy as np
import torch
from torch import Tensor

from ..errors import MethodError
from .attribute import Attribution
from .methods import OnePassMethod
from .methods.activation import first_component
from .methods.gradcam_package import smoothed_formula

# grad-cam's test-time augmentation.
FACTORS = (0.9, 1.0, 1.1)


@dataclass(frozen=True)
class Noise:
    """SmoothGrad: the mean map of noisy copies of the input.

    Source: Smilkov et al. 2017, section 3; https://arxiv.org/abs/1706.03825.

    Attributes:
        copies: How many.
        share: Standard deviation of the noise, as a share of the input's range of values.

    Raises:
        MethodError: If there are no copies, or there is no noise.
    """

    copies: int
    share: float = 0.1

    def __post_init__(self) -> None:
        if self.copies < 1 or not 0 < self.share < float('inf'):
            raise MethodError(
                f'`smooth_grad` must be at least 1 and `smooth_noise` more than 0, not {self.copies} and {self.share}.'
            )

    def added(self, inputs: Tensor, number: int) -> Tensor:
        """An input with Gaussian noise that depends on the number of the copy alone; no random state is touched."""
        noise = np.random.default_rng([0, number]).standard_normal(tuple(inputs.shape), dtype=np.float32)
        return inputs + float(inputs.max() - inputs.min()) * self.share * torch.from_numpy(noise).to(inputs)


class MeanMaps:
    """The mean of maps of the same targets, added up one after another.

    Attributes:
        count: How many of each were added.
    """

    def __init__(self) -> None:
        self.count = 0
        self._first: List[Attribution] = []

    def add(self, maps: Sequence[Attribution]) -> None:
        """Add a map of each target."""
        self.count += 1
        if not self._first:
            self._first = [replace(one) for one in maps]
            return
        for total, one in zip(self._first, maps):
            total.raw = total.raw + one.raw
            if total.counter is not None and one.counter is not None:
                total.counter = total.counter + one.counter

    def give_reasons(self, maps: Sequence[Attribution]) -> None:
        """Say why the first maps are blank, where that was found out later."""
        for total, one in zip(self._first, maps):
            total.blank, total.unreached, total.extra_tokens_only = one.blank, one.unreached, one.extra_tokens_only

    def maps(self) -> List[Attribution]:
        """The mean of each target; blank for the first map's reason where all of them are."""
        return [
            replace(
                total,
                raw=total.raw / self.count,
                blank=None if bool((total.raw > 0).any()) else total.blank,
                counter=None if total.counter is None else total.counter / self.count,
            )
            for total in self._first
        ]


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
