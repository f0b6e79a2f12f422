"""A stand-in for mmcv's compiled ops, for an mmcv that was installed without them.

Reason: ``mmcv-lite``, and an mmcv that pip built without a compiler, have no ``mmcv._ext``; ``import
mmcv.ops`` then fails, and with it mmdet and mmyolo, though torchvision has kernels for the ops that detectors use.
Delete when mmcv has wheels with compiled ops for every torch that mmlens supports.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from types import ModuleType
from typing import Any, Callable, Optional

from mmlens.compat.dependencies import DependencyError

NAME = 'mmcv._ext'


def install() -> None:
    """Let ``mmcv._ext`` be found where it does not exist; a compiled one is always found first. Idempotent."""
    if not any(isinstance(finder, _StandInFinder) for finder in sys.meta_path):
        sys.meta_path.append(_StandInFinder())


def in_use() -> bool:
    """Whether the ops that mmcv has imported are the stand-in's."""
    return isinstance(sys.modules.get(NAME), _StandIn)


class _StandIn(ModuleType):
    """``mmcv._ext`` without a compiler. mmcv looks up all ops at import, so a missing one may only fail when called."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        # Names with a leading underscore are lookups of the import system (__path__, __file__), not ops.
        if name.startswith('_'):
            raise AttributeError(f'module {NAME!r} has no attribute {name!r}')

        def missing(*args: Any, **kwargs: Any) -> Any:
            raise DependencyError(
                f"mmcv's op {name!r} is not available: this mmcv was installed without compiled ops and torchvision "
                'has no kernel for it; install mmcv (or onedl-mmcv) with its compiled ops.'
            )

        missing.__name__ = name
        return missing


class _StandInFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Comes last in ``sys.meta_path``: it is asked for ``mmcv._ext`` only when nothing else has it."""

    def find_spec(
        self, fullname: str, path: Any = None, target: Optional[ModuleType] = None
    ) -> Optional[importlib.machinery.ModuleSpec]:
        if fullname != NAME:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, origin='mmlens.compat.mmcv_ops')

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _StandIn(spec.name, __doc__)

    def exec_module(self, module: ModuleType) -> None:
        from mmlens.compat import kernels

        vars(module).update({name: getattr(kernels, name) for name in kernels.__all__})
        # Asked for by mmengine's and mmcv's collect_env, which every training run prints.
        vars(module).update(get_compiler_version=_not_compiled, get_compiling_cuda_version=_not_compiled)


def _not_compiled() -> str:
    return "not compiled (mmlens's stand-in)"
