"""`mmlens history` on what hooks leave behind."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from mmlens.cli.history import find_histories
from mmlens.cli.main import main
from mmlens.errors import PictureError


@pytest.fixture
def drawings(tmp_path):
    """What two hooks drew of two pictures: by epoch, and by iteration."""
    for name, steps in (('boxam/a', range(0, 30, 2)), ('boxam/b', (0, 1)), ('cam/a', (0, 1000000))):
        folder = tmp_path / 'work' / 'mmlens' / name
        folder.mkdir(parents=True)
        for step in steps:
            file = f'iter_{step:06d}.png' if name == 'cam/a' else f'epoch_{step:04d}.png'
            cv2.imwrite(str(folder / file), np.full((60 + step % 7, 80, 3), 5 * (step % 40), np.uint8))
    (tmp_path / 'work' / 'mmlens' / 'notes_1.png').touch()
    return tmp_path / 'work' / 'mmlens'


def test_a_sheet_and_an_animation_of_each_picture(drawings, tmp_path, capsys):
    out = tmp_path / 'out'
    assert main(['history', str(drawings), '--out-dir', str(out), '--milliseconds', '200']) == 0
    names = ['boxam_a', 'boxam_b', 'cam_a']
    assert sorted(path.name for path in out.iterdir()) == sorted(f'{n}.{end}' for n in names for end in ('gif', 'png'))
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == f'boxam_a: 15 drawings, epoch 0 to epoch 28 -> {out}/boxam_a.png, {out}/boxam_a.gif'
    assert printed[2].startswith('cam_a: 2 drawings, iteration 0 to iteration 1000000 -> ')
    animation = Image.open(out / 'boxam_a.gif')
    durations = []
    for frame in range(animation.n_frames):
        animation.seek(frame)
        durations.append(animation.info['duration'])
    assert durations == [200] * 14 + [800]
    assert animation.info['loop'] == 0


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


def test_what_is_wrong_is_said_in_a_sentence(drawings, tmp_path, capsys):
    for words, sentence in (
        ([str(tmp_path / 'gone')], f'No folder {tmp_path}/gone: give the out_dir of the hooks'),
        ([str(tmp_path), '--pictures', 'c'], f"No drawings of 'c' in {tmp_path}: there are work_mmlens_boxam_a, "),
        ([str(drawings), '--format', 'mp4'], "invalid choice: 'mp4'"),
        ([str(drawings), '--most', '0'], "'0' is not a whole number above 0"),
    ):
        try:
            status = main(['history', *words])
        except SystemExit as stop:
            status = stop.code
        assert status == 2
        assert sentence in capsys.readouterr().err
    (tmp_path / 'empty').mkdir()
    with pytest.raises(PictureError, match="^No drawing in .*: give the out_dir of mmlens's hooks"):
        find_histories(tmp_path / 'empty')
    broken = drawings / 'boxam' / 'b' / 'epoch_0001.png'
    broken.write_bytes(b'')
    assert main(['history', str(drawings), '--pictures', 'b', '--out-dir', str(tmp_path / 'out')]) == 2
    assert f'Cannot read {broken}' in capsys.readouterr().err
