import csv
import runpy
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

import mmlens
from mmlens.cli.arguments import parse
from mmlens.cli.commands.lr import build_parser, main, name_of, plan_figure
from mmlens.errors import OutputError

TRAINED = """
_base_ = 'tiny.py'
train_dataloader = dict(
    batch_size=2, num_workers=2, sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='CocoDataset', ann_file='annotations/none.json', data_prefix=dict(img='train/'),
        pipeline=[dict(type='LoadImageFromFile'), dict(type='PackDetInputs')]))
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=4, val_interval=1)
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=0.01),
    paramwise_cfg=dict(bias_decay_mult=0.0, norm_decay_mult=0.0, custom_keys=dict(backbone=dict(lr_mult=0.5))))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.25, by_epoch=False, begin=0, end=4),
    dict(type='MultiStepLR', milestones=[2], gamma=0.1)]
"""


@pytest.fixture
def config(model, tmp_path, monkeypatch):
    """A config to train with, in the working folder; its set is not there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'tiny.py').write_text(Path(model[0]).read_text())
    (tmp_path / 'trained.py').write_text(TRAINED)
    return 'trained.py'


def fails(words, capsys):
    """Run a command that has to fail, and give its sentence."""
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ''
    assert err.startswith('mmlens: error: ') and err.count('\n') == 1, err
    return err[len('mmlens: error: ') :]


def read_table(path):
    with open(path, newline='') as file:
        return list(csv.reader(file))


def test_a_figure_and_its_table(config, capsys):
    assert main([config, '--dataset-size', '6']) == 0
    out, err = capsys.readouterr()
    first, *others = out.splitlines()
    assert first == (
        'trained.py: lr over 4 epochs of 3 iterations, batches of 2 on 1 GPU, 6 pictures '
        '-> output/trained_lr.png, trained_lr.csv'
    )
    assert err == ''
    assert [line.split('(')[0].strip() for line in others] == ['the rest', 'backbone']
    assert others[0].endswith('0.025 at first, 0.1 at most, 0.01 at last')
    assert cv2.imread('output/trained_lr.png').shape == (700, 1200, 3)
    head, *rows = read_table('output/trained_lr.csv')
    assert head == ['epoch', 'iteration', 'lr: the rest', 'lr: backbone']
    assert [row[:2] for row in rows] == [['0', '0'], ['1', '3'], ['2', '6'], ['3', '9']]
    assert [float(row[2]) for row in rows] == pytest.approx([0.025, 0.1, 0.01, 0.01])
    assert [float(row[3]) for row in rows] == pytest.approx([0.0125, 0.05, 0.005, 0.005])


def test_a_row_for_every_iteration(config, capsys):
    assert main([config, '-d', '6', '--by', 'iter', '-s', 'a/b.jpg']) == 0
    _, *rows = read_table('a/b.csv')
    assert [int(row[1]) for row in rows] == list(range(12))
    assert [float(row[2]) for row in rows] == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1, 0.1] + [0.01] * 6)
    assert Path('a/b.jpg').exists() and not Path('output').exists()


def test_arguments_reach_the_training(config, capsys):
    words = ['--dataset-size', '48', '--ngpus', '4', '--cfg-options', 'train_cfg.max_epochs=9', '--param', 'wd']
    assert main([config, *words, '--save-path', 'wd.svg', '--title', 'My <title>', '--style', 'dark_background']) == 0
    out = capsys.readouterr().out
    assert 'weight_decay over 9 epochs of 6 iterations, batches of 2 on 4 GPUs, 48 pictures -> wd.svg' in out
    assert 'note: nothing in the config changes the weight_decay' in out
    assert '<svg' in Path('wd.svg').read_text()
    head, *rows = read_table('wd.csv')
    assert len(rows) == 9
    assert head[2:] == ['weight_decay: backbone, weights', 'weight_decay: biases, norm layers']
    assert rows[0][2:] == ['0.01', '0.0']


def test_window_size_is_that_of_the_figure(config):
    assert main([config, '--dataset-size', '6', '--window-size', '5*4', '--style', 'ggplot', '--title', '']) == 0
    assert cv2.imread('output/trained_lr.png').shape == (400, 500, 3)


def test_size_of_the_set_itself(config, tmp_path):
    import json

    (tmp_path / 'annotations').mkdir()
    images = [dict(id=i, file_name=f'{i}.jpg', width=64, height=48) for i in range(10)]
    boxes = [dict(id=i, image_id=i, category_id=1, bbox=[1, 1, 40, 40], area=1600, iscrowd=0) for i in range(10)]
    content = dict(images=images, annotations=boxes, categories=[dict(id=1, name='person')])
    (tmp_path / 'annotations' / 'none.json').write_text(json.dumps(content))
    assert main([config]) == 0
    assert len(read_table('output/trained_lr.csv')) == 1 + 4
    assert main([config, '--by', 'iter']) == 0
    assert len(read_table('output/trained_lr.csv')) == 1 + 4 * 5


def test_training_by_iterations_needs_no_size(config, capsys):
    text = (
        Path(config)
        .read_text()
        .replace("type='EpochBasedTrainLoop', max_epochs=4", "type='IterBasedTrainLoop', max_iters=20")
    )
    Path(config).write_text(text)
    assert main([config]) == 0
    assert 'lr over 20 iterations, batches of 2 on 1 GPU -> ' in capsys.readouterr().out
    assert read_table('output/trained_lr.csv')[0][0] == 'iteration'
    assert 'none.json' in fails([config, '--by', 'epoch'], capsys)


def test_a_constant_setting_is_told(config, capsys):
    assert main([config, '-d', '6', '--cfg-options', 'param_scheduler=None']) == 0
    assert 'note: nothing in the config changes the lr' in capsys.readouterr().out


def test_a_script_is_the_command(config, monkeypatch, capsys):
    script = str(Path(mmlens.__file__).parents[1] / 'tools' / 'vis_lr.py')
    help_of = [
        subprocess.run([sys.executable, *words, '--help'], capture_output=True, text=True, timeout=120).stdout
        for words in ([script], ['-m', 'mmlens', 'lr'])
    ]
    assert help_of[0] == help_of[1] and 'mmlens lr' in help_of[0]
    monkeypatch.setattr(sys, 'argv', [script, config, '--dataset-size', '6'])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(script, run_name='__main__')
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith('trained.py: lr over 4 epochs')


# ---------------------------------------------------------------- arguments


def test_published_names_and_defaults():
    args = parse(build_parser(), ['c.py'])
    assert (args.param, args.dataset_size, args.ngpus, args.save_path, args.title) == ('lr', None, 1, None, None)
    assert (args.style, args.window_size, args.show, args.by, args.cfg_options) == (
        'whitegrid',
        (12, 7),
        False,
        None,
        None,
    )
    args = parse(build_parser(), ['c.py', '-p', 'wd', '-d', '10', '-n', '8', '-s', 'a.png', '--not-show'])
    assert (args.param, args.dataset_size, args.ngpus, args.save_path) == ('weight_decay', 10, 8, 'a.png')
    assert parse(build_parser(), ['c.py', '--parameter', 'momentum']).param == 'momentum'


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (['--dataset-size', '0'], "'0' is not a whole number above 0"),
        (['--ngpus', 'all'], "'all' is not a whole number above 0"),
        (['--window-size', '12x7'], "'12x7' is not of the form W*H, such as 12*7"),
        (['--param', 'beta'], "'beta' is not one of lr, momentum, weight_decay"),
        (['--by', 'step'], 'invalid choice'),
        (['--cfg-options', 'lr'], "'lr' is not of the form KEY=VALUE"),
    ],
)
def test_wrong_words(words, said, capsys):
    with pytest.raises(SystemExit) as end:
        main(['c.py', *words])
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert said in error and error.count('\n') == 1


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (['--style', 'whitgrid'], "no style 'whitgrid'; did you mean whitegrid"),
        (['--window-size', '0*7'], '0 x 7 inches cannot be drawn'),
        (['--window-size', '500*7'], '500 x 7 inches cannot be drawn'),
        (['--save-path', 'curve.gif'], 'must end with .png'),
        (['--save-path', 'curve'], 'must end with .png'),
        (['--save-path', 'trained.py/lr.png'], 'is a file, not a folder'),
        ([], 'annotations/none.json. To do without it, give its number of pictures with --dataset-size N.'),
        (
            ['-d', '6', '--cfg-options', 'train_cfg.max_epochs=0'],
            'train_cfg of the config asks for 0 epochs of training',
        ),
        (
            ['-d', '6', '--cfg-options', 'train_cfg.max_epochs=-3'],
            'asks for -3 epochs of training: at least one is ',
        ),
        (
            ['-d', '6', '--cfg-options', 'train_dataloader.batch_size=abc'],
            "batch_size of train_dataloader is 'abc', not",
        ),
        (['-d', '6', '--cfg-options', 'train_dataloader.batch_size=-1'], 'is -1, not a whole number above 0'),
        (['-d', '6', '--cfg-options', 'train_dataloader=3'], "The config's train_dataloader is 3, not a section"),
        (['-d', '6', '--cfg-options', 'optim_wrapper=None'], 'has no optim_wrapper'),
        (['-d', '6', '--cfg-options', 'train_cfg=None'], 'has no train_cfg'),
        (['-d', '6', '--cfg-options', 'optim_wrapper.optimizer.type=SDG'], 'SDG'),
        (['-d', '6', '--param', 'momentum', '--cfg-options', 'optim_wrapper.optimizer.type=Adagrad'], 'momentum'),
    ],
)
def test_what_can_be_wrong(words, said, config, capsys):
    assert said in fails([config, *words], capsys)
    assert not Path('output').exists()


def test_settings_that_nothing_knows_are_told(config, capsys):
    assert main([config, '-d', '6', '--cfg-options', 'optim_wraper.optimizer.lr=9', 'load_from=none.pth']) == 0
    assert capsys.readouterr().err == (
        'mmlens: warning: --cfg-options: the config has no optim_wraper; did you mean optim_wrapper?\n'
    )


def test_missing_config(capsys):
    assert 'none.py' in fails(['none.py'], capsys)


def test_no_display(config, capsys):
    from matplotlib import pyplot

    pyplot.switch_backend('agg')
    assert fails([config, '--show'], capsys).startswith('--show needs a display')


def test_where_the_figure_goes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert name_of('mmdet::rtmdet/rtmdet_s_8xb32-300e_coco.py') == 'rtmdet_s_8xb32-300e_coco'
    assert plan_figure(None, 'a/b.py', 'lr', show=False) == Path('output/b_lr.png')
    assert plan_figure(None, 'a/b.py', 'lr', show=True) is None
    assert plan_figure('c.PDF', 'a/b.py', 'lr', show=True) == Path('c.PDF')
    (tmp_path / 'd.png').mkdir()
    with pytest.raises(OutputError, match='is a folder'):
        plan_figure('d.png', 'a/b.py', 'lr', show=False)
