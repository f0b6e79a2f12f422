import errno
import functools
import io
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

import mmlens.cli.guard
from mmlens.cli.arguments import Parser, parse
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


def failing_at(place, text='of ours', error='ZeroDivisionError'):
    """A command that fails in a line of a file."""
    names = {}
    exec(compile(f'def command(argv):\n    raise {error}({text!r})', str(place), 'exec'), names)
    return guarded(names['command'])


def test_our_own_errors_keep_their_traceback_and_have_a_status_of_their_own(capsys):
    assert failing_at(mmlens.cli.guard.__file__)([]) == 70
    told = capsys.readouterr().err
    assert told.startswith('Traceback') and told.endswith('ZeroDivisionError: of ours\n')


@pytest.fixture
def theirs(tmp_path, monkeypatch):
    """A file of a user's, in the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'net.py').write_text('def forward(self, x):\n    return x / self.zero\n')
    return tmp_path / 'net.py'


def test_errors_of_the_users_code_are_sentences_with_its_line(theirs, capsys):
    assert failing_at(theirs, 'too\nmany')([]) == 2
    sentence = 'ZeroDivisionError: too (net.py, line 2, in command: return x / self.zero).'
    assert capsys.readouterr().err == f'mmlens: error: {sentence}\n'


def test_traceback_shows_all(theirs, capsys):
    assert failing_at(theirs)(['--traceback']) == 2
    told = capsys.readouterr().err
    assert told.startswith('Traceback') and 'line 2, in command' in told
    assert raising(LayerError('Give more.'))(['--traceback']) == 2
    assert 'Traceback' in capsys.readouterr().err
    assert raising(LayerError('Give more.'))([]) == 2
    assert 'Traceback' not in capsys.readouterr().err


def test_a_program_that_ends_python_ends_the_command_in_a_sentence(theirs, capsys):
    assert failing_at(theirs, error='SystemExit')([]) == 2
    assert 'A program that mmlens ran ends it (SystemExit: of ours (net.py, line 2' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        guarded(lambda argv: parse(Parser(prog='mmlens'), argv))(['--help'])


@pytest.mark.parametrize(
    ('error', 'sentence'),
    [
        (OSError(errno.ENOSPC, 'No space left on device', 'a.png'), 'a.png: No space left on device.'),
        (OSError(errno.ENAMETOOLONG, 'File name too long', 'a' * 900), f'{"a" * 150}...{"a" * 49}: File name'),
        (OSError(errno.ENOSPC, 'No space left on device'), 'device: make room on the disk, or let TMPDIR'),
        (MemoryError(), 'There is not enough memory'),
    ],
)
def test_errors_of_the_machine_are_sentences(error, sentence, capsys):
    assert raising(error)([]) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_that_became_another_error_is_one(number, capsys):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it is ignored

    @guarded
    def command(argv):
        try:
            os.kill(os.getpid(), number)
            for _ in range(200):  # whichever thread the signal reaches, this one hears of it between two of these
                time.sleep(0.05)
        except KeyboardInterrupt:
            raise ImportError('half a module') from None

    try:
        assert command([]) == 128 + number
    finally:
        signal.signal(signal.SIGINT, before)
    assert 'nothing was written' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('interrupt', 'sentence'),
    [(KeyboardInterrupt(), 'nothing was written.'), (KeyboardInterrupt('3 of 9 were done.'), '3 of 9 were done.')],
)
def test_interrupt_says_what_was_done(interrupt, sentence, capsys):
    assert raising(interrupt)([]) == 130
    assert capsys.readouterr().err == f'mmlens: interrupted: {sentence}\n'


def test_status_and_arguments_pass_through():
    assert guarded(lambda argv: len(argv))(['a', 'b', 'c']) == 3


def run_apart(body, **options):
    """Run the body of a command in a process of its own."""
    code = (
        'import os, signal, sys, tempfile, time\nfrom pathlib import Path\n'
        'from mmlens.cli.guard import guarded, say\nfrom mmlens.files import write_atomically\n'
        f'def command(argv):\n    {body}\nsys.exit(guarded(command)([]))'
    )
    return subprocess.Popen([sys.executable, '-c', code], stderr=subprocess.PIPE, text=True, **options)


def test_a_reader_that_goes_away_ends_nothing(tmp_path):
    body = f'[print("x" * 1000) for _ in range(1000)]; Path({str(tmp_path / "done")!r}).touch(); return 1'
    process = run_apart(body, stdout=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    _, errors = process.communicate(timeout=90)
    assert (process.returncode, errors) == (1, '') and (tmp_path / 'done').exists()


@pytest.mark.skipif(not Path('/dev/full').exists(), reason='there is no /dev/full')
def test_a_full_disk_under_stdout_is_told_and_ends_nothing(tmp_path):
    body = f'[print("x" * 1000) for _ in range(1000)]; Path({str(tmp_path / "done")!r}).touch(); return 0'
    with open('/dev/full', 'w') as full:
        _, errors = (process := run_apart(body, stdout=full)).communicate(timeout=90)
    assert process.returncode == 0 and (tmp_path / 'done').exists()
    assert errors == (
        'mmlens: warning: stdout cannot be written to ([Errno 28] No space left on device): the rest is not printed.\n'
    )


def test_stdout_is_otherwise_what_it_was(monkeypatch):
    class Terminal(io.StringIO):
        encoding = 'utf-8'

        def isatty(self):
            return True

    monkeypatch.setattr(sys, 'stdout', Terminal())
    assert guarded(lambda argv: int(sys.stdout.isatty() and sys.stdout.encoding == 'utf-8') + 1)([]) == 2
    assert isinstance(sys.stdout, Terminal)


def test_stdout_may_be_closed():
    process = run_apart('sys.stdout.write("a"); print("b"); return 0', preexec_fn=lambda: os.close(1))
    _, errors = process.communicate(timeout=90)
    assert (process.returncode, errors) == (0, '')


def test_names_that_the_terminal_cannot_show_are_escaped():
    environment = {**os.environ, 'PYTHONIOENCODING': 'ascii'}
    body = 'print("m\\xfcnze", chr(0xdcff)); return 0'
    process = run_apart(body, stdout=subprocess.PIPE, env=environment)
    printed, errors = process.communicate(timeout=90)
    assert (process.returncode, errors, printed) == (0, '', 'm\\xfcnze \\udcff\n')


def test_a_terminated_command_removes_its_temporary_files_and_tells(tmp_path):
    body = f"""
    with write_atomically({str(tmp_path / 'a.png')!r}) as temporary:
        Path(temporary).write_text('half')
        print('begun', flush=True)
        [time.sleep(0.05) for _ in range(2000)]  # a signal that comes just before a sleep is heard of after it
    """
    process = run_apart(body, stdout=subprocess.PIPE)
    assert process.stdout.readline() == 'begun\n' and len(list(tmp_path.iterdir())) == 1
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=90)
    assert (process.returncode, errors) == (143, 'mmlens: terminated: nothing was written.\n')
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(('number', 'status', 'word'), [('SIGINT', 130, 'interrupted'), ('SIGTERM', 143, 'terminated')])
def test_no_exception_reaches_torch_while_it_is_imported(number, status, word, tmp_path):
    """What its C++ calls must not raise: the process would abort."""
    (tmp_path / 'torch.py').write_text(
        'import os, signal, time\ntry:\n    os.kill(os.getpid(), signal.' + number + ')\n    time.sleep(0.3)\n'
        'except BaseException:\n    os.abort()\nprint("whole", flush=True)\n'
    )
    # What a shell runs in the background ignores Ctrl-C, and its children with it.
    heeding = functools.partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    process = run_apart(
        f'sys.path.insert(0, {str(tmp_path)!r}); import torch; [time.sleep(0.05) for _ in range(2000)]',
        stdout=subprocess.PIPE,
        preexec_fn=heeding,
    )
    printed, errors = process.communicate(timeout=90)
    assert (process.returncode, printed, errors) == (status, 'whole\n', f'mmlens: {word}: nothing was written.\n')


def test_handlers_of_the_caller_are_left_alone():
    handler = signal.getsignal(signal.SIGTERM)
    mine = lambda number, frame: None  # noqa: E731
    try:
        signal.signal(signal.SIGTERM, mine)
        assert guarded(lambda argv: int(signal.getsignal(signal.SIGTERM) is mine))([]) == 1
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        assert guarded(lambda argv: int(signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL))([]) == 1
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, handler)
