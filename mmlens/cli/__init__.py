"""The command line: one module a command, and nothing heavier than argparse until a command starts to work."""

from __future__ import annotations

import importlib
import sys
import warnings
from types import ModuleType
from typing import Any


class _Moved(ModuleType):
    """Stands for a command's module under its name of version 0.1: looks up names in the real one, with a warning."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__'):  # the import system and others ask every module for these
            raise AttributeError(f'module {self.__name__!r} has no attribute {name!r}')
        parent, _, command = self.__name__.rpartition('.')
        new = f'{parent}.commands.{command}'
        warnings.warn(f'{self.__name__} is now {new}; the old name will be removed.', DeprecationWarning, stacklevel=2)
        return getattr(importlib.import_module(new), name)


for _command in ('boxam', 'cam', 'featmap', 'history', 'layers', 'lr', 'pipeline'):
    globals()[_command] = sys.modules[f'{__name__}.{_command}'] = _Moved(f'{__name__}.{_command}')
