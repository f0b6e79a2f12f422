"""Explains detections that a plain pass has found: the same ones again, in a pass with gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterable, List, Optional, Sequence, Tuple

import numpy as np

from ..metrics import iou
from ..models.detector import Detector
from ..models.inputs import Picture
from ..results.boxes import BoxExplanation, BoxMap
from .boxes import explain_boxes

_SAME_IOU = 0.9
_MORE = 3  # detections that may stand before one in a pass with gradients, which rounds differently


@dataclass(frozen=True)
class Detection:
    """A detection of a plain pass.

    Attributes:
        rank: Its rank by score among all that the detector returns, from 0.
        label: Its class.
        box: Shape (4,), in picture pixels.
    """

    rank: int
    label: int
    box: np.ndarray


def explain_again(
    detector: Detector, picture: Picture, wanted: Sequence[Detection], **asked: Any
) -> Tuple[BoxExplanation, List[Optional[BoxMap]]]:
    """Explain detections of a plain pass, found by their ranks, or by class and place where the order is another now.

    Args:
        detector: The detector.
        picture: The picture.
        wanted: At least one detection.
        **asked: Of :func:`mmlens.explain_boxes`, but not which boxes.

    Returns:
        The explanation, and of it the map of each detection; ``None`` for one that this pass does not find.
    """
    found = explain_boxes(detector, picture, score_thr=0.0, instances=[each.rank for each in wanted], **asked)
    maps = [_same(found, each) for each in wanted]
    if any(each is None for each in maps):
        most = max(each.rank for each in wanted) + _MORE
        found = explain_boxes(detector, picture, score_thr=0.0, topk=most, **asked)
        maps = [_same(found, each) for each in wanted]
    return found, maps


def _same(found: Iterable[BoxMap], wanted: Detection) -> Optional[BoxMap]:
    for box in found:
        if box.label == wanted.label and iou(wanted.box, box.box[None])[0] >= _SAME_IOU:
            return box
    return None
