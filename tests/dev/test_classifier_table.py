"""The table of classifiers: its list, what a probe sees, and that what was stopped goes on."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest


@pytest.fixture(scope='module')
def table(tool):
    return tool('classifier_table')


def test_the_list_is_long_and_holds_nothing_twice(table):
    configs = table.configs()
    assert len(set(configs)) == len(configs) >= 60
    for config in configs:
        package, name = config.split('::')
        folder = Path(importlib.util.find_spec(package).origin).parent
        assert (folder / '.mim' / 'configs' / name).is_file(), config
    assert table.configs('RESNET18_8XB32') == ['mmpretrain::resnet/resnet18_8xb32_in1k.py']


def test_a_probe_says_which_layer_and_grid(table, config_of):
    row = table.probe(config_of('classifier'), 'tiny')
    assert (row.config, row.layer, row.grid, row.drawn, row.note) == ('tiny', 'backbone.layer4[1]', '2 x 2', True, '')


def test_rows_are_kept_and_what_was_stopped_goes_on(table, tmp_path, monkeypatch):
    tried = []
    monkeypatch.setattr(
        table, 'try_in_a_fork', lambda config, timeout: tried.append(config) or table.Row(config, 'neck')
    )
    file = tmp_path / 'rows.jsonl'
    file.write_text(json.dumps(dict(config='mmpretrain::vgg/vgg11_8xb32_in1k.py', layer='known')) + '\n')
    page = tmp_path / 'page.md'
    table.main(['--filter', 'vgg11', '--keep', str(file), '--output', str(page)])
    assert tried == ['mmpretrain::vgg/vgg11bn_8xb32_in1k.py'] and set(table.kept(file)) == set(table.configs('vgg11'))
    assert '`known`' in page.read_text() and '**0 of 2** configs' in page.read_text()


def test_a_process_that_ends_or_hangs_is_a_row(table, monkeypatch):
    monkeypatch.setattr(table, 'probe', lambda config: __import__('os')._exit(3))
    assert table.try_in_a_fork('a.py', 200).note == 'The process ended with status 3.'
    monkeypatch.setattr(table, 'probe', lambda config: __import__('time').sleep(200))
    assert table.try_in_a_fork('a.py', 0.2).note == 'No result within 0.2 s.'
