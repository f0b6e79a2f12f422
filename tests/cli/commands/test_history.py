"""`mmlens history` on what hooks leave behind."""

from __future__ import annotations

import weakref

import cv2
import numpy as np
import pytest
from PIL import Image

from mmlens.cli.commands.history import find_histories, write_animation
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


def test_damaged_drawings_are_left_out_and_the_others_shown(drawings, tmp_path, capsys):
    text = drawings / 'boxam' / 'b' / 'epoch_0001.png'
    text.write_bytes(b'')
    cut = drawings / 'boxam' / 'a' / 'epoch_0004.png'
    cut.write_bytes(cut.read_bytes()[:-20])
    out = tmp_path / 'out'
    assert main(['history', str(drawings), '--out-dir', str(out)]) == 1
    printed = capsys.readouterr()
    lines = [line.split(' -> ')[0] for line in printed.out.splitlines()]
    assert lines == [
        'boxam_a: 14 drawings, epoch 0 to epoch 28',
        'boxam_b: 1 drawing, epoch 0 to epoch 0',
        'cam_a: 2 drawings, iteration 0 to iteration 1000000',
    ]
    assert len(list(out.iterdir())) == 6
    assert printed.err.splitlines() == [
        'mmlens: error: 2 of 19 drawings could not be read:',
        f'  Cannot read {cut}: it is not a picture, or it is damaged.',
        f'  Cannot read {text}: it is not a picture, or it is damaged.',
    ]
    (drawings / 'boxam' / 'b' / 'epoch_0000.png').write_text('x')
    assert main(['history', str(drawings), '--pictures', 'b', '--out-dir', str(tmp_path / 'none')]) == 2
    assert 'none of the 2 drawings could be read:' in capsys.readouterr().err and not (tmp_path / 'none').exists()


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


def test_an_animation_is_short_and_its_frames_are_not_held_together(drawings, tmp_path, monkeypatch):
    monkeypatch.setattr('mmlens.cli.commands.history.MOST_FRAMES', 6)
    assert main(['history', str(drawings / 'boxam' / 'a'), '--format', 'gif', '--out-dir', str(tmp_path)]) == 0
    assert Image.open(tmp_path / 'boxam_a.gif').n_frames == 6
    frames, alive = [], []

    def make():
        for value in range(20):
            frame = np.full((40, 30, 3), 10 * value, np.uint8)
            frames.append(weakref.ref(frame))
            yield frame
            del frame
            alive.append(sum(kept() is not None for kept in frames))

    write_animation(tmp_path / 'made.gif', make(), [40] * 20)
    assert Image.open(tmp_path / 'made.gif').n_frames == 20
    assert len(alive) == 20 and max(alive) <= 2
