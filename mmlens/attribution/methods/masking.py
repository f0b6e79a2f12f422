"""Methods that hide parts and see what is left of the target: ScoreCAM (input), ReciproCAM (features)."""

from __future__ import annotations

from typing import List, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..passes.altering import with_cells
from .multi_pass import Maps, PassJob
from .registry import register_pass_method


@register_pass_method(
    'scorecam',
    logits=True,
    shows='what the layer reacts to, channels weighed by the target on what they show of the picture',
)
def scorecam(job: PassJob) -> List[Maps]:
    """ScoreCAM: ``sum_c w_c A_c`` with ``w = softmax_c t(X M_c)``.

    ``M_c`` is channel c, interpolated to the input X and scaled to [0, 1]. All targets share the passes, each of
    which runs the whole model. For boxes, cells that the target does not depend on count nothing.

    Source: Wang et al. 2020, eq. 7 to 9; https://arxiv.org/abs/1910.01279.
    """
    numbers = [number for number in range(len(job.levels)) if job.concerns(number)]
    job.total = sum(job.levels[number].activation.shape[1] for number in numbers)
    maps: List[Maps] = [[None] * len(job.levels) for _ in range(len(job.runs.reference))]
    for number in numbers:
        activation = job.levels[number].activation[0].float()
        measured = [
            job.runs.at_input(job.inputs * _masks(activation[list(batch)], job).to(job.inputs))
            for batch in job.batches(range(len(activation)))
        ]
        if not measured:
            break
        scores = torch.cat(measured).to(activation)
        weights = torch.softmax(scores, 0)
        for target, of_target in enumerate(maps):
            combined = job.combine(weights[:, target, None, None] * activation[: len(scores)])
            of_target[number] = combined * job.reach(target, number)
    return maps


def _masks(channels: Tensor, job: PassJob) -> Tensor:
    """Channels (B, h, w) as masks (B, 1, H, W) in [0, 1]."""
    size: Tuple[int, int] = (job.inputs.shape[2], job.inputs.shape[3])
    # On classes the corners of the grids coincide, as in pytorch-grad-cam, whose figures are kept.
    masks = F.interpolate(channels[:, None], size, mode='bilinear', align_corners=not job.spatial)
    low, high = masks.amin((2, 3), keepdim=True), masks.amax((2, 3), keepdim=True)
    return (masks - low) / (high - low + 1e-8)


@register_pass_method('reciprocam', shows='what of the target is left when one cell of the layer is', gaussian=True)
def reciprocam(job: PassJob) -> List[Maps]:
    """ReciproCAM: at each cell, the target with all other cells of the level hidden.

    With ``gaussian``, a cell's eight neighbours are kept too, weakened: ``[1 2 1]^T [1 2 1] / 4``. What is left
    with the whole level hidden is taken off. All targets share the passes; for boxes, cells that no target depends
    on are not tried, because nothing is left there either.

    Source: Byun & Lee 2022, eq. 2 to 4; https://arxiv.org/abs/2209.14074. There the mask's peak is 1/4, which
    leaves a detector with features too weak to find anything; here it is 1.
    """
    reference = job.runs.reference
    reaches = [torch.stack([job.reach(t, n) for t in range(len(reference))]) for n in range(len(job.levels))]
    # Number -1 stands for no cell at all.
    cells = [
        [-1, *reach.amax(0).flatten().nonzero().flatten().tolist()] if bool(reach.any()) else [] for reach in reaches
    ]
    job.total = sum(len(places) for places in cells)
    maps: List[Maps] = [[None] * len(job.levels) for _ in range(len(reference))]
    for number, (level, places) in enumerate(zip(job.levels, cells)):
        height, width = level.activation.shape[2:]
        left = torch.full((len(reference), height * width), float('nan'))
        hidden = torch.zeros(len(reference))
        for batch in job.batches(places, level):
            masks = torch.stack([_kept(place, height, width, job.options['gaussian']) for place in batch])
            measured = job.runs.at_level(level, with_cells(level, masks.to(level.tensor.device))).float().cpu()
            for place, values in zip(batch, measured):
                if place < 0:
                    hidden = values
                else:
                    left[:, place] = values
        for target, of_target in enumerate(maps):
            gain = (left[target] - hidden[target]).nan_to_num(0.0).reshape(height, width)
            of_target[number] = gain.to(reaches[number].device) * reaches[number][target]
    return maps


def _kept(place: int, height: int, width: int, gaussian: bool) -> Tensor:
    """The mask (h, w) that keeps the cell of that number; none for -1."""
    mask = torch.zeros(height + 2, width + 2)
    if place < 0:
        return mask[1:-1, 1:-1]
    row, column = divmod(place, width)
    kernel = torch.tensor([1.0, 2.0, 1.0]) / 2 if gaussian else torch.tensor([0.0, 1.0, 0.0])
    mask[row : row + 3, column : column + 3] = kernel[:, None] * kernel[None]
    return mask[1:-1, 1:-1]
