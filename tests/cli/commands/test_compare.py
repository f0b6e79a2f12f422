"""`mmlens compare`: sheets, the table, and one sentence for whatever is wrong."""

import csv
import json

import cv2
import numpy as np
import pytest
import torch

import mmlens
from mmlens import explain_boxes
from mmlens.cli.commands.compare import build_parser, main, read_words
from mmlens.cli.main import COMMANDS


@pytest.fixture(scope='module')
def models(yolox, tmp_path_factory):
    """The words of two detectors, the second with another head."""
    folder = tmp_path_factory.mktemp('model')
    yolox.cfg.dump(str(folder / 'tiny.py'))
    meta = dict(dataset_meta=dict(classes=('cup', 'fork', 'knife')))
    weights = yolox.model.state_dict()
    torch.save(dict(state_dict=weights, meta=meta), str(folder / 'a.pth'))
    changed = {name: each * 0.8 if 'conv_cls' in name else each for name, each in weights.items()}
    torch.save(dict(state_dict=changed, meta=meta), str(folder / 'b.pth'))
    return [str(folder / 'tiny.py'), str(folder / 'a.pth'), str(folder / 'tiny.py'), str(folder / 'b.pth')]


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'pics').mkdir()
    for number in range(2):
        noise = np.random.default_rng(number).integers(0, 255, (9, 13, 3), np.uint8)
        cv2.imwrite(f'pics/{number}.png', cv2.resize(noise, (128, 90), interpolation=cv2.INTER_CUBIC))
    return tmp_path


def test_sheets_maps_and_the_table(models, pictures, capfd):
    assert (
        main(
            [
                *models,
                'pics',
                '--score-thr',
                '0.3',
                '--out-dir',
                'out',
                '--method',
                'gradcam',
                '--save-maps',
                '--report',
                'r.html',
            ]
        )
        == 0
    )
    out, _ = capfd.readouterr()
    assert '"side":true' in (pictures / 'r.html').read_text(encoding='utf-8') and 'report of 2 pictures' in out
    assert 'pics/0.png:' in out and '-> out/0.png' in out and 'on one scale' in out
    found = mmlens.load('out/0.npz')
    assert isinstance(found, mmlens.BoxComparison) and found.comparable
    assert cv2.imread('out/1.png').shape[1] > 900
    with open('out/compare.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    order = [(row['found_a'] == row['found_b'], -float(row['change'])) for row in rows]
    assert order == sorted(order) and {row['picture'] for row in rows} <= {'0.png', '1.png'}
    assert len([row for row in rows if row['picture'] == '0.png']) == len(found)


def test_one_model_under_two_settings(models, pictures, capfd):
    words = [*models[:2], 'pics/0.png', '--method-b', 'gradcam', '--layers-b', 'backbone', '--out-dir', 'out']
    assert main([*words, '--names', 'one', 'two', '--save-maps']) == 0
    found = mmlens.load('out/0.npz')
    assert (found.a.method, found.b.method, found.b.layers) == ('evidencecam', 'gradcam', ('backbone',))
    assert found.names == ('one', 'two') and not found.comparable


def test_objects_are_matched_by_annotations(models, yolox, pictures, capfd):
    best = explain_boxes(yolox, cv2.imread('pics/0.png'), score_thr=0.0, topk=1, method='gradcam')[0]
    box = [float(edge) for edge in (*best.box[:2], *(best.box[2:] - best.box[:2]))]
    content = dict(
        images=[dict(id=0, file_name='0.png', height=90, width=128)],
        annotations=[dict(id=0, image_id=0, category_id=best.label, bbox=box, area=9, iscrowd=0)],
        categories=[dict(id=n, name=name) for n, name in enumerate(('cup', 'fork', 'knife'))],
    )
    (pictures / 'ann.json').write_text(json.dumps(content))
    words = ['--ann', 'ann.json', '--images', 'pics', '--out-dir', 'out', '--save-maps', '--method', 'gradcam']
    assert main([*models, *words]) == 0
    truths = [pair.truth for pair in mmlens.load('out/0.npz') if pair.truth is not None]
    assert len(truths) == 1 and truths[0] == pytest.approx(best.box, abs=1e-3)


def test_a_broken_picture_is_gone_past(models, pictures, capfd):
    (pictures / 'pics' / '0.png').write_bytes(b'broken')
    assert main([*models, 'pics', '--out-dir', 'out', '--method', 'gradcam']) == 1
    assert '1 of 2 pictures could not be drawn' in capfd.readouterr()[1]
    assert (pictures / 'out' / 'compare.csv').is_file()


@pytest.mark.parametrize(
    ('words', 'sentence'),
    [
        (['pics'], 'There is nothing to compare with: name the config and the checkpoint of B'),
        (['b.py'], 'Name the checkpoint of B after its config b.py'),
        (['b.py', 'b.pth'], 'There is no picture to compare on'),
        (['b.py', 'b.pth', 'pics', '--ann', 'x.json', '--images', 'pics'], '--ann brings its own pictures'),
        (['b.py', 'b.pth', '--ann', 'x.json'], '--ann needs --images'),
        (['--method-b', 'gradcam', 'nowhere.jpg'], 'nowhere.jpg does not exist'),
        (['--method-b', 'gradcam', 'pics'], 'No config file a.py: check the path'),
    ],
)
def test_wrong_words_are_told_in_a_sentence(pictures, capfd, words, sentence):
    assert main(['a.py', 'a.pth', *words]) == 2
    err = capfd.readouterr()[1].strip().splitlines()
    assert len(err) == 1 and sentence in err[0]


@pytest.mark.parametrize(
    ('content', 'sentence'),
    [
        (dict(images=[dict(id=0, file_name='other.png')]), 'is not of the pictures in pics'),
        (dict(annotations=[dict(image_id=0, category_id=0, bbox=[1, 2, 3])]), 'not of four finite numbers'),
        (dict(categories=[dict(id=0, name='dog')]), 'knows none of the classes of ann.json (dog): it knows cup, fork'),
    ],
)
def test_annotations_that_do_not_fit_are_told_in_a_sentence(models, pictures, capfd, content, sentence):
    plain = dict(
        images=[dict(id=0, file_name='0.png', height=90, width=128)],
        annotations=[dict(id=0, image_id=0, category_id=0, bbox=[5, 5, 40, 40], area=9, iscrowd=0)],
        categories=[dict(id=0, name='cup')],
    )
    (pictures / 'ann.json').write_text(json.dumps({**plain, **content}))
    assert main([*models, '--ann', 'ann.json', '--images', 'pics', '--out-dir', 'out']) == 2
    err = capfd.readouterr()[1].strip().splitlines()
    assert len(err) == 1 and sentence in err[0]


@pytest.mark.parametrize('box', [[5, 5, 0, 40], [500, 5, 40, 40]])
def test_objects_without_a_part_in_the_picture_are_no_traceback(models, pictures, capfd, box):
    content = dict(
        images=[dict(id=0, file_name='0.png', height=90, width=128)],
        annotations=[dict(id=0, image_id=0, category_id=0, bbox=box, area=9, iscrowd=0)],
        categories=[dict(id=0, name='cup')],
    )
    (pictures / 'ann.json').write_text(json.dumps(content))
    words = ['--ann', 'ann.json', '--images', 'pics', '--out-dir', 'out', '--method', 'gradcam']
    assert main([*models, *words]) in (0, 2)
    assert 'Traceback' not in capfd.readouterr()[1]


def test_words_are_told_apart():
    def read(*words):
        return read_words(build_parser().parse_intermixed_args(list(words)))

    assert read('a.py', 'a.pth', 'mmdet::b', 'b.pth', 'p') == (('a.py', 'a.pth'), ('mmdet::b', 'b.pth'), ['p'])
    assert read('a.py', 'a.pth', 'p.jpg', 'q.jpg', '--dtype-b', 'float16').pictures == ['p.jpg', 'q.jpg']
    assert 'compare' in COMMANDS
