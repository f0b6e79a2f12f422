import argparse

import cv2
import pytest


@pytest.fixture(scope='module')
def many(tool):
    return tool('benchmark_many')


def test_sides_take_turns_and_the_first_picture_is_taken_off(many, monkeypatch):
    order = []

    def seconds(words):
        name, number = words
        order.append(name)
        each = {'plain inference': 0.1, 'ours': 0.2}[name]
        return 5 + each * number, 3 + each * number / 2

    monkeypatch.setattr(many, 'seconds', seconds)
    sides = {name: lambda number, name=name: (name, number) for name in ('plain inference', 'ours')}
    found = many.compare(sides, 11, 2)
    assert [name[0] for name in order] == ['p', 'p', 'o', 'o', 'o', 'o', 'p', 'p']
    assert found['plain inference'][0]['rate'] == pytest.approx(10)
    assert found['plain inference'][0]['cpu'] == pytest.approx(0.05)
    assert many.ratio(found, 'ours') == pytest.approx(0.5) and many.ratio(found, 'ours', 'cpu') == pytest.approx(2)
    lines = many.many_table(many.rows_of(found, 11)).splitlines()
    assert lines[2:] == ['| plain inference | 10.0 | 1.00 | 1.00 |', '| ours | 5.0 | 0.50 | 2.00 |']


def test_the_ratio_is_the_median_of_pairs(many):
    pairs = {'plain inference': [{'rate': r} for r in (1.0, 2.0, 4.0)], 'ours': [{'rate': r} for r in (1.0, 1.0, 40.0)]}
    assert many.ratio(pairs, 'ours') == 1.0


def test_pictures_and_videos_have_the_number_asked_for(many, tmp_path):
    from mmlens.cli.video import VideoReader

    paths = sorted(many.pictures_in(tmp_path / 'pictures', 3).iterdir())
    assert len(paths) == 3 and all(max(cv2.imread(str(path)).shape) == 320 for path in paths)
    frames = list(VideoReader(many.video_in(tmp_path / 'video.mp4', 12)))
    assert len(frames) == 12 and frames[0].shape == (720, 1280, 3)


def test_batches_are_compared_with_pictures_alone(many):
    options = argparse.Namespace(quick=True, device='cpu', repeat=1)
    rows = many.measure_batches(options)
    assert [row['method'] for row in rows] == ['gradcam', 'evidencecam'] and all(row['ratio'] > 0 for row in rows)
    assert rows[0]['boxes'] == rows[1]['boxes'] > 4
    assert many.batches_table([dict(method='a', pictures=4, boxes=9, ratio=1.5)]).endswith('| `a` | 4 | 9 | 1.50 |')


def test_both_sides_run_on_the_device_asked_for(many, tmp_path):
    codes = {'plain inference': many.PLAIN, 'ours': ('--workers', '2')}
    for device, expected in (('cuda:1', 'cuda:1'), (None, None)):
        sides = many._sides(tmp_path / 'all', tmp_path / 'one', tmp_path, device, codes)
        plain, ours = (sides[name](7) for name in sides)
        assert plain[2] == ours[3] == str(tmp_path / 'all') and sides['ours'](1)[3] == str(tmp_path / 'one')
        assert (plain[-1] == expected) == ('--device' in ours) == (device is not None)
