"""Registries that import the module of a name, and not all that register there.

A registry of OpenMMLab imports whole packages before it looks for its first name. In processes of our own
(:func:`install`) it first looks for the name in the modules whose source registers it. Whatever is not found that way
is looked for as always, after everything was imported: the results are the same. Delete when OpenMMLab imports lazily.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import re
import sys
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, Iterator, List, Sequence

from mmlens.compat.import_hooks import around_import
from mmlens.compat.lazy_packages import PackageFinder, complete, complete_all

MODULE = 'mmengine.registry.registry'

_DEFINED = re.compile(r'^(?:class|def)\s+(\w+)', re.M)
_NAMED = re.compile(r'register_module\(\s*(?:name\s*=\s*)?[\[(]?\s*[\'"](\w+)[\'"]')
_local = threading.local()


def install() -> None:
    """Import OpenMMLab's packages as far as they are used, in this process, from now on. Idempotent.

    For commands, whose process is ours: programs that use mmlens may look into a registry in ways of their own.
    Nothing happens where mmengine was imported already.
    """
    if MODULE not in sys.modules and not any(isinstance(finder, PackageFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, PackageFinder())
        around_import(MODULE, _looking_names_up)


@contextlib.contextmanager
def _looking_names_up(name: str) -> Iterator[None]:
    """After mmengine's registries were defined: let them look for names before they import whole packages."""
    yield
    registry = sys.modules[name].Registry  # type: ignore[attr-defined]
    if not hasattr(registry, 'import_from_location'):  # mmengine before 0.8: packages have to be imported whole
        sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, PackageFinder)]
        return
    get, import_all = registry.get, registry.import_from_location

    def import_from_location(self: Any) -> None:
        if self._imported or getattr(_local, 'sparing', False):
            return
        import_all(self)
        for location in _locations_of(self):
            complete(location)

    def look_up(self: Any, key: str) -> Any:
        if isinstance(key, str) and not self._imported:
            found = _looked_up(self, key, get)
            if found is not None:
                return found
        found = get(self, key)
        # What registers elsewhere than in its registry's packages would have been imported with them.
        return get(self, key) if found is None and complete_all() else found

    registry.get, registry.import_from_location = look_up, import_from_location


def _locations_of(registry: Any) -> Sequence[str]:
    # mmengine's own registries name none.
    return ('mmengine',) if registry.scope == 'mmengine' else registry._locations


def _looked_up(registry: Any, key: str, get: Any) -> Any:
    """What a registry has by a name in the modules that register it; ``None`` if it is none of those."""
    scope, name = registry.split_scope_key(key)
    before, _local.sparing = getattr(_local, 'sparing', False), True
    try:
        owner = registry
        while owner is not None and scope in (None, owner.scope):
            for location in _locations_of(owner):
                for module in registering(location).get(name, ()):
                    _import_until(module, name, owner._module_dict)
            owner = owner.parent if name not in owner._module_dict else None
        return get(registry, key)
    except (ImportError, RuntimeError):  # it was optional, or is not there: mmengine has the words for that
        return None
    finally:
        _local.sparing = before


def _import_until(module: str, name: str, registered: Dict[str, Any]) -> None:
    """Import a module, after the packages that it is in, until a name is registered: one may register a stand-in."""
    for end in (match.start() for match in re.finditer(r'\.|$', module)):
        if name not in registered:
            importlib.import_module(module[:end])


@lru_cache(maxsize=None)
def registering(location: str) -> Dict[str, List[str]]:
    """The modules in a package that may register a name: those with a registration that define or mention it."""
    spec = importlib.util.find_spec(location)
    found: Dict[str, List[str]] = {}
    for folder in (spec and spec.submodule_search_locations) or []:
        for file in sorted(Path(folder).rglob('*.py')):
            source = file.read_text(encoding='utf-8', errors='ignore')
            if 'register_module' not in source:
                continue
            inside = file.relative_to(folder).with_suffix('').parts
            module = '.'.join([location, *(part for part in inside if part != '__init__')])
            for name in {*_DEFINED.findall(source), *_NAMED.findall(source)}:
                found.setdefault(name, []).append(module)
    return found
