"""What ``compare_boxes`` returns: the same objects by two detectors, or by one under two settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Dict, List, Optional, Tuple

import numpy as np

from .boxes import BoxExplanation, BoxMap
from .explanation import Explanation, Record, rows, shared, texts
from .exports import Table, Tabular, box_columns
from .saving import Column

if TYPE_CHECKING:
    from ..rendering import Drawing

_NOBODY = -1


@dataclass(eq=False, repr=False)
class BoxPair(Record):
    """One object, as both sides found it.

    Attributes:
        class_name: Its class.
        a, b: The detection of each side with its map; for a side that did not find it, the candidate that stands for
            the other side's box, or ``None`` if nothing is known of one.
        scale: What raw maps are divided by to be shown on one scale; 0 where each is shown on its own.
        overlap: IoU of the two boxes; 0 if only one found it.
        change: How much the maps differ: ``sum |p_a - p_b| / 2`` with each map's energy as a share ``p`` of 1; from 0,
            for maps that are the same but for their scale, to 1, for maps that have nothing in common, and where there
            is only one. A blank map has nothing in common with any but a blank one.
        truth: Shape (4,): the annotated object, if there is one.
    """

    class_name: str
    a: Optional[BoxMap]
    b: Optional[BoxMap]
    scale: float = 0.0
    overlap: float = 0.0
    change: float = 1.0
    truth: Optional[np.ndarray] = None

    def __repr__(self) -> str:
        scores = ' and '.join(self.scores)
        return f'<BoxPair {self.class_name}: {scores}, change {self.change:.2f}>'

    @property
    def scores(self) -> Tuple[str, str]:
        """The score of each side as text, or ``not found``."""
        sides = zip((self.a, self.b), self.found)
        of_a, of_b = (f'{side.score:.2f}' if side and found else 'not found' for side, found in sides)
        return of_a, of_b

    @property
    def found(self) -> Tuple[bool, bool]:
        """Whether a and b found the object."""
        of_a, of_b = (side is not None and side.overlap is None for side in (self.a, self.b))
        return of_a, of_b

    @property
    def score_change(self) -> float:
        """Score of b minus that of a; of a side that did not find the object that of its candidate, or 0."""
        a, b = (0.0 if side is None else side.score for side in (self.a, self.b))
        return b - a

    def shown(self, side: str) -> Optional[np.ndarray]:
        """The map of ``'a'`` or ``'b'`` on the scale of both, shape (H, W), in [0, 1]; ``None`` if there is none."""
        box = self.a if side == 'a' else self.b
        if box is None:
            return None
        return box.raw / np.float32(self.scale) if self.scale else box.normalised

    @property
    def difference(self) -> Optional[np.ndarray]:
        """What b shows minus what a shows, shape (H, W), in [-1, 1]; ``None`` if there is only one map."""
        a, b = self.shown('a'), self.shown('b')
        return None if a is None or b is None else b - a


@dataclass(eq=False, repr=False)
class BoxComparison(Explanation[BoxPair], Tabular):
    """The objects of one picture by two detectors, or by one under two settings.

    First come those that only one found, then the others; the most changed first.

    Attributes:
        picture: Shape (H, W, 3), uint8, BGR, as it was read.
        a, b: What each side explained.
        pairs: The objects.
        names: What the sides are called.
        comparable: Whether raw values of the two sides have the same unit, so that maps are shown on one scale.
        why: A sentence on that.
        layers, method: Those of ``a``; those of ``b`` are its own.
        notes, versions, unfinished: See :class:`~mmlens.results.explanation.Explanation`.
    """

    kind: ClassVar[str] = 'a comparison of box maps'
    _noun: ClassVar[str] = 'object'

    picture: np.ndarray
    a: BoxExplanation
    b: BoxExplanation
    pairs: List[BoxPair]
    names: Tuple[str, str]
    comparable: bool
    why: str
    layers: Tuple[str, ...]
    method: str
    notes: List[str] = field(default_factory=list)
    versions: Dict[str, str] = field(default_factory=dict)
    unfinished: bool = False

    def _items(self) -> List[BoxPair]:
        return self.pairs

    def _named(self) -> List[str]:
        return [f'{pair.class_name} {" -> ".join(pair.scores)}' for pair in self.pairs]

    def table(self) -> Table:
        """See :class:`~mmlens.results.exports.Tabular`; for the boxes of a side use ``a`` or ``b``.

        Returns:
            ``class``, ``overlap``, ``change``, ``score_change``; and of each side ``a_found``, ``a_score``, ``a_x1`` to
            ``a_y2`` and the same with ``b``, NaN where nothing is known.
        """
        columns: Dict[str, Any] = {
            'class': [pair.class_name for pair in self.pairs],
            'overlap': [pair.overlap for pair in self.pairs],
            'change': [pair.change for pair in self.pairs],
            'score_change': [pair.score_change for pair in self.pairs],
        }
        nowhere = np.full(4, np.nan)
        for number, name in enumerate('ab'):
            sides: List[Optional[BoxMap]] = [getattr(pair, name) for pair in self.pairs]
            boxes = np.array([nowhere if side is None else side.box for side in sides], float).reshape(-1, 4)
            columns[f'{name}_found'] = [pair.found[number] for pair in self.pairs]
            columns[f'{name}_score'] = [np.nan if side is None else side.score for side in sides]
            columns.update(box_columns(boxes, f'{name}_'))
        return columns

    def drawing(self, **options: Any) -> Drawing:
        """Draw a sheet, and say what lies where; see :meth:`draw`."""
        from ..rendering.comparison import drawing_of_comparison

        return drawing_of_comparison(self, **options)

    def draw(self, *args: Any, **options: Any) -> np.ndarray:
        """Draw a sheet: a row an object with the map of each side on one scale, and their difference.

        Args:
            *args, **options: ``most``, ``colormap`` and ``alpha``; see
                :func:`mmlens.rendering.comparison.drawing_of_comparison`.

        Returns:
            A new uint8 BGR picture.
        """
        return self.drawing(*args, **options).image

    def _repr_html_(self) -> str:
        from ..rendering.page import widget

        return widget(self)

    def columns(self) -> Dict[str, Column]:
        """What :meth:`save` writes.

        Returns:
            The arrays of both sides, ``a_`` and ``b_`` before their names; ``pairs`` (N, 2) int64: positions among the
            boxes of a and b, -1 for a side that did not find the object; ``pair_classes`` (N,) text; ``scales``,
            ``overlaps``, ``changes`` (N,) float64; ``truths`` (N, 4) float64, NaN where there is none; ``names`` (2,)
            and ``why`` text; ``comparable`` bool; and what
            :meth:`~mmlens.results.explanation.Explanation.columns` lists.
        """
        sides = {f'{name}_{key}': value for name in 'ab' for key, value in getattr(self, name).columns().items()}
        nowhere = np.full(4, np.nan)
        truths = [nowhere if pair.truth is None else pair.truth for pair in self.pairs]
        return {
            **sides,
            'pairs': np.array([self._positions(pair) for pair in self.pairs], np.int64).reshape(-1, 2),
            'pair_classes': texts([pair.class_name for pair in self.pairs]),
            'scales': np.array([pair.scale for pair in self.pairs], np.float64),
            'overlaps': np.array([pair.overlap for pair in self.pairs], np.float64),
            'changes': np.array([pair.change for pair in self.pairs], np.float64),
            'truths': np.array(truths, np.float64).reshape(-1, 4),
            'names': texts(self.names),
            'comparable': np.array(self.comparable),
            'why': np.array(self.why),
            **super().columns(),
        }

    def _positions(self, pair: BoxPair) -> Tuple[int, int]:
        def position(side: BoxExplanation, box: Optional[BoxMap]) -> int:
            return next((n for n, each in enumerate(side) if each is box), _NOBODY)

        return position(self.a, pair.a), position(self.b, pair.b)

    @classmethod
    def _from_arrays(cls, saved: Dict[str, np.ndarray]) -> BoxComparison:
        a, b = (
            BoxExplanation._from_arrays({key[2:]: value for key, value in saved.items() if key[:2] == f'{name}_'})
            for name in 'ab'
        )
        columns = rows(
            saved['pairs'].tolist(),
            saved['pair_classes'].tolist(),
            saved['scales'].tolist(),
            saved['overlaps'].tolist(),
            saved['changes'].tolist(),
            saved['truths'],
        )
        pairs = [
            BoxPair(
                name,
                None if of_a == _NOBODY else a[of_a],
                None if of_b == _NOBODY else b[of_b],
                scale,
                overlap,
                change,
                None if np.isnan(truth).any() else truth,
            )
            for (of_a, of_b), name, scale, overlap, change, truth in columns
        ]
        names = tuple(saved['names'].tolist())
        known = dict(comparable=bool(saved['comparable']), why=str(saved['why']), **shared(saved))
        return cls(a=a, b=b, pairs=pairs, names=(names[0], names[1]), **known)
