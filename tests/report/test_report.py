from __future__ import annotations

import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import mmlens
from mmlens import BoxExplanation, BoxMap, MmlensError, Report
from mmlens.errors import OutputError

ROOT = Path(__file__).resolve().parents[2]


def test_results_of_one_picture_become_one_entry(explain, index_of, tmp_path):
    report = Report([explain(0), explain(0, method='layercam', moved=0.25), explain(1)])
    assert len(report) == 2 and '4 boxes' in repr(report)
    index = index_of(report.save(tmp_path / 'report.html'))
    first, second = index['pictures']
    assert [each['name'] for each in index['pictures']] == ['picture 1', 'picture 2']
    names = [[index['methods'][one['method']]['name'] for one in item['maps']] for item in first['items']]
    assert names == [['gradcam', 'layercam']] * 2 and len(second['items'][0]['maps']) == 1


def test_names_keep_pictures_apart_and_addresses_are_unique(explain, index_of, tmp_path):
    report = Report({'a.jpg': explain(0), 'b.jpg': explain(0)})
    report.add(explain(1), 'a.jpg')  # another picture of this name
    index = index_of(report.save(tmp_path / 'report.html'))
    assert [each['id'] for each in index['pictures']] == ['a.jpg', 'b.jpg', 'a.jpg-2']


def test_two_settings_of_a_method_are_told_apart(explain, index_of, tmp_path):
    other = explain(0)
    other.layers = ('backbone',)
    report = Report([explain(0), other])
    labels = [told['label'] for told in index_of(report.save(tmp_path / 'r.html'))['methods'].values()]
    assert labels == ['gradcam, neck · sum', 'gradcam, backbone · sum']
    report = Report()
    report.add(explain(0), label='mine')
    report.add(other, label='other')
    labels = [told['label'] for told in index_of(report.save(tmp_path / 'r.html'))['methods'].values()]
    assert labels == ['mine', 'other']


def test_annotations_tell_errors_and_what_was_missed(explain, index_of, tmp_path):
    report = Report()
    missed = report.add(explain(0), 'a.jpg', truth=[((10, 10, 50, 60), 'dog'), ((0, 80, 20, 95), 'cow')])
    assert missed == [((0, 80, 20, 95), 'cow')]
    given = explain(0, boxes=[(0, 80, 20, 95)], names=['cow'])
    given[0].index, given[0].candidate, given[0].overlap, given[0].rank = -1, given[0].box, 1.0, 3
    report.add(given, 'a.jpg')
    (picture,) = index_of(report.save(tmp_path / 'r.html'))['pictures']
    assert [(item['name'], item['error']) for item in picture['items']] == [
        ('dog', ''), ('cat', 'background'), ('cow', 'missed'),
    ]  # fmt: skip
    assert picture['items'][2]['rank'] == 3 and len(picture['items'][2]['maps']) == 1


def test_figures_and_curves_are_put_to_their_maps(explain, index_of, tmp_path):
    report = Report()
    report.add(explain(0), 'a.jpg')
    curves = {'deletion': [1.0] + [0.0] * 10}
    report.add_figures('a.jpg', [
        dict(box=(10, 10, 50, 60), class_name='dog', error='', figures={'gradcam': {'EPG': 0.5}, 'x': {}},
             curves={'gradcam': curves}),
        dict(box=(0, 0, 5, 5), class_name='cow', figures={'gradcam': {'EPG': 0.5}}),
    ])  # fmt: skip
    report.table('Figures', ['method', 'EPG'], [['gradcam', 0.5]])
    report.note('a sentence')
    index = index_of(report.save(tmp_path / 'r.html'))
    dog, cat = index['pictures'][0]['items']
    assert dog['maps'][0]['figures'] == {'EPG': 0.5} and dog['maps'][0]['curves'] == curves and dog['error'] == ''
    assert 'figures' not in cat['maps'][0] and len(index['shares']) == 11
    assert '<th scope="row">gradcam</th><td>0.5</td>' in (tmp_path / 'r.html').read_text(encoding='utf-8')


def test_saved_results_need_no_torch(explain, index_of, tmp_path):
    paths = [explain(seed).save(tmp_path / f'picture{seed}.npz') for seed in range(2)]
    code = (
        'import sys, mmlens\n'
        f'mmlens.Report({[str(path) for path in paths]!r}).save({str(tmp_path / "r.html")!r})\n'
        'print("torch" in sys.modules, "mmengine" in sys.modules)'
    )
    done = subprocess.run([sys.executable, '-c', code], cwd=str(ROOT), stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.split() == ['False', 'False']
    assert [each['name'] for each in index_of(tmp_path / 'r.html')['pictures']] == ['picture0', 'picture1']


def test_nothing_and_strange_things_are_told_in_a_sentence(explain, tmp_path):
    with pytest.raises(MmlensError, match='nothing to report'):
        Report().save(tmp_path / 'r.html')
    with pytest.raises(MmlensError, match='A report shows maps'):
        Report([3])
    with pytest.raises(MmlensError, match='no file'):
        Report(tmp_path / 'gone.npz')
    (tmp_path / 'folder').mkdir()
    with pytest.raises(OutputError):
        Report(explain()).save(tmp_path / 'folder')
    assert sorted(path.name for path in tmp_path.iterdir()) == ['folder']


def photograph(seed: int) -> np.ndarray:
    """A picture of the size of COCO's, with detail at several scales."""
    random, total = np.random.default_rng(seed), np.zeros((480, 640, 3))
    for cells, weight in ((8, 1.0), (60, 0.5), (240, 0.25)):
        noise = random.normal(size=(cells, cells, 3))
        total += (
            weight * noise[np.linspace(0, cells - 1, 480).astype(int)][:, np.linspace(0, cells - 1, 640).astype(int)]
        )
    return np.clip(128 + 45 * total, 0, 255).astype(np.uint8)


def blobs(seed: int) -> np.ndarray:
    """A map of fine structure over the whole picture: harder to encode than real ones."""
    import cv2

    noise = np.random.default_rng(seed).random((60, 80)).astype(np.float32) ** 4
    heat = cv2.resize(noise, (640, 480), interpolation=cv2.INTER_LINEAR)
    return heat / heat.max()


def test_a_tenth_of_200_pictures_of_5_boxes_takes_a_tenth_of_15_megabytes_and_little_memory(tmp_path):
    pictures, maps = [photograph(seed) for seed in range(3)], [blobs(seed) for seed in range(4)]

    def results():
        for n in range(20):
            picture = pictures[n % 3].copy()
            picture[0, 0] = n  # another one each time
            boxes = [
                BoxMap(k, np.array([40 * k, 50, 40 * k + 90, 300], np.float32), k, f'thing {k}', 0.9, maps[(n + k) % 4],
                       maps[(n + k) % 4])
                for k in range(5)
            ]  # fmt: skip
            yield f'{n:06d}.jpg', BoxExplanation(picture, boxes, ('neck',), 'evidencecam', 'score', fusion='product')

    tracemalloc.start()
    report = Report(results(), number=200)
    path = report.save(tmp_path / 'report.html')
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(report) == 20 and 0.5e6 < path.stat().st_size <= 15e6 / 10
    assert peak < 30e6


def test_a_report_is_a_public_name(explain):
    assert mmlens.Report is Report and 'Report' in mmlens.__all__
    assert '<iframe' in explain()._repr_html_()
