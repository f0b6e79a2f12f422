"""Why is it wrong? The type of an error chooses the target that is explained."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Optional, Tuple

import numpy as np

from ..attribution.methods import OnePassMethod, get_method
from ..attribution.targets import EDGES
from ..explain.again import Detection, explain_again
from ..models.detector import Detector
from ..models.inputs import Picture
from ..results.boxes import BoxMap
from ..results.explanation import Shown
from .failure import Failure, off_in_words

if TYPE_CHECKING:
    from ..rendering import Drawing


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
        counter: Shape (H, W), or ``None``: what speaks for the true class.
    """

    title: str
    question: str
    target: str
    values: np.ndarray
    raw: np.ndarray
    blank: Optional[str] = None
    counter: Optional[np.ndarray] = None


@dataclass(eq=False)
class ExplainedFailure(Shown):
    """An error with its maps.

    Attributes:
        picture: Shape (H, W, 3), uint8, BGR.
        failure: The error.
        maps: One for each question; none for a missed object.
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

    def drawing(self, *args: Any, **options: Any) -> Drawing:
        """Draw a sheet: the picture with object (green) and detection (orange), the maps, and what is wrong.

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


def explain_failure(
    detector: Detector, picture: Picture, failure: Failure, method: str = 'evidencecam', **options: Any
) -> ExplainedFailure:
    """Explain an error; for the options see :func:`mmlens.explain_boxes`."""
    prepared = detector.prepare(picture)
    explained = ExplainedFailure(prepared.picture, failure, method=get_method(method).name)
    for question in questions_of(failure):
        asked: Dict[str, Any] = dict(method=method, target=question.target, **options)
        if question.against:
            asked['against'] = list(question.against)
        elif question.inwards and _knows_both_ways(method):
            asked['signed'] = True
        assert failure.box is not None
        wanted = Detection(failure.rank, failure.label, failure.box)
        found, (box,) = explain_again(detector, prepared.picture, [wanted], **asked)
        explained.fusion = found.fusion
        why = _why(question, box, prepared.picture.shape[:2])
        if why.blank and _cut_off(question.target, failure, prepared.picture):
            why.blank = 'this edge is at the border of the picture, where the detector cuts its boxes off'
        explained.maps.append(why)
    return explained


def _cut_off(edge: str, failure: Failure, picture: np.ndarray) -> bool:
    """Whether an edge lies at the picture's border, or beyond it in the padding."""
    if edge not in EDGES or failure.box is None:
        return False
    height, width = picture.shape[:2]
    low, high = failure.box[:2] < 1, failure.box[2:] > (width - 1, height - 1)
    return bool([*low, *high][EDGES.index(edge)])


def _knows_both_ways(method: str) -> bool:
    chosen = get_method(method)
    return isinstance(chosen, OnePassMethod) and chosen.uses_gradients


def _why(question: _Question, box: Optional[BoxMap], size: Tuple[int, int]) -> Why:
    if box is None:
        empty = np.zeros(size, np.float32)
        lost = 'the pass with gradients did not find this box again'
        return Why(question.title, question.question, question.target, empty, empty, lost)
    if question.inwards and box.counter is not None:
        nothing = None if box.counter.any() else 'nothing at these layers pulls this edge in'
        return Why(question.title, question.question, question.target, box.counter, box.raw, nothing)
    counter = box.counter if question.against else None
    return Why(question.title, question.question, question.target, box.normalised, box.raw, box.blank, counter)
