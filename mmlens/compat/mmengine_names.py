"""Let mmengine find a package by the name it is imported by, whichever distribution installed it.

Reason: for a config such as ``mmseg::fcn/...`` mmengine looks for the distribution mmsegmentation; where the maintained
family's onedl-mmsegmentation brought mmseg instead, ``_base_`` fails and ``get_config`` runs pip to install the other
one over it. Delete when mmengine asks what can be imported.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys

from mmlens.compat.import_hooks import after_import

MODULE = 'mmengine.config.utils'


def install() -> None:
    """Correct mmengine's table of distributions, now or when it is imported. Idempotent."""
    after_import(MODULE, _use_import_names)


def _use_import_names() -> None:
    table = getattr(sys.modules[MODULE], 'MODULE2PACKAGE', {})
    for name, distribution in table.items():
        if name != distribution and not _is_installed(distribution) and importlib.util.find_spec(name) is not None:
            table[name] = name


def _is_installed(distribution: str) -> bool:
    try:
        importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
