"""What ``explain_classes`` returns: plain arrays in picture coordinates, with the words that belong to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Dict, Iterator, List, Optional, Tuple

import numpy as np

from .explanation import Explanation, Record, from_optional, maps_of, optional, optional_maps, rows, shared, texts
from .exports import OfClasses, Table, peak_of
from .later import later_field
from .saving import Column

if TYPE_CHECKING:
    from ..rendering import Drawing


@dataclass(eq=False, repr=False)
class ClassMap(Record):
    """One class and the map that explains its logit.

    Attributes:
        category: Class index.
        class_name: Class name, or the index as text where the model has no names.
        score: The classifier's confidence in [0, 1].
        logit: What is explained.
        rank: Rank of the class by score among all, from 0.
        raw: Shape (H, W), float32 >= 0 on the picture's grid, before scaling to [0, 1]. With several
            layers, ``aug_smooth`` or a method that runs the model many times it is scaled already.
        normalised: Shape (H, W), float32 in [0, 1] on the picture's grid: minimum 0 and maximum 1 on
            the network's input, as published; 0 where the picture was cropped away.
        blank: Why the map is empty and what to try; ``None`` for a map that is not.
        guided: Shape (H, W, 3), float32, BGR: the guided gradients at the picture's pixels, if asked for.
        against: What the class was contrasted with, as text; empty if it was not.
        counter: Shape (H, W), float32 in [0, 1]: what speaks against the class or, with ``against``, for the other one,
            scaled like ``normalised``. ``None`` where it was not asked for.
    """

    category: int
    class_name: str
    score: float
    logit: float
    rank: int
    raw: np.ndarray = later_field()
    normalised: np.ndarray = later_field()
    blank: Optional[str] = None
    guided: Optional[np.ndarray] = None
    against: str = ''
    counter: Optional[np.ndarray] = later_field(None)

    def __repr__(self) -> str:
        blank = f', blank: {self.blank}' if self.blank else ''
        return f'<ClassMap {self.category}: {self.class_name} {self.score:.2f}, rank {self.rank}{blank}>'


@dataclass(eq=False, repr=False)
class ClassExplanation(Explanation[ClassMap], OfClasses):
    """Some classes of one picture, each with its own map.

    Attributes:
        picture: Shape (H, W, 3), uint8, BGR, as it was read.
        classes: The explained classes, in the order they were asked for.
        covered: Shape (H, W), bool: which pixels the network sees; a centre crop cuts the rest away.
        to_input: Shape (3, 3), float64: picture position (x, y, 1) to position in the network's input.
        input_size: ``(height, width)`` of the network's input.
        layers: Names of the tapped layers; none where the method finds its layers by itself.
        method: Name of the method.
        notes: Sentences for the user (why a map is blank, that a method is class-agnostic, ...).
        versions: Versions of the packages that made the maps.
        unfinished: Whether the work was ended early: the maps are those so far.
        fusion: Name of the fusion that made one map of those of the layers; empty where there was nothing to fuse.
    """

    kind: ClassVar[str] = 'class maps'
    _noun: ClassVar[str] = 'class'

    picture: np.ndarray
    classes: List[ClassMap]
    covered: np.ndarray
    to_input: np.ndarray
    input_size: Tuple[int, int]
    layers: Tuple[str, ...]
    method: str
    notes: List[str] = field(default_factory=list)
    versions: Dict[str, str] = field(default_factory=dict)
    unfinished: bool = False
    fusion: str = ''

    def _items(self) -> List[ClassMap]:
        return self.classes

    def _named(self) -> List[str]:
        return [f'{each.class_name} {each.score:.2f}' for each in self.classes]

    def table(self) -> Table:
        """See :class:`~mmlens.results.exports.Tabular`.

        Returns:
            ``class``, ``category``, ``score``, ``logit``, ``rank``, ``method``, ``against``, ``blank``, and where the
            map peaks, ``peak_x`` and ``peak_y``, NaN if it is blank.
        """
        peaks = [peak_of(each.normalised) for each in self.classes]
        return {
            'class': [each.class_name for each in self.classes],
            'category': [each.category for each in self.classes],
            'score': [each.score for each in self.classes],
            'logit': [each.logit for each in self.classes],
            'rank': [each.rank for each in self.classes],
            'method': [self.method] * len(self.classes),
            'against': [each.against for each in self.classes],
            'blank': [each.blank or '' for each in self.classes],
            'peak_x': [x for x, _ in peaks],
            'peak_y': [y for _, y in peaks],
        }

    def _maps(self) -> Iterator[np.ndarray]:
        return (each.normalised for each in self.classes)

    def drawing(self, **options: Any) -> Drawing:
        """Draw the maps over the picture, and say what lies where; see :meth:`draw`."""
        from ..rendering.class_maps import drawing_of_classes

        return drawing_of_classes(self, **options)

    def draw(self, **options: Any) -> np.ndarray:
        """Draw the maps over the picture. See :func:`mmlens.rendering.draw_class_maps` for the options.

        Returns:
            A new uint8 BGR picture.
        """
        return self.drawing(**options).image

    def _repr_html_(self) -> str:
        from ..rendering.page import widget

        return widget(self)

    def columns(self) -> Dict[str, Column]:
        """What :meth:`save` writes.

        Returns:
            ``raw`` and ``normalised`` (N, H, W) float32; ``covered`` (H, W) bool; ``categories``,
            ``ranks`` (N,) int64; ``scores``, ``logits`` (N,) float32, ``exact_scores``, ``exact_logits``
            float64; ``classes``, ``blank``, ``against`` (N,) text; ``fusion`` text; ``to_input`` (3, 3) float64;
            ``input_size`` (2,) int64; where classes have guided gradients, ``guided`` (M, H, W, 3) float32, BGR, and
            ``has_guided`` (N,) bool; likewise ``counters`` (M, H, W) float32; and what
            :meth:`~mmlens.results.explanation.Explanation.columns` lists.
        """
        size = self.picture.shape[:2]
        classes = self.classes
        return {
            **optional('guided', [c.guided for c in classes], np.float32),
            **optional_maps('counters', classes, 'counter', size),
            'raw': maps_of(classes, 'raw', size),
            'normalised': maps_of(classes, 'normalised', size),
            'covered': self.covered,
            'categories': np.array([c.category for c in classes], np.int64),
            'ranks': np.array([c.rank for c in classes], np.int64),
            'scores': np.array([c.score for c in classes], np.float32),
            'logits': np.array([c.logit for c in classes], np.float32),
            'exact_scores': np.array([c.score for c in classes], np.float64),
            'exact_logits': np.array([c.logit for c in classes], np.float64),
            'classes': texts([c.class_name for c in classes]),
            'blank': texts([c.blank or '' for c in classes]),
            'against': texts([c.against for c in classes]),
            'fusion': np.array(self.fusion),
            'to_input': self.to_input,
            'input_size': np.array(self.input_size, np.int64),
            **super().columns(),
        }

    @classmethod
    def _from_arrays(cls, saved: Dict[str, np.ndarray]) -> ClassExplanation:
        columns = rows(
            saved['categories'].tolist(),
            saved['classes'].tolist(),
            saved['exact_scores'].tolist(),
            saved['exact_logits'].tolist(),
            saved['ranks'].tolist(),
            saved['raw'],
            saved['normalised'],
            [why or None for why in saved['blank'].tolist()],
            from_optional(saved, 'guided', len(saved['categories'])),
            saved['against'].tolist() if 'against' in saved else [''] * len(saved['categories']),
            from_optional(saved, 'counters', len(saved['categories'])),
        )
        height, width = saved['input_size'].tolist()
        return cls(
            classes=[ClassMap(*column) for column in columns],
            covered=saved['covered'],
            to_input=saved['to_input'],
            input_size=(height, width),
            fusion=str(saved.get('fusion', '')),
            **shared(saved),
        )
