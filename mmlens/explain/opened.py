"""Post-processing opened: every candidate comes out with the classes asked for, before thresholds and suppression.

The settings of a model's test_cfg are lifted, those of its proposals left as they are: these belong to the network. In
the model's own code, which turns what the head returned into detections, the scores of all other classes are 0: where
a candidate is given its best class only, it is given the one asked for.
"""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Collection, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ..attribution.class_scores import SIGMOIDS, SIGMOIDS_IN_PLACE, SOFTMAXES
from ..attribution.functions import functions_of
from .post_processing import settings_of

_ALL = 10**9
# More than any overlap: nothing is suppressed, and NMS knows whom it works for.
_OFF = 2.0
_LIFTED = {
    'score_thr': 0.0,
    'conf_thr': 0.0,
    'filter_thr': 0.0,
    'nms_pre': _ALL,
    'max_per_img': _ALL,
    'max_per_image': _ALL,
    'topk': _ALL,
    'local_maximum_kernel': 1,
    'min_bbox_size': -1,
    'iou_thr': _OFF,
}
# What may be lifted apart from the rest.
LIMITS = ('nms_pre', 'max_per_img', 'max_per_image', 'topk')
SIZES = ('min_bbox_size',)
NMS = 'nms'
EVERYTHING = (*_LIFTED, NMS)
_NMS = {'type': 'nms', 'iou_threshold': _OFF, 'class_agnostic': True, 'split_thr': _ALL}

_TOPK = functions_of('topk')
_ABOVE = functions_of('gt', 'ge') | {Tensor.__gt__, Tensor.__ge__}

# Boxes (N, 4) as NMS sees them, and their scores -> the indices of those worth keeping.
Nearest = Callable[[Tensor, Tensor], Tensor]
# The logits that a head squashes -> which of them count, 1 or 0, of the same shape.
Rows = Callable[[Tensor], Tensor]


class Opened:
    """Opens a detector's post-processing while the context lasts; entering it again inside does nothing.

    Args:
        model: The detector.
        labels: The classes asked for.
        classes: How many classes there are.
        depth: How many modules of the network are running; see :attr:`Once.depth`.
        nearest: Chooses among the boxes that come out, for detectors that go on to compute a mask of each.
        only: Which one counts of several sigmoids over tensors of one shape, from 0; ``None`` for all.
        lift: Names of the settings that are lifted.
        settings: What :func:`liftable` found, if it was asked before: looking through a model takes time.
    """

    def __init__(
        self,
        model: nn.Module,
        labels: Iterable[int],
        classes: int,
        depth: Callable[[], int],
        nearest: Optional[Nearest] = None,
        only: Optional[int] = None,
        lift: Collection[str] = EVERYTHING,
        settings: Optional[Sequence[Dict[str, Any]]] = None,
    ) -> None:
        self._model, self._lift, self._settings = model, lift, settings
        self._nearest = nearest
        self._mode = _Steered(sorted(set(labels)), classes, depth, only)
        self._undo: Optional[contextlib.ExitStack] = None

    @contextlib.contextmanager
    def opened(self, rows: Optional[Rows] = None) -> Iterator[None]:
        """Post-processing is open inside.

        Args:
            rows: Which candidates count with which class, out of the logits that they are told by.
        """
        if self._mode.entered:
            yield
            return
        with contextlib.ExitStack() as undo:
            undo.enter_context(lifted_settings(self._model, self._lift, self._settings))
            undo.enter_context(suppression_off(self._nearest))
            undo.enter_context(_without_masks(self._model))
            undo.enter_context(self._mode.over(rows))
            yield


@contextlib.contextmanager
def lifted_settings(
    model: nn.Module, lift: Collection[str] = EVERYTHING, known: Optional[Sequence[Dict[str, Any]]] = None
) -> Iterator[None]:
    """Let everything through thresholds, limits and suppression in a model's test configs, but its proposals'."""
    changed: List[Tuple[Dict[str, Any], str, Any]] = []
    for settings in liftable(model) if known is None else known:
        for name, value in _LIFTED.items():
            now = settings.get(name) if name in lift else None
            if isinstance(now, (int, float)) and not isinstance(now, bool):
                changed.append((settings, name, now))
                settings[name] = value
        if NMS in lift and isinstance(settings.get('nms'), dict):
            changed.append((settings, 'nms', settings['nms']))
            settings['nms'] = type(settings['nms'])(_NMS)
    try:
        yield
    finally:
        for settings, name, value in reversed(changed):
            settings[name] = value


def liftable(model: nn.Module) -> List[Dict[str, Any]]:
    """The settings of a model's test configs, but for those of its proposals."""
    found = list(settings_of(model))
    of_proposals = _proposals_settings(model, found)
    return [settings for settings in found if id(settings) not in of_proposals]


def _proposals_settings(model: nn.Module, found: Sequence[Dict[str, Any]]) -> set:
    """Ids of the settings that choose a two-stage detector's proposals."""
    head = getattr(model, 'rpn_head', None)
    roots = [] if head is None else list(settings_of(head))
    roots += [each['rpn'] for each in found if isinstance(each.get('rpn'), dict)]
    ids = set()
    while roots:
        settings = roots.pop()
        ids.add(id(settings))
        roots.extend(value for value in settings.values() if isinstance(value, dict))
    return ids


@contextlib.contextmanager
def suppression_off(nearest: Optional[Nearest] = None) -> Iterator[None]:
    """Where lifted settings ask mmcv's NMS, all boxes come out by falling score, or those that ``nearest`` chooses."""
    from mmcv.ops.nms import NMSop

    before = vars(NMSop).get('apply')
    plain = NMSop.apply

    def nms(boxes: Tensor, scores: Tensor, threshold: float, *settings: Any) -> Tensor:
        if threshold != _OFF:
            return plain(boxes, scores, threshold, *settings)
        boxes, scores = boxes.detach(), scores.detach()
        kept = torch.arange(len(boxes), device=boxes.device) if nearest is None else nearest(boxes, scores)
        return kept[scores[kept].sort(descending=True, stable=True).indices]

    NMSop.apply = nms
    try:
        yield
    finally:
        if before is None:
            del NMSop.apply
        else:
            NMSop.apply = before


@contextlib.contextmanager
def _without_masks(model: nn.Module) -> Iterator[None]:
    """Let a two-stage detector return boxes only: a mask of each candidate would cost far more than all else."""
    roi_head: Any = getattr(model, 'roi_head', None)
    mask_head = None if roi_head is None else roi_head._modules.get('mask_head')
    if mask_head is None or hasattr(model, 'panoptic_fusion_head'):  # which needs the masks
        yield
        return
    roi_head._modules['mask_head'] = None
    try:
        yield
    finally:
        roi_head._modules['mask_head'] = mask_head


class _Steered(TorchFunctionMode):
    """Keeps only the scores of some classes in a model's own code, and asks ``topk`` for no more than there is."""

    def __init__(self, labels: Sequence[int], classes: int, depth: Callable[[], int], only: Optional[int]) -> None:
        super().__init__()
        self._labels, self._classes, self._depth, self._only = list(labels), classes, depth, only
        self._rows: Optional[Rows] = None
        self._squashed: Dict[Any, int] = {}
        self.entered = False

    @contextlib.contextmanager
    def over(self, rows: Optional[Rows]) -> Iterator[None]:
        """Steer what runs inside."""
        self._rows, self._squashed, self.entered = rows, {}, True
        try:
            with self:
                yield
        finally:
            self.entered = False

    def __torch_function__(
        self, function: Callable, types: Iterable, args: Tuple = (), kwargs: Optional[Dict[str, Any]] = None
    ) -> Any:
        kwargs = kwargs or {}
        if self._depth():
            return function(*args, **kwargs)
        if function in _TOPK:
            return _all_at_most(function, args, kwargs)
        if function in SIGMOIDS or function in SOFTMAXES:
            return self._scores(function, args, kwargs)
        if function in _ABOVE and isinstance(args[0], Tensor) and self._has_classes(args[0]):
            # Heads that squash in the network itself choose by a comparison.
            return function(*args, **kwargs) & self._columns(args[0]).bool()
        return function(*args, **kwargs)

    def _has_classes(self, scores: Tensor) -> bool:
        return scores.is_floating_point() and scores.ndim == 2 and scores.shape[1] == self._classes

    def _scores(self, function: Callable, args: Tuple, kwargs: Dict[str, Any]) -> Tensor:
        logits = args[0] if args else kwargs['input']
        widths = (self._classes, self._classes + 1) if function in SOFTMAXES else (self._classes,)
        if logits.ndim not in (2, 3) or logits.shape[-1] not in widths or not self._counts(logits.shape):
            return function(*args, **kwargs)
        kept = self._columns(logits) if self._rows is None else self._columns(logits) * self._rows(logits.detach())
        scores = function(*args, **kwargs)
        return scores.mul_(kept) if function in SIGMOIDS_IN_PLACE else scores * kept

    def _counts(self, shape: torch.Size) -> bool:
        number = self._squashed.get(shape, 0)
        self._squashed[shape] = number + 1
        return self._only is None or number == self._only

    def _columns(self, scores: Tensor) -> Tensor:
        kept = scores.new_zeros(scores.shape[-1])
        kept[self._labels] = 1
        kept[self._classes :] = 1  # the background's
        return kept


def _all_at_most(function: Callable, args: Tuple, kwargs: Dict[str, Any]) -> Any:
    tensor = args[0] if args else kwargs['input']
    k = kwargs['k'] if 'k' in kwargs else args[1]
    dim = kwargs.get('dim', args[2] if len(args) > 2 else -1)
    k = min(k, tensor.shape[dim])
    return function(*args, **{**kwargs, 'k': k}) if 'k' in kwargs else function(args[0], k, *args[2:], **kwargs)
