"""The table of boxes that are given back: a probe of a tiny detector, and its rows."""

import numpy as np
import pytest


@pytest.fixture(scope='module')
def tools(tool):
    """given_table.py and given_probe.py."""
    return tool('given_table'), tool('given_probe')


def test_a_probe_of_a_detector(tools, yolox, picture, monkeypatch):
    import mmlens

    _, probe = tools
    monkeypatch.setattr(probe, 'shrink', lambda entry: None)
    monkeypatch.setattr(probe, 'enliven', lambda detector, picture: None)
    monkeypatch.setattr(probe, 'synthetic_picture', lambda: picture)
    monkeypatch.setattr(mmlens, 'load_detector', lambda *args, **kwargs: yolox)
    row = probe.probe(probe.Entry('YOLOX', 'tiny.py'))
    assert row.works and row.boxes == 3 and row.remark == ''


def test_what_can_be_given(tools):
    _, probe = tools
    picture = np.zeros((10, 20, 3), np.uint8)
    assert probe.can_be_given((1, 1, 30, 5), picture)
    assert not any(probe.can_be_given(box, picture) for box in ((1, 1, 1, 5), (20, 1, 30, 5), (-5, -5, 0, 5)))


def test_configs_by_several_names_each_once(tools):
    table, _ = tools
    assert {entry.detector for entry in table.chosen(['yolov7', 'YOLOv7', 'tood'])} == {'YOLOv7', 'TOOD'}
    assert len(table.chosen([])) == len(table.entries())


def test_the_table(tools):
    table, _ = tools
    rows = [table.Row('A', 'a.py', 3, True, True, True, 1.0, 1.25), table.Row('B', 'b.py', remark='It | failed.')]
    text = table.markdown(rows, {'torch': '2.0'}, '')
    assert text.startswith('**1 of 2**, with Python') and '| A | 3 | yes | yes | yes | 1.0 | 1.2 |' in text
