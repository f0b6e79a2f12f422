"""`mmlens history` on what hooks leave behind."""

from __future__ import annotations

from PIL import Image

from mmlens import histories
from mmlens.cli.commands import history
from mmlens.cli.main import main


def test_a_sheet_and_an_animation_of_each_picture(drawings, tmp_path, capsys):
    out = tmp_path / 'out'
    assert main(['history', str(drawings), '--out-dir', str(out), '--milliseconds', '200']) == 0
    names = ['boxam_a', 'boxam_b', 'cam_a']
    drawn = sorted(f'{n}.{end}' for n in names for end in ('gif', 'png'))
    assert sorted(path.name for path in out.iterdir()) == sorted([*drawn, 'index.html'])
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


def test_no_drawing_is_overwritten(tmp_path, capsys):
    place = tmp_path / 'boxam' / 'epoch' / '0001'
    place.mkdir(parents=True)
    Image.new('RGB', (8, 8)).save(place / 'epoch_0001.png')
    before = (place / 'epoch_0001.png').read_bytes()
    assert main(['history', str(place), '--out-dir', str(place)]) == 2
    assert f'would overwrite the picture {place}/epoch_0001.png; choose another place.' in capsys.readouterr().err
    assert [path.read_bytes() for path in place.iterdir()] == [before]


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
    assert len(list(out.glob('*_*'))) == 6
    assert printed.err.splitlines() == [
        'mmlens: error: 2 of 19 drawings could not be read:',
        f'  Cannot read {cut}: it is not a picture, or it is damaged.',
        f'  Cannot read {text}: it is not a picture, or it is damaged.',
    ]
    (drawings / 'boxam' / 'b' / 'epoch_0000.png').write_text('x')
    assert main(['history', str(drawings), '--pictures', 'b', '--out-dir', str(tmp_path / 'none')]) == 2
    assert 'none of the 2 drawings could be read:' in capsys.readouterr().err and not (tmp_path / 'none').exists()


def test_help_knows_the_limits_of_what_draws():
    assert (history.MOST_FRAMES, history.LONGEST) == (histories.MOST_FRAMES, histories.LONGEST)
