"""What ``explain_boxes`` returns: plain arrays in picture coordinates, with the words that belong to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Dict, List, Optional, Tuple

import numpy as np

from .explanation import Explanation, Record, from_optional, maps_of, optional, optional_maps, rows, shared, texts
from .exports import Objects, OfObjects, Table, box_columns, peak_of, share_inside
from .later import Part, later_field, part_of
from .saving import Column

if TYPE_CHECKING:
    from ..rendering import Drawing


@dataclass(eq=False, repr=False)
class BoxMap(Record):
    """One box, found or given, and the map that explains it.

    Attributes:
        index: Rank of the detection by score among all that the detector returned, from 0; -1 for a given box whose
            candidate was not detected.
        box: Shape (4,), float32 ``x1, y1, x2, y2`` in picture pixels: the detection's, or the given box.
        label: Class index.
        class_name: Class name, or the index as text where the model has no names.
        score: The detector's confidence in [0, 1]; for a given box that of its candidate for the class, before
            suppression, and 0 without a candidate.
        raw: Shape (H, W), float32 >= 0 on the picture's grid, before normalising. Values of two
            boxes are comparable only if both explain the same target with the same method.
        normalised: Shape (H, W), float32 in [0, 1] on the picture's grid; its maximum is 1 unless
            the map is blank. With ``norm_in_bbox`` it is rescaled within the box and zero outside.
        blank: Why the map is empty and what to try; ``None`` for a map that is not.
        mask: Shape (H, W), bool: the detector's instance mask, where it predicts one.
        against: What the class was contrasted with, as text; empty if it was not.
        counter: Shape (H, W), float32 in [0, 1]: what speaks against the score or, with ``against``, for the other
            class; its maximum is 1 too. ``None`` where it was not asked for.
        candidate: Shape (4,), float32, picture pixels: for a given box, what the candidate that stands for it decodes
            to. ``None`` for a detection, and where no candidate overlaps the given box.
        overlap: For a given box, its IoU with the candidate's.
        rank: For a given box, how many candidates score higher for the class.
    """

    index: int
    box: np.ndarray
    label: int
    class_name: str
    score: float
    raw: np.ndarray = later_field()
    normalised: np.ndarray = later_field()
    blank: Optional[str] = None
    mask: Optional[np.ndarray] = None
    against: str = ''
    counter: Optional[np.ndarray] = later_field(None)
    candidate: Optional[np.ndarray] = None
    overlap: Optional[float] = None
    rank: Optional[int] = None

    def part(self) -> Part:
        """A rectangle of ``normalised`` outside of which it is 0, and its upper row and left column; for drawing."""
        return part_of(self, 'normalised')

    def __repr__(self) -> str:
        box = ', '.join(f'{edge:.1f}' for edge in self.box)
        blank = f', blank: {self.blank}' if self.blank else ''
        return f'<BoxMap {self.index}: {self.class_name} {self.score:.2f} at ({box}){blank}>'


@dataclass(eq=False, repr=False)
class BoxExplanation(Explanation[BoxMap], OfObjects):
    """The boxes of one picture, each with its own map.

    Attributes:
        picture: Shape (H, W, 3), uint8, BGR, as it was read.
        boxes: The explained detections, highest score first. Empty if none was selected.
        layers: Names of the tapped layers, as the user wrote them.
        method: Registry name of the method.
        target: What was explained of each: ``'score'``, ``'box'``, ``'both'``, an edge or ``'mask'``.
        notes: Sentences for the user (why a map is blank, that a method is box-agnostic, ...).
        versions: Versions of the packages that made the maps.
        passes: How many altered passes were run through the network, or through what follows the layers.
        unfinished: Whether the work was ended early: the maps are those so far.
        fusion: Name of the fusion that made one map of those of the levels; empty where there was nothing to fuse.
    """

    kind: ClassVar[str] = 'box maps'
    _noun: ClassVar[str] = 'box'

    picture: np.ndarray
    boxes: List[BoxMap]
    layers: Tuple[str, ...]
    method: str
    target: str
    notes: List[str] = field(default_factory=list)
    versions: Dict[str, str] = field(default_factory=dict)
    passes: int = 0
    unfinished: bool = False
    fusion: str = ''

    def _items(self) -> List[BoxMap]:
        return self.boxes

    def _named(self) -> List[str]:
        return [f'{box.class_name} {box.score:.2f}' for box in self.boxes]

    def objects(self) -> Objects:
        """See :class:`~mmlens.results.exports.OfObjects`."""
        size = self.picture.shape[:2]
        boxes, masks = self.boxes, [box.mask for box in self.boxes]
        return Objects(
            size=size,
            boxes=np.array([box.box for box in boxes], np.float32).reshape(-1, 4),
            labels=np.array([box.label for box in boxes], np.int64),
            names=[box.class_name for box in boxes],
            scores=np.array([box.score for box in boxes], np.float32),
            masks=np.array(masks, bool) if masks and all(mask is not None for mask in masks) else None,
            maps=maps_of(boxes, 'normalised', size),
            texts=dict(
                target=[self.target] * len(boxes),
                method=[self.method] * len(boxes),
                against=[box.against for box in boxes],
                blank=[box.blank or '' for box in boxes],
            ),
        )

    def table(self) -> Table:
        """See :class:`~mmlens.results.exports.Tabular`.

        Returns:
            ``index``, ``class``, ``label``, ``score``, ``x1`` to ``y2``; ``target``, ``method``, ``against``,
            ``blank``; where the map peaks, ``peak_x`` and ``peak_y``, NaN if it is blank; ``inside``, the share of the
            raw map's energy in the box; for given boxes ``overlap`` and ``rank`` too.
        """
        one = self.objects()
        looked = [(*peak_of(raw), share_inside(raw, box.box)) for box in self.boxes for raw in [box.raw]]
        columns: Table = dict(
            index=[box.index for box in self.boxes],
            **{'class': one.names},
            label=one.labels,
            score=[box.score for box in self.boxes],
            **box_columns(one.boxes),
            **one.texts,
            **{name: [each[n] for each in looked] for n, name in enumerate(('peak_x', 'peak_y', 'inside'))},
        )
        if any(box.overlap is not None for box in self.boxes):
            columns.update(overlap=[box.overlap for box in self.boxes], rank=[box.rank for box in self.boxes])
        return columns

    def drawing(self, layout: str = 'overlay', **options: Any) -> Drawing:
        """Draw the maps over the picture, and say what lies where; see :meth:`draw`."""
        from ..rendering.box_maps import drawing_of_boxes

        return drawing_of_boxes(self, layout=layout, **options)

    def draw(self, layout: str = 'overlay', **options: Any) -> np.ndarray:
        """Draw the maps over the picture.

        Args:
            layout: ``'overlay'`` (all boxes on one picture: the maximum of their maps) or
                ``'panels'`` (one panel per box, with class, score and colour bar).
            **options: ``colormap``, ``alpha`` and ``signed``, see :func:`mmlens.rendering.draw_box_maps`.

        Returns:
            A new uint8 BGR picture.
        """
        return self.drawing(layout, **options).image

    def _repr_html_(self) -> str:
        from ..rendering.page import widget

        return widget(self)

    def columns(self) -> Dict[str, Column]:
        """What :meth:`save` writes.

        Returns:
            ``raw`` and ``normalised`` (N, H, W) float32; ``boxes`` (N, 4) float32, picture pixels;
            ``labels``, ``indices`` (N,) int64; ``scores`` (N,) float32, ``exact_scores`` float64;
            ``classes``, ``blank``, ``against`` (N,) text; ``target``, ``fusion`` text; ``passes`` int64; where
            boxes have masks, ``masks`` (M, H, W) bool and ``has_masks`` (N,) bool; likewise ``counters`` float32, and
            for given boxes ``candidates`` float32, ``overlaps`` float64 and ``candidate_ranks`` int64; and what
            :meth:`~mmlens.results.explanation.Explanation.columns` lists.
        """
        size = self.picture.shape[:2]
        boxes = self.boxes
        return {
            'raw': maps_of(boxes, 'raw', size),
            'normalised': maps_of(boxes, 'normalised', size),
            'boxes': np.array([b.box for b in boxes], np.float32).reshape(-1, 4),
            'labels': np.array([b.label for b in boxes], np.int64),
            'indices': np.array([b.index for b in boxes], np.int64),
            'scores': np.array([b.score for b in boxes], np.float32),
            'exact_scores': np.array([b.score for b in boxes], np.float64),
            'classes': texts([b.class_name for b in boxes]),
            'blank': texts([b.blank or '' for b in boxes]),
            'target': np.array(self.target),
            'fusion': np.array(self.fusion),
            'passes': np.array(self.passes),
            'against': texts([b.against for b in boxes]),
            **optional('masks', [b.mask for b in boxes], bool),
            **optional_maps('counters', boxes, 'counter', size),
            **optional('candidates', [b.candidate for b in boxes], np.float32),
            **optional('overlaps', [b.overlap for b in boxes], np.float64),
            **optional('candidate_ranks', [b.rank for b in boxes], np.int64),
            **super().columns(),
        }

    @classmethod
    def _from_arrays(cls, saved: Dict[str, np.ndarray]) -> BoxExplanation:
        number = len(saved['boxes'])
        columns = rows(
            saved['indices'].tolist(),
            saved['boxes'],
            saved['labels'].tolist(),
            saved['classes'].tolist(),
            saved['exact_scores'].tolist(),
            saved['raw'],
            saved['normalised'],
            [why or None for why in saved['blank'].tolist()],
            from_optional(saved, 'masks', number),
            saved['against'].tolist() if 'against' in saved else [''] * number,
            from_optional(saved, 'counters', number),
            from_optional(saved, 'candidates', number),
            _numbers(saved, 'overlaps', number, float),
            _numbers(saved, 'candidate_ranks', number, int),
        )
        return cls(
            boxes=[BoxMap(*column) for column in columns],
            target=str(saved['target']),
            passes=int(saved['passes']),
            fusion=str(saved.get('fusion', '')),
            **shared(saved),
        )


def _numbers(saved: Dict[str, np.ndarray], name: str, number: int, kind: type) -> List[Any]:
    return [None if value is None else kind(value) for value in from_optional(saved, name, number)]
