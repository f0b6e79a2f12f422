"""`mmlens report`: a model or saved results, several methods, annotations, and one sentence for whatever is wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mmlens import explain_boxes, load_detector
from mmlens.cli.commands.report import build_parser, main, read_words

QUICK = ['--device', 'cpu', '--score-thr', '0.01']


def index_of(path) -> dict:
    text = Path(path).read_text(encoding='utf-8')
    return json.loads(text.split('id="index">', 1)[1].split('</script>', 1)[0])


def test_every_box_of_every_picture_by_several_methods(model, pictures, capfd):
    words = ['--method', 'gradcam', 'layercam', '-o', 'out/r.html', '--title', 'Tiny & small', '--topk', '2']
    assert main([*model, 'pics', *QUICK, *words]) == 1  # one of the pictures is broken
    out, err = capfd.readouterr()
    assert 'report of 2 pictures' in out and '-> out/r.html' in out and '1 of 3 pictures could not be drawn' in err
    assert list(Path('out').iterdir()) == [Path('out/r.html')]
    index = index_of('out/r.html')
    assert [each['name'] for each in index['pictures']] == ['a.png', 'c.jpg'] and index['title'] == 'Tiny & small'
    assert sorted(told['name'] for told in index['methods'].values()) == ['gradcam', 'layercam']
    items = index['pictures'][0]['items']
    assert len(items) == 2 and all(len(item['maps']) == 2 for item in items)
    assert {item['name'] for item in items} <= {'ant', 'bee', 'cow'}


def test_annotations_tell_what_is_wrong_and_missed_objects_have_maps(model, pictures, capfd):
    best = explain_boxes(load_detector(*model, device='cpu'), 'pics/a.png', score_thr=0.01, topk=1, method='gradcam')[0]
    right = [float(edge) for edge in (*best.box[:2], *(best.box[2:] - best.box[:2]))]
    names = ['ant', 'bee', 'cow']
    annotations = [dict(id=0, image_id=0, category_id=best.label, bbox=right, iscrowd=0, area=1)]
    annotations.append(dict(id=1, image_id=0, category_id=(best.label + 1) % 3, bbox=[70, 1, 9, 9], iscrowd=0, area=81))
    categories = [dict(id=n, name=name) for n, name in enumerate(names)]
    images = [dict(id=0, file_name='a.png', width=80, height=60)]
    Path('ann.json').write_text(json.dumps(dict(images=images, annotations=annotations, categories=categories)))
    words = ['--ann', 'ann.json', '--method', 'gradcam', '--topk', '1', '--out-file', 'r.html']
    assert main([*model, 'pics/a.png', *QUICK, *words]) == 0
    assert '1 box, 1 missed' in capfd.readouterr().out
    found, missed = index_of('r.html')['pictures'][0]['items']
    assert (found['error'], missed['error'], missed['name']) == ('', 'missed', names[(best.label + 1) % 3])
    assert len(missed['maps']) == 1 and missed['box'] == [70, 1, 79, 10]


def test_saved_results_need_neither_model_nor_torch(model, pictures):
    detector = load_detector(*model, device='cpu')
    for name in ('a.png', 'c.jpg'):
        explain_boxes(detector, f'pics/{name}', score_thr=0.01, method='gradcam').save(f'saved/{name[0]}.npz')
    Path('saved/b.npz').write_bytes(b'this is no result')
    code = 'import sys; from mmlens.cli.main import main; print(main(sys.argv[1:]), "torch" in sys.modules)'
    words = ['report', 'saved/a.npz', 'saved/b.npz', 'saved/c.npz', '-o', 'r.html']
    done = subprocess.run([sys.executable, '-c', code, *words], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == '1 False', done.stderr
    assert '1 of 3 results could not be shown' in done.stderr and 'saved/b.npz' in done.stderr
    assert [each['name'] for each in index_of('r.html')['pictures']] == ['a', 'c']
    Path('saved/b.npz').unlink()
    assert main(['saved', '-o', 'folder.html']) == 0
    assert len(index_of('folder.html')['pictures']) == 2


def words_of(*words):
    return read_words(build_parser().parse_args(list(words)))


def test_words_are_told_apart():
    assert words_of('c.py', 'w.pth', 'a.jpg', 'b') == ('c.py', 'w.pth', ['a.jpg', 'b'])
    assert words_of('some_model', 'a.jpg') == ('some_model', None, ['a.jpg'])
    assert words_of('c.py', 'https://x.y/w.pth?a=1', 'a.jpg').checkpoint == 'https://x.y/w.pth?a=1'
    assert words_of('a.npz', 'B.NPZ') == ('', None, ['a.npz', 'B.NPZ'])


@pytest.mark.parametrize(
    ('words', 'sentence'),
    [
        (['c.py', 'w.pth'], 'There is no picture to report on'),
        (['c.py', 'a.npz'], 'a.npz is a saved result, which needs no model'),
        (['gone.npz'], 'There is no file gone.npz'),
        (['pics'], 'pics holds no .npz that --save-maps wrote'),
        (['c.py', 'pics/a.png', '-o', 'r.pdf'], 'give it a name that ends with .html'),
        (['c.py', 'street.mp4', '-o', 'r.html'], 'street.mp4 is a video'),
        (['gone.py', 'pics/a.png', '-o', 'r.html'], 'gone.py'),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(pictures, words, sentence, capfd):
    Path('c.py').write_text('model = dict()')
    assert main(words) == 2
    out, err = capfd.readouterr()
    assert sentence in err and len(err.splitlines()) == 1 and not list(Path('.').glob('*.html'))
