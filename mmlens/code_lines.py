"""Whose line of code raised an error: the user's, a library's, or one of mmlens."""

from __future__ import annotations

import functools
import linecache
import os
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Iterator, List, Optional

USER, LIBRARY, MMLENS = 'user', 'library', 'mmlens'

_HERE = str(Path(__file__).resolve().parent) + os.sep
# The shims and kernels of `compat` stand in for a library's code, and are called by it.
_COMPAT = os.path.join(_HERE, 'compat') + os.sep
_STANDARD = tuple({str(Path(sysconfig.get_paths()[kind]).resolve()) + os.sep for kind in ('stdlib', 'platstdlib')})
_INSTALLED = (f'{os.sep}site-packages{os.sep}', f'{os.sep}dist-packages{os.sep}')
# OpenMMLab's packages run what configs and models say; they may be installed from a folder of sources.
_OPENMMLAB = frozenset(
    {
        'mmcv', 'mmengine', 'mmdet', 'mmyolo', 'mmpretrain', 'mmseg', 'mmpose', 'mmrotate', 'mmocr', 'mmaction',
        'mmdet3d', 'mmtrack', 'mmagic', 'mmselfsup', 'mmrazor', 'mmcls', 'mmflow',
    }
)  # fmt: skip


@dataclass(frozen=True)
class Line:
    """A line of code that was running when an error was raised.

    Attributes:
        file: Its file.
        number: Counted from 1.
        function: The function that it is in.
        code: The line itself; empty where the source is not there.
        whose: ``'user'``, ``'library'`` (OpenMMLab's) or ``'mmlens'``; empty for Python's and other packages' code.
    """

    file: str
    number: int
    function: str
    code: str
    whose: str

    def __str__(self) -> str:
        return f'{_short(self.file)}, line {self.number}'


def lines_of(error: BaseException) -> List[Line]:
    """The lines that an error went through, outermost first."""
    return list(_lines(error.__traceback__))


def culprit(error: BaseException) -> Optional[Line]:
    """The innermost line of the user's, of OpenMMLab's or of mmlens's own code; ``None`` if there is none.

    Libraries raise errors of their own in place of those of the user's code: then it is the line of the first.
    """
    own, seen, cause = _innermost(error), [error], error.__cause__ or error.__context__
    while cause is not None and cause not in seen and (own is None or own.whose != USER):
        line = _innermost(cause)
        own = line if line and line.whose == USER else own or line
        seen.append(cause)
        cause = cause.__cause__ or cause.__context__
    return own


def _innermost(error: BaseException) -> Optional[Line]:
    return next((line for line in reversed(lines_of(error)) if line.whose), None)


def whose(error: BaseException) -> str:
    """Who wrote the line that raised an error: ``'user'``, ``'library'`` or ``'mmlens'``."""
    line = culprit(error)
    return line.whose if line else MMLENS


def _lines(trace: Optional[TracebackType]) -> Iterator[Line]:
    while trace is not None:
        code, number = trace.tb_frame.f_code, trace.tb_lineno
        module = str(trace.tb_frame.f_globals.get('__name__', ''))
        text = linecache.getline(code.co_filename, number, trace.tb_frame.f_globals).strip()
        yield Line(code.co_filename, number, code.co_name, text, _whose(code.co_filename, module))
        trace = trace.tb_next


@functools.lru_cache(maxsize=1024)
def _whose(file: str, module: str) -> str:
    if module.split('.')[0] in _OPENMMLAB:
        return LIBRARY
    path = os.path.abspath(file)
    if path.startswith(_HERE):
        return LIBRARY if path.startswith(_COMPAT) else MMLENS
    if path.startswith(_STANDARD) or any(each in path for each in _INSTALLED) or not os.path.isfile(path):
        return ''
    return USER


def _short(file: str) -> str:
    """A path as the user would write it, or within its package."""
    for folder in _INSTALLED:
        if folder in file:
            return file.rpartition(folder)[2]
    try:
        near = os.path.relpath(file)
    except (OSError, ValueError):  # the working folder is gone, or on another drive
        return file
    return file if near.startswith('..') else near
