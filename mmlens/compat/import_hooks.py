"""Do something around the import of a module, no matter who imports it: mmengine imports packages by itself."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import threading
from types import ModuleType
from typing import Any, Callable, ContextManager, Dict, Optional, Sequence

Around = Callable[[str], ContextManager[None]]


def around_import(name: str, context: Around) -> None:
    """Execute a module, when it is first imported, within ``context(name)``; one already imported is left alone.

    Args:
        name: Full name of the module.
        context: Returns the context manager; called when the import happens. A second one for the same name replaces
            the first.
    """
    for finder in sys.meta_path:
        if isinstance(finder, _Finder):
            finder.contexts[name] = context
            return
    sys.meta_path.insert(0, _Finder({name: context}))


class _Finder(importlib.abc.MetaPathFinder):
    """Comes first in ``sys.meta_path``; finds the module as usual, and wraps the loader that was found."""

    def __init__(self, contexts: Dict[str, Around]) -> None:
        self.contexts = contexts
        self._searching = threading.local()

    def find_spec(
        self, fullname: str, path: Optional[Sequence[str]] = None, target: Optional[ModuleType] = None
    ) -> Optional[importlib.machinery.ModuleSpec]:
        if fullname not in self.contexts or getattr(self._searching, 'now', False):
            return None
        self._searching.now = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._searching.now = False
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self.contexts[fullname])
        return spec


class _Loader(importlib.abc.Loader):
    """The module's own loader, within the context."""

    def __init__(self, loader: Any, context: Around) -> None:
        self._loader = loader
        self._context = context

    def __getattr__(self, name: str) -> Any:  # get_data, get_source, get_resource_reader, ...
        return getattr(self._loader, name)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> Optional[ModuleType]:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        with self._context(module.__name__):
            self._loader.exec_module(module)
