"""AblationCAM: how much of the target is lost with each channel."""

from __future__ import annotations

from typing import List, Sequence

import torch

from ...errors import MethodError
from ..passes.altering import ABLATED_VALUES, without_channels
from .multi_pass import Maps, PassJob
from .registry import register_pass_method

CHOICES = ('gradient', 'gradcam')


@register_pass_method(
    'ablationcam',
    shows='evidence, channels weighted by how much of the target is lost without them',
    ratio_channels_to_ablate=1.0,
    ablated=None,
    choose=None,
)
def ablationcam(job: PassJob) -> List[Maps]:
    """AblationCAM: ``sum_c w_c A_c`` with ``w_c = (t - t_c) / t``.

    ``t`` is the target and ``t_c`` the target with channel c ablated: set to zero as published (``ablated='zero'``, the
    default for boxes), to its mean (``'mean'``), or as pytorch-grad-cam does it (``'gradcam'``, the default for
    classes): to zero where no activation is negative, else far below the least of them. All targets share the
    passes. For boxes, cells that the target does not depend on (its gradient there is zero in every channel)
    count nothing: a channel's weight is the same all over the map, and what it sees elsewhere is no evidence.

    With ``ratio_channels_to_ablate`` below 1, the weight of channels that are not tried is zero. Those tried are
    the ones with the largest first-order share of any target, ``|sum_ij G A|`` (``choose='gradient'``, the default
    for boxes), or those that pytorch-grad-cam would try (``choose='gradcam'``, the only way for classes and where
    no gradient arrives).

    Source: Desai & Ramaswamy 2020, eq. 3 and 4; https://doi.org/10.1109/WACV45572.2020.9093360.
    """
    ratio = job.options['ratio_channels_to_ablate']
    ablated = job.options['ablated'] or ('zero' if job.spatial else 'gradcam')
    choose = job.options['choose'] or ('gradient' if job.dependences else 'gradcam')
    if not 0 < ratio <= 1:
        raise MethodError(f'`ratio_channels_to_ablate` must be above 0 and at most 1, not {ratio}.')
    if ablated not in ABLATED_VALUES or choose not in CHOICES:
        raise MethodError(
            f'`ablated` must be one of {", ".join(ABLATED_VALUES)}, and `choose` one of {", ".join(CHOICES)}.'
        )
    if choose == 'gradient' and not job.dependences:
        raise MethodError("`choose='gradient'` is for boxes: leave it out, or take `choose='gradcam'`.")
    channels = [_channels(job, level, ratio, choose) for level in range(len(job.levels))]
    job.total = sum(len(chosen) for chosen in channels)
    reference = job.runs.reference
    maps: List[Maps] = [[] for _ in range(len(reference))]
    for number, (level, chosen) in enumerate(zip(job.levels, channels)):
        activation = level.activation[0].float()
        weights = activation.new_zeros(len(activation), len(reference))
        first = 0
        for batch in job.batches(chosen, level):
            altered = without_channels(level, batch, ablated, cells_only=job.spatial, first=first)
            measured = job.runs.at_level(level, altered)
            first += len(batch)
            share = (reference - measured) / reference
            weights[torch.as_tensor(batch)] = share.masked_fill(reference == 0, 0).to(weights)  # nothing has no shares
        for target, of_target in enumerate(maps):
            of_target.append(job.combine(weights[:, target, None, None] * activation) * job.reach(target, number))
    return maps


def _channels(job: PassJob, number: int, ratio: float, choose: str) -> Sequence[int]:
    """Which channels of a level are tried."""
    activation = job.levels[number].activation[0]
    count = len(activation)
    if not job.concerns(number):
        return []
    if ratio == 1:
        return range(count)
    known = [of_target[number] for of_target in job.dependences]
    shares = [dependence.shares for dependence in known if dependence is not None]
    if choose == 'gradient' and shares:
        return torch.stack(shares).amax(0).argsort(descending=True)[: max(1, round(ratio * count))].tolist()
    from pytorch_grad_cam.ablation_layer import AblationLayer

    chosen = AblationLayer().activations_to_be_ablated(activation.float().cpu().numpy(), ratio)
    return list(dict.fromkeys(int(channel) for channel in chosen))  # above half of them, it names some twice
