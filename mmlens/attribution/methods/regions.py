"""The input cut into regions of like colour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...compat import require


@dataclass
class Regions:
    """The input cut into regions.

    Attributes:
        labels: Shape (H, W), int64, on the input's device: the region of each pixel, from 0 without gaps.
        areas: Shape (n,), float64: each region's share of the pixels.
    """

    labels: Tensor
    areas: np.ndarray

    @property
    def count(self) -> int:
        """How many regions there are."""
        return len(self.areas)

    def pixels(self, chosen: np.ndarray) -> Tensor:
        """Shape (H, W), bool: the pixels of the chosen regions (n,), bool."""
        return torch.from_numpy(chosen).to(self.labels.device)[self.labels]

    def sums(self, values: Tensor) -> np.ndarray:
        """Shape (n,), float64: the sum of values (H, W) over each region."""
        return np.bincount(self.labels.flatten().cpu().numpy(), values.flatten().double().cpu().numpy(), self.count)


def cut(picture: Tensor, count: int) -> Regions:
    """Cut a picture (C, H, W) into about ``count`` regions.

    Source: SLIC superpixels, Achanta et al. 2012; https://ieeexplore.ieee.org/document/6205760.

    Raises:
        DependencyError: scikit-image is missing or cannot be imported.
    """
    require('skimage')
    from skimage.segmentation import slic

    values = picture.detach().float().cpu().permute(1, 2, 0).numpy()
    values = (values - values.min()) / max(float(values.max() - values.min()), 1e-12)
    found = slic(values, count, compactness=10.0, sigma=1.0, start_label=0, channel_axis=-1)
    labels = np.unique(found, return_inverse=True)[1].reshape(found.shape)
    areas = np.bincount(labels.ravel()) / labels.size
    return Regions(torch.from_numpy(labels.astype(np.int64)).to(picture.device), areas)
