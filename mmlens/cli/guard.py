"""How a command ends: exit statuses, and one sentence on stderr instead of a traceback."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import sys
import warnings
from typing import Any, Callable, Iterator, List, Optional, Sequence, Tuple, Type, Union

from ..errors import MmlensError, MmlensWarning, count
from .wording import in_options, of_a_command

DONE, SOME_FAILED, FAILED, INTERRUPTED = 0, 1, 2, 130

Command = Callable[[Optional[List[str]]], int]


def say(kind: str, sentence: str) -> None:
    """Print ``mmlens: <kind>: <sentence>`` on stderr; ``kind`` is ``error``, ``warning`` or ``interrupted``."""
    print(f'mmlens: {kind}: {in_options(sentence)}', file=sys.stderr)


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

    Other errors are bugs of ours and keep their traceback.
    """

    @functools.wraps(command)
    @of_a_command()
    def main(argv: Optional[List[str]] = None) -> int:
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
            say('interrupted', str(interrupt) or 'nothing was written.')
            return INTERRUPTED
        except BrokenPipeError:
            # The reader of our output has gone (`mmlens layers ... | head`). Python flushes stdout once more when it
            # exits, which must not fail again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return DONE
        except ModuleNotFoundError as error:
            from ..compat import name_missing

            if (error.name or 'mmlens').split('.')[0] == 'mmlens':
                raise
            say('error', name_missing(error))
            return FAILED
        except _errors_for_users() as error:
            say('error', str(error))
            return FAILED

    return main


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
