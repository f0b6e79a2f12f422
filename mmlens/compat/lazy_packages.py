"""OpenMMLab's packages, imported as far as they are used.

Reason: ``import mmdet.models`` imports every model there is, and with them scikit-learn, scipy, matplotlib, imgaug and
numba; a config names a dozen classes. Most ``__init__.py`` of these packages hold nothing but imports. Here such a
package is not run: its names are looked up, and the modules that they come from imported, when they are asked for.
Delete when OpenMMLab imports lazily.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, Dict, List, Optional, Sequence, Set, Tuple

from mmlens.compat.import_hooks import is_hooked
from mmlens.compat.lazy_modules import UNUSED, Deferred, DeferringLoader

# Not mmcv: some of its modules replace what others registered, which must come first.
PACKAGES = ('mmengine', 'mmdet', 'mmyolo', 'mmpretrain', 'mmseg')
# What their modules do when they run is why they are imported: registries join those of mmengine, kinds of boxes enter
# themselves into a table.
WHOLE = ('mmengine.registry', 'mmseg.registry', 'mmdet.structures', 'mmdet.structures.bbox')


@dataclass
class Exports:
    """What an ``__init__.py`` that holds nothing but imports makes available.

    Attributes:
        names: Name -> the module that it comes from, and its name there.
        stars: Modules all of whose names are taken.
        values: Name -> constant.
        public: Its ``__all__``; ``None`` if there is none, or it is put together.
    """

    names: Dict[str, Tuple[str, str]] = field(default_factory=dict)
    stars: List[str] = field(default_factory=list)
    values: Dict[str, Any] = field(default_factory=dict)
    public: Optional[List[str]] = None


@lru_cache(maxsize=None)
def exports_of(package: str, file: str) -> Optional[Exports]:
    """Read what a package's ``__init__.py`` imports; ``None`` if it does anything else."""
    try:
        tree = ast.parse(Path(file).read_text(encoding='utf-8'))
    except (OSError, SyntaxError, UnicodeDecodeError):
        return None
    found = Exports()
    return found if all(_read(node, package, found) for node in tree.body) else None


def _read(node: ast.AST, package: str, found: Exports) -> bool:
    """Note what a statement makes available; whether it is one that can wait."""
    if isinstance(node, ast.ImportFrom):
        base = importlib.util.resolve_name('.' * node.level + (node.module or ''), package)
        for alias in node.names:
            if alias.name == '*':
                found.stars.append(base)
            else:
                found.names[alias.asname or alias.name] = (base, alias.name)
        return True
    if isinstance(node, ast.Try):  # what is optional is missing when it is asked for
        optional = all(isinstance(h.type, ast.Name) and h.type.id == 'ImportError' for h in node.handlers)
        return optional and not node.orelse + node.finalbody and all(_read(each, package, found) for each in node.body)
    if isinstance(node, ast.If):  # as in `if TORCH_VERSION >= ...`
        return all(_read(each, package, found) or _adds_to_all(each) for each in node.body + node.orelse)
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        name = node.targets[0].id
        try:
            value = ast.literal_eval(node.value)
        except ValueError:
            return name == '__all__'
        if name == '__all__':
            found.public = list(value)
        else:
            found.values[name] = value
        return True
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _adds_to_all(node: ast.AST) -> bool:
    call = node.value if isinstance(node, ast.Expr) else None
    called = call.func if isinstance(call, ast.Call) else None
    return isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id == '__all__'


class PackageFinder(importlib.abc.MetaPathFinder):
    """Finds packages that can wait."""

    def find_spec(
        self, fullname: str, path: Optional[Sequence[str]] = None, target: Optional[ModuleType] = None
    ) -> Optional[importlib.machinery.ModuleSpec]:
        """See :class:`importlib.abc.MetaPathFinder`; ``None`` for what is imported as always."""
        lazy = fullname in UNUSED
        parent = sys.modules.get(fullname.rpartition('.')[0])
        if isinstance(parent, Deferred) and not lazy:
            parent.run()  # its modules rely on what it does
        ours = lazy or (fullname.split('.')[0] in PACKAGES and fullname not in WHOLE)
        if not ours or is_hooked(fullname):
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        if spec is None or spec.loader is None or spec.origin is None:
            return None
        if lazy:
            spec.loader = DeferringLoader(spec.loader)
        elif spec.submodule_search_locations is None or exports_of(fullname, spec.origin) is None:
            return None
        else:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(importlib.abc.Loader):
    """Makes a package whose names are found when they are asked for."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:  # get_data, get_source, get_resource_reader, ...
        return getattr(self._loader, name)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _Package(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        assert isinstance(module, _Package) and module.__spec__ is not None
        exports = exports_of(module.__name__, str(module.__spec__.origin))
        assert exports is not None
        module.__dict__['_mmlens_exports'] = exports
        module.__dict__.update(exports.values)
        if exports.public is not None:
            module.__dict__['__all__'] = exports.public


class _Package(ModuleType):
    """A package that imports what it is asked for."""

    def __getattr__(self, name: str) -> Any:
        exports: Optional[Exports] = self.__dict__.get('_mmlens_exports')
        if exports is None or (name.startswith('__') and name not in ('__all__', '__version__', *exports.names)):
            raise AttributeError(f'module {self.__name__!r} has no attribute {name!r}')
        value = self._public(exports) if name == '__all__' else self._found(exports, name)
        self.__dict__[name] = value
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        """Python sets a submodule after it was imported: what the package itself takes from it by that name wins."""
        exports: Optional[Exports] = self.__dict__.get('_mmlens_exports')
        own = exports.names.get(name) if exports is not None else None
        if own is not None and isinstance(value, ModuleType) and value.__name__ == f'{self.__name__}.{name}' == own[0]:
            value = getattr(value, own[1], value)
        super().__setattr__(name, value)

    def __dir__(self) -> List[str]:
        return sorted({*super().__dir__(), *self.__dict__.get('_mmlens_exports', Exports()).names})

    def _found(self, exports: Exports, name: str) -> Any:
        if name in exports.names:
            base, attribute = exports.names[name]
            of_itself = base == self.__name__  # `from . import name`
            return importlib.import_module(f'{base}.{attribute}') if of_itself else _attribute(base, attribute)
        for star in exports.stars:
            if name in names_of(star) or name in getattr(sys.modules[star], '_mmlens_exports', Exports()).names:
                return _attribute(star, name)
        # Packages have their submodules as attributes once these were imported, which the package itself would do.
        if importlib.util.find_spec(f'{self.__name__}.{name}') is not None:
            return importlib.import_module(f'{self.__name__}.{name}')
        raise AttributeError(f'module {self.__name__!r} has no attribute {name!r}')

    def _public(self, exports: Exports) -> List[str]:
        names = dict.fromkeys([*exports.names, *exports.values])
        for star in exports.stars:
            names.update(dict.fromkeys(names_of(star)))
        return [name for name in names if not name.startswith('_')]


def names_of(module: str) -> List[str]:
    """The names that ``from MODULE import *`` takes."""
    loaded = importlib.import_module(module)
    public = getattr(loaded, '__all__', None)
    return list(public) if public is not None else [name for name in vars(loaded) if not name.startswith('_')]


def _attribute(module: str, name: str) -> Any:
    owner = importlib.import_module(module)
    try:
        return getattr(owner, name)
    except AttributeError:
        return importlib.import_module(f'{module}.{name}')


def complete(package: str) -> None:
    """Import all that a package would have imported by itself, and the packages in it."""
    importlib.import_module(package)
    done: Set[str] = set()
    while True:
        waiting = [
            module
            for name, module in list(sys.modules.items())
            if isinstance(module, _Package) and f'{name}.'.startswith(f'{package}.') and name not in done
        ]
        if not waiting:
            return
        for module in waiting:
            done.add(module.__name__)
            exports: Exports = module.__dict__['_mmlens_exports']
            bases = [f'{base}.{name}' if base == module.__name__ else base for base, name in exports.names.values()]
            for base in dict.fromkeys([*bases, *exports.stars]):
                with contextlib.suppress(ImportError):  # it was optional
                    importlib.import_module(base)


def complete_all() -> bool:
    """Complete every package that was asked for anything so far; whether that imported something."""
    before = len(sys.modules)
    for package in PACKAGES:
        if package in sys.modules:
            complete(package)
    return len(sys.modules) > before
