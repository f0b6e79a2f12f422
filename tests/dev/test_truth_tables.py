"""The tables of how true maps are: cases, sections, and their place on the page."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from mmlens.errors import MmlensError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def truth(tool):
    return tool('truth_tables')


def test_scenes_have_the_masks_of_objects_and_marks(truth):
    cases = truth.scenes(3)
    picture, known = cases[2].read()
    assert [case.name for case in cases] == ['held-out 0', 'held-out 1', 'held-out 2']
    assert known.boxes.shape == (len(known.labels), 4) and known.masks.shape == (len(known.labels), *picture.shape[:2])
    for number, label in enumerate(known.labels):
        assert known.mask(number) is not None and (known.mark(number) is not None) == (label < 4)


def test_photographs_are_files_and_those_in_folders(truth, tmp_path):
    (tmp_path / 'more').mkdir()
    for name in ('one.jpg', 'more/b.png', 'more/a.jpg'):
        cv2.imwrite(str(tmp_path / name), np.zeros((4, 4, 3), np.uint8))
    (tmp_path / 'more' / 'notes.txt').touch()
    cases = truth.photographs([tmp_path / 'one.jpg', tmp_path / 'more'])
    assert [case.name for case in cases] == ['one.jpg', 'a.jpg', 'b.png']
    assert cases[1].read() == (tmp_path / 'more' / 'a.jpg', None)


def test_tables_go_where_the_page_has_them(truth, tmp_path):
    page = tmp_path / 'truth.md'
    page.write_text(f'before\n\n{truth.BEGIN}\nold\n{truth.END}\n\nafter\n')
    truth.write([('A', '| a |', '1 box.')], page)
    assert page.read_text() == f'before\n\n{truth.BEGIN}\n\n### A\n\n| a |\n\n1 box.\n\n{truth.END}\n\nafter\n'
    page.write_text('nothing\n')
    with pytest.raises(MmlensError, match='has no place for tables'):
        truth.write([], page)
    own = (ROOT / 'docs' / 'truth.md').read_text(encoding='utf-8')
    assert truth.BEGIN in own and truth.END in own


def test_photographs_need_a_detector(truth, tmp_path):
    with pytest.raises(MmlensError, match='--photos needs a detector'):
        truth.main(['--pictures', '0', '--photos', str(tmp_path)])


def test_two_scenes_are_measured(truth, tmp_path, capsys):
    words = ['--pictures', '2', '--shapes', 'shapes_rtmdet', '--maps-only', '--work-dir', str(tmp_path / 'work')]
    page = tmp_path / 'page.md'
    page.write_text(f'{truth.BEGIN}{truth.END}')
    slow = ['--slow-rows', 'few: drise/num_masks=5', '--slow-pictures', '1']
    truth.main([*words, '--rows', 'gradcam', *slow, '--output', str(page)])
    text = page.read_text()
    assert (
        '### `shapes_rtmdet`, shapes: methods of many passes' in text and '| few | ' in text and 'on 1 pictures' in text
    )
    assert '### `shapes_rtmdet`, shapes' in text and 'boxes on 2 pictures' in text and '| gradcam | ' in text
    assert 'share on mark' in text and '| *gaussian* | ' in text and text.count('\n') > 10
    printed = capsys.readouterr().out
    sections = text.split(truth.BEGIN)[1].split(truth.END)[0].split('### ')[1:]
    assert len(sections) == 2 and all(section.strip() in printed for section in sections)
    tables = list((tmp_path / 'work').rglob('boxes.csv'))
    assert len(tables) == 2 and all(boxes.read_text().startswith('picture,') for boxes in tables)
