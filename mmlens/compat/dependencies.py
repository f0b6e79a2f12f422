"""What must be installed, and one clear sentence when it is not."""

from __future__ import annotations

import importlib.util

NEEDED = ('torch', 'torchvision', 'mmengine', 'mmcv', 'mmdet')


class DependencyError(ImportError):
    """A package that mmlens needs is missing or broken: the message says what to install."""


def require(*names: str) -> None:
    """Check that mmlens's dependencies, and the further packages named, can be imported.

    Raises:
        DependencyError: One is missing.
    """
    for name in NEEDED + names:
        if importlib.util.find_spec(name) is None:
            raise DependencyError(f'{name} is not installed; run: pip install "mmlens[onedl]"')
