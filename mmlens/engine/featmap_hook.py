"""Draws feature maps while a model is trained."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, Dict, Optional, Sequence, Tuple

import numpy as np

from ..errors import MmlensError
from ..explain.features import feature_maps
from ..models.network import Network
from ..registry import HOOKS
from ..rendering import check_arrangement
from .delivery import Notes
from .options import check, listed
from .vis_hook import VisHook
from .watched_pictures import WatchedPicture


@HOOKS.register_module()
class FeatmapVisHook(VisHook):
    """Draw what the layers of any model of OpenMMLab return, epoch by epoch.

    Args:
        layers, reduction, topk, score_thr: See :func:`mmlens.feature_maps`.
        arrangement, alpha, colormap: See :func:`mmlens.rendering.draw_feature_maps`.
        tag: What the tags begin with. Defaults to ``'featmap'``.
        **options: When, which pictures, and where to; see :class:`VisHook`.

    Example:
        >>> default_hooks = dict(featmap=dict(type='mmlens.FeatmapVisHook', layers=['backbone', 'neck']))
    """

    def __init__(
        self,
        layers: Sequence[str] = ('backbone',),
        reduction: Optional[str] = 'select_max',
        topk: int = 4,
        arrangement: Optional[Tuple[int, int]] = None,
        score_thr: float = 0.3,
        alpha: float = 0.5,
        colormap: Optional[str] = None,
        tag: str = 'featmap',
        **options: Any,
    ) -> None:
        super().__init__(tag, **options)
        listed('layers', layers, str, 'a layer')
        check('topk', topk, Integral, 'a whole number')
        check('score_thr', score_thr, Real, 'a number')
        if arrangement is not None and len(listed('arrangement', arrangement, Integral, 'rows and columns')) != 2:
            raise MmlensError(f'arrangement must be (rows, columns), not {arrangement!r}.')
        check_arrangement(0 if reduction else topk, arrangement)
        self.looking: Dict[str, Any] = dict(layers=layers, reduction=reduction, topk=topk, score_thr=score_thr)
        self.drawing: Dict[str, Any] = dict(arrangement=arrangement, alpha=alpha, colormap=colormap)

    def draw(self, network: Network, watched: WatchedPicture) -> Tuple[np.ndarray, Notes]:
        """Draw the maps of one picture. See :meth:`VisHook.draw`."""
        found = self.look(network, watched, feature_maps, **self.looking)
        return self.with_truth(network, watched, found, **self.drawing), {}
