from __future__ import annotations

import pytest

from dev import memory_boxes


def test_all_boxes_asked_for_are_explained_and_drawn():
    number, explaining, drawing, peak = memory_boxes.measure(7, 0.05, 'gradcam')
    assert number == 7 and explaining > 0 and drawing > 0 and peak > 100


def test_the_table_compares_with_the_fewest_boxes():
    lines = memory_boxes.table({1: [0.5, 1.0, 1000.0], 11: [2.0, 1.4, 1060.0]})
    assert lines[2:] == ['| 1 | 0.5 | 1.00 |  | 1000 | 0 |', '| 11 | 2.0 | 1.40 | 40 | 1060 | 60 |']


@pytest.mark.parametrize(
    ('of_many', 'status'), [('10 2 1.4 1150', 0), ('10 2 1.4 1250', 1), ('10 2 1.6 1150', 1)], ids=str
)
def test_too_much_memory_or_time_is_a_failure(of_many, status, monkeypatch, capsys):
    outputs = iter(['1 0.5 1 1000', of_many])

    class Ended:
        @property
        def stdout(self):
            return 'words of others\n' + next(outputs) + '\n'

    monkeypatch.setattr(memory_boxes.subprocess, 'run', lambda *command, **how: Ended())
    assert memory_boxes.main(['--boxes', '1', '10']) == status
    assert '| 10 |' in capsys.readouterr().out
