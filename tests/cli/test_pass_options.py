"""Options of the methods of many passes: which are meant, which have no effect, and where sums may be kept."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from mmlens.cli.arguments import Parser, parse
from mmlens.cli.commands import boxam, cam
from mmlens.cli.pass_options import (
    CONCERNED,
    PASS_METHODS,
    add_pass_options,
    asked,
    check_resume,
    check_resume_place,
    pass_options,
    passes_of,
)
from mmlens.errors import MmlensError


def parsed(*words, method='drise'):
    parser = Parser(prog='mmlens test')
    parser.add_argument('--method', default=method)
    add_pass_options(parser)
    return parser.parse_args(list(words))


def test_without_options_a_method_has_its_own_defaults():
    for method in ('gradcam', *PASS_METHODS):
        assert pass_options(parsed(method=method)) == {}


def test_options_are_read_as_numbers():
    words = ['--batch-size', '4', '--memory', '200', '--num-masks', '50', '--seed', '0', '--resume', 'masks.npz']
    assert pass_options(parsed(*words)) == dict(batch_size=4, memory=200, num_masks=50, seed=0, resume='masks.npz')
    assert pass_options(parsed('--exact')) == dict(exact=True)
    words = ['--ratio-channels-to-ablate', '0.25', '--ablated', 'mean']
    assert pass_options(parsed(*words, method='AblationCAM')) == dict(ratio_channels_to_ablate=0.25, ablated='mean')


@pytest.mark.parametrize(
    'words',
    [
        ['--batch-size', '0'],
        ['--memory', '-1'],
        ['--num-masks', 'many'],
        ['--seed', '-1'],
        ['--ratio-channels-to-ablate', '0'],
        ['--ratio-channels-to-ablate', '1.5'],
        ['--ablated', 'one'],
    ],
)
def test_values_out_of_range_are_refused(words, capsys):
    with pytest.raises(SystemExit) as ended:
        parsed(*words)
    assert ended.value.code == 2 and words[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    ('method', 'words', 'warning'),
    [
        ('gradcam', ['--seed', '1'], '--seed has no effect on gradcam.'),
        ('ScoreCAM', ['--seed', '1', '--ablated', 'mean'], '--ablated and --seed have no effect on ScoreCAM.'),
        ('drise', ['--seed', '1'], ''),
    ],
)
def test_options_of_other_methods_are_left_out_with_a_warning(method, words, warning, capsys):
    chosen = pass_options(parsed(*words, method=method))
    assert chosen == ({} if warning else dict(seed=1))
    assert capsys.readouterr().err == (f'mmlens: warning: {warning}\n' if warning else '')


@pytest.mark.parametrize(
    ('sources', 'sentence'),
    [
        ([SimpleNamespace(is_video=False)] * 3, '--resume works on a single picture, but there are 3: give one.'),
        ([SimpleNamespace(is_video=True)], '--resume works on a single picture, not on the frames of a video.'),
    ],
)
def test_sums_are_kept_for_one_picture(sources, sentence):
    with pytest.raises(MmlensError) as raised:
        check_resume(parsed('--resume', 'masks.npz'), sources)
    assert str(raised.value) == sentence
    check_resume(parsed(), sources)
    check_resume(parsed('--resume', 'masks.npz'), [SimpleNamespace(is_video=False)])


@pytest.mark.parametrize(
    ('resume', 'refused'),
    [('out/a.npz', True), ('out/../out/a.png', True), ('out/b.npz', False), ('a.npz', False)],
)
def test_no_result_is_written_over_the_sums(resume, refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path('out').mkdir()
    places = [None, Path('out/a.png')]
    if refused:
        with pytest.raises(MmlensError, match='would be overwritten by a result: choose another file.$'):
            check_resume_place(parsed('--resume', resume), places)
    else:
        check_resume_place(parsed('--resume', resume), places)


def test_a_command_without_resume_has_nothing_to_check():
    check_resume_place(SimpleNamespace(), [Path('out/a.png')])


def test_the_table_of_options_is_that_of_the_methods():
    from mmlens.attribution.methods import PassMethod, available_methods, get_method

    own = 'mmlens.attribution.methods.'
    known = {name: get_method(name) for name in available_methods()}
    methods = {
        name: method
        for name, method in known.items()
        if isinstance(method, PassMethod) and method.explain.__module__.startswith(own)
    }
    assert sorted(PASS_METHODS) == sorted(methods)
    for option, concerned in CONCERNED.items():
        assert sorted(concerned) == sorted(name for name, method in methods.items() if option in method.options)


@pytest.mark.parametrize('command', [boxam, cam])
def test_what_both_commands_ask_for_goes_by_its_parameters(command):
    words = ['--method', 'DRISE', '--num-masks', '7', '--fusion', 'max', '--against', 'auto', '--signed']
    args = parse(command.build_parser(), ['picture.jpg', 'config.py', *words])
    assert {name: value for name, value in asked(args).items() if value not in (None, False)} == dict(
        method=args.method,
        fusion='max',
        against=['auto'],
        signed=True,
        method_options=dict(num_masks=7),
        smooth_noise=args.smooth_noise,
    )
    assert passes_of(args) is not None


@pytest.mark.parametrize(('words', 'many'), [([], False), (['--smooth-grad', '3'], True)])
def test_a_method_of_one_pass_has_progress_only_over_noisy_copies(words, many):
    args = parse(boxam.build_parser(), ['picture.jpg', 'config.py', '--method', 'gradcam', *words])
    assert (passes_of(args) is not None) == many
