"""Which boxes of a picture are explained: some of the detections, or those that somebody gives."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence, Union

import numpy as np

from ..attribution.targets import MASK
from ..errors import MmlensError
from ..models.detector import Detector
from ..models.inputs import Picture
from ..models.predictions import Predictions
from .box_targets import BoxTargets, Classes, select_detections
from .given import Labels, check_boxes, one_each
from .given_targets import GivenTargets
from .mask_targets import MaskTargets


@dataclass
class Selection:
    """Which detections are explained; see :func:`mmlens.explain_boxes`."""

    detector: Detector
    score_thr: float
    classes: Optional[Sequence[Union[str, int]]]
    instances: Optional[Sequence[int]]
    topk: int

    def targets(
        self,
        picture: Picture,
        target: str,
        against: Optional[Classes],
        region: Optional[np.ndarray],
        words: Dict[str, Any],
    ) -> BoxTargets:
        """What is asked of a picture; for the arguments see :func:`mmlens.explain_boxes`."""
        if not self.detector.needs_words:  # else the words are the classes, and known with the picture
            self.classes = self.detector.class_indexes(self.classes)

        def select(found: Predictions) -> List[int]:
            prepared = known().prepared  # type: ignore[union-attr]  # it asks
            wanted = self.detector.class_indexes(self.classes, prepared)
            return select_detections(found, self.score_thr, wanted, self.instances, self.topk)

        targets: BoxTargets
        if target == MASK:
            targets = MaskTargets(self.detector, picture, target, select, against, region, **words)
        else:
            targets = BoxTargets(self.detector, picture, target, select, against, **words)
        # Not by name: in a circle, targets would keep picture and input until the garbage is collected, minutes later.
        known = weakref.ref(targets)
        return targets


def check_nothing_else(**selecting: Any) -> None:
    """Check that nothing chooses among detections where boxes are given.

    Raises:
        MmlensError: If something does.
    """
    for name, value in selecting.items():
        if value is not None:
            raise MmlensError(f'`boxes` say what is explained, and `{name}` chooses among detections: leave out one.')


def given_targets(
    detector: Detector,
    picture: Picture,
    target: str,
    boxes: Optional[Sequence[Sequence[float]]],
    labels: Optional[Labels],
    against: Optional[Classes],
    words: Dict[str, Any],
) -> GivenTargets:
    """What is asked of boxes that somebody gives; for arguments and errors see :func:`mmlens.explain_boxes`."""
    if boxes is None or labels is None:
        missing, there = ('`boxes`', '`labels`') if boxes is None else ('`labels`', '`boxes`')
        raise MmlensError(f'{there} were given without {missing}: each box needs its class, and each class its box.')
    if target == MASK:
        raise MmlensError("Masks are those of detections: leave out `boxes`, or choose another `target` than 'mask'.")
    checked = check_boxes(boxes, labels)
    if not detector.needs_words:
        labels = detector.class_indexes(one_each(labels, len(checked))) or []
    return GivenTargets(detector, picture, target, checked, labels, against, **words)
