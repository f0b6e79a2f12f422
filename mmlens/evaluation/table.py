"""The figures of every box of every row, in arrays; and the files they are written to."""

from __future__ import annotations

import csv
import importlib.util
import math
from pathlib import Path
from typing import Any, Dict, Iterator, List, Sequence

import numpy as np

from ..files import write_atomically, write_text
from ..metrics import ALTERATIONS, SHARES
from .figures import FIGURES
from .measuring import Measured

# COCO's sizes: a name, and the area from which on it no longer holds.
SIZES = {'small': 32**2, 'medium': 96**2, 'large': math.inf}

# The table of boxes.
COLUMNS = ('picture', 'x1', 'y1', 'x2', 'y2', 'class', 'score', 'truth', 'error', 'size', 'method', *FIGURES)

Record = Dict[str, Any]


def record_of(measured: Measured) -> Record:
    """What was measured on a picture, ready for JSON; NaN becomes ``None``."""
    boxes = [
        dict(
            box=[round(float(edge), 3) for edge in box.box],
            label=box.label,
            class_name=box.class_name,
            score=round(box.score, 6),
            truth=box.truth,
            error=box.error,
            area=round(box.area, 3),
            figures={
                row: [_json(figures[number][name]) for name in FIGURES] for row, figures in measured.figures.items()
            },
            curves={row: _curves(curves[number]) for row, curves in measured.curves.items()},
        )
        for number, box in enumerate(measured.boxes)
    ]
    return dict(
        picture=measured.name,
        boxes=boxes,
        passes=measured.passes,
        seconds={row: round(seconds, 6) for row, seconds in measured.seconds.items()},
        plain=round(measured.plain, 6),
    )


def _json(value: float) -> Any:
    return None if math.isnan(value) else round(value, 9)


def _curves(curves: Dict[str, List[float]]) -> Dict[str, List[Any]]:
    return {name: [_json(round(score, 6)) for score in scores] for name, scores in curves.items()}


class Table:
    """The figures of B boxes in R rows.

    Attributes:
        rows: Names of the rows.
        baselines: Which of them are baselines.
        pictures: B: the picture of each box.
        boxes: B records: ``box``, ``label``, ``class_name``, ``score``, ``truth``, ``error``, ``area``.
        total: How many pictures were measured, with boxes or without.

    Args:
        rows: Names of the rows.
        baselines: Which of them are baselines.
    """

    def __init__(self, rows: Sequence[str], baselines: Sequence[str] = ()) -> None:
        self.rows, self.baselines = list(rows), list(baselines)
        self.pictures: List[str] = []
        self.boxes: List[Record] = []
        self.total = 0
        self.plain: List[float] = []
        self._figures: List[np.ndarray] = []
        self._curves: List[np.ndarray] = []
        self._passes: Dict[str, int] = dict.fromkeys(rows, 0)
        self._seconds: Dict[str, float] = dict.fromkeys(rows, 0.0)

    def __len__(self) -> int:
        return len(self.boxes)

    def add(self, record: Record) -> None:
        """Add what :func:`record_of` returned for a picture."""
        self.total += 1
        self.plain.append(record['plain'])
        for row in self.rows:
            self._passes[row] += record['passes'].get(row, 0)
            self._seconds[row] += record['seconds'].get(row, 0.0)
        empty = [None] * len(SHARES)
        for each in record['boxes']:
            self.pictures.append(record['picture'])
            self.boxes.append({key: value for key, value in each.items() if key not in ('figures', 'curves')})
            self._figures.append(np.array([each['figures'][row] for row in self.rows], np.float64))
            curves = [[each['curves'][row].get(name, empty) for name in ALTERATIONS] for row in self.rows]
            self._curves.append(np.array(curves, np.float32))

    def figures(self, row: str, figure: str) -> np.ndarray:
        """A figure of all boxes in a row: shape (B,), NaN where a box has none."""
        number, column = self.rows.index(row), list(FIGURES).index(figure)
        return np.array([each[number, column] for each in self._figures], np.float64)

    def curves(self, row: str, alteration: str) -> np.ndarray:
        """Relative scores of all boxes at each share: shape (B, 11), float32."""
        number, which = self.rows.index(row), ALTERATIONS.index(alteration)
        return np.array([each[number, which] for each in self._curves], np.float32).reshape(-1, len(SHARES))

    def known(self) -> List[str]:
        """The figures that at least one box has; ``blank`` only if a map is."""
        return [name for name in FIGURES if any(self._says_something(row, name) for row in self.rows)]

    def _says_something(self, row: str, figure: str) -> bool:
        values = self.figures(row, figure)
        return bool((values > 0).any() if figure == 'blank' else (~np.isnan(values)).any())

    def sizes(self) -> List[str]:
        """COCO's size of each box."""
        return [_size(box['area']) for box in self.boxes]

    def cost(self, row: str) -> Dict[str, float]:
        """What the maps of a row cost: ``seconds`` and ``passes`` a box, and ``ratio``: a box to a plain inference.

        The passes are those of the altered network; one forward pass a picture comes on top.
        """
        number = max(len(self), 1)
        plain = float(np.median(self.plain)) if self.plain else math.nan
        seconds = self._seconds[row] / number
        return dict(seconds=seconds, passes=self._passes[row] / number, ratio=seconds / plain)

    def write_boxes(self, path: Path) -> None:
        """Write a line for each box and row: ``boxes.csv``.

        Raises:
            OutputError: If the file cannot be written.
        """
        with write_text(path) as file:
            writer = csv.writer(file, lineterminator='\n')
            writer.writerow(COLUMNS)
            writer.writerows(['' if value is None else value for value in line] for line in self._lines())

    def write_parquet(self, path: Path) -> bool:
        """Write the same as ``boxes.parquet`` if pyarrow is installed; returns whether it is.

        Raises:
            OutputError: If the file cannot be written.
        """
        if importlib.util.find_spec('pyarrow') is None:
            return False
        import pyarrow
        from pyarrow import parquet

        kinds = {'int': pyarrow.int64(), 'str': pyarrow.string(), 'float': pyarrow.float64()}
        schema = pyarrow.schema([(name, kinds[kind_of(name)]) for name in COLUMNS])
        columns = {name: [_storable(value) for value in values] for name, values in self.columns().items()}
        with write_atomically(path) as temporary:
            parquet.write_table(pyarrow.table(columns, schema=schema), temporary)
        return True

    def columns(self) -> Dict[str, List[Any]]:
        """A line for each box and row, by columns; ``None`` where a box has no such value."""
        found: Dict[str, List[Any]] = {name: [] for name in COLUMNS}
        for line in self._lines():
            for column, value in zip(found.values(), line):
                column.append(value)
        return found

    def _lines(self) -> Iterator[List[Any]]:
        """What is known of the boxes and their maps, a line for each box and row."""
        for picture, box, figures in zip(self.pictures, self.boxes, self._figures):
            error = None if box['error'] is None else box['error'] or 'none'
            known = [picture, *box['box'], box['class_name'], box['score'], box['truth'], error, _size(box['area'])]
            for row, values in zip(self.rows, figures):
                yield [*known, row, *map(_json, values.tolist())]


def kind_of(column: str) -> str:
    """What a column of the table of boxes holds: ``'str'``, ``'int'`` or ``'float'``."""
    if column == 'truth':
        return 'int'
    return 'str' if column in ('picture', 'class', 'error', 'size', 'method') else 'float'


def _size(area: float) -> str:
    return next(name for name, end in SIZES.items() if area < end)


def _storable(value: Any) -> Any:
    """A value as Parquet takes it: names of files that are not UTF-8 are no text there."""
    return value.encode('utf-8', 'backslashreplace').decode() if isinstance(value, str) else value
