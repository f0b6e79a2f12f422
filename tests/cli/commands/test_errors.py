"""`mmlens errors`: tables, sheets, broken pictures, Ctrl-C, and one sentence for whatever is wrong."""

import html
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mmlens import explain_boxes
from mmlens.cli.commands.errors import build_parser, main
from mmlens.metrics import ERROR_TYPES


@pytest.fixture(scope='module')
def model(yolox, tmp_path_factory):
    """The words CONFIG and CHECKPOINT of a detector."""
    folder = tmp_path_factory.mktemp('model')
    yolox.cfg.dump(str(folder / 'tiny.py'))
    meta = dict(dataset_meta=dict(classes=('cup', 'fork', 'knife')))
    torch.save(dict(state_dict=yolox.model.state_dict(), meta=meta), str(folder / 'tiny.pth'))
    return [str(folder / 'tiny.py'), str(folder / 'tiny.pth')]


@pytest.fixture
def data(yolox, tmp_path, monkeypatch):
    """The working folder, with two pictures whose objects are of the wrong class; words of a command line."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'pics').mkdir()
    images, objects = [], []
    for number in range(2):
        noise = np.random.default_rng(number).integers(0, 255, (9, 13, 3), np.uint8)
        picture = cv2.resize(noise, (128, 90), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(f'pics/{number}.png', picture)
        images.append(dict(id=number, file_name=f'{number}.png', height=90, width=128))
        best = explain_boxes(yolox, picture, score_thr=0.0, topk=1, method='gradcam')[0]
        box = [float(edge) for edge in (*best.box[:2], *(best.box[2:] - best.box[:2]))]
        category = (best.label + 1) % 3
        objects.append(dict(id=number, image_id=number, category_id=category, bbox=box, area=900, iscrowd=0))
    categories = [dict(id=n, name=name) for n, name in enumerate(('cup', 'fork', 'knife'))]
    (tmp_path / 'ann.json').write_text(json.dumps(dict(images=images, annotations=objects, categories=categories)))
    return ['--ann', 'ann.json', '--images', 'pics', '--out-dir', 'out']


def test_tables_and_sheets(model, data, capfd, tmp_path):
    words = ['--worst', '1', '--type', 'class', 'missed', 'background', '--score-thr', '0', '--report', 'r.html']
    assert main([*model, *data, *words]) == 0
    out, err = capfd.readouterr()
    page = (tmp_path / 'r.html').read_text(encoding='utf-8')
    assert 'cost in mAP50' in page and '"error":"classification"' in page and '-> r.html' in out
    told = json.loads((tmp_path / 'out' / 'errors.json').read_text())
    assert list(told['counts']) == list(ERROR_TYPES) and told['pictures'] == 2
    assert told['counts']['classification'] == 2
    drawn = [each['sheet'] for each in told['errors'] if each['sheet']]
    sheets = sorted(str(path.relative_to(tmp_path / 'out')) for path in (tmp_path / 'out').rglob('*.png'))
    assert sheets == sorted(drawn)
    assert [name.split('/')[0] for name in sheets] == ['background', 'classification']
    assert cv2.imread(str(tmp_path / 'out' / sheets[0])).shape[1] > 600
    assert out.splitlines()[1].split()[:2] == ['type', 'errors']
    assert f'errors -> out: errors.csv, errors.json, {len(sheets)} sheets' in out
    assert (tmp_path / 'out' / 'errors.csv').read_text().count('\n') == len(told['errors']) + 1


def test_sheets_have_an_index_and_their_maps_beside_them(model, data, capfd, tmp_path):
    words = ['--worst', '1', '--type', 'class', 'background', '--score-thr', '0', '--save-maps']
    assert main([*model, *data, *words]) == 0
    told = json.loads((tmp_path / 'out' / 'errors.json').read_text())
    drawn = [each for each in told['errors'] if each['sheet']]
    page = html.unescape((tmp_path / 'out' / 'index.html').read_text())
    assert drawn and all(f'href="{each["sheet"]}"' in page and each['sentence'] in page for each in drawn)
    for each in drawn:
        with np.load((tmp_path / 'out' / each['sheet']).with_suffix('.npz')) as saved:
            assert str(saved['type']) == each['type'] and len(saved['titles'])
            assert saved['values'].shape == saved['raw'].shape == (len(saved['titles']), *saved['picture'].shape[:2])
            assert saved['counters'].shape == saved['values'].shape


def test_without_sheets_no_map_is_made(model, data, capfd, tmp_path, monkeypatch):
    monkeypatch.setattr('mmlens.failures.report.explain_failure', None)
    assert main([*model, *data, '--worst', '0', '--number', '1']) == 0
    assert '0 sheets' in capfd.readouterr()[0]


def test_a_broken_picture_is_told_at_the_end(model, data, capfd, tmp_path):
    (tmp_path / 'pics' / '1.png').write_bytes(b'broken')
    assert main([*model, *data, '--worst', '0']) == 1
    out, err = capfd.readouterr()
    assert '1 picture could not be read' in err and '1.png' in err
    assert json.loads((tmp_path / 'out' / 'errors.json').read_text())['pictures'] == 1


def test_ctrl_c_keeps_what_is_done(model, data, capfd, tmp_path, monkeypatch):
    import signal

    from mmlens.failures import find

    plain = find.errors_of

    def interrupted(*given):
        signal.raise_signal(signal.SIGINT)
        return plain(*given)

    monkeypatch.setattr(find, 'errors_of', interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in processes in the background
    try:
        assert main([*model, *data]) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    out, err = capfd.readouterr()
    assert 'Ended early: these are the errors of 1 picture of 2' in out
    assert 'out holds what was found so far' in err
    assert json.loads((tmp_path / 'out' / 'errors.json').read_text())['unfinished']


@pytest.mark.parametrize(
    ('words', 'sentence'),
    [
        (['--images', 'pics'], '--images is the folder of annotated pictures: name their file with --ann'),
        (['--ann', 'ann.json'], '--ann needs --images, the folder of its pictures'),
        (['--ann', 'pics', '--images', 'pics'], 'pics is no annotation file of COCO'),
    ],
)
def test_wrong_words_are_told_in_a_sentence(model, data, capfd, words, sentence):
    assert main([*model, *words]) == 2
    err = capfd.readouterr()[1].strip().splitlines()
    assert len(err) == 1 and sentence in err[0]


def changed(**others):
    content = json.loads(Path('ann.json').read_text())
    Path('ann.json').write_text(json.dumps({**content, **others}))


BAD_BOX = [dict(id=1, image_id=0, category_id=0, bbox=[1, float('nan'), 3, 4])]


@pytest.mark.parametrize(
    ('content', 'sentence'),
    [
        (dict(images=[dict(id=0, file_name='other.png')]), 'is not of the pictures in pics'),
        (dict(annotations=BAD_BOX), 'ann.json is no annotation file of COCO'),
        (dict(annotations=[dict(id=1, image_id=0, category_id=0)]), "an entry has no 'bbox'"),
        (dict(images=[dict(id=0)]), "an entry has no 'file_name'"),
        (dict(categories=[dict(id=0, name='dog')]), 'knows none of the classes of ann.json (dog): it knows cup, fork'),
    ],
)
def test_annotations_that_do_not_fit_are_told_in_a_sentence(model, data, capfd, content, sentence):
    changed(**content)
    assert main([*model, *data]) == 2
    err = capfd.readouterr()[1].strip().splitlines()
    assert len(err) == 1 and sentence in err[0]


def test_objects_of_unknown_classes_are_left_out_and_told(model, data, capfd):
    names = [dict(id=n, name=name) for n, name in enumerate(('cup', 'spoon', 'knife'))]
    objects = [dict(image_id=n, category_id=n, bbox=[5, 5, 40, 40]) for n in (0, 1)]
    changed(annotations=objects, categories=names)
    assert main([*model, *data, '--worst', '0']) == 0
    assert 'note: Objects of spoon left out: the detector does not know these classes.' in capfd.readouterr()[0]


def test_categories_count_by_their_names_in_whatever_order(model, data, capfd, tmp_path):
    words = [*model, *data, '--worst', '0', '--score-thr', '0']
    assert main(words) == 0
    before = json.loads((tmp_path / 'out' / 'errors.json').read_text())
    content = json.loads(Path('ann.json').read_text())
    for each in content['annotations']:
        each['category_id'] = 2 - each['category_id']
    names = [dict(id=2 - n, name=name) for n, name in enumerate(('cup', 'fork', 'knife'))][::-1]
    changed(annotations=content['annotations'], categories=names)
    assert main(words) == 0
    assert json.loads((tmp_path / 'out' / 'errors.json').read_text()) == before


def test_unknown_types_are_answered_with_the_known_ones(capfd):
    with pytest.raises(SystemExit):
        build_parser().parse_args(['c.py', '--type', 'wrong'])
    assert 'localisation' in capfd.readouterr()[1]
