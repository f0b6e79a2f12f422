"""The table of replay: its list, what a probe sees, and that it would see a difference."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch

LAYERS = ('neck', 'backbone.stage3')


@pytest.fixture(scope='module')
def tools(tool):
    """replay_table.py and replay_probe.py."""
    return tool('replay_table'), tool('replay_probe')


@pytest.fixture
def row(tools):
    return tools[1].Row('FCOS', 'neck', 0, (1, 256, 40, 40), 100, True, True, 12.34, 50.0, 'close', True)


def instances(**values):
    from mmengine.structures import InstanceData

    return InstanceData(**values)


def found(scores=(0.9, 0.5), edge=10.0, **more):
    boxes = torch.tensor([[0.0, 0.0, edge, 10.0], [5.0, 5.0, 9.0, 9.0]])
    return instances(bboxes=boxes, scores=torch.tensor(scores), labels=torch.tensor([1, 0]), **more)


def test_every_kind_of_detector_is_in_the_list_and_every_file_exists(tools):
    table, _ = tools
    cases = table.cases(real=('mmdet::yolox/yolox_nano_8xb8-300e_coco.py', 'nano.pth', 'dog.jpg'))
    assert len({case.detector for case in cases}) == len(cases) >= 18
    for name in ('YOLOv5', 'YOLOX', 'Faster R-CNN', 'Mask R-CNN', 'Sparse R-CNN', 'RetinaNet', 'DETR', 'DINO'):
        assert any(name in case.detector for case in cases), name
    assert cases[0].detector == 'nano (trained)' and cases[0].picture == 'dog.jpg'
    for case in cases[1:]:
        package, _, name = case.config.rpartition('::')
        folder = Path(importlib.util.find_spec(package).origin).parent / '.mim' / 'configs' if package else Path('/')
        assert (folder / name).is_file(), case.config
        assert not case.checkpoint or Path(case.checkpoint).is_file() and Path(case.picture).is_file()
    assert {case.detector for case in table.cases('mmdet::detr')} == {'DETR, 2 + 2 layers'}
    assert table.cases('no such detector') == []


@pytest.fixture(scope='module')
def rows(tools, yolox_config):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tools[1], 'ROUNDS', 1)
        return tools[1].probe(tools[1].Case('tiny', yolox_config, layers=LAYERS))


def test_a_probe_of_a_detector(rows):
    assert [(row.layer, row.level, row.shape[1:]) for row in rows] == [
        ('neck', 0, (16, 40, 40)),
        ('neck', 1, (16, 20, 20)),
        ('neck', 2, (16, 10, 10)),
        ('backbone.stage3', 0, (64, 20, 20)),
    ]
    assert all(row.exact and row.followed and row.compared > 5 for row in rows)
    assert all(row.altered_ms > 0 and row.whole_ms > 0 for row in rows)
    assert all(row.batch in ('identical', 'close', 'other detections') for row in rows)


def test_a_replay_that_is_not_exact_would_be_seen(tools, yolox_config, monkeypatch):
    from mmlens.attribution.passes.replay import Replay

    _, probe = tools
    exact = Replay.__call__
    monkeypatch.setattr(probe, 'ROUNDS', 1)
    monkeypatch.setattr(Replay, '__call__', lambda self, level, altered: exact(self, level, altered * (1 + 1e-6)))
    rows = probe.probe(probe.Case('tiny', yolox_config, layers=('neck',)))
    assert all(row.compared and row.differ and row.identical is False and not row.exact for row in rows)


def test_identical_means_bit_for_bit(tools):
    _, probe = tools
    masks = torch.ones(2, 3, 3, dtype=torch.bool)
    assert probe.identical(found(), found()) and probe.identical(found(masks=masks), found(masks=masks.clone()))
    others = [found((0.9, 0.50001)), found(edge=10.001), found()[:1], found(masks=masks)]
    others.append(instances(**{**dict(found().items()), 'labels': torch.tensor([1, 1])}))
    assert not any(probe.identical(found(), other) for other in others)
    assert not probe.identical(found(masks=masks), found(masks=masks & False))


@pytest.mark.parametrize(
    ('other', 'expected'),
    [
        (found(), 'identical'),
        (found((0.90001, 0.5), 10.01), 'close'),
        (found()[torch.tensor([1, 0])], 'close'),
        (found((0.91, 0.5)), 'other detections'),
        (found(edge=10.2), 'other detections'),
        (found()[:1], 'other detections'),
    ],
)
def test_how_a_batch_compares(tools, other, expected):
    assert tools[1].likeness([found(), other], [found(), found()]) == expected


def test_what_cannot_be_loaded_is_a_remark(tools, capsys):
    _, probe = tools
    threads = torch.get_num_threads()
    try:
        probe.probe_and_print(probe.Case('FCOS', 'mmdet::fcos/none.py'))
    finally:
        torch.set_num_threads(threads)
    (values,) = json.loads(capsys.readouterr().out.splitlines()[-1])['rows']
    row = probe.Row(**values)
    assert row.detector == 'FCOS' and not row.exact and 'none.py' in row.remark


def test_a_crash_is_a_remark(tools, monkeypatch):
    table, probe = tools
    monkeypatch.setattr(table, 'ask_own_process', lambda script, question, timeout: ({}, f'No result of {script}.'))
    (row,) = table.try_in_own_process(probe.Case('FCOS', 'mmdet::fcos/none.py'), timeout=1)
    assert row == probe.Row('FCOS', remark='No result of replay_probe.py.')


def test_the_page_counts_and_lists(tools, row):
    table, probe = tools
    broken = probe.Row('Other', remark='ValueError: a | b')
    page = table.markdown([row, broken], {'torch': '2.1.2', 'mmdet': '3.3.0'}, ', compiled')
    assert '**1 of 2** altered levels' in page and 'torch 2.1.2, mmdet 3.3.0, on the CPU, compiled.' in page
    assert '| FCOS | `neck` | 1 x 256 x 40 x 40 | 100 | yes | yes | 12 | 50 | 25% | close | yes |  |' in page
    assert '| Other | - | - | 0 | - | - | - | - | - | - | - | ValueError: a \\| b |' in page


@pytest.mark.parametrize('name', ['compared', 'differ', 'identical'])
def test_one_no_is_enough_not_to_be_exact(tools, row, name):
    assert row.exact
    setattr(row, name, 0 if name == 'compared' else False)
    assert not row.exact


@pytest.mark.parametrize('exact', [True, False])
def test_the_command_tries_prints_and_writes(tools, row, tmp_path, monkeypatch, capsys, exact):
    table, _ = tools
    row.identical = exact
    monkeypatch.setattr(table, 'try_in_own_process', lambda case, timeout: [row])
    page = tmp_path / 'page.md'
    assert table.main(['--filter', 'fcos', '--output', str(page)]) == (0 if exact else 1)
    assert 'FCOS | `neck` | 1 x 256 x 40 x 40 | 100' in capsys.readouterr().out
    assert f'**{int(exact)} of 1** altered levels' in page.read_text()
    with pytest.raises(SystemExit):
        table.main(['--filter', 'no such detector'])
    capsys.readouterr()
    for nowhere, why in ((tmp_path, 'is a folder'), (tmp_path / 'page.md' / 'page.md', 'is a file, not a folder')):
        with pytest.raises(SystemExit):
            table.main(['--output', str(nowhere)])  # told before anything is measured
        assert why in capsys.readouterr().err
