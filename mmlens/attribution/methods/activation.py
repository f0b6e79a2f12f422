"""Methods built on the principal component of activations (EigenCAM's family)."""

from __future__ import annotations

from typing import Optional

import numpy as np
import torch
from torch import Tensor

from .registry import register_method


@register_method('eigencam', uses_gradients=False, shows='what the layer reacts to most, the same for every box')
def eigencam(activation: Tensor, gradient: Optional[Tensor], spatial: bool) -> Tensor:
    """EigenCAM: the first principal component of A over the map's cells.

    Source: Muhammad & Yeasin 2020; https://arxiv.org/abs/2008.00299.
    """
    return first_component(activation)


@register_method('eigengradcam', shows='the main pattern of gradient times activation')
def eigengradcam(activation: Tensor, gradient: Tensor, spatial: bool) -> Tensor:
    """EigenGradCAM: the first principal component of ``G A`` over the map's cells.

    Source: EigenCAM applied to gradient-weighted activations, as pytorch-grad-cam defines it.
    """
    return first_component(gradient * activation)


def first_component(activation: Tensor) -> Tensor:
    """Cells (1, h, w) along the first principal component of maps (1, C, h, w)."""
    cells = activation[0].flatten(1).T.cpu().numpy()  # (h w, C)
    cells = cells - cells.mean(0)
    # Reduced: the full decomposition, as pytorch-grad-cam asks for it, holds (h w)^2 numbers, gigabytes for a
    # neck's finest level. The component, its sign included, is the same.
    component = np.linalg.svd(cells, full_matrices=False)[2][0]
    projection = torch.from_numpy(cells @ component)
    return projection.reshape(1, *activation.shape[2:]).to(activation.device, torch.float32)
