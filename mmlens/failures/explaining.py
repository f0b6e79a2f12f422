"""Why is it wrong? The type of an error chooses the target that is explained."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Optional, Tuple

import numpy as np

from ..attribution.fusion import get_fusion
from ..attribution.methods import Method, OnePassMethod, get_method
from ..attribution.targets import EDGES
from ..errors import LayerError, MmlensError, count
from ..explain.again import Detection, explain_again
from ..explain.boxes import explain_boxes
from ..models.detector import Detector
from ..models.inputs import Picture
from ..results.boxes import BoxMap
from ..results.explanation import Shown
from .failure import Failure, off_in_words

if TYPE_CHECKING:
    from ..rendering import Drawing

_LOST = 'the pass with gradients did not find this box again'


@dataclass(eq=False)
class Why:
    """One map of an error.

    Attributes:
        title: What it is about.
        question: What it shows of that; empty where the title says so.
        target: What was explained.
        values: Shape (H, W), float32 in [0, 1]: the map, or of an edge that lies too far in, what pulls it in.
        raw: Shape (H, W): see :class:`~mmlens.BoxMap`.
        blank: Why there is none, and what to try; ``None`` if there is one.
        counter: Shape (H, W), or ``None``: what speaks for the true class; of a missed object, against its class.
        counter_title: What that shows.
    """

    title: str
    question: str
    target: str
    values: np.ndarray
    raw: np.ndarray
    blank: Optional[str] = None
    counter: Optional[np.ndarray] = None
    counter_title: str = ''


@dataclass(eq=False)
class ExplainedFailure(Shown):
    """An error with its maps.

    Attributes:
        picture: Shape (H, W, 3), uint8, BGR.
        failure: The error.
        maps: One for each question.
        candidate: Shape (4,): of a missed object, the box of the candidate that stands for it; ``None`` without one.
        fusion: How the maps of levels became one.
        method: How they were made.
        notes: Sentences for the user.
    """

    picture: np.ndarray
    failure: Failure
    maps: List[Why] = field(default_factory=list)
    fusion: str = ''
    method: str = ''
    notes: List[str] = field(default_factory=list)
    candidate: Optional[np.ndarray] = None

    def drawing(self, *args: Any, **options: Any) -> Drawing:
        """Draw a sheet: the picture with object (green) and detection (orange), the maps, and what is wrong.

        The candidate that stands for a missed object is drawn dashed.

        Args:
            *args, **options: ``colormap`` and ``alpha``; see :func:`mmlens.rendering.draw_box_maps`.
        """
        from ..rendering.failures import drawing_of_failure

        return drawing_of_failure(self, *args, **options)


class _Question(NamedTuple):
    title: str
    target: str
    question: str = ''
    against: Tuple[int, ...] = ()
    inwards: bool = False  # what speaks against the target is to be shown


def questions_of(failure: Failure) -> List[_Question]:
    """What is asked about an error, by its type."""
    if failure.type == 'missed':
        return [_Question(f'what speaks for {failure.truth_name}', 'score')]
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
    detector: Detector, picture: Picture, failure: Failure, method: str = 'evidencecam', **options: Any
) -> ExplainedFailure:
    """Explain an error; for the options see :func:`mmlens.explain_boxes`."""
    chosen = get_method(method)
    whole = detector.prepare(picture).picture
    explained = ExplainedFailure(whole, failure, method=chosen.name)
    for question in questions_of(failure):
        asked: Dict[str, Any] = dict(method=method, target=question.target, **options)
        if question.against:
            asked['against'] = list(question.against)
        elif (question.inwards or failure.type == 'missed') and _knows_both_ways(chosen):
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
        if failure.type == 'missed' and box is not None:
            _tell_candidate(explained, why, box)
        explained.maps.append(why)
    return explained


def _ask(detector: Detector, explained: ExplainedFailure, asked: Dict[str, Any]) -> Optional[BoxMap]:
    """The map of the detection, or of the candidate that stands for a missed object."""
    failure, picture = explained.failure, explained.picture
    if failure.box is not None:
        wanted = Detection(failure.rank, failure.label, failure.box)
        found, (box,) = explain_again(detector, picture, [wanted], **asked)
    else:
        assert failure.truth is not None
        found = explain_boxes(detector, picture, boxes=[failure.truth.tolist()], labels=[failure.truth_label], **asked)
        box = found[0]
    explained.fusion = found.fusion
    return box


def _tell_candidate(explained: ExplainedFailure, why: Why, box: BoxMap) -> None:
    """Say which candidate stands for a missed object, and what speaks against its class."""
    name, explained.candidate = explained.failure.truth_name, box.candidate
    why.counter, why.counter_title = box.counter, f'what speaks against {name}'
    if box.candidate is None:
        explained.notes.append('No candidate of the detector overlaps it.')
    else:
        rank = '' if not box.rank else f', where {count(box.rank, "candidate")} of the picture score higher'
        explained.notes.append(
            f'The candidate that stands for it (dashed) overlaps it by IoU {box.overlap or 0:.2f} and scores '
            f'{box.score:.3f} for {name}{rank}.'
        )


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
