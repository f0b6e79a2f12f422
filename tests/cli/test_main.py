import subprocess
import sys
import time

import pytest

from mmlens.cli.main import COMMANDS, main
from mmlens.version import __version__

HEAVY = ('torch', 'cv2', 'numpy', 'mmengine', 'matplotlib', 'rich')


def run(*words):
    return subprocess.run([sys.executable, '-m', 'mmlens', *words], capture_output=True, text=True, timeout=60)


def test_help_answers_within_half_a_second():
    times = []
    for _ in range(3):  # the best of three: other processes may be busy
        start = time.perf_counter()
        answer = run('--help')
        times.append(time.perf_counter() - start)
    assert answer.returncode == 0
    assert all(command in answer.stdout for command in COMMANDS)
    assert min(times) < 0.5


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
