"""Histories: what hooks leave behind, found, read and written anew."""

from __future__ import annotations

import weakref

import cv2
import numpy as np
import pytest
from PIL import Image

import mmlens
from mmlens.errors import OutputError, PictureError
from mmlens.histories import find_histories, read_drawings, without_damaged, write_animation, write_gif, write_sheet
from mmlens.rendering.history import draw_contact_sheet


def test_a_long_history_is_spread_evenly_over_the_sheet(drawings):
    history = find_histories(drawings, ['boxam_a'])[0]
    assert [step for step, _ in history.spread(5).files] == [0, 8, 14, 20, 28]
    assert [step for step, _ in history.spread(2).files] == [0, 28]
    assert [step for step, _ in history.spread(1).files] == [28]
    assert history.spread(15) is history
    assert history.titles()[:2] == ['epoch 0', 'epoch 2']


@pytest.mark.parametrize(
    ('below', 'wanted', 'names'),
    [
        ('', ['a'], ['boxam_a', 'cam_a']),
        ('', ['cam_a', 'b'], ['boxam_b', 'cam_a']),
        ('boxam', None, ['boxam_a', 'boxam_b']),
        ('boxam/b', None, ['boxam_b']),
        ('..', ['b'], ['mmlens_boxam_b']),
    ],
)
def test_any_folder_above_the_drawings_will_do(drawings, below, wanted, names):
    assert [history.name for history in find_histories(drawings / below, wanted)] == names


def test_a_folder_without_drawings_is_told(drawings, tmp_path):
    (tmp_path / 'empty').mkdir()
    with pytest.raises(PictureError, match="^No drawing in .*: give the out_dir of mmlens's hooks"):
        find_histories(tmp_path / 'empty')
    with pytest.raises(PictureError, match='^No folder .*gone: give the out_dir of the hooks'):
        find_histories(tmp_path / 'gone')
    with pytest.raises(PictureError, match="^No drawings of 'c' in .*: there are boxam_a, boxam_b, cam_a"):
        find_histories(drawings, ['a', 'c'])


def test_no_history_takes_the_name_of_another(tmp_path):
    for path in (
        'both/a/epoch_0000',
        'both/a/iter_000000',
        'a_b/c/epoch_0000',
        'a/b_c/epoch_0000',
        'A/b_c/iter_000001',
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f'{path}.png').touch()
    histories = {history.name: history.files[0][1] for history in find_histories(tmp_path)}
    assert histories == {
        'A_b_c': tmp_path / 'A/b_c/iter_000001.png',
        'a_b_c-2': tmp_path / 'a/b_c/epoch_0000.png',
        'a_b_c-3': tmp_path / 'a_b/c/epoch_0000.png',
        'both_a_epoch': tmp_path / 'both/a/epoch_0000.png',
        'both_a_iter': tmp_path / 'both/a/iter_000000.png',
    }
    assert [history.name for history in find_histories(tmp_path, ['a', 'a_b_c-2'])] == [
        'a_b_c-2',
        'both_a_epoch',
        'both_a_iter',
    ]


def test_damaged_drawings_are_told_apart(drawings):
    (drawings / 'boxam' / 'b' / 'epoch_0001.png').write_bytes(b'')
    (history,) = find_histories(drawings, ['b'])
    sound, damaged = without_damaged(history)
    assert [step for step, _ in sound.files] == [0] and [path.name for path in damaged] == ['epoch_0001.png']
    assert len(history.files) == 2  # as it was
    with pytest.raises(PictureError, match='^Cannot read .*epoch_0001.png: it is not a picture, or it is damaged.$'):
        list(read_drawings(history))


def test_a_sheet_has_the_columns_it_is_told(drawings, tmp_path):
    (history,) = find_histories(drawings, ['boxam_a'])
    few = history.spread(4)
    write_sheet(tmp_path / 'row.png', few, 4)
    write_sheet(tmp_path / 'column.png', few, 1)
    row, column = cv2.imread(str(tmp_path / 'row.png')), cv2.imread(str(tmp_path / 'column.png'))
    assert row.shape[1] > 2 * column.shape[1] and column.shape[0] > 2 * row.shape[0]


def test_what_cannot_be_written_is_told(drawings, tmp_path):
    (history,) = find_histories(drawings, ['boxam_b'])
    (tmp_path / 'file').touch()
    for write in (lambda path: write_sheet(path, history), lambda path: write_animation(path, history, 100)):
        with pytest.raises(OutputError, match='^Cannot write .*'):
            write(tmp_path / 'file' / 'a.png')


def test_an_animation_is_short_and_its_frames_are_not_held_together(drawings, tmp_path, monkeypatch):
    monkeypatch.setattr('mmlens.histories.MOST_FRAMES', 6)
    write_animation(tmp_path / 'a.gif', find_histories(drawings, ['boxam_a'])[0], 100)
    assert Image.open(tmp_path / 'a.gif').n_frames == 6
    frames, alive = [], []

    def make():
        for value in range(20):
            frame = np.full((40, 30, 3), 10 * value, np.uint8)
            frames.append(weakref.ref(frame))
            yield frame
            del frame
            alive.append(sum(kept() is not None for kept in frames))

    write_gif(tmp_path / 'made.gif', make(), [40] * 20)
    assert Image.open(tmp_path / 'made.gif').n_frames == 20
    assert len(alive) == 20 and max(alive) <= 2


def test_a_history_shows_itself_as_a_sheet(drawings):
    (history,) = mmlens.find_histories(str(drawings), ['boxam_a'])
    assert repr(history) == '<History boxam_a: 15 drawings, epoch 0 to epoch 28>'
    sheet, titles = history.draw(most=4, columns=2), [f'epoch {step}' for step in (0, 10, 18, 28)]
    np.testing.assert_array_equal(sheet, draw_contact_sheet(list(read_drawings(history.spread(4))), titles, 2))
    assert history._repr_png_().startswith(b'\x89PNG')
