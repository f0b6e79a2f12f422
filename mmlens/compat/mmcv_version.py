"""Let packages be imported that refuse an mmcv newer than the one they were released with.

Reason: mmyolo 0.6.0 asserts mmcv < 2.1, mmdet 3.3.0 and mmsegmentation 1.2.2 assert mmcv < 2.2 while they are
imported, yet their code runs on mmcv 2.3. Delete the line of a package below once its oldest supported release drops
the assertion.
"""

from __future__ import annotations

import importlib
from contextlib import contextmanager
from typing import Iterator, Tuple

from mmlens.compat.import_hooks import around_import

# Package -> (first version of mmcv it refuses, version it is shown instead).
REFUSED = {'mmyolo': ((2, 1), '2.0.1'), 'mmdet': ((2, 2), '2.1.0'), 'mmseg': ((2, 2), '2.1.0')}
# Package -> a package that it imports, which must see the true version.
BUILT_ON = {'mmyolo': 'mmdet'}


def install() -> None:
    """Show the packages in :data:`REFUSED` a version of mmcv that they accept while they are imported. Idempotent."""
    for package in REFUSED:
        around_import(package, presented)


@contextmanager
def presented(package: str) -> Iterator[None]:
    """Let ``mmcv.__version__`` be one that `package` accepts if it would refuse the true one, and restore it after."""
    import mmcv

    if package in BUILT_ON:
        importlib.import_module(BUILT_ON[package])  # before another version is shown
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


def _numbers(version: str) -> Tuple[int, ...]:
    """(2, 3) of '2.3.6' or '2.3.0rc1'."""
    return tuple(int(part) for part in version.split('.')[:2])
