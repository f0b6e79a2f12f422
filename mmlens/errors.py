"""What mmlens tells its users when something is wrong: one clear sentence each, and the words it is made of."""

from __future__ import annotations

from json import JSONDecodeError
from typing import Any, List


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
    """The first line of another library's error, whitespace collapsed, to append to our own sentence."""
    # str() of a KeyError puts its message in quotes.
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    if isinstance(error, JSONDecodeError):
        text = f'a file that should hold JSON does not ({text})'
    if not isinstance(error, MmlensError):
        text = text.replace('`', "'")  # backticks mark our own parameters, which the command line translates
    lines = text.strip().splitlines()
    return ' '.join(lines[0].split()).rstrip('.') + '.' if lines else type(error).__name__ + '.'


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
