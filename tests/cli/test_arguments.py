import argparse

import pytest

from mmlens.cli.arguments import parse, positive_to, read_cfg_options
from mmlens.cli.commands import boxam, featmap, layers
from mmlens.errors import MmlensError

BUILDERS = {'boxam': boxam.build_parser, 'featmap': featmap.build_parser}


def by_mmengine(words):
    from mmengine.config import DictAction

    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    return parser.parse_args(['--cfg-options', *words]).cfg_options


@pytest.mark.parametrize(
    'words',
    [
        ['a=1'],
        ['model.backbone.depth=0.33', 'b=true', 'c=None', 'd=text'],
        ['a=1,2,3'],
        ['a=[(1,2),(3,4)]', "b='[x, y]'"],
        ['a=k=v'],
        ['a=1', 'a=2'],
    ],
)
def test_config_options_are_read_as_mmengine_reads_them(words):
    args = parse(boxam.build_parser(), ['i', 'c', 'k', '--cfg-options', *words])
    assert args.cfg_options == words
    assert read_cfg_options(args.cfg_options) == by_mmengine(words)


def test_config_options_given_twice_add_up():
    args = parse(layers.build_parser(), ['c', '--cfg-options', 'a=1', 'b=2', '--cfg-options', 'b=3'])
    assert read_cfg_options(args.cfg_options) == {'a': 1, 'b': 3}


def test_no_config_options():
    assert read_cfg_options(None) is None


def test_unbalanced_brackets_are_told():
    with pytest.raises(MmlensError, match=r'a=\[\(1,2\].*brackets do not match'):
        read_cfg_options(['b=1', 'a=[(1,2]'])


def test_a_dict_of_lists_is_told():
    with pytest.raises(MmlensError, match=r'^--cfg-options a=.*: a value is a word, a number or a list, not a dict\.$'):
        read_cfg_options(['a=[{type:Resize,scale:(1,2)}]'])


@pytest.mark.parametrize('name', BUILDERS)
@pytest.mark.parametrize(
    'words',
    [
        ['i', 'c', 'k', '--device', 'cpu'],
        ['--device', 'cpu', 'i', 'c', 'k'],
        ['i', 'c', '--device', 'cpu', 'k'],
        ['i', '--device', 'cpu', 'c', 'k'],
    ],
)
def test_options_and_positionals_in_any_order(name, words):
    args = parse(BUILDERS[name](), words)
    assert (args.img, args.config, args.checkpoint, args.device) == ('i', 'c', 'k', 'cpu')


@pytest.mark.parametrize('name', BUILDERS)
def test_defaults_are_mmyolos(name):
    args = parse(BUILDERS[name](), ['i', 'c'])
    assert args.checkpoint is None
    assert args.score_thr == 0.3
    assert args.target_layers is None
    assert not (args.preview_model or args.show or args.resize_only)


def test_defaults_of_boxam():
    args = parse(boxam.build_parser(), ['i', 'c'])
    assert (args.method, args.target, args.layout, args.topk) == ('evidencecam', 'score', 'overlay', -1)
    assert args.classes is args.instances is args.max_shape is None


def test_arguments_of_boxam():
    words = ['i', 'c', 'k', '--method', 'GradCAM++', '--class', 'dog', 'cat', '--instance', '0', '2']
    words += ['--topk', '3', '--max-shape', '-1', '20', '--target', 'both']
    args = parse(boxam.build_parser(), words)
    assert args.method == 'gradcam++'
    assert (args.classes, args.instances, args.topk, args.max_shape) == (['dog', 'cat'], [0, 2], 3, [-1, 20])


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (['--score-thr', '1.5'], "'1.5' is not a number from 0 to 1"),
        (['--alpha', 'nan'], "'nan' is not a number from 0 to 1"),
        (['--topk', '0'], "'0' is not a whole number above 0, or -1 for no limit"),
        (['--topk', 'all'], "'all' is not a whole number above 0, or -1 for no limit"),
        (['--instance', '-1'], "'-1' is not a whole number from 0"),
        (['--cfg-options', 'depth'], "'depth' is not of the form KEY=VALUE"),
        (['--cfg-options', '=3'], "'=3' is not of the form KEY=VALUE"),
        (['--target', 'class'], 'invalid choice'),
        (['--batch-size', '0'], "'0' is not a whole number above 0"),
        (['--ratio-channels-to-ablate', '0'], "'0' is not a number above 0 and at most 1"),
        (['--ratio-channels-to-ablate', 'all'], "'all' is not a number above 0 and at most 1"),
        (['--sc', '0.2'], 'unrecognized arguments'),
    ],
)
def test_wrong_values_are_told(words, said, capsys):
    with pytest.raises(SystemExit) as end:
        parse(boxam.build_parser(), ['i', 'c', 'k', *words])
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert said in error and error.startswith('mmlens: error: ') and error.count('\n') == 1


@pytest.mark.parametrize(
    ('words', 'img', 'config', 'topk'),
    [
        ('--topk 3 -- -dash.jpg -c.py', './-dash.jpg', './-c.py', 3),
        ('-- -dash.jpg c.py', './-dash.jpg', 'c.py', -1),
        ('a.jpg --topk 3 -- -c.py', 'a.jpg', './-c.py', 3),
        ('a.jpg c.py --topk 3 --', 'a.jpg', 'c.py', 3),
        ('--class ant bee -- a.jpg -- c.py', 'a.jpg', './--', -1),
    ],
)
def test_after_two_dashes_come_files(words, img, config, topk):
    args = parse(boxam.build_parser(), words.split())
    assert (args.img, args.config, args.topk) == (img, config, topk)


@pytest.mark.parametrize('number', ['1000000001', '9' * 5000])
def test_numbers_beyond_all_reason_are_refused(number, capsys):
    for flag in ('--memory', '--batch-size', '--topk'):
        with pytest.raises(SystemExit):
            parse(boxam.build_parser(), ['a.jpg', 'c.py', flag, number])
    assert positive_to(5)('5') == 5
    with pytest.raises(argparse.ArgumentTypeError, match='above 5'):
        positive_to(5)('6')
