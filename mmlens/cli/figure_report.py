"""``mmlens evaluate --report``: what was measured on each box, beside its maps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Dict, List, Tuple

from .progress import progress_bar
from .reporting import Reporting

if TYPE_CHECKING:
    from ..evaluation import Case, Row, Table
    from ..models.detector import Detector

_MOST_REPORTED = 200  # pictures, whose boxes are explained again
_CURVES = ('deletion', 'insertion')


def report_figures(
    page: Reporting, detector: Detector, cases: List[Case], rows: List[Row], table: Table, score_thr: float
) -> None:
    """Explain the boxes of the first pictures once more, and report their maps with what was measured on each."""
    from ..explain.boxes import explain_boxes

    methods = [row for row in rows if row.draw is None and not row.baseline]
    known = set(table.pictures)
    shown = [case for case in cases if case.name in known][:_MOST_REPORTED]
    figures = _figures_by_picture(table, [row.name for row in methods])
    page.expect_number(len(shown))
    with page, progress_bar(len(shown)) as bar:
        task = bar.add_task('report', total=len(shown))
        for case in shown:
            picture = case.read()[0]
            for row in methods:
                found = explain_boxes(detector, picture, score_thr=score_thr, **row.settings)
                page.add(found, case.name, label=row.name)
            page.report.add_figures(case.name, figures[case.name])
            bar.advance(task)
        page.report.table('Figures', *_means_as_cells(table))
        if len(shown) < len(known):
            page.report.note(f'The report shows the first {len(shown)} of {len(known)} pictures.')


def _figures_by_picture(table: Table, rows: List[str]) -> Dict[str, List[Dict[str, Any]]]:
    """What was measured on each box, for :meth:`mmlens.Report.add_figures`, by picture."""
    heads = _heads(table)
    values = {row: {head: table.figures(row, name) for name, head in heads.items()} for row in rows}
    curves = {row: {name: table.curves(row, name) for name in _CURVES} for row in rows}
    found: Dict[str, List[Dict[str, Any]]] = {}
    for number, (picture, box) in enumerate(zip(table.pictures, table.boxes)):
        one = dict(box=box['box'], class_name=box['class_name'], error=box['error'])
        one['figures'] = {row: _finite(each, number) for row, each in values.items()}
        one['curves'] = {row: _finite(each, number) for row, each in curves.items()}
        found.setdefault(picture, []).append(one)
    return found


def _finite(columns: Dict[str, Any], number: int) -> Dict[str, Any]:
    """The values of a box that are known."""
    lists = {name: values[number].tolist() for name, values in columns.items()}
    return {name: value for name, value in lists.items() if all(map(math.isfinite, _listed(value)))}


def _listed(value: Any) -> List[float]:
    return value if isinstance(value, list) else [value]


def _heads(table: Table) -> Dict[str, str]:
    from ..evaluation.figures import FIGURES

    return {name: FIGURES[name] for name in table.known()}


def _means_as_cells(table: Table) -> Tuple[List[str], List[List[str]]]:
    """Columns and rows of the means over all boxes, baselines too."""
    heads = _heads(table)
    lines = []
    for row in table.rows:
        values = [[v for v in table.figures(row, name).tolist() if math.isfinite(v)] for name in heads]
        lines.append([row, *(f'{sum(each) / len(each):.3f}' if each else '' for each in values)])
    return ['method', *heads.values()], lines
