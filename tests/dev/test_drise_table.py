"""The table of D-RISE's fit: few masks, a real detector of shapes, figures by hand."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from mmlens.errors import MmlensError

SHAPES = Path(__file__).resolve().parents[2] / 'projects' / 'shapes'
MODEL = [str(SHAPES / 'configs' / 'shapes_rtmdet.py'), str(SHAPES / 'checkpoints' / 'shapes_rtmdet.pth')]


@pytest.fixture
def drise(tool, monkeypatch):
    found = tool('drise_table')
    rows = {found.REFERENCE: dict(exact=True, num_masks=6), 'few': dict(num_masks=4)}
    monkeypatch.setattr(found, 'ROWS', rows)
    return found


@pytest.fixture
def photos(tmp_path):
    from projects.shapes.scenes import draw_scene

    folder = tmp_path / 'photos'
    folder.mkdir()
    cv2.imwrite(str(folder / 'a.png'), draw_scene(1, 0).picture)
    (folder / 'notes.txt').touch()
    return folder


def test_a_picture_is_measured_once(drise, photos, tmp_path, capsys, monkeypatch):
    words = [*MODEL, '--photos', str(photos), '--topk', '1', '--device', 'cpu', '--work-dir', str(tmp_path / 'work')]
    drise.main(words)
    first = capsys.readouterr().out
    lines = [line for line in first.splitlines() if line.startswith('|')]
    assert [line.split(' | ')[0] for line in lines[2:]] == ['| averaged, 1000', '| few', '| gaussian', '| random']
    assert lines[2].endswith('| +0.000 [+0.000, +0.000] | 100.0% |') and '1 boxes on 1 pictures.' in first
    assert sorted(path.name for path in (tmp_path / 'work').iterdir()) == ['a.png.json', 'a.png.npz']
    with np.load(tmp_path / 'work' / 'a.png.npz') as kept:
        assert kept['weights'].shape == (6, 1)  # both rows by the same masks
    monkeypatch.setattr(drise, 'maps_of', None)
    drise.main(words)
    assert capsys.readouterr().out == first


def test_without_boxes_there_is_no_table(drise, photos, tmp_path):
    with pytest.raises(MmlensError, match='^No box scores 0.999: lower --score-thr, or give other pictures.$'):
        words = ['--score-thr', '0.999', '--device', 'cpu', '--work-dir', str(tmp_path / 'work')]
        drise.main([*MODEL, '--photos', str(photos), *words])


def test_the_table_by_hand(drise):
    def record(row, box, insertion):
        return dict(picture='a.png', box=box, row=row, insertion=insertion, deletion=0.1, epg=0.5, pointing=1.0)

    rows = {drise.REFERENCE: 0.8, 'few': 0.76, 'gaussian': 0.9, 'random': 0.4}
    records = [record(row, box, value + 0.1 * box - 0.05) for box in (0, 1) for row, value in rows.items()]
    few = drise.table(records).splitlines()[3]
    assert few == (
        '| few | 0.760 [0.760, 0.760] | 0.100 [0.100, 0.100] | 0.500 [0.500, 0.500] | 1.000 [1.000, 1.000] '
        '| -0.040 [-0.040, -0.040] | 95.0% |'
    )
