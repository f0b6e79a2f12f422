"""Arguments of hooks in a config, checked before any model is touched."""

from __future__ import annotations

import os
from numbers import Integral
from pathlib import PurePath
from typing import Any, Mapping, Optional, Tuple, Type, Union

from ..errors import MmlensError

Kind = Union[Type, Tuple[Type, ...]]


def listed(name: str, given: Any, kind: Kind, what: str) -> Tuple[Any, ...]:
    """Accept a single value as a list of one.

    Args:
        name: Name of the option.
        given: A value, or a list of them.
        kind: The type that a value must have.
        what: The same in words.

    Raises:
        MmlensError: If it is neither.
    """
    try:
        values = (given,) if isinstance(given, kind) else tuple(given)
    except TypeError:
        values = (None,)
    if not all(isinstance(value, kind) and not isinstance(value, bool) for value in values):
        raise MmlensError(f'{name} must be {what}, or a list of such, not {given!r}.')
    return values


def check(name: str, given: Any, kind: Kind, what: str) -> None:
    """Make sure that an option has some type; for the arguments see :func:`listed`.

    Raises:
        MmlensError: If it is not.
    """
    if not isinstance(given, kind) or isinstance(given, bool):
        raise MmlensError(f'{name} must be {what}, not {given!r}.')


def is_whole(number: Any, least: int) -> bool:
    """Whether something is an integer, and not below ``least``."""
    return isinstance(number, Integral) and not isinstance(number, bool) and number >= least  # type: ignore[operator]


def check_method(method: Any, method_options: Any, layers: Any, fusion: Any = None) -> None:
    """Make sure that a method, its layers and fusion are names, and its options a dict.

    Raises:
        MmlensError: If they are not.
    """
    check('method', method, str, 'a name')
    if method_options is not None:
        check('method_options', method_options, Mapping, 'a dict')
    if layers is not None:
        listed('layers', layers, str, 'a layer')
    if fusion is not None:
        check('fusion', fusion, str, 'a name')


def check_places(tag: Any, out_dir: Optional[Any]) -> None:
    """Make sure that the drawings of a tag stay inside their folder.

    Raises:
        MmlensError: If they would not, or ``out_dir`` does not name a folder.
    """
    parts = PurePath(tag).parts if isinstance(tag, str) else ()
    if not parts or PurePath(tag).is_absolute() or '..' in parts:
        raise MmlensError(f"tag must be a name without '..', such as 'boxam' or 'neck/boxam', not {tag!r}.")
    if out_dir is not None and not isinstance(out_dir, (str, os.PathLike)):
        raise MmlensError(f'out_dir must be a folder, or None to write no files, not {out_dir!r}.')
