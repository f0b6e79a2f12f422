"""SanityCheck: whether maps change with the network's weights; the numbers, the verdict and the figure."""

from __future__ import annotations

import csv
import math
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Dict, List, Tuple, Union

import numpy as np

from ..errors import MmlensError, count
from .explanation import Record, Saved, Shown, texts
from .exports import Table, Tabular
from .saving import Column

if TYPE_CHECKING:
    from ..rendering import Drawing

# Squares of correlations are shares of what the one order tells of the other: 4 % and a quarter.
LIMIT, PART = 0.2, 0.5
# Maps that are alike by this much when the head alone is drawn anew do not depend on it.
SAME = 0.95

PASSES, IN_PART, FAILS, UNKNOWN = 'passes', 'in part', 'fails', 'unknown'
_WORDS = {PASSES: 'passes', IN_PART: 'passes in part', FAILS: 'does not pass'}
_MEANINGS = {
    PASSES: 'they show what the network has learnt',
    IN_PART: 'they show what it has learnt, and to a lesser part where the box lies and what the picture looks like',
    FAILS: 'they show where the box lies and what the picture looks like rather than what it has learnt',
}


@dataclass(eq=False, repr=False)
class SanityCheck(Record, Shown, Saved, Tabular):
    """What became of the maps of M methods for N boxes while the weights of P parts were drawn anew, D times.

    Attributes:
        methods: Names of the methods.
        parts: Names of the parts, from the head down; each step draws one more of them anew.
        boxes: Class and score of each box; of a classifier, each class.
        pictures: Shape (N,): the number of each box's picture, from 0.
        correlations: Shape (M, D, P, N): Spearman's correlation with the map of the trained network within the box; 0
            for a map that is blank there, NaN where there is nothing to compare.
        gaussian: Shape (M, N): the same for a Gaussian in the box, which knows no network.
        notes: Sentences for the user.
        versions: Versions of the packages that made the maps.
    """

    kind: ClassVar[str] = 'a sanity check'

    methods: Tuple[str, ...]
    parts: Tuple[str, ...]
    boxes: Tuple[str, ...]
    pictures: Tuple[int, ...]
    correlations: np.ndarray
    gaussian: np.ndarray
    notes: List[str] = field(default_factory=list)
    versions: Dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        verdicts = ', '.join(f'{method} {self.verdict(method)}' for method in self.methods)
        return f'<SanityCheck on {count(len(self.boxes), "box")}: {verdicts}>'

    def curve(self, method: str) -> np.ndarray:
        """Means over the boxes (D, P + 1), step by step; the first is 1, with no weight drawn anew.

        Raises:
            MmlensError: If the method was not checked.
        """
        if method not in self.methods:
            raise MmlensError(f"'{method}' was not checked: it was {', '.join(self.methods)}.")
        means = _mean(self.correlations[self.methods.index(method)], -1)
        return np.concatenate([np.ones((len(means), 1)), means], 1)

    def final(self, method: str) -> Tuple[float, float, float]:
        """Mean correlation with all weights drawn anew, and the lowest and highest of the draws; NaN if unknown."""
        return _range(self.curve(method)[:, -1])

    def verdict(self, method: str) -> str:
        """Whether a method's maps show what the network has learnt.

        Returns:
            ``'passes'``: with all weights drawn anew, the mean correlation of each draw is between -0.2 and 0.2.
            ``'in part'``: it is between -0.5 and 0.5.
            ``'fails'``: it is beyond; or maps stay the same (0.95) with the first part, the head, drawn anew.
            ``'unknown'``: There is nothing to compare.
        """
        worst = max(map(abs, self.final(method)))
        if math.isnan(worst):
            return UNKNOWN
        if self._ignores_head(method) or worst >= PART:
            return FAILS
        return PASSES if worst < LIMIT else IN_PART

    def _ignores_head(self, method: str) -> bool:
        """Whether maps stay the same with the first of several parts drawn anew."""
        first = self.curve(method)[:, 1]
        return len(self.parts) > 1 and bool((first >= SAME).all())

    def sentence(self, method: str) -> str:
        """What came out for a method, and what it means."""
        verdict = self.verdict(method)
        if verdict == UNKNOWN:
            return f'{method}: nothing can be said, because no map could be compared with all weights drawn anew.'
        if self._ignores_head(method):
            return (
                f'{method} does not pass: its maps stay the same with {self.parts[0]} drawn anew, so they do not show '
                'why the head decides as it does.'
            )
        mean, low, high = self.final(method)
        draws = self.correlations.shape[1]
        between = f' ({low:.2f} to {high:.2f} in {draws} draws)' if draws > 1 else ''
        gaussian = float(_mean(self.gaussian[self.methods.index(method)], 0))
        return (
            f'{method} {_WORDS[verdict]}: with all weights drawn anew, its maps correlate by {mean:.2f}{between} with '
            f'those of the trained network within the box (a Gaussian that knows no network: {gaussian:.2f}); '
            f'{_MEANINGS[verdict]}.'
        )

    def rows(self) -> List[Tuple[str, str, float, float, float]]:
        """Method, part, mean over boxes and draws, lowest and highest of the draws: a row each step of a method."""
        return [
            (method, part, *_range(draws))
            for method in self.methods
            for part, draws in zip(self.parts, self.curve(method)[:, 1:].T)
        ]

    def write_csv(self, path: Union[str, Path]) -> None:
        """Write every correlation, a line each: picture, box, method, draw, part; whole or not at all.

        Raises:
            OutputError: If the file cannot be written.
        """
        from ..files import write_text

        table = self.table()
        with write_text(path) as file:
            writer = csv.writer(file)
            writer.writerow(table)
            for *where, value in zip(*table.values()):
                writer.writerow([*where, '' if math.isnan(value) else f'{value:.4f}'])

    def table(self) -> Table:
        """See :class:`~mmlens.results.exports.Tabular`.

        Returns:
            ``picture``, ``box``, ``method``, ``draw``, ``part``, ``correlation``: a row for every correlation.
        """
        places = list(np.ndindex(*self.correlations.shape))
        return dict(
            picture=[self.pictures[box] for *_, box in places],
            box=[self.boxes[box] for *_, box in places],
            method=[self.methods[method] for method, *_ in places],
            draw=[draw for _, draw, _, _ in places],
            part=[self.parts[part] for _, _, part, _ in places],
            correlation=self.correlations.ravel(),
        )

    def columns(self) -> Dict[str, Column]:
        """What :meth:`save` writes.

        Returns:
            ``methods``, ``parts``, ``boxes``, ``notes``, ``versions`` (``name==version``) text; ``pictures`` (N,)
            int64; ``correlations`` (M, D, P, N) and ``gaussian`` (M, N) float64.
        """
        return dict(
            methods=texts(self.methods),
            parts=texts(self.parts),
            boxes=texts(self.boxes),
            pictures=np.array(self.pictures, np.int64),
            correlations=np.asarray(self.correlations, np.float64),
            gaussian=np.asarray(self.gaussian, np.float64),
            notes=texts(self.notes),
            versions=texts([f'{name}=={version}' for name, version in sorted(self.versions.items())]),
        )

    @classmethod
    def _from_arrays(cls, saved: Dict[str, np.ndarray]) -> SanityCheck:
        check = cls(
            methods=tuple(saved['methods'].tolist()),
            parts=tuple(saved['parts'].tolist()),
            boxes=tuple(saved['boxes'].tolist()),
            pictures=tuple(saved['pictures'].tolist()),
            correlations=saved['correlations'],
            gaussian=saved['gaussian'],
            notes=saved['notes'].tolist(),
            versions=dict(pair.split('==', 1) for pair in saved['versions'].tolist()),
        )
        methods, parts, boxes = len(check.methods), len(check.parts), len(check.boxes)
        if check.correlations.shape != (methods, check.correlations.shape[1], parts, boxes):
            raise ValueError('correlations of another number of methods, parts or boxes')
        return check

    def drawing(self) -> Drawing:  # type: ignore[override]
        """Draw a curve a method: the mean over boxes and draws, with a band from the lowest to the highest draw."""
        from ..rendering import Drawing, draw_sanity

        return Drawing(draw_sanity({method: self.curve(method) for method in self.methods}, self.parts, (LIMIT, PART)))


def _mean(values: np.ndarray, axis: int) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', RuntimeWarning)  # of nothing but NaN
        return np.nanmean(values, axis)


def _range(values: np.ndarray) -> Tuple[float, float, float]:
    """Mean, lowest and highest of what is known."""
    known = values[~np.isnan(values)]
    if not len(known):
        return math.nan, math.nan, math.nan
    return float(known.mean()), float(known.min()), float(known.max())
