"""Modules that run when something is asked of them, not when they are imported.

Reason: torchvision imports torch's compiler and all of its models, and mmdet libraries that corrupt and augment
pictures, with them numba and scipy, on the way to a prediction that needs none of them; each takes a second or more.
Delete what has become quick to import.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from types import ModuleType
from typing import Any, Callable, Dict, Optional

# Module -> those of its functions that are imported by name, and do as well when they run the module only once called;
# or what is called in place of a function until the module has run.
UNUSED: Dict[str, Dict[str, Optional[Callable[..., Any]]]] = {
    # Tells the compiler to leave a function alone. As long as it is not there, it does.
    'torch._dynamo': {'disable': lambda function, *settings, **more: function},
    'torch._dynamo.utils': {'is_compile_supported': None},
    'torchvision.models': {},
    'imagecorruptions': {'corrupt': None},
    'imgaug': {},
    'imgaug.augmenters': {},
    'imgaug.augmentables': {},
    'imgaug.augmentables.lines': {'LineString': None, 'LineStringsOnImage': None},
    'imgaug.augmentables.segmaps': {'SegmentationMapsOnImage': None},
    'scipy.interpolate': {'InterpolatedUnivariateSpline': None},
}


class DeferringLoader(importlib.abc.Loader):
    """Puts off running a module; importlib's own loader of this kind does so only until the second import."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """See :class:`importlib.abc.Loader`."""
        return Deferred(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Note how to run the module."""
        module.__dict__['_mmlens_run'] = self._loader.exec_module


class Deferred(ModuleType):
    """A module that runs when something is asked of it that an import does not set."""

    def __getattr__(self, name: str) -> Any:
        if name in UNUSED[self.__name__] and '_mmlens_run' in self.__dict__:
            return UNUSED[self.__name__][name] or self._when_called(name)
        if name == '__all__' or not (name.startswith('__') and name.endswith('__')):  # `import *` asks for `__all__`
            self.run()
            if name in self.__dict__:
                return self.__dict__[name]
        raise AttributeError(f'module {self.__name__!r} has no attribute {name!r}')

    def _when_called(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.run()
            return self.__dict__[name](*args, **kwargs)

        return call

    def run(self) -> None:
        """Run the module's code, once, after that of the package that it is in."""
        parent = sys.modules.get(self.__name__.rpartition('.')[0])
        if isinstance(parent, Deferred):
            parent.run()
        run = self.__dict__.pop('_mmlens_run', None)
        if run is not None:
            run(self)
