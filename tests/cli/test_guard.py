import subprocess
import sys
import warnings

import pytest

from mmlens.cli.guard import guarded
from mmlens.compat import DependencyError
from mmlens.errors import LayerError, MmlensError, MmlensWarning


def raising(error):
    @guarded
    def command(argv):
        raise error

    return command


@pytest.mark.parametrize('error', [MmlensError('Give more.'), LayerError('Give more.'), DependencyError('Give more.')])
def test_errors_for_users_become_a_sentence(error, capsys):
    assert raising(error)([]) == 2
    assert capsys.readouterr() == ('', 'mmlens: error: Give more.\n')


def test_our_warnings_are_sentences_and_those_of_others_are_not(capsys):
    @guarded
    def command(argv):
        warnings.warn('Mind the gap.', MmlensWarning, stacklevel=1)
        warnings.warn('Mind the step.', UserWarning, stacklevel=1)
        return 0

    before = warnings.showwarning
    with warnings.catch_warnings():
        warnings.simplefilter('always')
        warnings.showwarning = lambda message, *rest: print(f'python: {message}')
        assert command([]) == 0
    assert capsys.readouterr() == ('python: Mind the step.\n', 'mmlens: warning: Mind the gap.\n')
    assert warnings.showwarning is before


def test_our_warnings_do_not_depend_on_pythons_settings(capsys):
    @guarded
    def command(argv):
        warnings.warn('Mind the gap.', MmlensWarning, stacklevel=1)
        return 0

    for action in ('ignore', 'error'):
        with warnings.catch_warnings():
            warnings.simplefilter(action)
            assert command([]) == 0
        assert capsys.readouterr().err == 'mmlens: warning: Mind the gap.\n'


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
