"""Let gradients pass mmcv's soft-NMS.

Reason: ``mmcv.ops.nms.SoftNMSop`` has no backward, compiled or not, so the gradient of a score that went through
soft-NMS (CornerNet, and any detector whose config asks for it) raises NotImplementedError. Delete when it has one.
"""

from __future__ import annotations

import sys
from typing import Any, Tuple

from mmlens.compat.import_hooks import after_import

MODULE = 'mmcv.ops.nms'


def install() -> None:
    """Give SoftNMSop a backward, now or when it is imported. Idempotent."""
    after_import(MODULE, _give_backward)


def _give_backward() -> None:
    op = sys.modules[MODULE].SoftNMSop
    if 'backward' in vars(op):
        return
    forward = op.forward

    def remember(ctx: Any, boxes: Any, scores: Any, *settings: Any) -> Tuple[Any, Any]:
        dets, kept = forward(ctx, boxes, scores, *settings)
        ctx.save_for_backward(scores, dets, kept)
        ctx.mark_non_differentiable(kept)
        return dets, kept

    op.forward, op.backward = staticmethod(remember), staticmethod(_backward)


def _backward(ctx: Any, of_dets: Any, of_kept: Any) -> Tuple[Any, ...]:
    """A kept box is its input box; its score is its input score times a factor, which depends on no score.

    The factor's dependence on the boxes' overlap is left out.
    """
    scores, dets, kept = ctx.saved_tensors
    of_dets, dets = of_dets[: len(kept)], dets[: len(kept)]
    factor = (dets[:, 4] / scores[kept]).nan_to_num(0.0)
    of_scores = scores.new_zeros(scores.shape).index_put((kept,), of_dets[:, 4] * factor)
    of_boxes = scores.new_zeros(len(scores), 4).index_put((kept,), of_dets[:, :4])
    return (of_boxes, of_scores, *[None] * 5)
