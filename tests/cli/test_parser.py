import importlib
import re
import resource
import shlex
import subprocess
import sys

import pytest

from mmlens.cli.arguments import parse
from mmlens.cli.main import COMMANDS
from mmlens.cli.main import build_parser as main_parser
from mmlens.cli.parser import Parser

# What is missing when only the name of the command is given.
MISSING = {
    'boxam': 'a picture and a config or the name of a model',
    'cam': 'a picture and a config or the name of a model',
    'featmap': 'a picture and a config or the name of a model',
    'sanity': 'a picture and a config or the name of a model',
    'evaluate': 'a config or the name of a model',
    'errors': 'a config or the name of a model',
    'layers': 'a config or the name of a model',
    'lr': 'a config or the name of a model',
    'pipeline': 'a config or the name of a model',
    'compare': 'a config or the name of a model, a checkpoint and pictures',
    'report': 'pictures',
    'history': 'the folder that the hooks wrote to',
    'completion': 'the name of a shell',
}
NEEDS_NOTHING = ('info',)


def parser_of(command):
    return importlib.import_module(f'mmlens.cli.commands.{command}').build_parser()


def sentence(parser, words, capsys):
    """What a parser says of some words that it refuses."""
    with pytest.raises(SystemExit) as end:
        parse(parser, words)
    assert end.value.code == 2
    out, err = capsys.readouterr()
    assert out == '' and err.count('\n') == 1
    return err


@pytest.mark.parametrize('command', COMMANDS)
def test_a_command_with_too_little_says_what_is_missing_and_shows_a_line(command, capsys):
    if command in NEEDS_NOTHING:
        assert parse(parser_of(command), [])
        return
    parser = parser_of(command)
    said = sentence(parser, [], capsys)
    assert said.startswith(f'mmlens: error: `mmlens {command}` needs {MISSING[command]}: try `mmlens {command} ')
    shown = shlex.split(re.search(r'try `(.*?)`', said)[1])
    assert parse(parser_of(command), shown[2:])  # the line that is shown is one that the command takes


def test_the_line_goes_on_from_what_was_given(capsys):
    assert 'try `mmlens boxam my.jpg rtmdet' in sentence(parser_of('boxam'), ['my.jpg', '--topk', '3'], capsys)
    assert "try `mmlens boxam 'my cat.jpg' rtmdet" in sentence(parser_of('boxam'), ['my cat.jpg'], capsys)
    said = sentence(parser_of('compare'), ['a.py', 'a.pth'][:1], capsys)
    assert 'try `mmlens compare a.py before.pth config.py after.pth pictures`' in said


@pytest.mark.parametrize('command', COMMANDS)
def test_every_example_of_a_help_is_taken(command):
    parser = parser_of(command)
    assert parser.examples
    shown = parser.format_help()
    for line in parser.examples:
        assert f'\n  {line}\n' in shown
        words = shlex.split(line.partition(' > ')[0])
        assert words[:2] == ['mmlens', command]
        parse(parser_of(command), words[2:])


@pytest.mark.parametrize('command', COMMANDS)
def test_options_come_in_groups(command, capsys):
    parser = parser_of(command)
    loose = {action.dest for action in parser._optionals._group_actions}
    assert loose <= {'help', 'quiet', 'verbose', 'traceback'}
    shown = parser.format_help()
    assert shown.startswith(f'usage: mmlens {command} [options]')
    for action in parser._actions:
        assert action.help
    with pytest.raises(SystemExit):
        parse(parser_of(command), ['--help'])
    assert capsys.readouterr().out == shown and '%%' not in shown


def test_an_option_that_is_misspelt_is_found(capsys):
    said = sentence(parser_of('featmap'), ['a.jpg', 'c.py', '--target-layer', 'neck'], capsys)
    assert 'did you mean --target-layers?' in said
    assert 'did you mean' not in sentence(parser_of('featmap'), ['a.jpg', 'c.py', '--qwxyz'], capsys)


def test_a_command_that_is_misspelt_is_found(capsys):
    with pytest.raises(SystemExit):
        main_parser().parse_args(['evalute'])
    assert "there is no command 'evalute': did you mean evaluate?" in capsys.readouterr().err


def test_too_little_is_told_with_little_work():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, '-m', 'mmlens', 'boxam'], stderr=subprocess.PIPE, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 2
    # Work, not waiting: the machine may be busy with something else.
    assert (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime) < 0.5


def test_groups_are_the_same_at_every_call_and_usages_show_positionals():
    parser = Parser(prog='mmlens x')
    assert parser.group('model') is parser.group('model')
    parser.add_argument('a')
    parser.add_argument('b', nargs='?')
    parser.add_argument('c', nargs='*')
    assert parser.format_help().startswith('usage: mmlens x [options] a [b] [c ...]\n')
    assert parser.example() == 'mmlens x --help'
