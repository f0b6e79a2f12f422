"""Why is it wrong? The type of an error chooses the target that is explained."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import numpy as np

from ..attribution.fusion import get_fusion
from ..attribution.methods import Method, OnePassMethod, get_method
from ..attribution.targets import EDGES
from ..errors import LayerError, MmlensError
from ..evaluation import Truth
from ..explain.again import Detection, explain_again
from ..models.detector import Detector
from ..models.inputs import Picture
from ..results.boxes import BoxMap
from .explained import ExplainedFailure, Why
from .failure import Failure, off_in_words
from .missed import explain_missed

_LOST = 'the pass with gradients did not find this box again'


class _Question(NamedTuple):
    title: str
    target: str
    question: str = ''
    against: Tuple[int, ...] = ()
    inwards: bool = False  # what speaks against the target is to be shown


def questions_of(failure: Failure) -> List[_Question]:
    """What is asked about an error, by its type."""
    if failure.type == 'missed':  # why_missed() decides
        return []
    if failure.type == 'classification':
        return [
            _Question(f'why {failure.class_name}, not {failure.truth_name}', 'score', against=(failure.truth_label,))
        ]
    if failure.type == 'localisation':
        return [
            _Question(
                f'{edge} edge, {off_in_words(share)}',
                edge,
                'what pushes it out' if share > 0 else 'what pulls it in',
                inwards=share < 0,
            )
            for edge, share in failure.edges_off
        ]
    return [_Question(f'why {failure.class_name} {failure.score:.2f}', 'score')]


def check_asked(method: str, fusion: Optional[str]) -> None:
    """Check that there are a method and a fusion of these names.

    Raises:
        MethodError: If not.
    """
    get_method(method)
    if fusion is not None:
        get_fusion(fusion)


def explain_failure(
    detector: Detector,
    picture: Picture,
    failure: Failure,
    truth: Optional[Truth] = None,
    score_thr: float = 0.3,
    method: str = 'evidencecam',
    **options: Any,
) -> ExplainedFailure:
    """Explain an error.

    Args:
        detector: The detector.
        picture: Its picture.
        failure: The error.
        truth: All annotated objects of the picture; without them, a missed object is taken to be the only one.
        score_thr: From which score on detections count.
        method, **options: See :func:`mmlens.explain_boxes`.
    """
    chosen = get_method(method)
    whole = detector.prepare(picture).picture
    explained = ExplainedFailure(whole, failure, method=chosen.name)
    if failure.type == 'missed':
        explain_missed(detector, explained, truth, score_thr, _knows_both_ways(chosen), method=method, **options)
        return explained
    for question in questions_of(failure):
        asked: Dict[str, Any] = dict(method=method, target=question.target, **options)
        if question.against:
            asked['against'] = list(question.against)
        elif question.inwards and _knows_both_ways(chosen):
            asked['signed'] = True
        try:
            box = _ask(detector, explained, asked)
        except LayerError:
            raise
        except MmlensError as error:  # this question cannot be answered, but perhaps the next one
            explained.maps.append(_why(question, None, whole.shape[:2], str(error).split(':')[0]))
            continue
        why = _why(question, box, whole.shape[:2])
        if why.blank and _cut_off(question.target, failure, whole):
            why.blank = 'this edge is at the border of the picture, where the detector cuts its boxes off'
        explained.maps.append(why)
    return explained


def _ask(detector: Detector, explained: ExplainedFailure, asked: Dict[str, Any]) -> Optional[BoxMap]:
    """The map of the detection."""
    failure = explained.failure
    assert failure.box is not None
    wanted = Detection(failure.rank, failure.label, failure.box)
    found, (box,) = explain_again(detector, explained.picture, [wanted], **asked)
    explained.fusion = found.fusion
    return box


def _knows_both_ways(method: Method) -> bool:
    return isinstance(method, OnePassMethod) and method.uses_gradients


def _cut_off(edge: str, failure: Failure, picture: np.ndarray) -> bool:
    """Whether an edge lies at the picture's border, or beyond it in the padding."""
    if edge not in EDGES or failure.box is None:
        return False
    height, width = picture.shape[:2]
    low, high = failure.box[:2] < 1, failure.box[2:] > (width - 1, height - 1)
    return bool([*low, *high][EDGES.index(edge)])


def _why(question: _Question, box: Optional[BoxMap], size: Tuple[int, int], lost: str = _LOST) -> Why:
    if box is None:
        empty = np.zeros(size, np.float32)
        return Why(question.title, question.question, question.target, empty, empty, lost)
    if question.inwards and box.counter is not None:
        nothing = None if box.counter.any() else 'nothing at these layers pulls this edge in'
        return Why(question.title, question.question, question.target, box.counter, box.raw, nothing)
    words = (question.title, question.question, question.target)
    if not question.against:
        return Why(*words, box.normalised, box.raw, box.blank)
    return Why(*words, box.normalised, box.raw, box.blank, box.counter, f'what speaks for {box.against}')
