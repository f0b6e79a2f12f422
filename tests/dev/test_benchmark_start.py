"""Commands import less than plain mmdet: a bar on a ratio of counts, and what the tables say."""

import argparse

import pytest
import torch


@pytest.fixture(scope='module')
def start(tool):
    return tool('benchmark_start')


def test_boxam_imports_less_than_plain_mmdet_and_nothing_that_it_does_not_need(start):
    """It imports 0.38 of the modules (0.61 with torch 2.1, which has fewer); before, more than plain mmdet."""
    plain, boxam = (start.imports_of(name) for name in ('plain mmdet', 'mmlens boxam'))
    assert boxam['modules'] < (0.5 if torch.__version__ >= '2.2' else 0.7) * plain['modules']
    assert not {'sympy', 'sklearn', 'numba', 'matplotlib', 'pandas'} & set(boxam['packages'])
    assert not {'sympy', 'sklearn', 'numba', 'pandas'} & set(start.imports_of('mmlens lr')['packages'])


TOLD = """import time: self [us] | cumulative | imported package
import time:       100 |        100 |     numpy.core
import time:       200 |        300 |   numpy
import time:       400 |        400 |   torch
import time:      1000 |       1700 | mmdet
import time:        50 |         50 | json
an other line
"""


def test_who_imports_what_by_hand(start):
    found = {each.name: each for each in start.imports_in(TOLD)}
    assert {name: each.asked_by for name, each in found.items()} == {
        'json': [],
        'mmdet': [],
        'torch': ['mmdet'],
        'numpy': ['mmdet'],
        'numpy.core': ['numpy', 'mmdet'],
    }
    assert found['torch'].seconds == pytest.approx(4e-4)


def test_the_table_of_imports_by_hand(start, monkeypatch):
    monkeypatch.setattr(start, 'run', lambda words, folder, *options: TOLD)
    monkeypatch.setattr(start, 'IMPORTING', ('plain mmdet',))
    lines = start.import_table(start.measure_imports(argparse.Namespace(quick=False))).splitlines()
    assert lines[2] == '| all modules | 5 (0.00 s) |  |'
    assert lines[3] == '| `torch` | 1 (0.00 s) | `mmdet` |' and '| `numpy` | 2 (0.00 s) | `mmdet` |' in lines


def test_the_table(start):
    rows = [dict(name='plain mmdet', seconds=[4.0, 2.0, 3.0]), dict(name='mmlens boxam', seconds=[1.5])]
    lines = start.start_table(rows).splitlines()
    assert lines[2:] == ['| plain mmdet | 3.00 | 1.00 |', '| mmlens boxam | 1.50 | 0.50 |']
    assert start.start_table(rows[1:]).splitlines()[2:] == ['| mmlens boxam | 1.50 | - |']


def test_a_command_that_fails_ends_the_table(start, tmp_path):
    with pytest.raises(RuntimeError, match='ZeroDivisionError'):
        start.seconds_of(['-c', '1 / 0'], str(tmp_path))
    assert start.seconds_of(['-c', 'import sys; sys.exit(2)'], str(tmp_path)) > 0
