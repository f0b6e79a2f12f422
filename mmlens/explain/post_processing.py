"""mmdet's post-processing, steered: its choices kept, its thresholds lowered."""

from __future__ import annotations

import contextlib
from typing import Any, Dict, Iterator, List, Tuple

import torch
from torch import Tensor, nn

from ..attribution.passes.selection import Selection
from ..threads import one_at_a_time

_LOW_SCORE = 1e-3


@contextlib.contextmanager
def following_post_processing(selection: Selection) -> Iterator[None]:
    """Route mmcv's NMS operators, which may be compiled, through ``selection``, but not the pasting of masks.

    Other threads' post-processing goes on as always.
    """
    with one_at_a_time, _routed(selection):
        yield


@contextlib.contextmanager
def _routed(selection: Selection) -> Iterator[None]:
    from mmcv.ops.nms import NMSop, SoftNMSop
    from mmdet.models.roi_heads.mask_heads import FCNMaskHead

    plain, soft, paste = NMSop.apply, SoftNMSop.apply, FCNMaskHead.predict_by_feat
    steered = vars(NMSop).get('apply')  # by a context around this one

    def nms(boxes: Tensor, scores: Tensor, *settings: Any) -> Tensor:
        if not selection.watches:
            return plain(boxes, scores, *settings)
        return selection.choose('nms', boxes, lambda: plain(boxes, scores, *settings))

    def soft_nms(boxes: Tensor, scores: Tensor, *settings: Any) -> Tuple[Tensor, Tensor]:
        if not selection.watches:
            return soft(boxes, scores, *settings)

        def choose() -> Tuple[Tensor, Tensor]:
            dets, kept = soft(boxes, scores, *settings)
            kept = kept[: len(dets)]
            return kept, dets[: len(kept), 4].to(scores) / scores[kept]

        # How much the neighbours weaken a score stays as it was too.
        kept, factors = selection.choose('soft_nms', boxes, choose)
        return torch.cat([boxes[kept], (scores[kept] * factors)[:, None]], 1), kept

    def paste_masks(*arguments: Any, **options: Any) -> Any:
        if not selection.is_of_this_thread:
            return paste(*arguments, **options)
        # Where masks are pasted depends on how far the boxes reach, and chooses no candidates.
        with selection.paused():
            return paste(*arguments, **options)

    NMSop.apply, SoftNMSop.apply, FCNMaskHead.predict_by_feat = nms, soft_nms, paste_masks
    try:
        yield
    finally:
        del NMSop.apply, SoftNMSop.apply
        if steered is not None:
            NMSop.apply = steered
        FCNMaskHead.predict_by_feat = paste


@contextlib.contextmanager
def lowered_thresholds(model: nn.Module, least: float = _LOW_SCORE) -> Iterator[None]:
    """Let detections of low score, from ``least`` on, through all of a model's post-processing."""
    changed: List[Tuple[Dict[str, Any], Any]] = []
    for settings in settings_of(model):
        if isinstance(settings.get('score_thr'), float) and settings['score_thr'] > least:
            changed.append((settings, settings['score_thr']))
            settings['score_thr'] = least
    try:
        yield
    finally:
        for settings, threshold in changed:
            settings['score_thr'] = threshold


def settings_of(model: nn.Module) -> Iterator[Dict[str, Any]]:
    """All dicts of settings in the test configs of a model and its parts."""
    # Not getattr(), which is slow where nothing is found: a model has hundreds of modules without settings.
    stack: List[Any] = [vars(module).get('test_cfg') for module in model.modules()]
    seen = set()
    while stack:
        settings = stack.pop()
        if isinstance(settings, dict) and id(settings) not in seen:
            seen.add(id(settings))
            yield settings
            stack.extend(settings.values())
