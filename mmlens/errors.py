"""What mmlens tells its users when something is wrong: one sentence, no traceback."""

from __future__ import annotations

from json import JSONDecodeError
from typing import Any, List


class MmlensError(Exception):
    """Something the user can put right: the message says what is wrong and what to do.

    The command line prints the message alone and exits with status 2.
    """


class LayerError(MmlensError):
    """A layer that does not exist, did not run, or has no spatial map."""


class MethodError(MmlensError):
    """A method that does not exist, or that cannot be used the way it was asked for."""


class ModelError(MmlensError):
    """A config or a checkpoint that cannot be loaded, or that do not belong together."""


class PictureError(MmlensError):
    """A picture, video or list of them that cannot be read."""


class OutputError(MmlensError):
    """A place that cannot be written to."""


class MmlensWarning(UserWarning):
    """Something that looks wrong, though the work can go on.

    The command line prints the sentence alone, and no place in the code.
    """


def reason(error: BaseException) -> str:
    """The first line of another library's error, its gaps closed, to end a sentence of ours with."""
    # str() of a KeyError shows its message in quotes
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    if isinstance(error, JSONDecodeError):
        text = f'a file that should hold JSON does not ({text})'
    lines = text.strip().splitlines()
    return ' '.join(lines[0].split()).rstrip('.') + '.' if lines else type(error).__name__ + '.'


def missing_file(error: BaseException) -> str:
    """The file or folder that an error is about, if it is not there; else ``''``. Causes of the error count, too."""
    seen: List[BaseException] = []
    cause: Any = error
    while cause is not None and cause not in seen:
        if isinstance(cause, FileNotFoundError) and cause.filename:
            return str(cause.filename)
        seen.append(cause)
        cause = cause.__cause__ or cause.__context__
    return ''
