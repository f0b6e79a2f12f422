from __future__ import annotations

import argparse

import pytest


@pytest.fixture(scope='module')
def memory(tool):
    for name in ('detectors', 'others', 'rows'):
        tool(f'benchmark_{name}')  # imported when they are needed
    return tool('benchmark_memory')


@pytest.mark.parametrize('way', ['gradcam', 'evidencecam, maps laid out', 'grad-cam:GradCAM'])
def test_all_boxes_asked_for_are_explained_and_drawn(memory, way):
    found = memory.explain_boxes(3, 0.05, way)
    assert found['boxes'] == 3 and found['explaining'] > 0 and found['drawing'] > 0 and found['peak'] > 100


def test_pictures_are_evaluated(memory, monkeypatch):
    monkeypatch.setattr(memory, 'DISTINCT', 2)
    found = memory.evaluate(3, 'gradcam')
    assert found['pictures'] == 3 and found['boxes'] > 3 and 100 < found['after_some'] <= found['peak']


def test_the_tables_compare_with_the_fewest(memory, monkeypatch):
    answers = iter(
        [
            (dict(way='evidencecam', boxes=1, explaining=0.7, drawing=1.3, peak=1100), ''),  # to warm up
            (dict(way='evidencecam', boxes=1, explaining=0.5, drawing=1.0, peak=1000), ''),
            (dict(way='evidencecam', boxes=5, explaining=2.0, drawing=1.16, peak=1060), ''),
        ]
    )
    monkeypatch.setattr(memory, 'ask_own_process', lambda *asked: next(answers))
    monkeypatch.setattr(memory, 'WAYS', {'evidencecam': (1, 5)})
    lines = memory.memory_table(memory.measure_memory(argparse.Namespace(quick=True))).splitlines()
    assert lines[2:] == [
        '| evidencecam | 1 | 0.5 | 1.00 |  | 1000 | 0 |',
        '| evidencecam | 5 | 2.0 | 1.16 | 40 | 1060 | 60 |',
    ]


def test_what_failed_has_no_figures(memory):
    rows = [dict(way='a', boxes=1, remark='No result within 9 s.')]
    assert memory.memory_table(rows).splitlines()[2] == '| a | 1 | - | - | - | - | - |'
    rows = [dict(pictures=5, remark='No result.'), dict(pictures=9, boxes=20, after_some=400, peak=402)]
    assert memory.evaluate_table(rows).splitlines()[2:] == ['| 5 | No result. | - | - |', '| 9 | 20 | 400 | 402 |']
