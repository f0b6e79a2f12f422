"""A method of one's own: how strongly a cell takes part in the target, whichever way it pulls.

Importing this module registers the method; see README.md beside it.
"""

from __future__ import annotations

from torch import Tensor

import mmlens


@mmlens.register_method('gradnorm', shows='how much a cell matters, for or against: norm of gradient times activation')
def gradnorm(activation: Tensor, gradient: Tensor, spatial: bool) -> Tensor:
    """The L2 norm, over channels, of gradient times activation.

    GradCAM sums gradient times activation over channels, so channels that speak for the target and
    channels that speak against it cancel each other. Here nothing cancels, and no map is negative.

    Args:
        activation: Shape (1, C, h, w): what the layer returned at one level.
        gradient: Shape (1, C, h, w): the target's gradient there.
        spatial: True for boxes, False for classes; this method keeps the positions either way.

    Returns:
        Shape (1, h, w), >= 0.
    """
    return (gradient * activation).norm(dim=1)
