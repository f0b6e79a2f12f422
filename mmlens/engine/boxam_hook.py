"""Draws box maps while a detector is trained."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, Dict, Optional, Sequence, Tuple, Union

import numpy as np

from ..errors import MmlensError
from ..explain.boxes import explain_boxes
from ..models.network import Network
from ..registry import HOOKS
from .delivery import Notes, notes_of
from .options import check, check_method, is_whole, listed
from .vis_hook import VisHook
from .watched_pictures import WatchedPicture


@HOOKS.register_module()
class BoxAMVisHook(VisHook):
    """Draw, for every box of a detector, the evidence for that box, epoch by epoch.

    Args:
        method, method_options, layers, fusion, target, against, score_thr, classes, norm_in_bbox: See
            :func:`mmlens.explain_boxes`.
        signed: Draw what speaks for and against each box in one map.
        max_boxes: How many boxes to explain at most, best first; -1 takes all. Defaults to 10.
        layout, colormap, alpha: See :func:`mmlens.rendering.draw_box_maps`.
        tag: What the tags begin with. Defaults to ``'boxam'``.
        **options: When, which pictures, and where to; see :class:`VisHook`.

    Example:
        >>> default_hooks = dict(boxam=dict(type='mmlens.BoxAMVisHook', interval=1))
    """

    question = 'boxes'

    def __init__(
        self,
        method: str = 'evidencecam',
        layers: Optional[Sequence[str]] = None,
        fusion: Optional[str] = None,
        target: str = 'score',
        against: Optional[Union[str, int, Sequence[Union[str, int]]]] = None,
        signed: bool = False,
        score_thr: float = 0.3,
        classes: Optional[Sequence[Union[str, int]]] = None,
        max_boxes: int = 10,
        norm_in_bbox: bool = False,
        method_options: Optional[Dict[str, Any]] = None,
        layout: str = 'overlay',
        colormap: Optional[str] = None,
        alpha: Optional[float] = None,
        tag: str = 'boxam',
        **options: Any,
    ) -> None:
        super().__init__(tag, **options)
        check_method(method, method_options, layers, fusion)
        if against is not None:
            listed('against', against, (str, Integral), 'a class')
        check('score_thr', score_thr, Real, 'a number')
        if classes is not None:
            listed('classes', classes, (str, Integral), 'a class')
        if not is_whole(max_boxes, -1) or max_boxes == 0:
            raise MmlensError(f'max_boxes must be -1 or at least 1, not {max_boxes!r}.')
        self.explaining: Dict[str, Any] = dict(
            method=method,
            layers=layers,
            fusion=fusion,
            target=target,
            against=against,
            signed=signed,
            score_thr=score_thr,
            classes=classes,
            topk=max_boxes,
            norm_in_bbox=norm_in_bbox,
            method_options=method_options,
        )
        self.drawing: Dict[str, Any] = dict(layout=layout, colormap=colormap, alpha=alpha, signed=signed)

    def draw(self, network: Network, watched: WatchedPicture) -> Tuple[np.ndarray, Notes]:
        """Draw the maps of one picture's boxes. See :meth:`VisHook.draw`."""
        found = self.look(network, watched, explain_boxes, **self.explaining)
        picture = self.with_truth(network, watched, found, **self.drawing)
        return picture, notes_of(type(self).__name__, watched.name, found)
