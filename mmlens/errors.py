"""What mmlens tells its users when something is wrong: one clear sentence each, and the words it is made of."""

from __future__ import annotations

import functools
from json import JSONDecodeError
from typing import Any, Callable, List, TypeVar, cast

Function = TypeVar('Function', bound=Callable[..., Any])


class MmlensError(ValueError):
    """Something the user can fix: the message says what is wrong and what to do.

    The command line prints the message alone and exits with status 2.
    """


class LayerError(MmlensError):
    """A layer that does not exist, did not run, or has no spatial map."""


class MethodError(MmlensError):
    """A method that does not exist, or that cannot be used the way it was asked for."""


class ModelError(MmlensError):
    """A config or checkpoint that cannot be loaded, or the two do not belong together."""


class PictureError(MmlensError):
    """A picture, a video, or a list of them that cannot be read."""


class OutputError(MmlensError):
    """A place that cannot be written to."""


class MmlensWarning(UserWarning):
    """Something that looks wrong but does not stop the work.

    The command line prints the sentence alone, without the line of code that Python adds.
    """


def reason(error: BaseException) -> str:
    """The first line of another library's error, whitespace collapsed, to append to our own sentence.

    Where the user's code raised it, the line is named; an error without a text quotes the line that failed.
    """
    text, where = _text(error), '' if isinstance(error, MmlensError) else _where(error, not _text(error))
    if text:
        return f'{text} ({where}).' if where else f'{text}.'
    return f'{type(error).__name__}{f" ({where})" if where else ""}.'


def told(error: BaseException) -> str:
    """An error of code that is not of mmlens in a sentence, with the line that raised it.

    Example:
        ``RuntimeError: the sizes do not fit (nets/own_neck.py, line 12, in forward: return a + b).``
    """
    from .code_lines import culprit

    text, line = _text(error), culprit(error)
    said = f'{type(error).__name__}: {text}' if text else type(error).__name__
    if line is None:
        return f'{said}.'
    return f'{said} ({line}, in {line.function}{f": {line.code}" if line.code else ""}).'


def noted(function: Function) -> Function:
    """Let errors of others' code leave a function as they are, with a note that says where they were raised.

    Python has notes from 3.11 on. Errors of mmlens, which say what they have to, get none.
    """

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            _add_note(error)
            raise

    return cast(Function, call)


def _add_note(error: Exception) -> None:
    from .code_lines import MMLENS, whose

    if isinstance(error, MmlensError) or not hasattr(error, 'add_note') or getattr(error, '__notes__', None):
        return
    if whose(error) != MMLENS:
        error.add_note(f'mmlens: raised in the code that it ran: {told(error)}')


def _text(error: BaseException) -> str:
    """The first line of an error's own words, without a full stop."""
    # str() of a KeyError puts its message in quotes.
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    if isinstance(error, JSONDecodeError):
        text = f'a file that should hold JSON does not ({text})'
    if not isinstance(error, MmlensError):
        text = text.replace('`', "'")  # backticks mark our own parameters, which the command line translates
    lines = text.strip().splitlines()
    return ' '.join(lines[0].split()).rstrip('.') if lines else ''


def _where(error: BaseException, empty: bool) -> str:
    from .code_lines import MMLENS, USER, culprit, lines_of

    line = culprit(error)
    if empty and (line is None or line.whose == MMLENS):
        line = next((each for each in reversed(lines_of(error)) if each.code), None)
    if line is None or not (empty or line.whose == USER):
        return ''
    return f'{line}: {line.code}' if empty and line.code else str(line)


def missing_file(error: BaseException) -> str:
    """The file or folder whose absence caused an error, directly or through a chain of errors; ``''`` if none."""
    seen: List[BaseException] = []
    cause: Any = error
    while cause is not None and cause not in seen:
        if isinstance(cause, FileNotFoundError) and cause.filename:
            return str(cause.filename)
        seen.append(cause)
        cause = cause.__cause__ or cause.__context__
    return ''


def why(error: BaseException) -> str:
    """Why another library failed, to append to our own sentence: ``there is no FILE.``, else its :func:`reason`."""
    missing = missing_file(error)
    return f'there is no {missing}.' if missing else reason(error)


def count(number: int, thing: str) -> str:
    """Count things: ``1 box``, ``2 boxes``, ``1,200 pictures``."""
    ending = 'es' if thing.endswith(('s', 'x', 'ch', 'sh')) else 's'
    return f'{number:,} {thing}{"" if number == 1 else ending}'
