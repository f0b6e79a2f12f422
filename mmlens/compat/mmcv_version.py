"""Let packages be imported that refuse an mmcv newer than the one they were released with.

Reason: mmyolo 0.6.0 asserts mmcv < 2.1 and mmdet 3.3.0 asserts mmcv < 2.2 while they are imported, yet their code
runs on mmcv 2.3. Delete the line of a package below once its oldest supported release drops the assertion.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import threading
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Iterator, Optional, Sequence, Tuple

# Package: (first mmcv it refuses, mmcv it is shown instead)
REFUSED = {'mmyolo': ((2, 1), '2.0.1'), 'mmdet': ((2, 2), '2.1.0')}


def install() -> None:
    """Watch for the import of the packages in :data:`REFUSED`, whoever imports them. Idempotent."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


@contextmanager
def presented(package: str) -> Iterator[None]:
    """Show ``mmcv.__version__`` as `package` wants it, if it would refuse the true one; the true one comes back."""
    import mmcv

    refused, shown = REFUSED[package]
    true = mmcv.__version__
    if not refused <= _numbers(true) < (3,):
        yield
        return
    mmcv.__version__ = shown
    try:
        yield
    finally:
        mmcv.__version__ = true


class _Finder(importlib.abc.MetaPathFinder):
    """Comes first in ``sys.meta_path``; finds the package as usual, and wraps the loader that was found."""

    def __init__(self) -> None:
        self._searching = threading.local()

    def find_spec(
        self, fullname: str, path: Optional[Sequence[str]] = None, target: Optional[ModuleType] = None
    ) -> Optional[importlib.machinery.ModuleSpec]:
        if fullname not in REFUSED or getattr(self._searching, 'now', False):
            return None
        self._searching.now = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._searching.now = False
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(importlib.abc.Loader):
    """The package's own loader, but for the version that its ``__init__`` sees."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:  # get_data, get_resource_reader, ...
        return getattr(self._loader, name)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> Optional[ModuleType]:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        # What the package builds on sees the true version: it is imported before another one is shown.
        if module.__name__ != 'mmdet':
            importlib.import_module('mmdet')
        with presented(module.__name__):
            self._loader.exec_module(module)


def _numbers(version: str) -> Tuple[int, ...]:
    """(2, 3) of '2.3.6' or '2.3.0rc1'."""
    return tuple(int(part) for part in version.split('.')[:2])
