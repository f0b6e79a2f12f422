import importlib
import subprocess
import sys

import pytest

from mmlens.cli.main import COMMANDS, main
from mmlens.version import __version__

HEAVY = ('torch', 'cv2', 'numpy', 'mmengine', 'matplotlib', 'rich')


def run(*words):
    return subprocess.run([sys.executable, '-m', 'mmlens', *words], capture_output=True, text=True, timeout=60)


def test_help_names_every_command():
    answer = run('--help')
    assert answer.returncode == 0
    assert all(command in answer.stdout for command in COMMANDS)


@pytest.mark.parametrize('command', COMMANDS)
def test_help_of_a_command_imports_nothing_heavy(command):
    code = (
        'import sys\n'
        'from mmlens.cli.main import main\n'
        f'try: main([{command!r}, "--help"])\n'
        'except SystemExit as end: assert end.code == 0\n'
        f'print("loaded:", [name for name in {HEAVY} if name in sys.modules])'
    )
    answer = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=60)
    assert f'usage: mmlens {command}' in answer.stdout
    assert answer.stdout.splitlines()[-1] == 'loaded: []', answer.stderr


def test_version():
    assert run('--version').stdout == f'mmlens {__version__}\n'


@pytest.mark.parametrize('words', [[], ['boxes'], ['--no-such-option']])
def test_a_wrong_command_is_one_sentence(words, capsys):
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    out, err = capsys.readouterr()
    assert out == ''
    assert err.startswith('mmlens: error: ') and err.count('\n') == 1


def test_a_wrong_argument_of_a_command_is_one_sentence():
    answer = run('boxam', 'a.jpg', 'config.py', '--score-thr', 'high')
    assert answer.returncode == 2
    assert answer.stderr == (
        "mmlens: error: argument --score-thr: 'high' is not a number from 0 to 1 (see `mmlens boxam --help`)\n"
    )


MOVED = ('boxam', 'cam', 'featmap', 'history', 'layers', 'lr', 'pipeline')


def fresh(code):
    """What a fresh interpreter prints, which shows every warning, and what it warns of."""
    words = [sys.executable, '-W', 'always::DeprecationWarning', '-c', code]
    answer = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout, answer.stderr


@pytest.mark.parametrize(
    'code',
    [
        'from mmlens.cli.{0} import main as found',
        'import mmlens.cli.{0}; found = mmlens.cli.{0}.main',
        'from mmlens.cli import {0}; found = {0}.main',
        "import importlib; found = importlib.import_module('mmlens.cli.{0}').main",
    ],
)
def test_commands_are_still_found_where_they_were(code):
    lines = [
        f'{code.format(name)}; from mmlens.cli.commands.{name} import main; assert found is main' for name in MOVED
    ]
    printed, warned = fresh('\n'.join([*lines, 'import sys', 'print(*sys.modules)']))
    said = [f'mmlens.cli.{name} is now mmlens.cli.commands.{name}; the old name will be removed.' for name in MOVED]
    assert [line.split(': ')[-1] for line in warned.splitlines()] == said
    assert all(line.startswith('<string>:') for line in warned.splitlines())  # the line that uses the old name
    assert not {'torch', 'cv2', 'mmengine', 'matplotlib'} & set(printed.split())


def test_a_moved_command_costs_nothing_until_it_is_used():
    printed, warned = fresh('import sys, mmlens.cli.boxam, mmlens.cli.cam\nprint(*sys.modules)')
    assert not warned and 'mmlens.cli.commands.boxam' not in printed.split()


def test_a_moved_command_has_no_more_than_the_real_one():
    import mmlens.cli.lr

    with pytest.warns(DeprecationWarning):
        assert not hasattr(mmlens.cli.lr, 'no_such')
    assert not hasattr(mmlens.cli.lr, '__path__')
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module('mmlens.cli.no_such')
    assert set(MOVED) <= set(COMMANDS)
