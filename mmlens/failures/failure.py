"""One error of a detector, and how it is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

import numpy as np

from ..attribution.targets import EDGES

# An edge is off by this share of the object's side.
OFF = 0.1


@dataclass(eq=False, repr=False)
class Failure:
    """One error: a wrong detection, or an object that was missed.

    Attributes:
        picture: Name of the picture.
        type: One of :data:`mmlens.metrics.ERROR_TYPES`.
        box: Shape (4,): the detection, ``x1, y1, x2, y2`` in picture pixels; ``None`` for a missed object.
        label, class_name, score: Of the detection.
        rank: Its rank by score among all that the detector returns, from 0.
        truth: Shape (4,): the object that was missed, confused, or is off from; ``None`` where there is none.
        truth_label, truth_name: Its class.
        overlap: IoU of the two; without an object, the largest one with any object.
        found_at: Of a duplicate, the score of the detection that has found the object.
        cost: By how many percentage points the mean AP would rise if this error alone were repaired.
        mechanism: Of a missed object, why it was missed, once it was explained; see :class:`mmlens.Miss`.
        sheet: Name of the drawing, once there is one.
    """

    picture: str
    type: str
    box: Optional[np.ndarray] = None
    label: int = -1
    class_name: str = ''
    score: float = 0.0
    rank: int = -1
    truth: Optional[np.ndarray] = None
    truth_label: int = -1
    truth_name: str = ''
    overlap: float = 0.0
    found_at: Optional[float] = None
    cost: float = 0.0
    mechanism: str = ''
    sheet: str = ''
    case: int = -1  # which of the pictures

    def __repr__(self) -> str:
        return f'<Failure in {self.picture}: {self.type}. {self.sentence}>'

    @property
    def edges(self) -> Dict[str, float]:
        """How far each edge lies too far out, in shares of the object's width or height; below 0, too far in."""
        if self.box is None or self.truth is None:
            return {}
        size = np.maximum(np.tile(self.truth[2:] - self.truth[:2], 2), 1e-6)
        out = (self.box - self.truth) * (-1, -1, 1, 1) / size
        return {edge: float(share) for edge, share in zip(EDGES, out)}

    @property
    def edges_off(self) -> List[Tuple[str, float]]:
        """The edges that are off by a tenth of the object's side or more, the worst first; at least one."""
        ordered = sorted(self.edges.items(), key=lambda each: -abs(each[1]))
        return [each for each in ordered if abs(each[1]) >= OFF] or ordered[:1]

    @property
    def area(self) -> float:
        """Area of the object, or else of the detection, in pixels."""
        box = self.truth if self.truth is not None else self.box
        return 0.0 if box is None else float((box[2:] - box[:2]).prod())

    @property
    def sentence(self) -> str:
        """What is wrong, in plain words."""
        if self.type == 'missed':
            width, height = np.zeros(2) if self.truth is None else self.truth[2:] - self.truth[:2]
            return f'This {self.truth_name} of {width:.0f} x {height:.0f} pixels was not found.'
        what = f'{self.class_name} {self.score:.2f}'
        if self.type == 'classification':
            return f'{what} is a {self.truth_name}: the place is right (IoU {self.overlap:.2f}), the class is not.'
        if self.type == 'localisation':
            return f'{what} overlaps its {self.truth_name} by IoU {self.overlap:.2f}: {self._edges_in_words()}.'
        if self.type == 'both':
            return f'{what} overlaps a {self.truth_name} by IoU {self.overlap:.2f}: class and place are wrong.'
        if self.type == 'duplicate':
            better = '' if self.found_at is None else f' at {self.found_at:.2f}'
            return f'{what} is a second box of a {self.truth_name} that has been found already{better}.'
        nothing = f', the largest IoU with any object is {self.overlap:.2f}' if self.overlap else ''
        return f'{what} is on the background: nothing is annotated there{nothing}.'

    def _edges_in_words(self) -> str:
        words = [f'its {edge} edge is {off_in_words(share)}' for edge, share in self.edges_off]
        return ', '.join(words)

    def as_json(self) -> Dict[str, Any]:
        """All of it as numbers and text, ready for JSON."""
        return dict(
            picture=self.picture,
            type=self.type,
            box=_numbers(self.box),
            class_name=self.class_name,
            score=round(self.score, 6),
            truth=_numbers(self.truth),
            truth_class=self.truth_name,
            overlap=round(self.overlap, 6),
            edges={edge: round(share, 4) for edge, share in self.edges.items()},
            cost=round(self.cost, 6),
            mechanism=self.mechanism,
            sentence=self.sentence,
            sheet=self.sheet,
        )


def off_in_words(share: float) -> str:
    """How far an edge is off, in shares of the object's side: ``12 % too far in``."""
    return f'{abs(share) * 100:.0f} % too far {"out" if share > 0 else "in"}'


def _numbers(box: Optional[np.ndarray]) -> Optional[List[float]]:
    return None if box is None else [round(float(edge), 2) for edge in box]
