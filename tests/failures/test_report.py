"""The report: the order of errors, tables and files."""

import csv
import json

import numpy as np
import pytest

from mmlens.errors import MmlensError
from mmlens.failures import ErrorReport, Failure
from mmlens.metrics import ERROR_TYPES, ErrorCosts


def box(size):
    return np.array([0.0, 0.0, size, size])


@pytest.fixture
def report():
    failures = [
        Failure('a', 'background', box(10), 0, 'cup', 0.5, 3, cost=2.0),
        Failure('a', 'background', box(10), 0, 'cup', 0.9, 1, cost=1.0),
        Failure('b', 'missed', truth=box(5), truth_name='fork', cost=0.5),
        Failure('b', 'missed', truth=box(9), truth_name='fork', cost=0.2),
    ]
    counts = dict.fromkeys(ERROR_TYPES, 0)
    counts.update(background=2, missed=2)
    costs = ErrorCosts(50.0, dict.fromkeys(ERROR_TYPES, 0.0))
    costs.of_type['background'] = 3.0
    return ErrorReport(None, [], failures, counts, costs, pictures=2, score_thr=0.3)


def test_the_worst_come_first(report):
    assert [each.score for each in report.worst('background')] == [0.9, 0.5]
    assert [each.score for each in report.worst('background', rank='cost')] == [0.5, 0.9]
    assert [each.area for each in report.worst('missed')] == [81, 25]
    assert [each.type for each in report.worst(most=3)] == ['background', 'background', 'missed']
    with pytest.raises(MmlensError, match="Unknown type of error 'class'"):
        report.worst('class')
    with pytest.raises(MmlensError, match="Unknown order 'size'"):
        report.worst(rank='size')


def test_the_table(report):
    lines = report.summary().splitlines()
    assert lines[0].split() == ['type', 'errors', 'share', 'cost', 'in', 'mAP50']
    assert lines[5].split() == ['background', '2', '50%', '3.00']
    assert lines[-1] == 'mAP50 50.00, of detections that score 0.3 or more'
    assert repr(report) == '<ErrorReport: 4 errors (2 background, 2 missed) on 2 pictures>' and len(report) == 4


def test_the_files(report, tmp_path):
    report.failures[0].sheet = 'background/002_a.png'
    report.write(tmp_path / 'new')
    told = json.loads((tmp_path / 'new' / 'errors.json').read_text())
    assert told['counts']['background'] == 2 and told['mean_ap'] == 50 and told['pictures'] == 2
    assert [each['cost'] for each in told['errors']] == [1, 2, 0.2, 0.5]
    with open(tmp_path / 'new' / 'errors.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    assert [row['type'] for row in rows] == ['background', 'background', 'missed', 'missed']
    assert rows[1]['sheet'] == 'background/002_a.png' and rows[0]['x2'] == '10.0' and rows[0]['truth_x2'] == ''
    assert rows[2]['score'] == '' and rows[2]['truth_class'] == 'fork'


def test_the_errors_in_a_line_and_as_a_table(report):
    assert repr(report) == '<ErrorReport: 4 errors (2 background, 2 missed) on 2 pictures>'
    missed = report.failures[3]
    assert repr(missed) == '<Failure in b: missed. This fork of 9 x 9 pixels was not found.>'
    assert 'array' not in repr(report.failures)
    table = report.table()
    assert table['type'] == ['background', 'background', 'missed', 'missed'] and table['score'] == [0.9, 0.5, '', '']
    assert table['truth_class'] == ['', '', 'fork', 'fork'] and len(set(map(len, table.values()))) == 1
