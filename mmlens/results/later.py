"""Maps that are laid over the picture when they are looked at: on the input's grid they take less memory."""

from __future__ import annotations

import weakref
from typing import Any, Callable, Dict, Optional, Tuple

import numpy as np

# A rectangle of an array, and its upper row and left column.
Part = Tuple[np.ndarray, Tuple[int, int]]
MakePart = Callable[..., Part]

_REQUIRED = object()


class Later:
    """An array that is made when it is looked at, and forgotten when nobody looks at it any more.

    Args:
        make: Makes it, of ``arguments``.
        part: Makes, of the same, a rectangle outside of which the array is 0, with its upper row and left column.
            Defaults to none: the rectangle is the whole.

    Example:
        >>> Later(np.zeros, (3000, 4000), np.float32)  # takes no memory before `array()`
    """

    def __init__(self, make: Callable[..., np.ndarray], *arguments: Any, part: Optional[MakePart] = None) -> None:
        self._make, self._arguments, self._part = make, arguments, part
        self._last: Optional[Callable[[], Optional[np.ndarray]]] = None

    def array(self) -> np.ndarray:
        """The array, read-only: what was written into it would be forgotten with it."""
        last = None if self._last is None else self._last()
        if last is None:
            last = self._make(*self._arguments)
            last.flags.writeable = False
            self._last = weakref.ref(last)
        return last

    def part(self) -> Part:
        """What of the array is not 0, and where it lies."""
        last = None if self._last is None else self._last()
        return (self.array(), (0, 0)) if self._part is None or last is not None else self._part(*self._arguments)

    def __getstate__(self) -> Dict[str, Any]:
        return {**self.__dict__, '_last': None}


class _LaterField:
    """A dataclass field that holds an array or a :class:`Later`, and is an array to whoever looks at it."""

    def __init__(self, default: Any) -> None:
        self._default = default

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, record: Any, owner: Optional[type] = None) -> Any:
        if record is None:  # dataclasses ask for the default
            if self._default is _REQUIRED:
                raise AttributeError(self._name)
            return self._default
        value = record.__dict__[self._name]
        return value.array() if isinstance(value, Later) else value

    def __set__(self, record: Any, value: Any) -> None:
        record.__dict__[self._name] = value


def later(make: Callable[..., np.ndarray], *arguments: Any, part: Optional[MakePart] = None) -> Any:
    """A :class:`Later` for a field that is declared as the array which it will be."""
    return Later(make, *arguments, part=part)


def part_of(record: Any, name: str) -> Part:
    """What of an array of a record is not 0, without making the rest where that is known, and where it lies.

    Args:
        record: A dataclass.
        name: Its field: an array or a :class:`Later`.
    """
    value = record.__dict__.get(name)
    return value.part() if isinstance(value, Later) else (getattr(record, name), (0, 0))


def later_field(default: Any = _REQUIRED) -> Any:
    """A dataclass field that takes an array or a :class:`Later`; required unless there is a default."""
    return _LaterField(default)
