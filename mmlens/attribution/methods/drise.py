"""D-RISE: which parts of the picture must be left for a box to be found."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Sequence, Tuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import MethodError
from .kept import KeptFile
from .mask_fit import expected, parts_of, refit
from .multi_pass import Maps, PassJob
from .registry import register_pass_method

FITTED_MASKS, EXACT_MASKS = 150, 1000
_MASKS_AT_A_TIME = 16


@register_pass_method(
    'drise',
    uses_gradients=False,
    uses_layers=False,
    scores_only=True,
    shows='which parts of the picture must be left for the box to be found; the network is a black box',
    num_masks=None,
    exact=False,
    grid=16,
    keep=0.5,
    seed=0,
    resume=None,
)
def drise(job: PassJob) -> List[Maps]:
    """D-RISE: how much better an object is found where a pixel is kept than on average.

    ``S(x) = sum_k w_k M_k(x) / sum_k M_k(x) - mean_k w_k`` over random masks ``M_k``, where ``w_k`` is how much of the
    object is found on the masked input: the best product of overlap and score within the class. The first term is
    RISE's estimate; taking off the mean sets what does not matter to zero instead of to the mean.

    With ``exact``, that average is what is returned. It takes many masks, 1000 by default, because each pixel's mean
    carries the chance of all others. Otherwise what each part of a mask adds to ``w`` is fitted
    (:func:`~mmlens.attribution.methods.mask_fit.refit`), and the map is what the average would be for weights that
    follow the fit: 150 masks by default. The fit holds back what little it knows of, so few masks give a map that is
    too faint; with more masks both approach the same map.

    A mask is ``grid`` x ``grid`` cells, each kept with probability ``keep``, interpolated and shifted at random.
    Mask k depends on ``seed`` and k alone. What a mask hides is 0 in the network's input, the mean colour for most
    pipelines. With ``resume``, the weights ``w_k`` are kept in that ``.npz`` file, and taken up again from there, by
    either estimate: the result is the same, bit for bit, as without the break.

    Source: Petsiuk et al. 2021, section 3; https://arxiv.org/abs/2006.03204; masks and estimate: Petsiuk et al. 2018,
    eq. 6 and section 3.2; https://arxiv.org/abs/1806.07421.
    """
    grid, keep, seed = (job.options[name] for name in ('grid', 'keep', 'seed'))
    count = number_of_masks(job.options)
    if count < 1 or grid < 1 or seed < 0 or not 0 < keep < 1:
        raise MethodError(
            '`num_masks` and `grid` must be at least 1, `seed` at least 0 and `keep` between 0 and 1, '
            f'not {count}, {grid}, {seed} and {keep}.'
        )
    size = (int(job.inputs.shape[2]), int(job.inputs.shape[3]))
    if grid > max(size):
        raise MethodError(f"`grid` must be at most {max(size)}, the input's longer side, not {grid}.")

    def masks(numbers: Sequence[int]) -> Tensor:
        return torch.from_numpy(np.stack([random_mask(number, size, grid, keep, seed) for number in numbers]))

    weights = _Weights(job, count)
    job.done, job.total = len(weights.values), count
    for batch in job.batches(range(job.done, count)):
        weights.add(job.runs.similarity(job.inputs * masks(batch)[:, None].to(job.inputs)))
    weights.save()
    # The masks are made a second time: kept, or added up for each target on the way, they would take more memory
    # than the network.
    if job.options['exact']:
        found = _averaged(weights.values, masks, size)
    else:
        found = _fitted(weights.values, masks, size, grid, keep)
    return [[saliency] for saliency in found]


def number_of_masks(options: Dict[str, Any]) -> int:
    """How many masks are tried: as many as asked for, or as the estimate needs."""
    asked = options['num_masks']
    return (EXACT_MASKS if options['exact'] else FITTED_MASKS) if asked is None else asked


Masks = Callable[[Sequence[int]], Tensor]


def _averaged(weights: Tensor, masks: Masks, size: Tuple[int, int]) -> Tensor:
    """The published estimate (N, H, W) from weights (K, N)."""
    centred = (weights - weights.mean(0)).float()
    weighed, kept = torch.zeros(centred.shape[1], size[0] * size[1]), torch.zeros(size[0] * size[1])
    for start in range(0, len(centred), _MASKS_AT_A_TIME):
        of_masks = centred[start : start + _MASKS_AT_A_TIME]
        some = masks(range(start, start + len(of_masks))).flatten(1)
        weighed.addmm_(of_masks.T, some)
        kept += some.sum(0)
    return (weighed / kept.clamp_min(1e-12)).reshape(-1, *size)


def _fitted(weights: Tensor, masks: Masks, size: Tuple[int, int], grid: int, keep: float) -> Tensor:
    """The map (N, H, W) of weights (K, N) that are fitted part by part."""
    parts = (parts_of(size[0], grid), parts_of(size[1], grid))
    if len(weights) == 0:
        return torch.zeros(weights.shape[1], *size)
    pooled = [F.adaptive_avg_pool2d(masks([number]), parts).flatten(1) for number in range(len(weights))]
    return expected(refit(torch.cat(pooled), weights, size, grid), size, grid, keep)


def random_mask(number: int, size: Tuple[int, int], grid: int, keep: float, seed: int) -> np.ndarray:
    """A random mask (H, W), float32 in [0, 1]; the same for the same ``number`` and ``seed``."""
    random = np.random.default_rng([seed, number])
    cells = torch.from_numpy((random.random((grid, grid)) < keep).astype(np.float32))
    cell = [-(-side // grid) for side in size]
    larger = F.interpolate(cells[None, None], [(grid + 1) * c for c in cell], mode='bilinear', align_corners=False)
    top, left = (int(random.integers(c)) for c in cell)
    return larger[0, 0, top : top + size[0], left : left + size[1]].numpy()


class _Weights:
    """How much is found under each mask, and the file that this is kept in.

    Attributes:
        values: Shape (K, N), float64: of the masks so far, for each target.
    """

    def __init__(self, job: PassJob, count: int) -> None:
        self._file = KeptFile(job, 'D-RISE', 'weights', [job.options[name] for name in ('grid', 'keep', 'seed')])
        known = self._file.load()
        if known is None:
            self.values = torch.zeros(0, len(job.runs.reference), dtype=torch.float64)
        elif len(known) >= count:
            self.values, self._file.path = known[:count], None  # nothing new to keep
        else:
            # Rounding may depend on which masks share a batch: one that was not full is run again.
            self.values = known[: len(known) - len(known) % job.runs.batch_size()]
        self.save()  # before any work: it may be a place that cannot be written to

    def add(self, weights: Tensor) -> None:
        """Add those of a batch of masks: (B, N)."""
        self.values = torch.cat([self.values, weights.double().cpu()])
        self._file.save_now_and_then(self.values)

    def save(self) -> None:
        """Write the file, if one was named."""
        self._file.save(self.values)
