"""D-RISE: which parts of the picture must be left for a box to be found."""

from __future__ import annotations

from typing import List, Sequence, Tuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import MethodError
from .kept import KeptFile
from .multi_pass import Maps, PassJob
from .registry import register_pass_method

_MASKS_AT_A_TIME = 16


@register_pass_method(
    'drise',
    uses_gradients=False,
    uses_layers=False,
    scores_only=True,
    shows='which parts of the picture must be left for the box to be found; the network is a black box',
    num_masks=1000,
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

    A mask is ``grid`` x ``grid`` cells, each kept with probability ``keep``, interpolated and shifted at random.
    Mask k depends on ``seed`` and k alone. What a mask hides is 0 in the network's input, the mean colour for most
    pipelines. With ``resume``, the weights ``w_k`` are kept in that ``.npz`` file, and taken up again from there: the
    result is the same, bit for bit, as without the break.

    Source: Petsiuk et al. 2021, section 3; https://arxiv.org/abs/2006.03204; masks and estimate: Petsiuk et al. 2018,
    eq. 6 and section 3.2; https://arxiv.org/abs/1806.07421.
    """
    count, grid, keep, seed = (job.options[name] for name in ('num_masks', 'grid', 'keep', 'seed'))
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
    centred = (weights.values - weights.values.mean(0)).float()
    weighed, kept = torch.zeros(centred.shape[1], size[0] * size[1]), torch.zeros(size[0] * size[1])
    for start in range(0, len(centred), _MASKS_AT_A_TIME):
        of_masks = centred[start : start + _MASKS_AT_A_TIME]
        some = masks(range(start, start + len(of_masks))).flatten(1)
        weighed.addmm_(of_masks.T, some)
        kept += some.sum(0)
    return [[saliency] for saliency in (weighed / kept.clamp_min(1e-12)).reshape(-1, *size)]


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
