"""A method of your own: how strongly a cell affects the target, in either direction.

Importing this module registers the method; see the README.md in this folder.
"""

from __future__ import annotations

from torch import Tensor

import mmlens


@mmlens.register_method('gradnorm', shows='how much a cell matters, for or against: norm of gradient times activation')
def gradnorm(activation: Tensor, gradient: Tensor, spatial: bool) -> Tensor:
    """The L2 norm, over channels, of gradient times activation.

    GradCAM sums gradient times activation over channels, so channels for the target and channels
    against it cancel out. Here nothing cancels, and no map is negative.

    Args:
        activation: Shape (1, C, h, w): what the layer returned at one level.
        gradient: Shape (1, C, h, w): the target's gradient there.
        spatial: True for boxes, False for classes; this method keeps the positions either way.

    Returns:
        Shape (1, h, w), >= 0.
    """
    return (gradient * activation).norm(dim=1)
