"""The table of feature maps, family by family."""

from __future__ import annotations

from dataclasses import replace

import pytest


@pytest.fixture(scope='module')
def family(tool):
    return tool('family_table'), tool('family_probe')


def test_every_family_is_tried_and_nothing_twice(family):
    table, _ = family
    configs = [entry.config for entry in table.ENTRIES]
    assert len(set(configs)) == len(configs) >= 20
    assert {config.split('::')[0] for config in configs} == {
        'mmpretrain', 'mmdet', 'mmyolo', 'mmseg', 'mmpose', 'mmrotate'
    }  # fmt: skip


def test_a_network_is_probed(family, yolox_config, tmp_path):
    _, probe = family
    yolox_config.dump(str(tmp_path / 'tiny.py'))
    row = probe.probe(probe.Entry('tiny', str(tmp_path / 'tiny.py'), ['backbone', 'neck']))
    assert row.works and row.family == 'detector' and row.maps == 6
    assert row.drawn.endswith('boxes') and row.layers.endswith('run') and not row.remark


def test_a_failure_becomes_the_remark(family, capsys):
    _, probe = family
    probe.probe_and_print(probe.Entry('none', 'no/such/config.py'))
    assert 'No config file no/such/config.py' in capsys.readouterr().out


def test_the_page_counts_what_works(family):
    table, probe = family
    works = probe.Row('A', 'a.py', 'detector', 3, '9, 8 run', '2 boxes')
    fails = replace(works, network='B', maps=0, remark='mmpose is not installed.')
    page = table.markdown([works, fails], {'torch': '2.0'}, '')
    assert '**1 of 2** networks' in page and 'torch 2.0' in page
    assert '| A | `a.py` | detector | 3 | 9, 8 run | 2 boxes |  |' in page
    assert '| B | `a.py` | detector | **no** |' in page and 'mmpose is not installed.' in page
