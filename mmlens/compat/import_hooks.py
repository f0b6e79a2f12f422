"""Do something around the import of a module, no matter who imports it: mmengine imports packages by itself."""

from __future__ import annotations

import contextlib
import functools
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import threading
from types import ModuleType
from typing import Any, Callable, ContextManager, Dict, Iterator, List, Optional, Sequence

Around = Callable[[str], ContextManager[None]]


def around_import(name: str, context: Around) -> None:
    """Execute a module, when it is first imported, within ``context(name)``; one already imported is left alone.

    Args:
        name: Full name of the module.
        context: Returns the context manager; called when the import happens. Several for one name are entered in the
            order in which they were given, each once.
    """
    finder = next((finder for finder in sys.meta_path if isinstance(finder, _Finder)), None)
    if finder is None:
        finder = _Finder()
        sys.meta_path.insert(0, finder)
    contexts = finder.contexts.setdefault(name, [])
    if context not in contexts:
        contexts.append(context)


def after_import(name: str, act: Callable[[], None]) -> None:
    """Call ``act`` when a module has run; at once, if it was imported already. Asked again, it does the same."""
    around_import(name, _then(act))
    if name in sys.modules:
        act()


@functools.lru_cache(maxsize=None)  # the same context for the same function, which is entered once
def _then(act: Callable[[], None]) -> Around:
    @contextlib.contextmanager
    def context(name: str) -> Iterator[None]:
        yield
        act()

    return context


def is_hooked(name: str) -> bool:
    """Whether something is done around the import of a module."""
    return any(name in finder.contexts for finder in sys.meta_path if isinstance(finder, _Finder))


class _Finder(importlib.abc.MetaPathFinder):
    """Comes first in ``sys.meta_path``; finds the module as usual, and wraps the loader that was found."""

    def __init__(self) -> None:
        self.contexts: Dict[str, List[Around]] = {}
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
    """The module's own loader, within the contexts."""

    def __init__(self, loader: Any, contexts: Sequence[Around]) -> None:
        self._loader = loader
        self._contexts = contexts

    def __getattr__(self, name: str) -> Any:  # get_data, get_source, get_resource_reader, ...
        return getattr(self._loader, name)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> Optional[ModuleType]:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        with contextlib.ExitStack() as stack:
            for context in self._contexts:
                stack.enter_context(context(module.__name__))
            self._loader.exec_module(module)
