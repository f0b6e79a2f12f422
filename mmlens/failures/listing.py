"""All errors of a detector on one annotated picture."""

from __future__ import annotations

from typing import List, Optional, Tuple

import numpy as np
import torch

from ..attribution.restore import evaluating
from ..errors import PictureError
from ..evaluation import Case
from ..metrics import PictureErrors, error_types, iou
from ..models.detector import Detector
from .failure import Failure


def errors_of(detector: Detector, case: Case, score_thr: float) -> Tuple[PictureErrors, List[Failure]]:
    """Run the detector on a picture, and list what is wrong.

    Objects of classes that the detector does not know are left out.

    Returns:
        The types of errors of the detections from ``score_thr`` on, and the failures: those detections that are wrong,
        best score first, then the missed objects.

    Raises:
        PictureError: If the picture cannot be read, or has no annotations.
    """
    picture, truth = case.read()
    if truth is None:
        raise PictureError(f'{case.name} has no annotations, which say what is an error.')
    prepared = detector.prepare(picture)
    with evaluating(detector.model), torch.no_grad():
        found = detector.predict(prepared)
    boxes = found.boxes.cpu().numpy().astype(np.float64)
    labels, scores = found.labels.cpu().numpy(), found.scores.cpu().numpy().astype(np.float64)
    ranks = np.flatnonzero((scores >= score_thr) & (boxes[:, 2:] > boxes[:, :2]).all(1))
    known = truth.labels >= 0
    objects, of = truth.boxes[known], truth.labels[known]
    errors = error_types(
        boxes[ranks],
        labels[ranks].tolist(),
        scores[ranks].tolist(),
        objects,
        of.tolist(),
        ignored_boxes=truth.ignored_boxes,
        ignored_labels=truth.ignored_labels.tolist(),
    )
    detections = [_wrong(detector, case, errors, n, int(rank), boxes[rank], objects) for n, rank in enumerate(ranks)]
    missed = [_missed(detector, case, objects[n], int(of[n])) for n in errors.missed]
    return errors, [each for each in detections if each is not None] + missed


def _wrong(
    detector: Detector, case: Case, errors: PictureErrors, n: int, rank: int, box: np.ndarray, objects: np.ndarray
) -> Optional[Failure]:
    """Detection ``n`` of those that count; ``None`` if it is right, does not count or is to be ignored."""
    kind, truth = errors.types[n], errors.truths[n]
    if not kind or errors.ignored[n]:
        return None
    label, overlaps = int(errors.labels[n]), iou(box, objects)
    failure = Failure(
        case.name, kind, box, label, detector.class_name(label), float(errors.scores[n]), rank,
        overlap=float(overlaps.max(initial=0.0)),
    )  # fmt: skip
    if truth is not None:
        of = int(errors.truth_labels[truth])
        failure.truth, failure.truth_label, failure.truth_name = objects[truth], of, detector.class_name(of)
        failure.overlap = float(overlaps[truth])
        finders = [m for m, (t, e) in enumerate(zip(errors.truths, errors.types)) if t == truth and e == '']
        failure.found_at = float(errors.scores[finders[0]]) if kind == 'duplicate' and finders else None
    return failure


def _missed(detector: Detector, case: Case, box: np.ndarray, label: int) -> Failure:
    return Failure(case.name, 'missed', truth=box, truth_label=label, truth_name=detector.class_name(label))
