"""The figures of every box in arrays, and the files they go to."""

import csv
import importlib.machinery
import importlib.util
import json
import math
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from mmlens.evaluation.figures import FIGURES, Box
from mmlens.evaluation.measuring import Measured
from mmlens.evaluation.table import COLUMNS, Table, kind_of, record_of


def measured(name='a.jpg', boxes=2, start=0.0):
    """Two rows; the figures of box n are start + n, those of the second row 10 more; no mask and no mark."""
    found = Measured(name, plain=0.5, passes=dict(one=4, two=0), seconds=dict(one=2.0, two=0.1))
    for number in range(boxes):
        edges = np.array([0.0, 0, 40 * (number + 1), 40])
        found.boxes.append(Box(edges, number, f'c{number}', 0.9, edges, truth=None if number else 3, error=''))
    for row, more in (('one', 0), ('two', 10)):
        figures = {key: math.nan if 'mask' in key or 'evidence' in key else 0.0 for key in FIGURES}
        found.figures[row] = [dict(figures, deletion=start + n + more) for n in range(boxes)]
        curve = dict(deletion=list(np.linspace(1, 0, 11)), insertion=[0.5] * 11)
        found.curves[row] = [curve if n == 0 else {} for n in range(boxes)]
    return found


@pytest.fixture
def table():
    table = Table(['one', 'two'], ['two'])
    for number, name in enumerate(('a.jpg', 'b.jpg')):
        table.add(json.loads(json.dumps(record_of(measured(name, start=number * 0.1)))))
    table.add(record_of(measured('empty.jpg', 0)))
    return table


def test_figures_and_curves_come_back(table):
    assert len(table) == 4 and table.total == 3 and table.pictures == ['a.jpg', 'a.jpg', 'b.jpg', 'b.jpg']
    assert table.figures('one', 'deletion').tolist() == [0, 1, 0.1, 1.1]
    assert table.figures('two', 'deletion').tolist() == [10, 11, 10.1, 11.1]
    assert np.isnan(table.figures('one', 'epg_mask')).all()
    assert table.curves('one', 'deletion').shape == (4, 11) and np.isnan(table.curves('one', 'deletion')[1]).all()
    assert table.curves('two', 'insertion')[0].tolist() == [0.5] * 11
    assert table.known() == [
        'deletion',
        'insertion',
        'oa',
        'pointing',
        'epg',
        'compactness',
        'odi',
        'success',
        'sanity',
    ]
    assert table.sizes() == ['medium', 'medium'] * 2


def test_the_cost_of_a_row_is_that_of_a_box(table):
    assert table.cost('one') == dict(seconds=1.5, passes=3, ratio=3)


def test_the_table_of_boxes(table, tmp_path):
    table.write_boxes(tmp_path / 'boxes.csv')
    with open(tmp_path / 'boxes.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8 and set(FIGURES) < set(rows[0])
    first, third = rows[0], rows[2]
    assert (first['picture'], first['x2'], first['class'], first['truth'], first['error']) == (
        'a.jpg', '40.0', 'c0', '3', 'none'
    )  # fmt: skip
    assert (first['method'], first['deletion'], first['epg_mask']) == ('one', '0.0', '')
    assert (third['truth'], third['method'], third['deletion']) == ('', 'one', '1.0')


def test_the_columns_are_those_of_the_table_of_boxes(table, tmp_path):
    table.write_boxes(tmp_path / 'boxes.csv')
    with open(tmp_path / 'boxes.csv', newline='') as file:
        head, *rows = csv.reader(file)
    columns = table.columns()
    assert list(columns) == head == list(COLUMNS) and {len(column) for column in columns.values()} == {8}
    assert [['' if value is None else str(value) for value in line] for line in zip(*columns.values())] == rows
    kinds = dict(str=str, int=int, float=(int, float))
    for name, column in columns.items():
        assert all(value is None or isinstance(value, kinds[kind_of(name)]) for value in column), name
    assert columns['truth'][:4] == [3, 3, None, None] and columns['epg_mask'] == [None] * 8


def test_parquet_is_written_where_pyarrow_is(table, tmp_path, monkeypatch):
    """With a stand-in for pyarrow: what it is given is the columns, each with its type."""
    written = []
    pyarrow = types.ModuleType('pyarrow')
    pyarrow.parquet = types.ModuleType('pyarrow.parquet')
    pyarrow.__spec__ = pyarrow.parquet.__spec__ = importlib.machinery.ModuleSpec('pyarrow', None)
    pyarrow.string, pyarrow.int64, pyarrow.float64 = (lambda name=name: name for name in ('str', 'int', 'float'))
    pyarrow.schema, pyarrow.table = dict, lambda columns, schema: (columns, schema)
    pyarrow.parquet.write_table = lambda table, path: written.append(table) or Path(path).write_bytes(b'PAR1PAR1')
    monkeypatch.setitem(sys.modules, 'pyarrow', pyarrow)
    monkeypatch.setitem(sys.modules, 'pyarrow.parquet', pyarrow.parquet)
    assert table.write_parquet(tmp_path / 'boxes.parquet') and (tmp_path / 'boxes.parquet').is_file()
    ((columns, schema),) = written
    assert columns == table.columns() and schema['truth'] == 'int' and schema['size'] == 'str' == schema['picture']
    assert list(schema) == list(COLUMNS) and schema['deletion'] == 'float'


def test_without_pyarrow_there_is_no_parquet(table, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    assert not table.write_parquet(tmp_path / 'boxes.parquet') and not list(tmp_path.iterdir())


def test_the_real_parquet_comes_back(table, tmp_path):
    parquet = pytest.importorskip('pyarrow.parquet')
    assert table.write_parquet(tmp_path / 'boxes.parquet')
    assert parquet.read_table(tmp_path / 'boxes.parquet').to_pydict() == table.columns()
