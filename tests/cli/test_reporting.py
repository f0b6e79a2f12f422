"""`--report`: which pictures are in it, under which names, and that it is written even when a run ends early."""

from pathlib import Path

import numpy as np
import pytest

from mmlens import BoxExplanation, BoxMap
from mmlens.cli.commands import boxam, cam
from mmlens.cli.reporting import Reporting
from mmlens.cli.sources import Source
from mmlens.errors import OutputError

from .commands.test_report import index_of

SHAPES = Path(__file__).resolve().parents[2] / 'projects' / 'shapes'


def result(seed: int = 0) -> BoxExplanation:
    heat = np.full((20, 30), 0.5, np.float32)
    box = BoxMap(0, np.array([1, 2, 9, 9], np.float32), 0, 'ant', 0.5, heat, heat)
    picture = np.full((20, 30, 3), seed, np.uint8)
    return BoxExplanation(picture, [box], ('neck',), 'gradcam', 'score')


def test_pictures_have_the_names_of_their_sources(tmp_path, capfd):
    reporting = Reporting(str(tmp_path / 'new' / 'r.html'), 'title')
    paths = [tmp_path / 'a' / '1.png', tmp_path / 'b' / '1.png']
    with reporting:
        reporting.expect([Source(path, f'{path.parent.name}_1.png') for path in paths])
        for seed, path in enumerate(paths):
            reporting.add(result(seed), path)
    assert 'report of 2 pictures, ' in capfd.readouterr().out
    index = index_of(tmp_path / 'new' / 'r.html')
    assert index['title'] == 'title' and [each['name'] for each in index['pictures']] == ['a_1.png', 'b_1.png']


def test_what_was_done_is_written_when_a_run_is_interrupted(tmp_path):
    with pytest.raises(KeyboardInterrupt), Reporting(str(tmp_path / 'r.html')) as reporting:
        reporting.add(result(), 'one.png')
        raise KeyboardInterrupt
    assert len(index_of(tmp_path / 'r.html')['pictures']) == 1


def test_nothing_is_written_without_results_or_without_the_option(tmp_path):
    with Reporting(str(tmp_path / 'r.html')):
        pass
    with Reporting(None) as none:
        assert not none and none.add(object(), 'one.png') == []
    assert not list(tmp_path.iterdir())


def test_places_that_cannot_be_are_refused_before_the_work(tmp_path):
    with pytest.raises(OutputError, match='ends with .html'):
        Reporting('r.png')
    (tmp_path / 'file').write_text('')
    with pytest.raises(OutputError, match='is a file, not a folder'):
        Reporting(str(tmp_path / 'file' / 'r.html'))
    with pytest.raises(OutputError, match='is a video'):
        Reporting(str(tmp_path / 'r.html')).expect([Source(Path('street.mp4'), 'street.mp4')])


def test_boxam_writes_a_report_beside_its_drawings(model, pictures, capfd):
    words = ['--score-thr', '0.01', '--method', 'gradcam', '--device', 'cpu', '--report', 'r.html', '--colormap', 'jet']
    assert boxam.main(['pics', *model, *words]) == 1
    assert '-> r.html' in capfd.readouterr().out
    index = index_of('r.html')
    assert [each['name'] for each in index['pictures']] == ['a.png', 'c.jpg']
    assert {told['colormap'] for told in index['methods'].values()} == {'jet'}
    assert boxam.main(['street.mp4', *model, '--report', 'v.html', '--device', 'cpu']) == 2
    assert 'is a video' in capfd.readouterr().err


def test_cam_writes_a_report_of_classes(tmp_path, capfd):
    model = [str(SHAPES / 'configs' / 'shapes_classifier.py'), str(SHAPES / 'checkpoints' / 'shapes_classifier.pth')]
    picture = str(next((SHAPES / 'pictures').glob('*.jpg')))
    words = ['--target-category', '0', '1', '--device', 'cpu', '--out-dir', str(tmp_path)]
    assert cam.main([picture, *model, *words, '--report', str(tmp_path / 'r.html')]) == 0
    (entry,) = index_of(tmp_path / 'r.html')['pictures']
    assert len(entry['items']) == 2 and all(item['box'] is None for item in entry['items'])
