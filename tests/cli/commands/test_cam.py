"""``mmlens cam`` on a small classifier of mmpretrain, as a user types it."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mmlens.cli.main import main

ROOT = Path(__file__).resolve().parents[3]

CONFIG = """
default_scope = 'mmpretrain'
model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(mean=[127.5] * 3, std=[73.5] * 3, to_rgb=True),
    backbone=dict(type='ResNet', depth=18, stem_channels=8, base_channels=8),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=3, in_channels=64),
)
test_dataloader = dict(
    dataset=dict(
        type='CustomDataset',
        metainfo=dict(classes=('cup', 'fork', 'knife')),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='ResizeEdge', scale=72, edge='short'),
            dict(type='CenterCrop', crop_size=64),
            dict(type='PackInputs'),
        ],
    )
)
"""


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    """A folder with a config, its weights and two pictures."""
    from mmlens import load_classifier

    folder = tmp_path_factory.mktemp('cam')
    (folder / 'config.py').write_text(CONFIG)
    model = load_classifier(str(folder / 'config.py'), device='cpu').model
    torch.manual_seed(0)
    torch.nn.init.normal_(model.head.fc.weight)
    for block in model.backbone.layer4:  # begin as zero
        torch.nn.init.ones_(block.bn2.weight)
    torch.save({'state_dict': model.state_dict()}, folder / 'weights.pth')
    (folder / 'pictures').mkdir()
    for n, size in enumerate([(120, 90), (80, 100)]):
        noise = np.random.default_rng(n).integers(0, 255, (8, 8, 3), np.uint8)
        cv2.imwrite(str(folder / 'pictures' / f'{n}.png'), cv2.resize(noise, size))
    return folder


def run(place, *arguments):
    model = [str(place / 'config.py'), str(place / 'weights.pth')]
    return main(['cam', str(place / 'pictures' / '0.png'), *model, '--device', 'cpu', *arguments])


def test_one_class_is_drawn_on_the_picture(place, tmp_path, capsys):
    assert run(place, '--save-path', str(tmp_path / 'one.png'), '--target-category', 'fork') == 0
    height, width = cv2.imread(str(tmp_path / 'one.png')).shape[:2]
    assert width == 120 and 90 < height < 150  # name, score and colour bar stand below
    said = capsys.readouterr().out
    assert 'fork' in said and 'gradcam at backbone.layer4[1],' in said


def test_several_classes_of_a_folder_with_arrays(place, tmp_path):
    model = [str(place / 'config.py'), str(place / 'weights.pth')]
    arguments = ['--target-category', 'cup', '2', '--save-maps', '--out-dir', str(tmp_path), '--device', 'cpu']
    assert main(['cam', str(place / 'pictures'), *model, *arguments, '--target-layers', 'backbone.layer4']) == 0
    saved = np.load(tmp_path / '1.npz')
    assert saved['classes'].tolist() == ['cup', 'knife'] and saved['normalised'].shape == (2, 100, 80)
    assert (tmp_path / '0.png').exists() and (tmp_path / '1.png').exists()


@pytest.mark.parametrize(
    'arguments',
    [
        ['--method', 'LayerCAM', '--eigen_smooth'],
        ['--method', 'gradcam++', '--aug_smooth', '--on', 'input'],
        ['--method', 'ScoreCAM', '--vit-like', '--num-extra-tokens', '0'],
        ['--guided-backprop'],
        ['--layout', 'sheet', '--colormap', 'viridis', '--alpha', '0.7'],
    ],
)
def test_published_spellings_are_taken(place, tmp_path, arguments):
    assert run(place, '--save-path', str(tmp_path / 'one.png'), *arguments) == 0
    assert (tmp_path / 'one.png').exists()


def test_guided_gradients_are_saved_with_the_maps(place, tmp_path):
    arguments = ['--save-path', str(tmp_path / 'one.png'), '--save-maps', '--target-category', '0', '1']
    assert run(place, *arguments, '--guided-backprop') == 0
    with np.load(tmp_path / 'one.npz') as saved:
        assert saved['guided'].shape == (2, 90, 120, 3) and saved['guided'].dtype == np.float32
        assert saved['guided'].any()
    assert run(place, *arguments) == 0
    with np.load(tmp_path / 'one.npz') as saved:
        assert 'guided' not in saved


def test_preview_model_lists_layers(place, capsys):
    assert run(place, '--preview-model') == 0
    assert 'backbone.layer4[1].bn2  ' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('arguments', 'sentence'),
    [
        (['--target-category', 'spoon'], "no class 'spoon'"),
        (['--method', 'GradCAMM'], "Unknown method 'GradCAMM'"),
        (['--layout', 'overlay', '--target-category', '0', '1'], 'shows a single class'),
        (['--layout', 'overlay', '--guided-backprop'], '--guided-backprop needs a panel of its own'),
        (['--num-extra-tokens', '-3'], 'not a whole number from 0 up'),
    ],
)
def test_bad_input_gives_one_sentence(place, tmp_path, capsys, arguments, sentence):
    try:
        status = run(place, '--out-dir', str(tmp_path), *arguments)
    except SystemExit as stop:
        status = stop.code
    assert status == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and sentence in said[0]


def test_a_video_is_refused_before_the_model_is_loaded(place, tmp_path, capsys):
    (tmp_path / 'street.mp4').write_bytes(b'')
    assert main(['cam', str(tmp_path / 'street.mp4'), str(place / 'config.py'), 'no.pth']) == 2
    assert 'street.mp4 is a video: save its frames as pictures' in capsys.readouterr().err


def test_the_script_of_the_published_name_is_the_command():
    done = subprocess.run(
        [sys.executable, 'tools/vis_cam.py', '--help'], cwd=str(ROOT), stdout=subprocess.PIPE, text=True, check=True
    )
    assert '--target-category' in done.stdout


def test_a_detector_is_explained_by_its_boxes(model, pictures, capsys):
    assert main(['cam', 'pics/a.png', *model, '--method', 'LayerCAM', '--layout', 'sheet', '--save-maps']) == 0
    out = capsys.readouterr().out
    assert out.startswith('pics/a.png: ') and ' box' in out.splitlines()[0]
    with np.load('output/a.npz') as maps:
        assert str(maps['method']) == 'layercam' and len(maps['boxes']) == len(out.splitlines()) - 1


@pytest.mark.parametrize(
    ('words', 'option'), [(['--eigen-smooth'], '--eigen-smooth'), (['--on', 'input'], '--on input')]
)
def test_what_only_classifiers_have_is_told_of_a_detector(words, option, model, pictures, capsys):
    assert main(['cam', 'pics/a.png', *model, *words]) == 2
    assert f'{option} works with classifiers only, and ' in capsys.readouterr().err


def test_an_overlay_shows_the_boxes_of_several_classes(model, pictures, capsys):
    arguments = ['--target-category', 'ant', 'bee', 'cow', '--layout', 'overlay', '--method', 'EigenCAM']
    assert main(['cam', 'pics/a.png', *model, *arguments]) == 0
    assert {line.split()[1] for line in capsys.readouterr().out.splitlines()[1:-1]} == {'ant', 'bee', 'cow'}
    assert cv2.imread('output/a.png') is not None


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (['--save-path', 'a.gif'], '--save-path a.gif: the name must end with'),
        (['--save-path', 'pics'], '--save-path pics: the name'),
        (['--save-path', 'a.png', '--out-dir', 'b'], '--out-dir and --save-path exclude each other'),
    ],
)
def test_the_option_is_called_as_it_is_here(words, said, model, pictures, capsys):
    assert main(['cam', 'pics/a.png', *model, *words]) == 2
    assert said in capsys.readouterr().err


def test_a_class_is_contrasted_with_another(place, tmp_path, capsys):
    words = ['--target-category', 'fork', '--against', 'cup', '--signed', '--save-path', str(tmp_path / 'one.png')]
    assert run(place, *words, '--save-maps') == 0
    assert 'rank ' in capsys.readouterr().out.splitlines()[1]
    with np.load(tmp_path / 'one.npz') as maps:
        assert maps['against'].tolist() == ['cup'] and str(maps['fusion']) == 'mean'
        both = np.concatenate([maps['normalised'], maps['counters']])
        assert both.shape == (2, 90, 120) and both.max() == 1
    for against, sentence in (
        ('fork', "The class 'fork' cannot be contrasted with itself: name another in --against."),
        ('background', 'A classifier has no background: name another class, or use --against auto.'),
    ):
        assert run(place, '--target-category', 'fork', '--against', against, '--out-dir', str(tmp_path / 'no')) == 2
        assert sentence in capsys.readouterr().err
    assert not (tmp_path / 'no').exists()


def test_pictures_go_through_the_classifier_together(place, tmp_path, capsys, monkeypatch):
    from mmlens.explain import together

    sizes, original = [], together._attributed
    monkeypatch.setattr(together, '_attributed', lambda jobs, *rest: sizes.append(len(jobs)) or original(jobs, *rest))
    words = ['cam', str(place / 'pictures'), str(place / 'config.py'), str(place / 'weights.pth'), '--workers', '1']
    found = []
    for size in '12':
        folder = str(tmp_path / size)
        more = ['--target-category', '0', '2', '--save-maps', '--batch-size', size, '--out-dir', folder]
        assert main([*words, *more]) == 0
        assert 'no effect' not in capsys.readouterr().err
        found.append([dict(np.load(tmp_path / size / f'{n}.npz')) for n in range(2)])
    assert sizes == [2]
    for one, other in zip(*found):
        assert one['classes'].tolist() == other['classes'].tolist()
        np.testing.assert_allclose(one['normalised'], other['normalised'], atol=1e-4)
