"""Draws class maps while a classifier is trained."""

from __future__ import annotations

import warnings
from numbers import Integral
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import numpy as np

from ..explain.classes import explain_classes
from ..models.network import Network
from ..registry import HOOKS
from .delivery import Notes, notes_of
from .options import check, check_method, listed
from .vis_hook import VisHook
from .watched_pictures import WatchedPicture


@HOOKS.register_module()
class CAMVisHook(VisHook):
    """Draw the evidence in a picture for its classes, epoch by epoch.

    Args:
        method, method_options, layers, eigen_smooth, aug_smooth, num_extra_tokens: See
            :func:`mmlens.explain_classes`.
        against: See :func:`mmlens.explain_classes`.
        signed: Draw what speaks for and against each class in one map.
        task: Which head is asked, of a model with several.
        classes: Classes to explain, by name or index; ``'truth'`` stands for the annotated ones. Defaults to
            the class predicted, which can change from epoch to epoch.
        layout: ``'sheet'`` (default) names class and score, ``'overlay'`` is the picture alone.
        on, colormap, alpha: See :func:`mmlens.rendering.class_maps.draw_class_maps`.
        tag: What the tags begin with. Defaults to ``'cam'``.
        categories: Former name of ``classes``.
        **options: When, which pictures, and where to; see :class:`VisHook`.

    Example:
        >>> default_hooks = dict(cam=dict(type='mmlens.CAMVisHook', method='gradcam++', classes='truth'))
    """

    question = 'classes'

    def __init__(
        self,
        method: str = 'gradcam',
        layers: Optional[Sequence[str]] = None,
        classes: Optional[Union[str, int, Sequence[Union[str, int]]]] = None,
        against: Optional[Union[str, int, Sequence[Union[str, int]]]] = None,
        signed: bool = False,
        eigen_smooth: bool = False,
        aug_smooth: bool = False,
        num_extra_tokens: Optional[int] = None,
        method_options: Optional[Dict[str, Any]] = None,
        layout: Optional[str] = 'sheet',
        on: str = 'picture',
        colormap: Optional[str] = None,
        alpha: Optional[float] = None,
        tag: str = 'cam',
        categories: Optional[Union[str, int, Sequence[Union[str, int]]]] = None,
        task: Optional[str] = None,
        **options: Any,
    ) -> None:
        super().__init__(tag, **options)
        check_method(method, method_options, layers)
        if against is not None:
            listed('against', against, (str, Integral), 'a class')
        if num_extra_tokens is not None:
            check('num_extra_tokens', num_extra_tokens, Integral, 'a whole number')
        if categories is not None:
            warnings.warn('`categories` is now called `classes`.', DeprecationWarning, stacklevel=2)
        self.classes = categories if classes is None else classes
        self.explaining: Dict[str, Any] = dict(
            method=method,
            layers=layers,
            against=against,
            task=task,
            signed=signed,
            eigen_smooth=eigen_smooth,
            aug_smooth=aug_smooth,
            num_extra_tokens=num_extra_tokens,
            method_options=method_options,
        )
        self.drawing: Dict[str, Any] = dict(layout=layout, on=on, colormap=colormap, alpha=alpha, signed=signed)

    def draw(self, network: Network, watched: WatchedPicture) -> Tuple[np.ndarray, Notes]:
        """Draw the maps of one picture's classes. See :meth:`VisHook.draw`."""
        wanted = self._wanted(watched)
        found = self.look(network, watched, explain_classes, classes=wanted, **self.explaining)
        picture = self.with_truth(network, watched, found, **self.drawing)
        return picture, notes_of(type(self).__name__, watched.name, found)

    def _wanted(self, watched: WatchedPicture) -> Any:
        if self.classes != 'truth':
            return self.classes
        labels: List[int] = [] if watched.truth is None else list(dict.fromkeys(watched.truth.labels))
        return labels or None
