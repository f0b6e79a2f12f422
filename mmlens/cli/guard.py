"""How a command ends: exit statuses, and one sentence on stderr instead of a traceback."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import signal
import sys
import threading
import traceback
import warnings
from typing import Any, Callable, Iterator, List, Optional, Sequence, Tuple, Type, Union

from ..errors import MmlensError, MmlensWarning, count, reason
from . import verbosity
from .wording import in_options, of_a_command

DONE, SOME_FAILED, FAILED, CRASHED, INTERRUPTED, TERMINATED = 0, 1, 2, 70, 130, 143

Command = Callable[[Optional[List[str]]], int]


def say(kind: str, sentence: str) -> None:
    """Print ``mmlens: <kind>: <sentence>`` on stderr; ``kind`` is ``error``, ``warning`` or ``interrupted``."""
    with contextlib.suppress(OSError):  # stderr may have gone with stdout
        print(f'mmlens: {kind}: {in_options(sentence)}', file=sys.stderr, flush=True)


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
    """Turn errors that are meant for the user into a sentence on stderr and an exit status.

    Other errors are bugs of ours and print their traceback. SIGTERM ends a command as Ctrl-C does: temporary files are
    removed, and what was done is told.
    """

    @functools.wraps(command)
    @verbosity.of_a_command()
    @of_a_command()
    def main(argv: Optional[List[str]] = None) -> int:
        with _terminated_like_interrupts() as terminated, contextlib.redirect_stdout(_Unread(sys.stdout)):
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
                say('terminated' if terminated else 'interrupted', str(interrupt) or 'nothing was written.')
                return TERMINATED if terminated else INTERRUPTED
            except ModuleNotFoundError as error:
                from ..compat import name_missing

                if (error.name or 'mmlens').split('.')[0] == 'mmlens':
                    return _crashed()
                say('error', name_missing(error))
                return FAILED
            except _errors_for_users() as error:
                say('error', str(error))
                return FAILED
            except Exception:
                return _crashed()

    return main


def _crashed() -> int:
    traceback.print_exc()
    return CRASHED


@contextlib.contextmanager
def _terminated_like_interrupts() -> Iterator[List[int]]:
    """Let SIGTERM raise KeyboardInterrupt; the list is empty until it came."""
    came: List[int] = []

    def interrupt(number: int, frame: Any) -> None:
        came.append(number)
        raise KeyboardInterrupt

    # Only the main thread may set handlers; one that the caller set is the caller's choice.
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield came
        return
    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield came
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


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
