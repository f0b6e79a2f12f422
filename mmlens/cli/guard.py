"""How a command ends: exit statuses, and one sentence on stderr instead of a traceback."""

from __future__ import annotations

import contextlib
import functools
import gc
import io
import os
import re
import signal
import sys
import threading
import traceback
import warnings
from contextvars import ContextVar
from typing import Any, Callable, Dict, Iterator, List, Match, Optional, Sequence, Tuple, Type, Union

from ..code_lines import MMLENS, USER, whose
from ..errors import MmlensError, MmlensWarning, count, reason, told
from ..files import FULL
from . import verbosity
from .wording import in_options, of_a_command

DONE, SOME_FAILED, FAILED, CRASHED, INTERRUPTED, TERMINATED = 0, 1, 2, 70, 130, 143
_LATER = 0.05  # seconds

Command = Callable[[Optional[List[str]]], int]

TRACEBACK = '--traceback'
# What handles Ctrl-C in a process of `mmlens` until a command does.
BEFORE_COMMANDS = '_end_before_commands'

_LONG = re.compile(r'\S{400,}')  # a name that no file system takes

_in_full: ContextVar[bool] = ContextVar('in_full', default=False)


def say(kind: str, sentence: str) -> None:
    """Print ``mmlens: <kind>: <sentence>`` on stderr; ``kind`` is ``error``, ``warning`` or ``interrupted``."""
    with contextlib.suppress(OSError):  # stderr may have gone with stdout
        print(f'mmlens: {kind}: {_LONG.sub(_shortened, in_options(sentence))}', file=sys.stderr, flush=True)


def _shortened(word: Match[str]) -> str:
    return f'{word[0][:150]}...{word[0][-50:]}'


def tell(sentence: str) -> None:
    """Print a sentence of the library on stdout, with its parameters as options."""
    print(in_options(sentence))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Drop what is printed in the block: libraries print while they are imported or run, and stdout is for results."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def report_failures(
    failures: Sequence[str], total: int, thing: str, done: str = 'drawn', most: Optional[int] = None
) -> int:
    """Say what failed, one line each.

    Args:
        failures: A sentence for each thing that failed, at least one.
        total: How many things there were.
        thing: What they are: ``'picture'``.
        done: What should have been done with them. Defaults to ``'drawn'``.
        most: How many lines to print at most. Defaults to all.

    Returns:
        The exit status.
    """
    if len(failures) == 1 == total:
        say('error', failures[0])
        return FAILED
    told = list(failures[:most])
    if len(failures) > len(told):
        told.append(f'and {len(failures) - len(told)} more')
    every = len(failures) == total
    which = 'none of the' if every else f'{len(failures)} of'
    say('error', '\n  '.join([f'{which} {count(total, thing)} could {"" if every else "not "}be {done}:', *told]))
    return FAILED if every else SOME_FAILED


def guarded(command: Command) -> Command:
    """Turn errors into a sentence on stderr and an exit status.

    Errors of the user's files, of the user's code and of the libraries that run it are told in a sentence, with the
    line that raised them; ``--traceback`` shows all. Errors of our own code are bugs, and print their traceback.
    SIGTERM ends a command as Ctrl-C does: temporary files are removed, and what was done is told.
    """

    @functools.wraps(command)
    @verbosity.of_a_command()
    @of_a_command()
    def main(argv: Optional[List[str]] = None) -> int:
        token = _in_full.set(TRACEBACK in (sys.argv[1:] if argv is None else argv))
        with _signals_as_interrupts() as came, contextlib.redirect_stdout(_Unread(sys.stdout)):
            try:
                with warnings.catch_warnings():
                    # Hundreds of heads call it the old way, which is nothing that the user can fix.
                    warnings.filterwarnings('ignore', message='torch.meshgrid')
                    warnings.simplefilter('always', MmlensWarning)  # ours are for users, whatever Python's filters say
                    warnings.showwarning = _show_ours_in_a_line(warnings.showwarning)
                    status = command(argv)
                sys.stdout.flush()
                return status
            except KeyboardInterrupt as interrupt:
                return _interrupted(came, str(interrupt))
            except SystemExit as error:
                if whose(error) != USER:  # argparse's
                    raise
                return _failed(error)
            except Exception as error:
                # What is interrupted may raise an error of its own: an import, a callback of C code.
                return _interrupted(came) if came else _failed(error)
            finally:
                _in_full.reset(token)
                if came:
                    gc.collect()  # ends what was about to be written, and removes its temporary file

    return main


def explain_error(error: BaseException, bugs_in_full: bool = True) -> Tuple[str, int]:
    """An error as a user is told it, and the exit status; the traceback is printed where it is asked for or needed.

    Args:
        error: The error.
        bugs_in_full: Whether to print the traceback of a bug of ours. Defaults to ``True``.

    Returns:
        The sentence, and 70 for a bug of ours, else 2.
    """
    sentence, status = _sentence(error)
    if _in_full.get() or (bugs_in_full and status == CRASHED):
        traceback.print_exception(type(error), error, error.__traceback__)
    return sentence, status


def _sentence(error: BaseException) -> Tuple[str, int]:
    if isinstance(error, _errors_for_users()):
        return str(error), FAILED
    if isinstance(error, ModuleNotFoundError) and (error.name or 'mmlens').split('.')[0] != 'mmlens':
        from ..compat import name_missing

        return name_missing(error), FAILED
    if isinstance(error, MemoryError):
        return 'There is not enough memory: take smaller or fewer pictures, or fewer layers.', FAILED
    if isinstance(error, SystemExit):
        return f'A program that mmlens ran ends it ({told(error)[:-1]}): take that line out.', FAILED
    if isinstance(error, OSError) and error.errno is not None and error.filename is not None:
        return f'{error.filename}: {error.strerror}.', FAILED
    if isinstance(error, OSError) and error.errno in FULL:  # a temporary file's, which has no name
        return f'{error.strerror}: make room on the disk, or let TMPDIR name a folder that has some.', FAILED
    return told(error), CRASHED if whose(error) == MMLENS else FAILED


def _failed(error: BaseException) -> int:
    sentence, status = explain_error(error)
    if status != CRASHED:  # else the traceback has told all
        say('error', sentence)
    return status


def _interrupted(came: Sequence[int], done: str = '') -> int:
    terminated = signal.SIGTERM in came
    say('terminated' if terminated else 'interrupted', done or 'nothing was written.')
    return TERMINATED if terminated else INTERRUPTED


@contextlib.contextmanager
def _signals_as_interrupts() -> Iterator[List[int]]:
    """Let SIGTERM raise KeyboardInterrupt, as Ctrl-C does; the list holds those that came."""
    came: List[int] = []
    again: List[threading.Timer] = []

    def interrupt(number: int, frame: Any) -> None:
        came.append(number)
        if not _is_being_imported('torch'):
            raise KeyboardInterrupt
        # Torch's C++ calls Python back while it is imported, and aborts on an exception: try again a little later.
        again.append(threading.Timer(_LATER, os.kill, (os.getpid(), number)))
        again[-1].daemon = True
        again[-1].start()

    # Only the main thread may set handlers; one that the caller set is the caller's choice.
    changed: Dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        changed = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
        changed = {each: before for each, before in changed.items() if _is_nobodys(before)}
    for each in changed:
        signal.signal(each, interrupt)
    try:
        yield came
    finally:
        for timer in again:
            timer.cancel()
        for each, before in changed.items():
            signal.signal(each, before)


def _is_being_imported(module: str) -> bool:
    return getattr(getattr(sys.modules.get(module), '__spec__', None), '_initializing', False)


def _is_nobodys(handler: Any) -> bool:
    """Whether a signal's handler is Python's own, or that of `mmlens/__main__.py`."""
    if handler in (signal.SIG_DFL, signal.default_int_handler):
        return True
    return getattr(handler, '__name__', '') == BEFORE_COMMANDS


class _Unread:
    """Stdout that may be closed, full or of few characters: what is drawn and written to files goes on.

    The reader may have gone (`mmlens boxam ... | head`), the disk that it goes to may be full, and the terminal's
    encoding may lack the characters of a file's name.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._ended = stream is None

    def write(self, text: str) -> int:
        if not self._ended and not verbosity.is_muted():
            self._try(lambda: self._stream.write(self._encodable(text)))
        return len(text)

    def flush(self) -> None:
        if not self._ended:
            self._try(self._stream.flush)

    def _try(self, act: Callable[[], Any]) -> None:
        try:
            act()
        except (OSError, ValueError) as error:  # a closed stream raises ValueError
            self._ended = True
            if not isinstance(error, BrokenPipeError):
                say('warning', f'stdout cannot be written to ({reason(error).rstrip(".")}): the rest is not printed.')
            # Python flushes stdout once more when it exits, which must not fail again.
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

    def _encodable(self, text: str) -> str:
        encoding = getattr(self._stream, 'encoding', None)
        return text.encode(encoding, 'backslashreplace').decode(encoding) if encoding else text

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _show_ours_in_a_line(show: Callable[..., None]) -> Callable[..., None]:
    """Show our own warnings as we show errors, and leave those of libraries to Python."""

    def show_warning(message: Union[Warning, str], category: Type[Warning], *where: Any, **options: Any) -> None:
        if issubclass(category, MmlensWarning):
            say('warning', str(message))
        else:
            show(message, category, *where, **options)

    return show_warning


def _errors_for_users() -> Tuple[Type[Exception], ...]:
    # Evaluated only when something was raised.
    from ..compat import DependencyError

    return MmlensError, DependencyError
