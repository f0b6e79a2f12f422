"""D-RISE: which parts of the picture must be left for a box to be found."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Dict, List

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import MethodError
from ...files import write_atomically
from .multi_pass import Maps, PassJob, register_pass_method

_SAVE_EVERY = 5.0  # seconds: many boxes of a large picture take longer to write than a pass


@register_pass_method(
    'drise',
    uses_gradients=False,
    uses_layers=False,
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
    pipelines. With ``resume``, sums are kept in that ``.npz`` file, and taken up again from
    there: the result is the same, bit for bit, as without the break.

    Source: Petsiuk et al. 2021, section 3; https://arxiv.org/abs/2006.03204; masks and estimate: Petsiuk et al. 2018,
    eq. 6 and section 3.2; https://arxiv.org/abs/1806.07421.
    """
    count, grid, keep = (job.options[name] for name in ('num_masks', 'grid', 'keep'))
    if count < 1 or grid < 1 or not 0 < keep < 1:
        raise MethodError(
            f'num_masks and grid must be at least 1 and keep between 0 and 1, not {count}, {grid} and {keep}.'
        )
    size = (int(job.inputs.shape[2]), int(job.inputs.shape[3]))
    sums = _Sums(job, size)
    job.done, job.total = sums.done, count
    for batch in job.batches(range(sums.done, count)):
        masks = np.stack([random_mask(number, size, grid, keep, job.options['seed']) for number in batch])
        values = job.runs.similarity(job.inputs * torch.from_numpy(masks[:, None]).to(job.inputs))
        sums.add(masks, values.double().cpu().numpy())
    sums.save()
    return [[torch.from_numpy(saliency)] for saliency in sums.saliency()]


def random_mask(number: int, size: tuple, grid: int, keep: float, seed: int) -> np.ndarray:
    """A random mask (H, W), float32 in [0, 1]; the same for the same ``number`` and ``seed``."""
    random = np.random.default_rng([seed, number])
    cells = torch.from_numpy((random.random((grid, grid)) < keep).astype(np.float32))
    cell = [-(-side // grid) for side in size]
    larger = F.interpolate(cells[None, None], [(grid + 1) * c for c in cell], mode='bilinear', align_corners=False)
    top, left = (int(random.integers(c)) for c in cell)
    return larger[0, 0, top : top + size[0], left : left + size[1]].numpy()


class _Sums:
    """What is added up over the masks, and the file that it is kept in."""

    def __init__(self, job: PassJob, size: tuple) -> None:
        targets = len(job.runs.reference)
        self._path = Path(job.options['resume']) if job.options['resume'] else None
        self._values: Dict[str, np.ndarray] = {
            'weighed': np.zeros((targets, *size)),
            'masks': np.zeros(size),
            'weights': np.zeros(targets),
            'done': np.array(0),
            'made_for': np.array(self._made_for(job)),
        }
        self._saved = time.monotonic()
        if self._path is not None and self._path.is_file():
            self._load(self._path)

    @property
    def done(self) -> int:
        return int(self._values['done'])

    @staticmethod
    def _made_for(job: PassJob) -> str:
        """What the sums depend on: the input, the boxes and the options, but for the number of masks."""
        parts = [repr([job.options[name] for name in ('grid', 'keep', 'seed')]), repr(job.runs.batch_size())]
        parts += [str(hashlib.sha256(_bytes(tensor)).hexdigest()) for tensor in (job.inputs, job.runs.reference)]
        return hashlib.sha256(' '.join(parts).encode()).hexdigest()

    def _load(self, path: Path) -> None:
        try:
            with np.load(path) as kept:
                values = {name: kept[name] for name in self._values}
        except Exception as error:  # whatever is wrong with somebody's file
            raise MethodError(f'{path} holds no sums of D-RISE to go on with: delete it, or name another.') from error
        if str(values['made_for']) != str(self._values['made_for']):
            raise MethodError(
                f'{path} was begun for another picture, other boxes or other options: delete it, or name another file.'
            )
        self._values = values

    def add(self, masks: np.ndarray, weights: np.ndarray) -> None:
        """Add masks (B, H, W) with the targets' similarities (B, N)."""
        values = self._values
        for mask, weight in zip(masks.astype(np.float64), weights):
            values['weighed'] += weight[:, None, None] * mask
            values['masks'] += mask
            values['weights'] += weight
        values['done'] = np.array(self.done + len(masks))
        if time.monotonic() - self._saved > _SAVE_EVERY:
            self.save()

    def save(self) -> None:
        """Write the file, if one was named."""
        if self._path is not None:
            with write_atomically(self._path, suffix='.npz') as temporary:
                np.savez(temporary, **self._values)  # type: ignore[arg-type]
        self._saved = time.monotonic()

    def saliency(self) -> np.ndarray:
        """Shape (N, H, W), float32, signed."""
        values = self._values
        kept = values['weighed'] / np.maximum(values['masks'], 1e-12)
        return (kept - values['weights'][:, None, None] / max(self.done, 1)).astype(np.float32)


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().float().cpu().numpy().tobytes()
