"""`mmlens pipeline` on tiny sets of the three libraries: what is written, said and refused."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmlens.choices import MODES
from mmlens.cli.commands import pipeline
from mmlens.cli.commands.pipeline import main

DETECTION = """
default_scope = 'mmdet'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackDetInputs', meta_keys=('img_path',))]
coco = dict(type='CocoDataset', data_root='data', ann_file='all.json', data_prefix=dict(img='pictures/'),
            metainfo=dict(classes=('cup', 'fork')))
train_dataloader = dict(dataset=dict(type='RepeatDataset', times=2, dataset=dict(pipeline=train_pipeline, **coco)))
val_dataloader = dict(dataset=dict(pipeline=train_pipeline[:2], test_mode=True, **coco))
"""
CLASSIFICATION = """
default_scope = 'mmpretrain'
train_dataloader = dict(dataset=dict(
    type='CustomDataset', data_root='folders',
    pipeline=[dict(type='LoadImageFromFile'), dict(type='RandomFlip', prob=0.5), dict(type='PackInputs')]))
"""


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """The working folder with a detection set of three pictures, a set for classifiers and their configs."""
    monkeypatch.chdir(tmp_path)
    images, annotations = [], []
    for number in range(3):
        picture = np.random.default_rng(number).integers(0, 255, (60, 80 + number, 3), np.uint8)
        for name in (f'data/pictures/{number}.png', f'folders/{"ab"[number % 2]}/{number // 2}.jpg'):
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(name, picture)
        images.append(dict(id=number, file_name=f'{number}.png', height=60, width=80 + number))
        box = dict(bbox=[10, 12, 30, 20], area=600, iscrowd=0, category_id=number % 2)
        annotations.append(dict(id=number, image_id=number, **box))
    categories = [dict(id=0, name='cup'), dict(id=1, name='fork')]
    Path('data/all.json').write_text(json.dumps(dict(images=images, annotations=annotations, categories=categories)))
    Path('detection.py').write_text(DETECTION)
    Path('classification.py').write_text(CLASSIFICATION)
    return tmp_path


def files_in(folder):
    return sorted(path.name for path in Path(folder).iterdir() if path.name != 'index.html')


def run(*words):
    return main([str(word) for word in words])


def sentence_of(capsys):
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if line.startswith('mmlens: ')]
    assert len(lines) == 1 and 'Traceback' not in err
    return lines[0]


def test_every_sample_is_drawn_and_told(workplace, capsys):
    assert run('detection.py', '--output-dir', 'out', '--seed', '1') == 0
    assert files_in('out') == ['0-2.png', '0.png', '1-2.png', '1.png', '2-2.png', '2.png']
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == 'data/pictures/0.png: 5 steps, 3 x 60 x 80, 1 box -> out/0.png'
    assert lines[3] == 'data/pictures/0.png: 5 steps, 3 x 60 x 80, 1 box -> out/0-2.png'
    assert len(lines) == 6


def test_a_classifier_s_samples(workplace, capsys):
    assert run('classification.py', '--number', '2', '--seed', '1') == 0
    assert files_in('output') == ['0.jpg', '1.jpg']
    assert capsys.readouterr().out.splitlines()[1] == 'folders/a/1.jpg: 3 steps, 3 x 60 x 82, a -> output/1.jpg'


def test_equal_names_in_two_folders(workplace):
    assert run('classification.py', '--seed', '1') == 0
    assert files_in('output') == ['0-2.jpg', '0.jpg', '1.jpg']


def test_modes_differ_and_each_is_of_the_size_it_should_be(workplace):
    widths = {}
    for mode in MODES:
        assert run('detection.py', '-m', mode, '-n', '1', '--seed', '1', '-o', mode) == 0
        widths[mode] = cv2.imread(f'{mode}/0.png').shape[1]
    assert widths['original'] == widths['transformed'] < widths['concat'] < widths['pipeline']
    assert run('detection.py', '-n', '1', '--seed', '1', '-o', 'default') == 0
    assert np.array_equal(cv2.imread('default/0.png'), cv2.imread('concat/0.png'))


def test_the_same_seed_draws_the_same_pictures(workplace, capsys):
    for out, seed in (('a', 3), ('b', 3), ('c', 4)):
        assert run('detection.py', '--seed', seed, '--out-dir', out) == 0
    for name in files_in('a'):
        assert Path('a', name).read_bytes() == Path('b', name).read_bytes()
    assert any(Path('a', name).read_bytes() != Path('c', name).read_bytes() for name in files_in('a'))
    capsys.readouterr()
    assert run('detection.py', '-o', 'd') == 0
    seed = re.match(r'--seed (\d+) draws these pictures again\n', capsys.readouterr().out)[1]
    assert run('detection.py', '-o', 'e', '--seed', seed) == 0
    for name in files_in('d'):
        assert Path('d', name).read_bytes() == Path('e', name).read_bytes()


def test_number_and_shuffle(workplace):
    assert run('detection.py', '-n', '2', '--seed', '0', '-o', 'first') == 0
    assert files_in('first') == ['0.png', '1.png']
    drawn = set()
    for seed in range(4):
        assert run('detection.py', '--show-number', '1', '--shuffle', '--seed', seed, '-o', f's{seed}') == 0
        drawn.update(files_in(f's{seed}'))
    assert len(drawn) > 1


def test_phase_and_config_options(workplace, capsys):
    words = ['-p', 'val', '--seed', '0', '--cfg-options', 'val_dataloader.dataset.indices=1']
    assert run('detection.py', *words) == 0
    assert capsys.readouterr().out == 'data/pictures/0.png: 2 steps, 60 x 80 x 3, 1 box -> output/0.png\n'


@pytest.fixture
def blue(workplace):
    """Draws a blue picture of 50 x 40 pixels; gives width and height of what has a colour in the drawing."""
    Path('blue/a').mkdir(parents=True)
    cv2.imwrite('blue/a/0.png', np.full((40, 50, 3), (250, 0, 0), np.uint8))

    def draw(*words, colour=(250, 0, 0)):
        root = 'train_dataloader.dataset.data_root=blue'
        assert run('classification.py', '-m', 'transformed', '--seed', '1', '--cfg-options', root, *words) == 0
        rows, columns = np.nonzero((cv2.imread('output/0.png') == colour).all(axis=2))
        return np.ptp(columns) + 1, np.ptp(rows) + 1

    return draw


def test_adaptive(blue):
    assert blue() == (50, 40)
    assert blue('--adaptive') == (250, 200)
    assert blue('--adaptive', '--min-edge-length', '300', '--max-edge-length', '320') == (320, 256)


def test_bgr2rgb_swaps_the_picture(blue):
    assert blue('--bgr2rgb', colour=(0, 0, 250)) == (50, 40)


def test_types_to_skip(workplace, capsys):
    words = ['--seed', '1', '-n', '1', '--skip-type', 'RandomFlip', 'mmdet.PhotoMetricDistortion', 'ToTensor']
    assert run('detection.py', *words) == 0
    out, err = capsys.readouterr()
    assert out.startswith('data/pictures/0.png: 3 steps')
    assert err == 'mmlens: warning: --skip-type: the train pipeline has no ToTensor.\n'


TTA = """
_base_ = './detection.py'
val_dataloader = dict(dataset=dict(pipeline=None))
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='TestTimeAug', transforms=[
        [dict(type='Resize', scale=(40, 40), keep_ratio=True), dict(type='Resize', scale=(80, 80), keep_ratio=True)],
        [dict(type='RandomFlip', prob=1.0), dict(type='RandomFlip', prob=0.0)],
        [dict(type='LoadAnnotations', with_bbox=True)],
        [dict(type='PackDetInputs', meta_keys=('img_path', 'flip', 'flip_direction', 'scale_factor'))]])]
"""


@pytest.mark.parametrize('mode', MODES)
def test_views_of_test_time_augmentation(workplace, capsys, mode):
    Path('tta.py').write_text(TTA)
    assert run('tta.py', '--phase', 'tta', '-n', '1', '--seed', '1', '--mode', mode) == 0
    assert files_in('output') == ['0.png']
    sizes = '3 x 30 x 40 and 3 x 60 x 80'
    assert f'2 steps, 4 views of {sizes}, 1 box each -> ' in capsys.readouterr().out


def test_a_window_draws_what_boxam_draws(workplace, capsys):
    from mmlens.models.pixels import visible

    picture = (np.arange(60 * 80).reshape(60, 80, 1) + np.array([500, 1000, 1500])).astype(np.uint16)
    cv2.imwrite('data/pictures/0.png', picture)
    plain = [dict(type='LoadImageFromFile', imdecode_backend='cv2', color_type='unchanged')]
    Path('deep.py').write_text(f"_base_ = './detection.py'\nval_dataloader = dict(dataset=dict(pipeline={plain}))\n")
    for number, window in enumerate([None, ('1000', '4000'), ('5%', '60%')]):
        words = ['--window', *window] if window else []
        assert run('deep.py', '-p', 'val', '-n', '1', '--mode', 'original', '-o', f'out{number}', *words) == 0
        bounds = window and tuple(each if each.endswith('%') else float(each) for each in window)
        sheet = cv2.imread(f'out{number}/0.png')
        wanted = visible(picture, bounds)[0]
        found = [sheet[y : y + 60, x : x + 80] for y in range(len(sheet) - 59) for x in range(sheet.shape[1] - 79)]
        assert any(np.array_equal(part, wanted) for part in found)


@pytest.mark.filterwarnings('ignore:.*non-interactive')
def test_shown_only(workplace, monkeypatch):
    from matplotlib import pyplot

    monkeypatch.setattr(pipeline, 'check_display', lambda: None)
    pyplot.switch_backend('agg')
    assert run('detection.py', '-n', '1', '--seed', '1', '--show', '--window-size', '9*5') == 0
    figure = pyplot.figure('mmlens')
    assert figure.get_size_inches().tolist() == [9, 5] and figure.axes[0].get_title() == '0.png'
    pyplot.close('all')
    assert not Path('output').exists()


@pytest.mark.parametrize('length', ['0', '4097', '40000000', '-5', 'all'])
def test_edges_that_cannot_be_drawn(workplace, capsys, length):
    for option in ('--min-edge-length', '--max-edge-length'):
        with pytest.raises(SystemExit) as end:
            run('detection.py', '--adaptive', option, length)
        assert end.value.code == 2
        said = sentence_of(capsys)
        assert f"argument {option}: '{length}' is not a whole number of pixels from 1 to 4096" in said


@pytest.mark.parametrize(
    ('words', 'sentence'),
    [
        (['none.py'], 'No config file none.py: check the path.'),
        (
            ['detection.py', '--phase', 'test'],
            'detection.py has no test_dataloader; it has train and val: choose one with --phase.',
        ),
        (
            ['detection.py', '--phase', 'tta'],
            'detection.py has no tta_pipeline: base it on a config that has one, such as mmdet::rtmdet/rtmdet_tta.py, '
            'or look at --phase test.',
        ),
        (['detection.py', '-p', 'val', '--window', '9', '9'], '--window must begin below its end, not at 9 and 9.'),
        (
            ['detection.py', '-p', 'val', '--cfg-options', 'val_dataloader.dataset.ann_file=no.json'],
            'The val dataset of the config cannot be built: there is no data/no.json. Put the data there, or say where '
            'it is with --cfg-options val_dataloader.dataset.data_root=FOLDER (ann_file and data_prefix likewise).',
        ),
        (
            ['detection.py', '--min-edge-length', '1200'],
            '--min-edge-length 1200 is above --max-edge-length 1000.',
        ),
        (
            ['detection.py', '--window-size', '500*7'],
            'A figure of 500 x 7 inches cannot be drawn; choose from 4 x 3 to 100 x 100.',
        ),
        (
            ['detection.py', '--seed', '1', '-o', 'data/pictures'],
            'A result would overwrite the picture data/pictures/0.png; choose another place.',
        ),
    ],
)
def test_what_is_wrong_is_one_sentence(workplace, capsys, words, sentence):
    before = Path('data/pictures/0.png').read_bytes()
    assert run(*words) == 2
    assert sentence_of(capsys) == f'mmlens: error: {sentence}'
    assert not Path('output').exists()
    assert Path('data/pictures/0.png').read_bytes() == before


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (['--phase', 'trian'], "argument --phase/-p: invalid choice: 'trian'"),
        (['--number', '0'], "'0' is not a whole number above 0"),
        (['--window-size', '12x7'], "'12x7' is not of the form W*H, such as 12*7"),
        (['--seed', '-1'], "'-1' is not a whole number from 0 to 999999999"),
    ],
)
def test_a_wrong_argument_is_one_sentence(workplace, capsys, words, said):
    with pytest.raises(SystemExit) as end:
        run('detection.py', *words)
    assert end.value.code == 2
    assert said in sentence_of(capsys)


def test_a_file_is_no_folder_for_results(workplace, capsys):
    assert run('detection.py', '-o', 'data/all.json') == 2
    assert sentence_of(capsys).startswith('mmlens: error: Cannot write to data/all.json: ')


def test_an_empty_dataset(workplace, capsys):
    content = json.loads(Path('data/all.json').read_text())
    Path('data/all.json').write_text(json.dumps(dict(content, images=[], annotations=[])))
    assert run('detection.py') == 2
    assert sentence_of(capsys).startswith('mmlens: error: The train dataset of the config is empty: ')


def test_a_broken_picture_stops_nothing(workplace, capsys):
    Path('data/pictures/1.png').write_bytes(b'no picture')
    assert run('detection.py', '-n', '3', '--seed', '0', '-o', 'out') == 1
    assert files_in('out') == ['0.png', '2.png']
    err = capsys.readouterr().err
    assert err.startswith(
        'mmlens: error: 1 of 3 samples could not be drawn:\n'
        '  Sample 1 (data/pictures/1.png): the transform LoadImageFromFile fails: '
    )


def test_a_folder_without_pictures_is_not_told_for_each(workplace, capsys):
    content = json.loads(Path('data/all.json').read_text())
    images = [dict(content['images'][0], id=number, file_name=f'gone{number}.png') for number in range(30)]
    Path('data/all.json').write_text(json.dumps(dict(content, images=images)))
    assert run('detection.py', '-p', 'val', '--seed', '0') == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == 'mmlens: error: none of the 30 samples could be drawn:'
    assert lines[1] == '  Sample 0 (data/pictures/gone0.png): there is no such picture file.'
    assert lines[-1] == '  and 20 more' and len(lines) == 12


def test_one_sample_that_fails_is_one_sentence(workplace, capsys):
    Path('data/pictures/0.png').unlink()
    assert run('detection.py', '-n', '1', '--seed', '0') == 2
    assert sentence_of(capsys) == ('mmlens: error: Sample 0 (data/pictures/0.png): there is no such picture file.')
