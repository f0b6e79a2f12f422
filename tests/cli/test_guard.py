import subprocess
import sys

import pytest

from mmlens.cli.guard import guarded
from mmlens.compat import DependencyError
from mmlens.errors import LayerError, MmlensError


def raising(error):
    @guarded
    def command(argv):
        raise error

    return command


@pytest.mark.parametrize('error', [MmlensError('Give more.'), LayerError('Give more.'), DependencyError('Give more.')])
def test_errors_for_users_become_a_sentence(error, capsys):
    assert raising(error)([]) == 2
    assert capsys.readouterr() == ('', 'mmlens: error: Give more.\n')


def test_our_own_errors_keep_their_traceback():
    with pytest.raises(ZeroDivisionError):
        raising(ZeroDivisionError())([])


@pytest.mark.parametrize(
    ('interrupt', 'sentence'),
    [(KeyboardInterrupt(), 'nothing was written.'), (KeyboardInterrupt('3 of 9 were done.'), '3 of 9 were done.')],
)
def test_interrupt_says_what_was_done(interrupt, sentence, capsys):
    assert raising(interrupt)([]) == 130
    assert capsys.readouterr().err == f'mmlens: interrupted: {sentence}\n'


def test_status_and_arguments_pass_through():
    assert guarded(lambda argv: len(argv))(['a', 'b', 'c']) == 3


def test_a_reader_that_goes_away_is_no_error():
    code = (
        'import sys\n'
        'from mmlens.cli.guard import guarded\n'
        'sys.exit(guarded(lambda argv: [print("x" * 1000) for _ in range(1000)] and 0)([]))'
    )
    process = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 0
    assert errors == b''
