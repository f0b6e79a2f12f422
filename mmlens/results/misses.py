"""Why an object was missed: what `why_missed()` returns for each; numbers, and what they say in words."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from math import ceil
from typing import ClassVar, Dict, List, Optional, Tuple

import numpy as np

from ..errors import count
from .explanation import Record, Saved, from_optional, optional, rows, texts
from .exports import Table, Tabular, box_columns
from .saving import Column

# In the order in which an object is lost on its way through a detector.
MECHANISMS = ('found', 'filtered', 'uncovered', 'regressed', 'outvoted', 'background', 'suppressed')


@dataclass(eq=False, repr=False)
class Miss(Record):
    """Why an annotated object was missed.

    Attributes:
        box: Shape (4,), float32 ``x1, y1, x2, y2`` in picture pixels: the object.
        label: Its class.
        class_name: The class's name.
        mechanism: ``'found'`` (it was not missed), ``'filtered'`` (by the test pipeline or a rule on sizes),
            ``'uncovered'`` (no candidate lies there), ``'regressed'`` (one does, but its box goes elsewhere),
            ``'outvoted'`` (by another class), ``'background'`` (no class reaches the threshold) or ``'suppressed'`` (it
            was right, and lost to other detections).
        kind: What did it, where a mechanism has several: ``'crop'`` or ``'size'`` filter; ``'NMS'``, ``'limit'`` or
            ``'shared'`` (one detection for two objects) suppress; ``'proposals'``, ``'priors'`` or ``'boxes'`` cover.
        stage: For two-stage detectors ``'proposals'`` or ``'RoI head'``; else empty.
        numbers: What it was decided from, by name; see ``docs/misses.md``.
        candidate: Shape (4,), float32: the box of the candidate that stands for the object, if there is one.
        rival: Shape (4,), float32: the detection that suppressed it, or the one of the class that won, if there is one.
        rival_label, rival_name: The class of that detection, or the class that won; -1 and empty without one.
    """

    box: np.ndarray
    label: int
    class_name: str
    mechanism: str
    kind: str = ''
    stage: str = ''
    numbers: Dict[str, float] = field(default_factory=dict)
    candidate: Optional[np.ndarray] = None
    rival: Optional[np.ndarray] = None
    rival_label: int = -1
    rival_name: str = ''

    def __repr__(self) -> str:
        return f'<Miss of {self.class_name} at ({_edges(self.box)}): {self.mechanism}. {self.sentence}>'

    @property
    def sentence(self) -> str:
        """Why it was missed, in plain words."""
        return _SENTENCES[self.mechanism, self.kind].format(**self._words())

    @property
    def advice(self) -> str:
        """What to try."""
        return _ADVICE[self.mechanism, self.kind].format(**self._words())

    @property
    def question(self) -> Tuple[str, Tuple[int, ...], bool]:
        """Which map belongs to it: the arguments ``target``, ``against`` and ``signed`` of :func:`explain_boxes`."""
        if self.mechanism == 'outvoted':
            return 'score', (self.rival_label,), True
        if self.mechanism == 'regressed':
            return 'box', (), False
        return 'score', (), self.mechanism == 'background'

    def _words(self) -> Dict[str, object]:
        rival = '' if self.rival is None else f' at ({_edges(self.rival)})'
        width, height = self.box[2:] - self.box[:2]
        words: Dict[str, object] = {name: f'{number:.2f}' for name, number in self.numbers.items()}
        for name, limit in (('overlap', 'least'), ('score', 'threshold')):
            number = self.numbers.get(name, 0)
            if number < self.numbers.get(limit, 0):  # what falls short by little is not to look as if it did not
                words[name] = f'{min(round(number, 2), ceil(100 * self.numbers[limit] - 1) / 100):.2f}'
        for name in ('proposals', 'limit', 'stride', 'min_size'):
            words[name] = f'{self.numbers.get(name, 0):g}'
        for name in ('cut', 'width', 'height'):
            words[name] = f'{self.numbers.get(name, 0):.0f}'
        words.update(own=self.class_name, rival=f'{self.rival_name}{rival}', other=self.rival_name)
        words.update(size=f'{width:.0f} x {height:.0f}', setting='max_per_img')
        words['head'] = 'The RoI head moves its proposal' if self.stage else 'A candidate lies there, but it decodes'
        return words


class Misses(List[Miss], Saved, Tabular):
    """What became of the objects of a picture: a list of :class:`Miss`, in the order of the objects."""

    kind: ClassVar[str] = 'misses'

    def __repr__(self) -> str:
        told = [each.mechanism for each in self]
        counts = [f'{told.count(mechanism)} {mechanism}' for mechanism in MECHANISMS if mechanism in told]
        return f'<Misses of {count(len(self), "object")}{": " if self else ""}{", ".join(counts)}>'

    def table(self) -> Table:
        """See :class:`~mmlens.results.exports.Tabular`.

        Returns:
            ``class``, ``label``, ``x1`` to ``y2``, ``mechanism``, ``kind``, ``stage``, ``rival`` (the class that won,
            or of the detection that suppressed it), ``sentence``, ``advice``; and ``score``, ``overlap`` of the
            candidate that stands for the object, NaN where they are not known.
        """
        return {
            'class': [each.class_name for each in self],
            'label': [each.label for each in self],
            **box_columns(np.array([each.box for each in self], np.float32).reshape(-1, 4)),
            'mechanism': [each.mechanism for each in self],
            'kind': [each.kind for each in self],
            'stage': [each.stage for each in self],
            'rival': [each.rival_name for each in self],
            **{name: [each.numbers.get(name, np.nan) for each in self] for name in ('score', 'overlap')},
            'sentence': [each.sentence for each in self],
            'advice': [each.advice for each in self],
        }

    def columns(self) -> Dict[str, Column]:
        """What :meth:`save` writes, for N objects.

        Returns:
            ``boxes`` (N, 4) float32; ``labels``, ``rival_labels`` (N,) int64; ``classes``, ``mechanisms``, ``kinds``,
            ``stages``, ``rival_classes`` (N,) text; ``numbers`` (N,) text, each an object of JSON; and of those that
            have one ``candidates``, ``rivals`` (M, 4) float32, with ``has_candidates``, ``has_rivals`` (N,) bool.
        """
        return {
            'boxes': np.array([each.box for each in self], np.float32).reshape(-1, 4),
            'labels': np.array([each.label for each in self], np.int64),
            'classes': texts([each.class_name for each in self]),
            'mechanisms': texts([each.mechanism for each in self]),
            'kinds': texts([each.kind for each in self]),
            'stages': texts([each.stage for each in self]),
            'numbers': texts(
                [json.dumps({name: float(value) for name, value in each.numbers.items()}) for each in self]
            ),
            'rival_labels': np.array([each.rival_label for each in self], np.int64),
            'rival_classes': texts([each.rival_name for each in self]),
            **optional('candidates', [each.candidate for each in self], np.float32),
            **optional('rivals', [each.rival for each in self], np.float32),
        }

    @classmethod
    def _from_arrays(cls, saved: Dict[str, np.ndarray]) -> Misses:
        number = len(saved['boxes'])
        texts_of = (saved[name].tolist() for name in ('classes', 'mechanisms', 'kinds', 'stages'))
        columns = rows(
            saved['boxes'],
            saved['labels'].tolist(),
            *texts_of,
            [json.loads(each) for each in saved['numbers'].tolist()],
            from_optional(saved, 'candidates', number),
            from_optional(saved, 'rivals', number),
            saved['rival_labels'].tolist(),
            saved['rival_classes'].tolist(),
        )
        return cls(Miss(*column) for column in columns)


def _edges(box: np.ndarray) -> str:
    return ', '.join(f'{edge:.0f}' for edge in box)


_SENTENCES = {
    ('found', ''): 'It was found: {own} {score}, with IoU {overlap}.',
    ('filtered', 'crop'): 'The test pipeline cuts {cut} % of it off: the network does not see it.',
    (
        'filtered',
        'size',
    ): 'It was found as {own} {score} and dropped for its size: a side has {min_size} pixels or less.',
    ('uncovered', 'proposals'): 'No proposal lies there: the best of {proposals} overlaps it with IoU {coverage}.',
    ('uncovered', 'priors'): 'No prior lies there: it has {width} x {height} pixels in the input, and the finest '
    'stride is {stride}.',
    ('uncovered', 'boxes'): 'No candidate lies there: the best overlaps it with IoU {overlap}.',
    ('regressed', ''): '{head} to a box that misses it: the best overlaps it with IoU {overlap}.',
    ('outvoted', ''): 'A candidate lies there (IoU {overlap}), and another class wins: {rival} has {rival_score}, '
    '{own} {score}.',
    ('background', ''): 'A candidate lies there (IoU {overlap}), and no class reaches {threshold}: {own} has {score}.',
    ('suppressed', 'NMS'): 'It was found as {own} {score} and suppressed by {rival} {rival_score}, which overlaps it '
    'with IoU {rival_overlap}.',
    ('suppressed', 'limit'): 'It was found as {own} {score} and fell out of the {limit} detections that a picture may '
    'have, the last of which is {rival} {rival_score}.',
    ('suppressed', 'shared'): 'One detection stands for two objects: {rival} {rival_score} belongs to another one.',
}
_ADVICE = {
    ('found', ''): 'Nothing is to be done.',
    ('filtered', 'crop'): 'Use a test pipeline that keeps the whole picture.',
    ('filtered', 'size'): 'Lower `min_bbox_size` in the test_cfg, or enlarge the input.',
    ('uncovered', 'proposals'): 'Raise `nms_pre`, `max_per_img` and the NMS threshold of the RPN, or give it anchors '
    'of this size and shape.',
    ('uncovered', 'priors'): 'Enlarge the input, or add priors of this size.',
    ('uncovered', 'boxes'): 'Enlarge the input, use more queries, or train with more objects of this place and size.',
    ('regressed', ''): "Look at what moves its edges (`target='box'`), and train with more objects of this size and "
    'shape.',
    ('outvoted', ''): 'Look at what speaks for {other} and not for {own} (`against`), and train with more of both.',
    ('background', ''): 'Lower the threshold to {score}, if the false alarms allow it; look at what speaks against it '
    '(`signed`), and train with more objects like it.',
    ('suppressed', 'NMS'): 'Raise the IoU threshold of NMS in the test_cfg, or use soft-NMS.',
    ('suppressed', 'limit'): 'Raise `max_per_img` in the test_cfg.',
    ('suppressed', 'shared'): 'Raise the IoU threshold of NMS where there is one, and train with more objects that '
    'overlap.',
}
