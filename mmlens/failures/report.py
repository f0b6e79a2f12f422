"""What find_errors() returns: all errors, what they cost, and the way to their maps."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Union

from ..attribution.targets import EDGES
from ..choices import ERRORS, RANKS
from ..errors import MmlensError, count
from ..evaluation import Case
from ..files import write_text
from ..metrics import ErrorCosts
from ..models.detector import Detector
from ..results.exports import Table, Tabular
from .explained import ExplainedFailure
from .explaining import explain_failure
from .failure import Failure

_BOX = ('x1', 'y1', 'x2', 'y2')
_COLUMNS = (
    'picture', 'type', *_BOX, 'class', 'score', *(f'truth_{edge}' for edge in _BOX), 'truth_class', 'iou', *EDGES,
    'cost', 'mechanism', 'sheet', 'sentence',
)  # fmt: skip


class ErrorReport(Tabular):
    """The errors of a detector on annotated pictures.

    Attributes:
        detector: The detector.
        failures: All errors, picture by picture.
        costs: What they cost; see :func:`mmlens.metrics.error_costs`.
        counts: Type -> how many, ``tidecv``'s counts.
        pictures: How many pictures were gone through.
        broken: A sentence for each picture that could not be read.
        notes: Sentences for the user.
        unfinished: Whether the work was ended early.
        score_thr: Detections below were left out.
    """

    def __init__(
        self,
        detector: Detector,
        cases: Sequence[Case],
        failures: Sequence[Failure],
        counts: Dict[str, int],
        costs: ErrorCosts,
        **others: Any,
    ) -> None:
        self.detector, self._cases = detector, cases
        self.failures, self.counts, self.costs = list(failures), counts, costs
        self.pictures: int = others.get('pictures', len(cases))
        self.broken: List[str] = list(others.get('broken', ()))
        self.notes: List[str] = list(others.get('notes', ()))
        self.unfinished: bool = others.get('unfinished', False)
        self.score_thr: float = others.get('score_thr', 0.0)

    def __repr__(self) -> str:
        kinds = ', '.join(f'{number:,} {kind}' for kind, number in self.counts.items() if number)
        errors = count(len(self.failures), 'error') + (f' ({kinds})' if kinds else '')
        return f'<ErrorReport: {errors} on {count(self.pictures, "picture")}>'

    def __len__(self) -> int:
        return len(self.failures)

    def worst(self, kind: Optional[str] = None, most: Optional[int] = None, rank: str = 'confidence') -> List[Failure]:
        """The errors of a type, the worst first.

        Args:
            kind: The type; ``None`` for all.
            most: How many at most.
            rank: ``'confidence'``: by the detection's score, and then missed objects by their size, the largest first.
                ``'cost'``: by what repairing each alone would bring.

        Raises:
            MmlensError: If there is no such type or order.
        """
        if kind is not None and kind not in ERRORS:
            raise MmlensError(f"Unknown type of error '{kind}': choose one of {', '.join(ERRORS)}.")
        if rank not in RANKS:
            raise MmlensError(f"Unknown order '{rank}': choose one of {', '.join(RANKS)}.")
        chosen = [each for each in self.failures if kind in (None, each.type)]
        if rank == 'cost':
            chosen.sort(key=lambda each: (-each.cost, -each.score, -each.area))
        else:
            chosen.sort(key=lambda each: (-each.score, -each.area))
        return chosen[:most]

    def explain(self, failure: Failure, **options: Any) -> ExplainedFailure:
        """Explain one of the errors by the target that fits its type.

        A wrong *classification* is explained by the contrast of its class with the true one; a wrong *localisation* by
        the edges that are off, each by a map of its own; anything else that was detected by its score. For a *missed*
        object, :func:`mmlens.why_missed` tells at which step it was lost, and the map is the one that belongs to that.

        Args:
            failure: One of :attr:`failures`.
            **options: ``method``, ``layers``, ``fusion`` and others of :func:`mmlens.explain_boxes`.

        Raises:
            MmlensError: With one sentence on what is wrong.
        """
        picture, truth = self._cases[failure.case].read()
        return explain_failure(self.detector, picture, failure, truth, self.score_thr, **options)

    def summary(self) -> str:
        """A table: of each type how many there are, their share, and what they cost in mAP."""
        total = sum(self.counts.values())
        lines = [f'{"type":<16}{"errors":>8}{"share":>8}{"cost in mAP50":>16}']
        for kind in ERRORS:
            number, cost = self.counts[kind], self.costs.of_type[kind]
            share = f'{number / total:.0%}' if total else '-'
            lines.append(f'{kind:<16}{number:>8,}{share:>8}{cost:>16.2f}')
        lines.append(f'mAP50 {self.costs.mean_ap:.2f}, of detections that score {self.score_thr:g} or more')
        return '\n'.join(lines)

    def table(self) -> Table:
        """See :class:`~mmlens.results.exports.Tabular`: the columns of ``errors.csv``, the worst first."""
        rows = [_row(each) for each in self.worst()]
        return {name: [row[number] for row in rows] for number, name in enumerate(_COLUMNS)}

    def write(self, folder: Union[str, Path]) -> None:
        """Write all errors to ``errors.csv`` and, with counts and costs, to ``errors.json``.

        Raises:
            OutputError: If a file cannot be written.
        """
        folder = Path(folder)
        with write_text(folder / 'errors.csv') as file:
            writer = csv.writer(file, lineterminator='\n')
            writer.writerow(_COLUMNS)
            writer.writerows(_row(each) for each in self.worst())
        with write_text(folder / 'errors.json') as file:
            file.write(json.dumps(self.as_json(), indent=1) + '\n')

    def as_json(self) -> Dict[str, Any]:
        """All of it as numbers and text, ready for JSON."""
        alone: Counter = Counter(each.picture for each in self.failures)
        return dict(
            score_thr=self.score_thr,
            pictures=self.pictures,
            pictures_with_errors=len(alone),
            broken=self.broken,
            unfinished=self.unfinished,
            mean_ap=round(self.costs.mean_ap, 6),
            counts=self.counts,
            costs={kind: round(cost, 6) for kind, cost in self.costs.of_type.items()},
            errors=[each.as_json() for each in self.worst()],
        )


def _row(failure: Failure) -> List[Any]:
    told = failure.as_json()
    box, truth = told['box'] or [''] * 4, told['truth'] or [''] * 4
    score = '' if failure.box is None else told['score']
    edges = [told['edges'].get(edge, '') for edge in EDGES]
    names = (told['truth_class'], told['overlap'])
    where = (told['picture'], told['type'], *box, told['class_name'], score)
    return [*where, *truth, *names, *edges, told['cost'], told['mechanism'], told['sheet'], told['sentence']]
