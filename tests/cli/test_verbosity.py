import argparse

import pytest

from mmlens.cli import verbosity
from mmlens.cli.arguments import Parser, parse
from mmlens.cli.commands.boxam import main as boxam
from mmlens.cli.commands.layers import main as layers
from mmlens.cli.guard import guarded, say, tell
from mmlens.cli.progress import progress_bar


@guarded
def command(argv=None):
    args = parse(Parser(prog='mmlens x'), argv)
    print('a result')
    tell('note: a note')
    say('warning', 'something looks wrong.')
    verbosity.detail('1.0 s for it')
    with verbosity.answering():
        print('the answer')
    assert progress_bar(9).disable or not args.quiet
    return 0


@pytest.mark.parametrize(
    ('words', 'out', 'detail'),
    [
        ([], 'a result\nnote: a note\nthe answer\n', False),
        (['-q'], 'the answer\n', False),
        (['--quiet'], 'the answer\n', False),
        (['-v'], 'a result\nnote: a note\nthe answer\n', True),
    ],
)
def test_quiet_leaves_warnings_and_verbose_adds_details(words, out, detail, capsys):
    assert command(words) == 0
    printed = capsys.readouterr()
    assert printed.out == out
    assert printed.err == 'mmlens: warning: something looks wrong.\n' + 'mmlens: 1.0 s for it\n' * detail


def test_the_next_command_says_as_much_as_usual():
    command(['-q'])
    assert not verbosity.is_quiet()
    with verbosity.of_a_command():
        verbosity.use(argparse.Namespace(quiet=True))
        assert verbosity.is_muted()
        with verbosity.answering():
            assert not verbosity.is_muted()
    assert not verbosity.is_muted()


def test_quiet_and_verbose_exclude_each_other(capsys):
    with pytest.raises(SystemExit):
        command(['-q', '-v'])
    assert 'not allowed with' in capsys.readouterr().err


def test_a_quiet_run_draws_and_prints_nothing(pictures, model, capsys):
    assert boxam(['pics/a.png', *model, '--device', 'cpu', '-q']) == 0
    assert (pictures / 'output' / 'a.png').is_file()
    assert capsys.readouterr().out == ''


def test_a_verbose_run_says_what_was_loaded_and_how_long_it_took(pictures, model, capsys):
    assert boxam(['pics/a.png', *model, '--device', 'cpu', '-v']) == 0
    told = capsys.readouterr().err
    assert f'YOLOX, a detector, of {model[0]}' in told and f'weights {model[1]}' in told and ' on cpu' in told
    assert 'pics/a.png took ' in told


def test_quiet_layers_still_answer(model, capsys):
    assert layers([model[0], '-q', '--depth', '1']) == 0
    assert capsys.readouterr().out.splitlines()[0].split()[0] == 'data_preprocessor'
