"""Means with intervals, comparisons in pairs, and the tables that show them."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Dict, Iterable, List, Sequence, Tuple

import numpy as np

from ..files import write_text
from ..metrics import ALTERATIONS, SHARES, Interval, bootstrap, paired_difference
from .figures import FIGURES, LOWER_IS_BETTER
from .table import SIZES, Table

# What pairs of rows are compared by.
COMPARED = (
    'deletion',
    'insertion',
    'oa',
    'epg',
    'evidence_exact',
    'evidence_near',
    'evidence_share',
    'success',
    'sanity',
)


@dataclass(frozen=True)
class Mean:
    """A figure of a row over a group of boxes.

    Attributes:
        kind: ``'all'``, ``'class'`` or ``'size'``.
        group: Which of these.
        row: The method, or baseline.
        figure: The figure.
        interval: Its mean.
    """

    kind: str
    group: str
    row: str
    figure: str
    interval: Interval


def groups_of(table: Table) -> Dict[Tuple[str, str], np.ndarray]:
    """Groups of boxes, by kind and name, each with the indexes of its boxes: all, a class each, a size each."""
    groups: Dict[Tuple[str, str], np.ndarray] = {('all', ''): np.arange(len(table))}
    classes, sizes = np.array([box['class_name'] for box in table.boxes]), np.array(table.sizes())
    for name in sorted(set(classes.tolist())):
        groups['class', name] = np.flatnonzero(classes == name)
    for name in SIZES:
        if (sizes == name).any():
            groups['size', name] = np.flatnonzero(sizes == name)
    return groups


def means_of(table: Table, kinds: Sequence[str] = ('all', 'class', 'size')) -> List[Mean]:
    """The means of all known figures, for each row and each group of boxes of these kinds."""
    pictures, found = np.array(table.pictures), []
    groups = {key: boxes for key, boxes in groups_of(table).items() if key[0] in kinds}
    for figure in table.known():
        for row in table.rows:
            values = table.figures(row, figure)
            for (kind, group), boxes in groups.items():
                found.append(Mean(kind, group, row, figure, bootstrap(values[boxes], pictures[boxes].tolist())))
    return found


def pairs_of(table: Table) -> List[Tuple[str, str, str, Interval]]:
    """Each two rows compared on the same boxes: one, other, figure, and the mean of one less other."""
    found = []
    for figure in (name for name in COMPARED if name in table.known()):
        values = {row: table.figures(row, figure) for row in table.rows}
        for one, other in combinations(table.rows, 2):
            found.append((one, other, figure, paired_difference(values[one], values[other], table.pictures)))
    return found


def markdown(table: Table, means: Sequence[Mean], kind: str = 'all', group: str = '', **columns: bool) -> str:
    """The means of a group as a table of Markdown, a row a method, baselines last; the best of a column is bold.

    Args:
        table: What was measured.
        means: What :func:`means_of` returned.
        kind, group: Which of them.
        **columns: ``cost``: whether the last column is the time of a box's map, in plain inferences; ``intervals``:
            whether they follow the means. Both default to ``True``.
    """
    cost, intervals = columns.get('cost', True), columns.get('intervals', True)
    of_cell = {(mean.row, mean.figure): mean.interval for mean in means if (mean.kind, mean.group) == (kind, group)}
    figures = [name for name in FIGURES if any(figure == name for _, figure in of_cell)]
    best = {name: _best(name, {row: of_cell[row, name].mean for row in table.rows}) for name in figures}
    rows = [row for row in table.rows if row not in table.baselines] + table.baselines
    lines = [
        [
            f'*{row}*' if row in table.baselines else row,
            *(_shown(of_cell[row, name], row in best[name], intervals) for name in figures),
            *([_cost(table, row)] if cost else []),
        ]
        for row in rows
    ]
    return grid(['method', *(FIGURES[name] for name in figures), *(['cost'] if cost else [])], lines)


def _best(figure: str, means: Dict[str, float]) -> List[str]:
    """The rows with the best mean, as it is shown."""
    shown = {row: round(mean, 3) for row, mean in means.items() if not math.isnan(mean)}
    if not shown or len(set(shown.values())) == 1:
        return []
    wanted = (min if figure in LOWER_IS_BETTER else max)(shown.values())
    return [row for row, mean in shown.items() if mean == wanted]


def _shown(interval: Interval, best: bool, with_interval: bool) -> str:
    if math.isnan(interval.mean):
        return '-'
    mean = f'{interval.mean:.3f}'
    mean = f'**{mean}**' if best else mean
    return f'{mean} [{interval.low:.3f}, {interval.high:.3f}]' if with_interval else mean


def _cost(table: Table, row: str) -> str:
    ratio = table.cost(row)['ratio']
    return '-' if math.isnan(ratio) else f'{ratio:.2f}'


def grid(headings: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table of Markdown."""
    rows = [list(headings), ['---'] * len(headings), *map(list, lines)]
    return '\n'.join(f'| {" | ".join(row)} |' for row in rows)


def report(table: Table, means: Sequence[Mean]) -> str:
    """All tables as a page of Markdown: over all boxes, a table a class and a table a size. It holds no times."""
    parts = [f'{len(table)} boxes on {table.total} pictures. In brackets: 95 % intervals; in italics: baselines.']
    for kind, group in dict.fromkeys((mean.kind, mean.group) for mean in means):
        heading = f'{kind}: {group} ({len(groups_of(table)[kind, group])})' if group else kind
        parts.append(f'## {heading}\n\n{markdown(table, means, kind, group, cost=False)}')
    return '\n\n'.join(parts) + '\n'


def draw_means(table: Table, means: Sequence[Mean]) -> np.ndarray:
    """Draw the means over all boxes with their intervals, and the curves of deletion and insertion.

    Returns:
        Shape (H, W, 3), uint8, BGR.
    """
    from ..rendering.evaluation import draw_evaluation

    shown: Dict[str, Dict[str, Tuple[float, float, float]]] = {}
    for mean in means:
        if mean.kind == 'all':
            interval = mean.interval
            shown.setdefault(FIGURES[mean.figure], {})[mean.row] = (interval.mean, interval.low, interval.high)
    curves = {name: {row: table.curves(row, name) for row in table.rows} for name in ALTERATIONS}
    known = {name: of_rows for name, of_rows in curves.items() if name in table.known()}
    return draw_evaluation(shown, known, SHARES, table.baselines)


def write_means(means: Sequence[Mean], path: Path) -> None:
    """Write the means of all groups: ``summary.csv``.

    Raises:
        OutputError: If the file cannot be written.
    """
    head = ('kind', 'group', 'method', 'figure', 'mean', 'low', 'high', 'boxes')
    _write(path, head, ((m.kind, m.group, m.row, m.figure, *_numbers(m.interval)) for m in means))


def write_pairs(pairs: Sequence[Tuple[str, str, str, Interval]], path: Path) -> None:
    """Write the comparisons in pairs: ``pairs.csv``.

    Raises:
        OutputError: If the file cannot be written.
    """
    head = ('one', 'other', 'figure', 'one - other', 'low', 'high', 'boxes')
    _write(path, head, ((one, other, figure, *_numbers(interval)) for one, other, figure, interval in pairs))


def _numbers(interval: Interval) -> List[object]:
    values = (interval.mean, interval.low, interval.high)
    return [*('' if math.isnan(value) else round(value, 6) for value in values), interval.boxes]


def _write(path: Path, head: Sequence[str], lines: Iterable[Sequence[object]]) -> None:
    with write_text(path) as file:
        writer = csv.writer(file, lineterminator='\n')
        writer.writerow(head)
        writer.writerows(lines)
