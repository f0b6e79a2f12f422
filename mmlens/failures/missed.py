"""Why an object was missed: the step that lost it, and the map that belongs to that."""

from __future__ import annotations

from typing import Any, List, Optional

import numpy as np

from ..errors import LayerError, MmlensError
from ..evaluation import Truth
from ..explain.misses import explain_miss, why_missed
from ..models.detector import Detector
from ..results.boxes import BoxExplanation, BoxMap
from ..results.misses import Miss
from .explained import ExplainedFailure, Why


def explain_missed(
    detector: Detector,
    explained: ExplainedFailure,
    truth: Optional[Truth],
    score_thr: float,
    both_ways: bool,
    **options: Any,
) -> None:
    """Explain a missed object, in place: its mechanism in words, and the maps of its candidate and what suppressed it.

    Args:
        detector: The detector.
        explained: The picture and the object.
        truth: All objects of the picture, if they are known.
        score_thr: From which score on detections count.
        both_ways: Whether the method tells what speaks against a score.
        **options: Of :func:`mmlens.explain_boxes`.
    """
    failure = explained.failure
    try:
        miss = _miss_of(detector, explained, truth, score_thr)
        if not both_ways:
            options['signed'] = False
        found = explain_miss(detector, explained.picture, miss, **options)
    except LayerError:
        raise
    except MmlensError as error:  # an object without area, a method without gradients
        empty = np.zeros(explained.picture.shape[:2], np.float32)
        title = f'what speaks for {failure.truth_name}'
        explained.maps.append(Why(title, '', 'score', empty, empty, str(error).split(':')[0]))
        return
    explained.fusion, explained.candidate = found.fusion, miss.candidate
    explained.notes += [words.replace('`', '') for words in (miss.sentence, miss.advice)]  # a sheet is no message
    failure.mechanism = miss.mechanism
    explained.maps += _maps(found, miss)


def _miss_of(detector: Detector, explained: ExplainedFailure, truth: Optional[Truth], score_thr: float) -> Miss:
    """What became of the object; the others are asked about too, whose detections are not this one's."""
    failure = explained.failure
    assert failure.truth is not None
    boxes, labels = [failure.truth.tolist()], [failure.truth_label]
    for box, label in zip([] if truth is None else truth.boxes.tolist(), [] if truth is None else truth.labels):
        sound = box[2] > box[0] and box[3] > box[1] and label >= 0
        if sound and not np.array_equal(box, failure.truth):
            boxes.append(box)
            labels.append(int(label))
    return why_missed(detector, explained.picture, boxes, labels, score_thr=score_thr)[0]


def _maps(found: BoxExplanation, miss: Miss) -> List[Why]:
    name = miss.class_name
    title = f'what sets the edges of its {name}' if found.target == 'box' else f'what speaks for {name}'
    counter = f'what speaks for {miss.rival_name}' if miss.mechanism == 'outvoted' else f'what speaks against {name}'
    maps = [_why(found, found[0], title, counter)]
    if len(found) > 1:
        maps.append(_why(found, found[1], f'what speaks for {miss.rival_name}, which suppressed it', ''))
    return maps


def _why(found: BoxExplanation, box: BoxMap, title: str, counter: str) -> Why:
    shown = box.counter if counter else None
    return Why(title, '', found.target, box.normalised, box.raw, box.blank, shown, counter)
